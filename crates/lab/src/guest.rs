//! A guest: a node with one link, to its host.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::cgroup::Cgroup;
use crate::command::{Command, Place};
use crate::network::Link;
use crate::node::Node;
use crate::state::{LinkState, NodeState};

/// A guest of the lab's host.
#[derive(Debug)]
pub struct Guest {
    node: Node,
    link: Link,
}

impl Guest {
    pub(crate) fn new(node: Node, link: Link) -> Self {
        Self { node, link }
    }

    /// Returns the name that the guest was given, which is also its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.node.name()
    }

    /// Returns the guest's address, the source of all its packets.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.link.guest_address()
    }

    /// Returns the hardware address of the guest's interface.
    #[must_use]
    pub fn hardware_address(&self) -> String {
        self.link.hardware_address()
    }

    /// Returns the host's own address on the guest's link.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.link.host_address()
    }

    /// Returns the name of the interface on the host's side on which the guest's packets arrive.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.link.interface()
    }

    /// Returns the control group that every process of the guest is in before it starts.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        self.node.cgroup()
    }

    /// Returns the directory in the bpf file system that only this guest pins in.
    #[must_use]
    pub fn pin_dir(&self) -> &Path {
        self.node.pin_dir()
    }

    /// Returns a directory, owned by root, with the same path on the machine and in the guest.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.node.dir()
    }

    /// Describes a program to run in the guest as the user `user`.
    pub fn command(&self, user: &str, program: impl AsRef<OsStr>) -> Command {
        self.node.command(user, program)
    }

    pub(crate) fn place(&self) -> Place {
        self.node.place()
    }

    pub(crate) fn state(&self) -> NodeState {
        let link = LinkState {
            address: self.address(),
            interface: self.interface().to_owned(),
        };
        NodeState {
            link: Some(link),
            ..self.node.state()
        }
    }
}
