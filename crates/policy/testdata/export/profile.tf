terraform {
  required_providers {
    azapi = {
      source = "Azure/azapi"
    }
  }
}

variable "resource_group_id" {
  description = "The id of the resource group that the gallery lies in."
  type        = string
}

variable "gallery_name" {
  description = "The gallery, which must be there."
  type        = string
  default     = "my_gallery"
}

variable "profile_name" {
  description = "The name of the profile."
  type        = string
  default     = "imds-linux"
}

variable "profile_version" {
  description = "The version of the profile: three numbers. For each change make a new one."
  type        = string
  default     = "1.0.0"
}

variable "location" {
  description = "Where the profile is stored."
  type        = string
  default     = "westeurope"
}

resource "azapi_resource" "profile" {
  type      = "Microsoft.Compute/galleries/inVMAccessControlProfiles@2024-03-03"
  parent_id = "${var.resource_group_id}/providers/Microsoft.Compute/galleries/${var.gallery_name}"
  name      = var.profile_name
  location  = var.location
  body = {
    properties = {
      osType                 = "Linux"
      applicableHostEndpoint = "IMDS"
    }
  }
}

resource "azapi_resource" "version" {
  type      = "Microsoft.Compute/galleries/inVMAccessControlProfiles/versions@2024-03-03"
  parent_id = azapi_resource.profile.id
  name      = var.profile_version
  location  = var.location
  body = {
    properties = {
      mode          = "Enforce"
      defaultAccess = "Deny"
      rules = {
        privileges = [
          {
            name = "instance"
            path = "/metadata/instance"
          },
          {
            name = "token for '\u0024{vault}'"
            path = "/metadata/identity/oauth2-token/"
            queryParameters = {
              "api-version" = "2018-02-01"
              resource      = "https://vault.azure.net"
            }
          },
        ]
        roles = [
          {
            name = "reader"
            privileges = [
              "instance",
            ]
          },
          {
            name = "vault"
            privileges = [
              "token for '\u0024{vault}'",
            ]
          },
        ]
        identities = [
          {
            name     = "backup"
            userName = "backup"
            exePath  = "/usr/bin/backup"
          },
          {
            name      = "a \"quoted\" \u0025{if} \\ name"
            groupName = "ops"
          },
        ]
        roleAssignments = [
          {
            role = "reader"
            identities = [
              "backup",
              "a \"quoted\" \u0025{if} \\ name",
            ]
          },
          {
            role = "vault"
            identities = [
              "backup",
            ]
          },
        ]
      }
      targetLocations = [
        {
          name = var.location
        },
      ]
      excludeFromLatest = false
    }
  }
}

output "version_id" {
  description = "What the setting inVMAccessControlProfileReferenceId of a machine names."
  value       = azapi_resource.version.id
}
