//! Whether the WireServer's rules let in the agents that provision and run the machine for its platform.
//!
//! Asked are requests that these agents were seen to make, as root. What selectors could be theirs is
//! taken generously: a finding says that no reading of the rules lets them in. The proxy agent itself is
//! never asked for: its own requests are not intercepted.

use latchkey_protocol::Mode;
use latchkey_protocol::authorization::Identity;

use super::reading::Reading;
use super::region::Region;
use super::{Code, Finding};
use crate::program::Program;
use crate::rules::Access;

/// An agent of the platform, and what is known of its processes.
struct PlatformAgent {
    name: &'static str,
    /// What its executable or script is called, as far as that is no interpreter.
    programs: &'static [&'static str],
    units: &'static [&'static str],
    requests: &'static [Asked],
}

/// A request: method, path, whether a slash ends it, and parameters sorted by name.
struct Asked(
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const AGENTS: [PlatformAgent; 2] = [
    PlatformAgent {
        name: "the Linux guest agent (waagent)",
        programs: &["waagent", "WALinuxAgent"],
        units: &["walinuxagent.service", "waagent.service"],
        requests: &[
            Asked("GET", "/", &[("comp", "versions")]),
            Asked("GET", "/machine/", &[("comp", "goalstate")]),
            Asked(
                "GET",
                "/machine/container/role",
                &[
                    ("comp", "config"),
                    ("incarnation", "1"),
                    ("type", "hostingenvironmentconfig"),
                ],
            ),
            Asked(
                "GET",
                "/machine/container/role",
                &[
                    ("comp", "config"),
                    ("incarnation", "1"),
                    ("type", "sharedconfig"),
                ],
            ),
            Asked(
                "GET",
                "/machine/container/role",
                &[
                    ("comp", "config"),
                    ("incarnation", "1"),
                    ("type", "extensionsconfig"),
                ],
            ),
            Asked(
                "GET",
                "/machine/container/role",
                &[("comp", "certificates"), ("incarnation", "1")],
            ),
            Asked("POST", "/machine", &[("comp", "telemetrydata")]),
            Asked("GET", "/vmsettings", &[]),
            Asked("GET", "/versions", &[]),
            Asked("GET", "/health", &[]),
            Asked("PUT", "/status", &[]),
            Asked("POST", "/healthservice", &[]),
        ],
    },
    PlatformAgent {
        name: "cloud-init",
        programs: &["cloud-init"],
        units: &[
            "cloud-config.service",
            "cloud-final.service",
            "cloud-init-local.service",
            "cloud-init-main.service",
            "cloud-init-network.service",
            "cloud-init.service",
        ],
        requests: &[
            Asked("GET", "/machine/", &[("comp", "goalstate")]),
            Asked("POST", "/machine", &[("comp", "health")]),
        ],
    },
];

impl Asked {
    fn region(&self) -> Region {
        let Self(method, path, constraints) = self;
        let region = match path.strip_suffix('/') {
            Some(bare) if !bare.is_empty() => Region::with_slash(bare, method),
            _ => Region::at(path, Some(method)),
        };
        region.with(constraints)
    }

    fn text(&self) -> String {
        let Self(method, path, constraints) = self;
        let pairs: Vec<_> = constraints
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        };
        format!("{method} {path}{query}")
    }
}

impl PlatformAgent {
    /// Returns whether the agent could be a caller of this identity.
    fn could_be(&self, identity: &Identity) -> bool {
        let fits =
            |text: &Option<String>, test: &dyn Fn(&str) -> bool| text.as_deref().is_none_or(test);
        let is_root = |name: &str| name == "root";
        let is_program = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.programs.iter().any(|own| name.starts_with(own))
        };
        let is_run =
            |path: &str| is_program(path) || Program::of(path) == Some(Program::Interpreter);
        let is_unit = |unit: &str| self.units.contains(&unit);
        let is_place = |path: &str| {
            let last = path.rsplit('/').next().unwrap_or(path);
            last.ends_with(".slice") || is_unit(last)
        };
        fits(&identity.user_name, &is_root)
            && fits(&identity.group_name, &is_root)
            && fits(&identity.exe_path, &is_run)
            && fits(&identity.process_name, &is_run)
            && fits(&identity.script_path, &is_program)
            && fits(&identity.systemd_unit, &is_unit)
            && fits(&identity.cgroup, &is_place)
            && identity.container_id.is_none()
            && identity.uid.is_none_or(|uid| uid == 0)
            && identity.gid.is_none_or(|gid| gid == 0)
    }

    /// Returns the requests that are refused to the agent.
    fn refused(&self, reading: &Reading<'_>) -> Vec<&'static Asked> {
        let identities = reading.identities.iter();
        let could_be: Vec<bool> = identities.map(|identity| self.could_be(identity)).collect();
        let holds = |privilege: usize| {
            let privilege = reading.privileges.get(privilege);
            let mut roles = privilege
                .into_iter()
                .flat_map(|privilege| reading.roles_of(privilege));
            roles.any(|role| {
                role.identities
                    .iter()
                    .any(|at| could_be.get(*at) == Some(&true))
            })
        };
        let is_refused = |asked: &&Asked| {
            let region = asked.region();
            let covering: Vec<usize> = reading.containing(&region).collect();
            if covering.is_empty() {
                return reading.default_access == Access::Deny;
            }
            !covering.into_iter().any(holds)
        };
        self.requests.iter().filter(is_refused).collect()
    }
}

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    // Whether nothing is granted at all is told elsewhere.
    let is_granted = reading
        .privileges
        .iter()
        .any(|privilege| reading.is_granted(privilege));
    if !reading.is_wire_server() || reading.mode == Mode::Disabled || !is_granted {
        return;
    }
    let refused = AGENTS.iter().map(|agent| (agent, agent.refused(reading)));
    let refused: Vec<_> = refused.collect();
    let is_out =
        |(agent, refused): &(&PlatformAgent, Vec<&Asked>)| refused.len() == agent.requests.len();
    if refused.iter().all(is_out) {
        findings.push(Finding::new(
            Code::NoPlatformAgent,
            "/rules",
            "neither the Linux guest agent (waagent) nor cloud-init is let in, so the machine is not provisioned and its extensions do not run",
            "grant them what they ask for, as root; the starter packs do",
        ));
        return;
    }
    for pair in refused {
        let is_out = is_out(&pair);
        let (agent, refused) = pair;
        if is_out {
            findings.push(Finding::new(
                Code::PlatformAgentMissing,
                "/rules",
                format!("{} is not let in", agent.name),
                "grant it what it asks for, if the machine runs it; the starter packs do",
            ));
        } else if !refused.is_empty() {
            let texts: Vec<_> = refused
                .iter()
                .map(|asked| format!("`{}`", asked.text()))
                .collect();
            findings.push(Finding::new(
                Code::PlatformAgentRefused,
                "/rules",
                format!(
                    "{} is let in and then refused {}",
                    agent.name,
                    texts.join(", ")
                ),
                "grant it the rest too: it repeats what is refused, and provisioning waits for it",
            ));
        }
    }
}
