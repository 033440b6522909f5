//! What the programs do on the running kernel; needs root, iproute2, util-linux and python3, and
//! fails without them. Nothing leaves the namespaces and cgroups that each test makes for itself.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod agent_process;
mod caller;
mod cgroup_tree;
mod coverage;
mod egress;
mod executed;
mod flow;
mod limit;
mod links;
mod listener_port;
mod nat64;
mod neighbour;
mod preexisting;
mod redirect;
mod refusal;
mod restart;
mod script;
mod standing;
mod stranger;
mod upkeep;
mod world;
