//! The form of a machine file (TOML or JSON) and its check. An unknown field is an error.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use latchkey_gateway::machine::{Channel, ChannelState, Protection};
use latchkey_gateway::{Machine, MachineId};
use serde::Deserialize;

use super::facts::FactsSection;
use super::goal_state::GoalStateSection;
use super::problem::Problems;
use super::profile;
use super::sources::Sources;
use super::unique::Unique;

/// The longest interface name on Linux, in bytes.
const MAX_INTERFACE_BYTES: usize = 15;

/// One machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineFile {
    /// Names the machine everywhere; by default the file's name without its extension.
    id: Option<String>,
    /// The machine's resource name; by default its id.
    name: Option<String>,
    /// The addresses that its packets come from. Defaulted so that a file without them is checked
    /// to its end; to have none is a problem.
    #[serde(default)]
    addresses: Vec<IpAddr>,
    /// The host's interface that its packets come in over; without, any that no machine names.
    interface: Option<String>,
    /// Raise it to let the guest latch one new key.
    #[serde(default = "first_incarnation")]
    key_incarnation: u32,
    /// The version of the secure channel: `2.0` has modes and rules, `1.0` a state.
    #[serde(default)]
    protocol: ProtocolVersion,
    /// Version 1.0 alone: `Disabled`, `WireServer` or `WireServerAndImds`.
    state: Option<StateName>,
    /// Version 2.0 alone: how the instance metadata service is protected.
    imds: Option<EndpointSection>,
    /// Version 2.0 alone: how the WireServer and the HostGAPlugin are protected.
    wireserver: Option<EndpointSection>,
    /// What the machine is told about itself.
    #[serde(default)]
    facts: FactsSection,
    /// What its agents are to do.
    #[serde(default)]
    goal_state: GoalStateSection,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum ProtocolVersion {
    #[serde(rename = "1.0")]
    State,
    #[default]
    #[serde(rename = "2.0")]
    Rules,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum StateName {
    Disabled,
    WireServer,
    WireServerAndImds,
}

impl From<StateName> for ChannelState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Disabled => Self::Disabled,
            StateName::WireServer => Self::WireServer,
            StateName::WireServerAndImds => Self::WireServerAndImds,
        }
    }
}

/// One endpoint's protection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointSection {
    /// `Disabled`, `Audit` or `Enforce`; stands above the mode that a profile may name.
    mode: String,
    /// The access control profile: the document itself, or the path of a JSON or TOML file
    /// relative to this one. Without, requests of every caller are allowed.
    profile: Option<Unique>,
}

const fn first_incarnation() -> u32 {
    1
}

impl MachineFile {
    /// Returns the profile files that this file names.
    pub(super) fn profile_paths(&self, own: &Path) -> Vec<PathBuf> {
        let sections = [&self.imds, &self.wireserver].into_iter().flatten();
        let named = sections.filter_map(|section| section.profile.as_ref()?.0.as_str());
        named.map(|name| profile::beside(own, name)).collect()
    }

    /// Checks everything that the form does not.
    pub(super) fn check(self, path: &Path, sources: &mut Sources) -> Result<Machine, Problems> {
        let mut problems = Problems::default();
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let id = self.id.clone().or(stem).unwrap_or_default();
        let id = MachineId::parse(&id)
            .map_err(|error| problems.at("id", error.to_string()))
            .ok();
        if self.addresses.is_empty() {
            problems.at(
                "addresses",
                "`addresses` is empty or missing: no packet would ever be this machine's",
            );
        }
        if let Some(interface) = self.interface.as_deref().filter(|name| !is_interface(name)) {
            problems.at(
                "interface",
                format!("`{interface}` is not the name of an interface"),
            );
        }
        let name = self
            .name
            .clone()
            .or(id.as_ref().map(|id| id.as_str().to_owned()));
        let name = name.unwrap_or_default();
        let channel = self.channel(&name, path, sources, &mut problems);
        let private = self
            .addresses
            .iter()
            .find_map(as_ipv4)
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut facts = self.facts.resolve(&name, private, &mut problems);
        facts.goal_state = self.goal_state.resolve(path, sources, &mut problems);
        match (id, channel) {
            (Some(id), Some(channel)) if problems.is_empty() => Ok(Machine {
                id,
                addresses: self.addresses,
                interface: self.interface,
                channel,
                key_incarnation: self.key_incarnation,
                facts,
            }),
            _ => Err(problems),
        }
    }

    fn channel(
        &self,
        name: &str,
        path: &Path,
        sources: &mut Sources,
        problems: &mut Problems,
    ) -> Option<Channel> {
        let sections = [("imds", &self.imds), ("wireserver", &self.wireserver)];
        if self.protocol == ProtocolVersion::State {
            for (section, _) in sections.iter().filter(|(_, section)| section.is_some()) {
                problems.under(
                    "protocol",
                    *section,
                    format!("`{section}` needs protocol 2.0: 1.0 has a `state` and no rules"),
                );
            }
            let Some(state) = self.state else {
                problems.under("protocol", "state", "protocol 1.0 needs a `state`");
                return None;
            };
            return Some(Channel::State(state.into()));
        }
        if self.state.is_some() {
            problems.under(
                "protocol",
                "state",
                "`state` needs protocol 1.0: 2.0 has `imds` and `wireserver`",
            );
        }
        let [imds, wire_server] = sections.map(|(section, content)| {
            let Some(content) = content else {
                problems.under(
                    "protocol",
                    section,
                    format!("`{section}` is missing: say at least its mode"),
                );
                return None;
            };
            let default_id = format!("{name}-{section}");
            let item = profile::resolve(
                &content.mode,
                content.profile.as_ref().map(|Unique(profile)| profile),
                &default_id,
                path,
                sources,
            );
            match item
                .and_then(|item| Protection::try_from(item).map_err(|error| error.to_string()))
            {
                Ok(protection) => Some(Box::new(protection)),
                Err(problem) => {
                    problems.at(section, format!("`{section}`: {problem}"));
                    None
                }
            }
        });
        Some(Channel::Rules { imds, wire_server })
    }
}

fn is_interface(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
    (1..=MAX_INTERFACE_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

const fn as_ipv4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address.to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
