//! What was found out about a process, turned into what rules are asked with and what records show.

use latchkey_intercept::FlowRecord;
use latchkey_protocol::Attributes;
use latchkey_record::CallerRecord;
use latchkey_record::caller::{AncestorRecord, ContainerRecord, ExecutableState};

use super::display::{printable, shown};
use super::place::Place;

/// How many groups a record names.
const MAX_SHOWN_GROUPS: usize = 64;

/// A process, described but for the place where it connected.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) attributes: Attributes,
    pub(super) executable_state: ExecutableState,
    /// The script that it runs, also if no rule may rely on its path.
    pub(super) script: Option<String>,
    pub(super) preloads: Vec<String>,
    pub(super) ancestors: Vec<AncestorRecord>,
}

impl Description {
    /// Returns what rules are asked with.
    pub(super) fn attributes(&self, place: Option<&Place>) -> Attributes {
        let mut attributes = self.attributes.clone();
        if let Some(place) = place {
            attributes.cgroup = Some(place.path.clone());
            attributes.systemd_unit.clone_from(&place.placement.unit);
            attributes.systemd_slice.clone_from(&place.placement.slice);
            let container = place.container.as_ref();
            attributes.container_id = container.map(|container| container.id.clone());
        }
        attributes
    }

    /// Adds what records show.
    pub(super) fn complete(&self, record: &mut CallerRecord) {
        let Attributes {
            user_name,
            group_names,
            executable,
            exe_sha256,
            flags,
            ..
        } = &self.attributes;
        record.user = user_name.as_deref().map(shown);
        let groups = group_names.iter().take(MAX_SHOWN_GROUPS);
        record.groups = groups.map(|name| shown(name)).collect();
        record.executable = executable.as_deref().map(shown);
        record.executable_state = Some(self.executable_state);
        record.script.clone_from(&self.script);
        record.exe_sha256.clone_from(exe_sha256);
        record.flags = flags.set().collect();
        record.unknown_flags = flags.unknown().collect();
        record.preload.clone_from(&self.preloads);
        record.parents.clone_from(&self.ancestors);
    }
}

/// Returns what the kernel says of a caller, and the place where it connected.
pub(super) fn record(flow: &FlowRecord, place: Option<&Place>) -> CallerRecord {
    let container = place.and_then(|place| place.container.as_ref());
    CallerRecord {
        pid: flow.pid.0,
        start_time_ns: flow.start_time.nanoseconds(),
        uid: flow.uid.0,
        gid: flow.gid.0,
        euid: flow.euid.0,
        egid: flow.egid.0,
        root: flow.is_root(),
        comm: printable(&flow.comm),
        cgroup: flow.cgroup_id,
        cgroup_path: place.map(|place| shown(&place.path)),
        unit: place.and_then(|place| place.placement.unit.clone()),
        slice: place.and_then(|place| place.placement.slice.clone()),
        container: container.map(|container| ContainerRecord {
            id: shown(&container.id),
            runtime: container.runtime.clone(),
        }),
        ..CallerRecord::default()
    }
}
