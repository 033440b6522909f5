//! The extensions' goal state as JSON: the same as the `WireServer`'s extensions configuration says.

use serde::Serialize;
use uuid::Uuid;

use super::super::goal_state::{GoalStateError, Present};
use crate::facts::Facts;
use crate::facts::goal_state::{AgentFamily, Extension, ExtensionSettings, StatusBlob};

/// The version that agents take for new enough to use this document.
const PLUGIN_VERSION: &str = "1.0.8.124";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VmSettings<'a> {
    #[serde(rename = "hostGAPluginVersion")]
    plugin_version: &'static str,
    vm_settings_schema_version: &'static str,
    activity_id: Uuid,
    correlation_id: Uuid,
    in_svd_seq_no: u32,
    extensions_last_modified_tick_count: i64,
    extension_goal_states_source: &'static str,
    on_hold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_upload_blob: Option<Blob<'a>>,
    #[serde(rename = "inVMMetadata")]
    machine: MachineMetadata<'a>,
    required_features: [(); 0],
    ga_families: Vec<Family<'a>>,
    extension_goal_states: Vec<ExtensionGoalState<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    status_blob_type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineMetadata<'a> {
    subscription_id: Uuid,
    resource_group_name: &'a str,
    vm_name: &'a str,
    location: &'a str,
    vm_id: Uuid,
    vm_size: &'a str,
    os_type: &'static str,
}

#[derive(Serialize)]
struct Family<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    uris: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtensionGoalState<'a> {
    name: &'a str,
    version: &'a str,
    location: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failover_location: Option<&'a String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additional_locations: Vec<&'a String>,
    state: &'static str,
    #[serde(flatten)]
    manner: Manner,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings_seq_no: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<[HandlerSettings; 1]>,
}

/// How every extension is installed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the form of the deployed document"
)]
struct Manner {
    auto_upgrade: bool,
    run_as_startup_task: bool,
    is_json: bool,
    use_exact_version: bool,
    is_multi_config: bool,
}

const MANNER: Manner = Manner {
    auto_upgrade: false,
    run_as_startup_task: false,
    is_json: true,
    use_exact_version: true,
    is_multi_config: false,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HandlerSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    protected_settings_cert_thumbprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protected_settings: Option<String>,
    /// A document within the document, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_settings: Option<String>,
}

/// Returns the document.
pub(super) fn document<'a>(present: &'a Present<'_>) -> Result<VmSettings<'a>, GoalStateError> {
    let owned = present.owned();
    let activity = present.incarnation.activity;
    let extensions = owned.extensions.iter();
    let extensions: Result<_, _> = extensions
        .map(|extension| goal_state(present, extension))
        .collect();
    Ok(VmSettings {
        plugin_version: PLUGIN_VERSION,
        vm_settings_schema_version: "0.0",
        activity_id: activity,
        correlation_id: activity,
        in_svd_seq_no: present.incarnation.number,
        extensions_last_modified_tick_count: present.incarnation.created_ticks(),
        extension_goal_states_source: "Fabric",
        on_hold: false,
        status_upload_blob: owned.status_blob.as_ref().map(Blob::from),
        machine: MachineMetadata::from(&present.machine.facts),
        required_features: [],
        ga_families: owned.agent_families.iter().map(Family::from).collect(),
        extension_goal_states: extensions?,
    })
}

impl<'a> From<&'a StatusBlob> for Blob<'a> {
    fn from(blob: &'a StatusBlob) -> Self {
        Self {
            status_blob_type: blob.kind.as_str(),
            value: &blob.url.0,
        }
    }
}

impl<'a> From<&'a Facts> for MachineMetadata<'a> {
    fn from(facts: &'a Facts) -> Self {
        Self {
            subscription_id: facts.subscription_id,
            resource_group_name: &facts.resource_group,
            vm_name: &facts.name,
            location: &facts.location,
            vm_id: facts.vm_id,
            vm_size: &facts.vm_size,
            os_type: "Linux",
        }
    }
}

impl<'a> From<&'a AgentFamily> for Family<'a> {
    fn from(family: &'a AgentFamily) -> Self {
        Self {
            name: &family.name,
            version: family.version.as_deref(),
            uris: &family.manifests,
        }
    }
}

fn goal_state<'a>(
    present: &Present<'_>,
    extension: &'a Extension,
) -> Result<ExtensionGoalState<'a>, GoalStateError> {
    let mut manifests = extension.manifests.iter();
    let settings = extension.settings.as_ref();
    let handler = settings.map(|settings| handler_settings(present, settings));
    Ok(ExtensionGoalState {
        name: &extension.name,
        version: &extension.version,
        location: manifests.next(),
        failover_location: manifests.next(),
        additional_locations: manifests.collect(),
        state: extension.state.as_str(),
        manner: MANNER,
        settings_seq_no: settings.map(|settings| settings.sequence),
        settings: handler.transpose()?.map(|settings| [settings]),
    })
}

fn handler_settings(
    present: &Present<'_>,
    settings: &ExtensionSettings,
) -> Result<HandlerSettings, GoalStateError> {
    let protected = settings.protected.as_ref();
    let sealed = protected.map(|settings| present.seal(settings));
    let (thumbprint, text) = sealed
        .transpose()?
        .map(|sealed| (sealed.thumbprint, sealed.text))
        .unzip();
    Ok(HandlerSettings {
        protected_settings_cert_thumbprint: thumbprint,
        protected_settings: text,
        public_settings: settings.public.as_ref().map(ToString::to_string),
    })
}
