//! Every way round that is known, with what must become of it.

use super::row::{Argument, Section};

mod agent;
mod datagram;
mod destination;
mod hand;
mod packet;
mod place;
mod program;
mod stream;
mod user;

/// All rows, in the order of the table.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Stream sockets",
        rows: stream::ROWS,
    },
    Section {
        title: "Other names of an endpoint",
        rows: destination::ROWS,
    },
    Section {
        title: "Datagrams",
        rows: datagram::ROWS,
    },
    Section {
        title: "Packets made by hand",
        rows: packet::ROWS,
    },
    Section {
        title: "Namespaces, control groups and networks behind the guest",
        rows: place::ROWS,
    },
    Section {
        title: "Who asks: users",
        rows: user::ROWS,
    },
    Section {
        title: "Who asks: programs",
        rows: program::ROWS,
    },
    Section {
        title: "Who asks: connections that change hands",
        rows: hand::ROWS,
    },
    Section {
        title: "The agent and its listener",
        rows: agent::ROWS,
    },
];

const E2E: &str = "crates/lab/tests/e2e";
const KERNEL: &str = "crates/intercept/tests/kernel";

/// What no test can settle.
pub const ARGUMENTS: &[Argument] = &[
    Argument {
        threat: 30,
        threat_is: "a group's name that a directory service lies about",
        argument: "names are resolved by the guest's own NSS, after numbers were compared; who \
             runs that service is root's choice",
    },
    Argument {
        threat: 31,
        threat_is: "names that look alike",
        argument: "names are compared byte for byte; what people read is not decided about",
    },
    Argument {
        threat: 48,
        threat_is: "root, a kernel module, `CAP_BPF` or `CAP_SYS_ADMIN`",
        argument: "outside of the boundary: it can read the key. It gains this machine's \
             metadata and no other's, because each machine has a key of its own",
    },
    Argument {
        threat: 49,
        threat_is: "`sk_lookup` misunderstood",
        argument: "not used: it sees packets that arrive, not connections that leave",
    },
    Argument {
        threat: 50,
        threat_is: "BPF LSM not active",
        argument: "not needed: no defence here is an LSM hook",
    },
];
