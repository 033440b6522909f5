//! Everything of a lab that could be left behind, noted while it stands.

use std::path::PathBuf;

use latchkey_lab::Lab;
use latchkey_lab::id::ProcessId;
use latchkey_lab::state::LabState;

/// Everything of a lab that could be left.
pub(crate) struct Traces {
    paths: Vec<PathBuf>,
    pub(crate) processes: Vec<ProcessId>,
}

impl Traces {
    pub(crate) fn of(lab: &Lab) -> Self {
        let state = LabState::read(lab.id()).unwrap();
        let mut paths = vec![lab.dir().to_owned()];
        for node in &state.nodes {
            paths.extend([node.cgroup.clone(), node.pin_dir.clone()]);
            paths.extend([&node.cgroup, &node.pin_dir].map(|p| p.parent().unwrap().to_owned()));
        }
        assert!(paths.iter().all(|path| path.exists()), "{paths:?}");
        let processes: Vec<ProcessId> = state.nodes.iter().map(|node| node.holder).collect();
        assert!(processes.iter().all(|process| process.is_alive()));
        Self { paths, processes }
    }

    pub(crate) fn assert_gone(&self) {
        let left: Vec<&PathBuf> = self.paths.iter().filter(|path| path.exists()).collect();
        assert!(left.is_empty(), "{left:?}");
        let left: Vec<&ProcessId> = self.processes.iter().filter(|p| p.is_alive()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
