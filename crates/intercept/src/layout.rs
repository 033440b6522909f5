//! The forms that the programs and this crate share, byte for byte (`bpf/layout.h`); a size that
//! differs does not compile, and pinned maps of another version are refused.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use aya::Pod;

use crate::cgroup_place::CgroupPlace;

/// Raised whenever a size, an order or a meaning in `bpf/layout.h` changes.
pub(crate) const LAYOUT_VERSION: u32 = 3;
/// Room in the `endpoints` map.
pub(crate) const ENDPOINT_SLOTS: usize = 128;
/// Words of 64 ports in the `guarded_ports` map.
pub(crate) const PORT_WORDS: usize = 1024;
/// Room in the `guarded_addresses` map.
pub(crate) const ADDRESS_SLOTS: usize = 256;
/// Room in the `flows` map.
pub(crate) const FLOW_SLOTS: usize = 65_536;
/// Room in the `buckets` map.
pub(crate) const BUCKET_SLOTS: usize = 16_384;
/// Room in the `scripts` map.
pub(crate) const SCRIPT_SLOTS: usize = 32_768;
/// How many supplementary groups a record holds.
pub(crate) const GROUP_SLOTS: usize = 64;
/// How long a script's path may be, its final NUL included.
pub(crate) const SCRIPT_PATH_BYTES: usize = 256;

/// Nanoseconds per hundredth of a second, the unit of start times in `/proc/PID/stat`.
pub(crate) const NANOSECONDS_PER_CLOCK_TICK: u64 = 10_000_000;

/// An IPv6 address in network order; IPv4 as `::ffff:a.b.c.d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(4))]
pub(crate) struct Address([u8; 16]);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self(address.octets())
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        Ipv6Addr::from(address.0).to_canonical()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(crate) struct EndpointKey {
    pub(crate) address: Address,
    pub(crate) port: u16,
    pub(crate) reserved: u16,
}

pub(crate) const MODE_AUDIT: u32 = 1;
pub(crate) const MODE_ENFORCE: u32 = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct EndpointValue {
    pub(crate) mode: u32,
    pub(crate) index: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Claim {
    pub(crate) netns_cookie: u64,
    pub(crate) agent_start_ticks: u64,
    pub(crate) agent_tgid: u32,
    pub(crate) listener_port: u16,
    pub(crate) listener6_port: u16,
    pub(crate) listener: Address,
    pub(crate) listener6: Address,
    pub(crate) cgroup_id: u64,
    pub(crate) cgroup_level: u32,
    pub(crate) reserved: u32,
}

impl Claim {
    /// A claim of nobody: everyone is sent to the listeners, and no process is exempt.
    pub(crate) fn of_nobody(
        netns_cookie: u64,
        listener: SocketAddrV4,
        listener6: Option<SocketAddrV6>,
    ) -> Self {
        Self {
            netns_cookie,
            agent_start_ticks: 0,
            agent_tgid: 0,
            listener_port: listener.port(),
            listener6_port: listener6.map_or(0, |listener| listener.port()),
            listener: IpAddr::from(*listener.ip()).into(),
            listener6: listener6.map_or(Address::default(), |listener| {
                IpAddr::from(*listener.ip()).into()
            }),
            cgroup_id: 0,
            cgroup_level: 0,
            reserved: 0,
        }
    }

    /// With the cgroup whose processes are watched beyond their sockets; without one none is.
    pub(crate) fn within(self, cgroup: Option<CgroupPlace>) -> Self {
        Self {
            cgroup_id: cgroup.map_or(0, |cgroup| cgroup.id),
            cgroup_level: cgroup.map_or(0, |cgroup| cgroup.level),
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Settings {
    pub(crate) lock: u32,
    pub(crate) layout_version: u32,
    pub(crate) claim: Claim,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Limits {
    pub(crate) connect_interval_ns: u64,
    pub(crate) burst_ns: u64,
    pub(crate) open_connections: u32,
    pub(crate) account_level: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct LimitSettings {
    pub(crate) lock: u32,
    pub(crate) reserved: u32,
    pub(crate) limits: Limits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Heartbeat {
    pub(crate) lock: u32,
    pub(crate) reserved: u32,
    pub(crate) boottime_ns: u64,
}

/// The supplementary groups of a thread, as many as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct GroupList([u32; GROUP_SLOTS]);

impl GroupList {
    pub(crate) const fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl Default for GroupList {
    fn default() -> Self {
        Self([0; GROUP_SLOTS])
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Thread {
    pub(crate) start_boottime_ns: u64,
    pub(crate) exec_id: u64,
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) euid: u32,
    pub(crate) egid: u32,
    pub(crate) user_namespace_level: u32,
    pub(crate) user_namespace: u32,
    pub(crate) process_has_ended: u32,
    pub(crate) group_count: u32,
    pub(crate) groups: GroupList,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Executed {
    pub(crate) exec_id: u64,
    pub(crate) inode: u64,
    pub(crate) device: u32,
    pub(crate) generation: u32,
    pub(crate) is_known: u32,
    pub(crate) reserved: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Description {
    pub(crate) thread: Thread,
    pub(crate) executed: Executed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Identity {
    pub(crate) thread: Thread,
    pub(crate) executable_inode: u64,
    pub(crate) cgroup_id: u64,
    pub(crate) netns_cookie: u64,
    pub(crate) original_address: Address,
    pub(crate) executable_device: u32,
    pub(crate) mount_namespace: u32,
    pub(crate) network_namespace: u32,
    pub(crate) endpoint_index: u32,
    pub(crate) original_port: u16,
    pub(crate) address_family: u16,
    pub(crate) comm: [u8; 16],
    pub(crate) executable_generation: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ProcessKey {
    pub(crate) start_boottime_ns: u64,
    pub(crate) tgid: u32,
    pub(crate) reserved: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Script {
    pub(crate) exec_id: u64,
    pub(crate) path_bytes: u32,
    pub(crate) through_env: u32,
    pub(crate) path: [u8; SCRIPT_PATH_BYTES],
}

impl Default for Script {
    fn default() -> Self {
        Self {
            exec_id: 0,
            path_bytes: 0,
            through_env: 0,
            path: [0; SCRIPT_PATH_BYTES],
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct FlowKey {
    pub(crate) netns_cookie: u64,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) initial_sequence: u32,
}

impl FlowKey {
    pub(crate) fn new(
        netns_cookie: u64,
        source: SocketAddr,
        destination: SocketAddr,
        initial_sequence: u32,
    ) -> Self {
        Self {
            netns_cookie,
            source: source.ip().into(),
            destination: destination.ip().into(),
            source_port: source.port(),
            destination_port: destination.port(),
            initial_sequence,
        }
    }
}

/// Bytes of `struct connection`, which only the programs read.
pub(crate) const CONNECTION_BYTES: usize = 456;

const _: () = {
    assert!(size_of::<EndpointKey>() == 20, "bpf/layout.h");
    assert!(size_of::<EndpointValue>() == 8, "bpf/layout.h");
    assert!(size_of::<Claim>() == 72, "bpf/layout.h");
    assert!(size_of::<Settings>() == 80, "bpf/layout.h");
    assert!(size_of::<Heartbeat>() == 16, "bpf/layout.h");
    assert!(size_of::<LimitSettings>() == 32, "bpf/layout.h");
    assert!(size_of::<Thread>() == 312, "bpf/layout.h");
    assert!(size_of::<Executed>() == 32, "bpf/layout.h");
    assert!(size_of::<Description>() == 344, "bpf/layout.h");
    assert!(size_of::<Identity>() == 392, "bpf/layout.h");
    assert!(size_of::<ProcessKey>() == 16, "bpf/layout.h");
    assert!(size_of::<Script>() == 272, "bpf/layout.h");
    assert!(size_of::<FlowKey>() == 48, "bpf/layout.h");
};

#[expect(
    unsafe_code,
    reason = "aya takes only types that promise to be plain data"
)]
mod plain_data {
    use super::{
        Address, Description, EndpointKey, EndpointValue, FlowKey, Heartbeat, Identity,
        LimitSettings, Pod, ProcessKey, Script, Settings,
    };

    // SAFETY: integers and byte arrays, repr(C); the size assertions above leave no padding.
    unsafe impl Pod for EndpointKey {}
    // SAFETY: as above.
    unsafe impl Pod for Address {}
    // SAFETY: as above.
    unsafe impl Pod for EndpointValue {}
    // SAFETY: as above.
    unsafe impl Pod for Settings {}
    // SAFETY: as above.
    unsafe impl Pod for Heartbeat {}
    // SAFETY: as above.
    unsafe impl Pod for Identity {}
    // SAFETY: as above.
    unsafe impl Pod for FlowKey {}
    // SAFETY: as above.
    unsafe impl Pod for LimitSettings {}
    // SAFETY: as above.
    unsafe impl Pod for ProcessKey {}
    // SAFETY: as above.
    unsafe impl Pod for Script {}
    // SAFETY: as above.
    unsafe impl Pod for Description {}
}
