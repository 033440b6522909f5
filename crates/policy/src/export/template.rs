//! Deployments of a profile and its version: a Bicep file, and a Terraform configuration for the
//! azapi provider. Gallery, names and location stay parameters.

use serde_json::Value;

use super::literal::Language;
use super::name::{GalleryName, ProfileName, VersionName};

/// The version of the resource model.
const API_VERSION: &str = "2024-03-03";
const PROFILE_TYPE: &str = "Microsoft.Compute/galleries/inVMAccessControlProfiles";
/// The gallery's id, as an expression of Terraform.
const GALLERY_ID: &str = "\"${var.resource_group_id}/providers/Microsoft.Compute/galleries/\
     ${var.gallery_name}\"";

/// What a profile is for, in the words of the resource model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEndpoint {
    /// The instance metadata service.
    Imds,
    /// The WireServer, and the HostGAPlugin with it.
    WireServer,
}

impl HostEndpoint {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Imds => "IMDS",
            Self::WireServer => "WireServer",
        }
    }
}

/// The guests that a profile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}

impl Os {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
        }
    }
}

/// What a deployment says beside the rules. What is left out must be given when it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// What the profile is for.
    pub endpoint: HostEndpoint,
    /// The guests that it is for.
    pub os: Os,
    /// The gallery that it lies in.
    pub gallery: Option<GalleryName>,
    /// Its name.
    pub profile: Option<ProfileName>,
    /// Its version.
    pub version: Option<VersionName>,
    /// Where it is stored.
    pub location: Option<String>,
}

/// One parameter: its name, what it is, and its default.
type Parameter = (&'static str, &'static str, Option<String>);

impl Deployment {
    fn names(&self) -> [(&'static str, Option<String>); 3] {
        [
            (
                "The gallery, which must be there.",
                self.gallery.as_ref().map(ToString::to_string),
            ),
            (
                "The name of the profile.",
                self.profile.as_ref().map(ToString::to_string),
            ),
            (
                "The version of the profile: three numbers. For each change make a new one.",
                self.version.as_ref().map(ToString::to_string),
            ),
        ]
    }

    /// Writes a Bicep file; `targets` are the values of `targetLocations`.
    pub(super) fn bicep(&self, properties: &Value, targets: Option<&Value>) -> String {
        let write = |text: &str| Language::Bicep.text(text);
        let mut file = String::new();
        let names = ["galleryName", "profileName", "profileVersion"];
        for (name, (what, default)) in names.into_iter().zip(self.names()) {
            let default = default.map(|text| format!(" = {}", write(&text)));
            let line = format!("param {name} string{}", default.unwrap_or_default());
            file.push_str(&format!("@description({})\n{line}\n\n", write(what)));
        }
        let location = self.location.as_deref().map(write);
        let location = location.unwrap_or_else(|| "resourceGroup().location".to_owned());
        let targets = targets.map_or_else(
            || "[\n      {\n        name: location\n      }\n    ]".to_owned(),
            |targets| Language::Bicep.literal(targets, 2),
        );
        let members = Language::Bicep.members(properties, 2);
        let (os, endpoint) = (write(self.os.as_str()), write(self.endpoint.as_str()));
        file.push_str(&format!(
            "@description('Where the profile is stored.')
param location string = {location}

resource gallery 'Microsoft.Compute/galleries@{API_VERSION}' existing = {{
  name: galleryName
}}

resource profile '{PROFILE_TYPE}@{API_VERSION}' = {{
  parent: gallery
  name: profileName
  location: location
  properties: {{
    osType: {os}
    applicableHostEndpoint: {endpoint}
  }}
}}

resource version '{PROFILE_TYPE}/versions@{API_VERSION}' = {{
  parent: profile
  name: profileVersion
  location: location
  properties: {{
{members}
    targetLocations: {targets}
    excludeFromLatest: false
  }}
}}

@description('What the setting inVMAccessControlProfileReferenceId of a machine names.')
output versionId string = version.id
"
        ));
        file
    }

    /// Writes the parameters of a Terraform configuration.
    fn variables(&self) -> String {
        let write = |text: &str| Language::Terraform.text(text);
        let mut file = String::new();
        let names = ["gallery_name", "profile_name", "profile_version"];
        let names = names.into_iter().zip(self.names());
        let mut parameters: Vec<Parameter> = vec![(
            "resource_group_id",
            "The id of the resource group that the gallery lies in.",
            None,
        )];
        parameters.extend(names.map(|(name, (what, default))| (name, what, default)));
        parameters.push((
            "location",
            "Where the profile is stored.",
            self.location.clone(),
        ));
        for (name, what, default) in parameters {
            let default = default.map(|text| format!("  default     = {}\n", write(&text)));
            let default = default.unwrap_or_default();
            let description = write(what);
            file.push_str(&format!(
                "variable \"{name}\" {{
  description = {description}
  type        = string
{default}}}

"
            ));
        }
        file
    }

    /// Writes a Terraform configuration; `targets` are the values of `targetLocations`.
    pub(super) fn terraform(&self, properties: &Value, targets: Option<&Value>) -> String {
        let write = |text: &str| Language::Terraform.text(text);
        let mut file = "terraform {
  required_providers {
    azapi = {
      source = \"Azure/azapi\"
    }
  }
}

"
        .to_owned();
        file.push_str(&self.variables());
        let targets = targets.map_or_else(
            || "[\n        {\n          name = var.location\n        },\n      ]".to_owned(),
            |targets| Language::Terraform.literal(targets, 3),
        );
        let members = Language::Terraform.members(properties, 3);
        let (os, endpoint) = (write(self.os.as_str()), write(self.endpoint.as_str()));
        file.push_str(&format!(
            "resource \"azapi_resource\" \"profile\" {{
  type      = \"{PROFILE_TYPE}@{API_VERSION}\"
  parent_id = {GALLERY_ID}
  name      = var.profile_name
  location  = var.location
  body = {{
    properties = {{
      osType                 = {os}
      applicableHostEndpoint = {endpoint}
    }}
  }}
}}

resource \"azapi_resource\" \"version\" {{
  type      = \"{PROFILE_TYPE}/versions@{API_VERSION}\"
  parent_id = azapi_resource.profile.id
  name      = var.profile_version
  location  = var.location
  body = {{
    properties = {{
{members}
      targetLocations = {targets}
      excludeFromLatest = false
    }}
  }}
}}

output \"version_id\" {{
  description = \"What the setting inVMAccessControlProfileReferenceId of a machine names.\"
  value       = azapi_resource.version.id
}}
"
        ));
        file
    }
}
