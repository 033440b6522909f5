//! What a gateway and control tell each other.
//!
//! A gateway says which machines it has and delivers what was observed; control says how they are
//! protected and keeps their keys. Within one process the same forms travel without a network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationItem;
use serde::{Deserialize, Serialize};

use crate::observation::Observation;
use crate::report::ReportBatch;

/// The version of these forms.
pub const LINK_VERSION: u32 = 1;

/// All machines of a gateway; sent at its start and whenever they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inventory {
    /// [`LINK_VERSION`].
    pub version: u32,
    /// The machines.
    pub machines: Vec<InventoryMachine>,
}

/// A machine as its gateway knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryMachine {
    /// Its id, the same at whatever gateway it is.
    pub id: String,
    /// Its resource id; the settings of this resource are its settings.
    pub resource_id: String,
    /// Its unique id.
    pub vm_id: String,
    /// The region.
    pub location: String,
    /// `Windows` or `Linux`.
    pub os_type: String,
    /// Names and values.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The resource id of the scale set that it is an instance of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_set: Option<String>,
    /// The addresses that its packets come from.
    pub addresses: Vec<IpAddr>,
    /// What the machine file says of its protection, in force while control says nothing.
    pub own_modes: OwnModes,
    /// Since when an operator of the gateway has set the machine to Audit by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}

/// The modes of a machine file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnModes {
    /// Of the instance metadata service.
    pub imds: latchkey_protocol::Mode,
    /// Of the WireServer and the HostGAPlugin.
    pub wire_server: latchkey_protocol::Mode,
}

/// That a machine was set to Audit at its gateway, past control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlass {
    /// Since when.
    pub since: Timestamp,
    /// The name of the user who did it.
    pub user: String,
    /// Why, in that user's words.
    pub reason: String,
}

/// What control answers to an inventory: the machines that it does not take from this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryAnswer {
    /// Ids and why, such as that another gateway has a machine of this id.
    pub refused: Vec<RefusedMachine>,
}

/// A machine that control does not take from a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusedMachine {
    /// Its id.
    pub machine: String,
    /// Why, and what to do.
    pub problem: String,
}

/// How machines are protected; asked for with the cursor of the last answer, which control holds
/// back until something changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineFeed {
    /// [`LINK_VERSION`].
    pub version: u32,
    /// What to ask with next.
    pub cursor: u64,
    /// Whether these are all machines, and not only those that changed since the cursor.
    pub complete: bool,
    /// How machines are to be protected from now on. One that is not in a complete feed is as its
    /// machine file says.
    pub machines: Vec<DesiredState>,
}

/// How control wants one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DesiredState {
    /// Its id.
    pub machine: String,
    /// Its protection; absent when control has no settings for it and the machine file counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<DesiredProtection>,
}

/// A machine's protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DesiredProtection {
    /// The owner's count of key resets.
    pub key_incarnation: u32,
    /// The instance metadata service's item.
    pub imds: AuthorizationItem,
    /// The item of the WireServer and the HostGAPlugin.
    pub wire_server: AuthorizationItem,
}

/// A latched key on its way between gateway and control, over mutual TLS or within one process.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEnvelope {
    /// Its id.
    pub id: String,
    /// The incarnation that it was issued for.
    pub incarnation: u32,
    /// The key document; never logged.
    pub document: String,
    /// The id of the key that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl std::fmt::Debug for KeyEnvelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEnvelope")
            .field("id", &self.id)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

/// What a gateway delivers in one piece. Sent again, it is the same to the byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// [`LINK_VERSION`].
    pub version: u32,
    /// Unique among its gateway's deliveries.
    pub id: String,
    /// What the gateway saw.
    pub observations: Vec<Observation>,
    /// What machines' agents reported.
    pub reports: Vec<MachineReport>,
}

/// A report and the machine whose signature it came under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineReport {
    /// The machine's id.
    pub machine: String,
    /// What its agent sent.
    pub batch: ReportBatch,
}

/// What a gateway or an agent enrols with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The one-time token; never logged.
    pub token: String,
    /// How it is to be called.
    pub name: String,
    /// The certificate signing request, in PEM.
    pub request_pem: String,
}

impl std::fmt::Debug for EnrolmentRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolmentRequest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the newly enrolled gets; a renewal is answered alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentAnswer {
    /// Its id, which is in the certificate.
    pub id: String,
    /// The certificate, in PEM.
    pub certificate_pem: String,
    /// The authority that control's own certificate is checked by, in PEM.
    pub authority_pem: String,
    /// When the certificate ends; renew it before.
    pub expires: Timestamp,
}
