//! The configuration file as it is written; every field has a default, unknown ones are errors.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use latchkey_protocol::{Endpoint, EndpointKind, Mode};
use serde::{Deserialize, Serialize};

use crate::identity::{Hashing, IdentityConfig};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Folder for keys, remembered modes and the status file; only the agent's user may enter it.
    pub state_dir: PathBuf,
    /// Folder of `IMDS_Rules.json` and `WireServer_Rules.json`, which only the agent's user may write
    /// to; absent for `rules` in the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_rules_dir: Option<PathBuf>,
    /// Mode of an endpoint until one is known from the host: Disabled, Audit or Enforce.
    pub initial_mode: Mode,
    /// Where redirected connections arrive.
    pub listener: ListenerSection,
    /// The kernel's side.
    pub kernel: KernelSection,
    /// How keys and rules are got.
    pub secure_channel: ChannelSection,
    /// The audit trail.
    pub audit: AuditSection,
    /// The status file.
    pub status: StatusSection,
    /// How callers are described.
    pub identity: IdentitySection,
    /// The measurement of what the kernel programs cover.
    pub coverage: CoverageSection,
    /// Bounds and time-outs.
    pub limits: LimitsSection,
    /// What is protected; absent for Azure's three endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<EndpointEntry>>,
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/latchkey".into(),
            local_rules_dir: None,
            initial_mode: Mode::Enforce,
            listener: ListenerSection::default(),
            kernel: KernelSection::default(),
            secure_channel: ChannelSection::default(),
            audit: AuditSection::default(),
            status: StatusSection::default(),
            identity: IdentitySection::default(),
            coverage: CoverageSection::default(),
            limits: LimitsSection::default(),
            endpoints: None,
        }
    }
}

/// Where redirected connections arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerSection {
    /// A loopback address and port; only root may bind the port while the agent is installed.
    pub address: SocketAddrV4,
}

impl Default for ListenerSection {
    fn default() -> Self {
        Self {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3080),
        }
    }
}

/// The kernel's side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelSection {
    /// The cgroup v2 directory whose processes are intercepted; absent for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// Folder on a BPF file system for links and maps, which outlive the agent.
    pub pin_dir: PathBuf,
}

impl Default for KernelSection {
    fn default() -> Self {
        Self {
            cgroup: None,
            pin_dir: "/sys/fs/bpf/latchkey".into(),
        }
    }
}

/// How keys and rules are got.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSection {
    /// Address and port of the host's secure channel; absent for the wireserver endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Milliseconds between two calls for the status, 100 to 3,600,000.
    pub poll_interval_ms: u64,
}

impl Default for ChannelSection {
    fn default() -> Self {
        Self {
            address: None,
            poll_interval_ms: 15_000,
        }
    }
}

/// The audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// The file that one JSON line per request is appended to.
    pub file: PathBuf,
    /// Records that may wait to be written, 1 to 1,000,000; when full, Enforce refuses.
    pub queue: u64,
    /// Bytes after which the file is renamed and a new one begun, at least 65,536.
    pub max_file_bytes: u64,
    /// Renamed files that are kept, 1 to 1,000.
    pub keep_files: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            file: "/var/log/latchkey/audit.jsonl".into(),
            queue: 4096,
            max_file_bytes: 64 * 1024 * 1024,
            keep_files: 8,
        }
    }
}

/// The status file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusSection {
    /// The file; absent for `status.json` in the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Milliseconds between two writes, 100 to 3,600,000; changed rules are written at once.
    pub interval_ms: u64,
}

impl Default for StatusSection {
    fn default() -> Self {
        Self {
            file: None,
            interval_ms: 10_000,
        }
    }
}

/// How callers are described.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySection {
    /// When the executables of callers are hashed: `when_used` by rules, or `always`.
    pub hash: Hashing,
    /// The largest executable that is hashed, in bytes, 1 to 1,099,511,627,776; larger ones match no
    /// `exeSha256`.
    pub max_hashed_bytes: u64,
}

impl Default for IdentitySection {
    fn default() -> Self {
        let IdentityConfig {
            hashing,
            max_hashed_bytes,
            ..
        } = IdentityConfig::default();
        Self {
            hash: hashing,
            max_hashed_bytes,
        }
    }
}

/// The measurement of what the kernel programs cover.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoverageSection {
    /// Whether it is measured once after each start; no packet leaves the machine for it.
    pub at_start: bool,
}

impl Default for CoverageSection {
    fn default() -> Self {
        Self { at_start: true }
    }
}

/// Bounds and time-outs; all time-outs in milliseconds, 10 to 600,000.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Connections that may be open, 1 to 65,536, a quarter of them of any one user but root and three
    /// quarters of all users but root; further ones get 429, or nothing while very many come.
    pub max_connections: u64,
    /// Connections per second that the programs of one cgroup may open to endpoints, in the long run,
    /// 1 to 1,000,000. A cgroup three levels deep counts with all below it, such as a service, a
    /// session or a pod. The kernel refuses further ones in Enforce; in Audit they pass.
    pub connects_per_second: u64,
    /// Connections that one cgroup may open at once after a pause, 1 to 1,000,000.
    pub connect_burst: u64,
    /// Connections that one cgroup may hold open, 1 to 16,384.
    pub open_connections: u64,
    /// From the first byte of a request's head to its last.
    pub head_timeout_ms: u64,
    /// From one piece of a request's body to the next.
    pub body_timeout_ms: u64,
    /// Without a request on an open connection.
    pub idle_timeout_ms: u64,
    /// Until a client takes a piece of a response.
    pub write_timeout_ms: u64,
    /// For the rules or the key to arrive, which a request waits for; at most 60,000.
    pub hold_timeout_ms: u64,
    /// Until the host accepts a connection.
    pub host_connect_timeout_ms: u64,
    /// Until the host answers, and between pieces of its answer; hanging requests wait a minute.
    pub host_response_timeout_ms: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            connects_per_second: 500,
            connect_burst: 2_000,
            open_connections: 16_384,
            head_timeout_ms: 5_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            write_timeout_ms: 30_000,
            hold_timeout_ms: 25_000,
            host_connect_timeout_ms: 5_000,
            host_response_timeout_ms: 120_000,
        }
    }
}

/// One endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointEntry {
    /// A unique name for records.
    pub name: String,
    /// `imds`, `wireserver` or `hostga`; the latter two answer to root alone.
    pub kind: EndpointKind,
    /// The addresses it answers at.
    pub addresses: Vec<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// Host names that requests may carry besides the addresses.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Mode until one is known from the host; absent for the file's `initial_mode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_mode: Option<Mode>,
    /// Whether the host speaks the Metadata Security Protocol; without, nothing is signed.
    #[serde(default = "msp_by_default")]
    pub msp: bool,
}

const fn msp_by_default() -> bool {
    true
}

impl EndpointEntry {
    pub(super) fn to_endpoint(&self, initial_mode: Mode) -> Endpoint {
        Endpoint {
            name: self.name.clone(),
            kind: self.kind,
            addresses: self.addresses.clone(),
            port: self.port,
            hosts: self.hosts.clone(),
            initial_mode: self.initial_mode.unwrap_or(initial_mode),
            msp: self.msp,
        }
    }
}
