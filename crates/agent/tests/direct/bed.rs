//! The real proxy behind its real listener, between a raw client and a fake host, with a real audit trail.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latchkey_agent::admission::Users;
use latchkey_agent::audit::{self, AuditConfig, AuditWriter};
use latchkey_agent::clock::HostClock;
use latchkey_agent::counters::Counters;
use latchkey_agent::forward::Forwarder;
use latchkey_agent::identity::{IdentityConfig, IdentityResolver};
use latchkey_agent::judge::Judge;
use latchkey_agent::keys::KeyHolder;
use latchkey_agent::listener;
use latchkey_agent::proxy::Proxy;
use latchkey_agent::rules::PolicyKeeper;
use latchkey_agent::upstream::{Patience, Upstreams};
use latchkey_http1::Limits;
use latchkey_intercept::{FlowRecord, Standing};
use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::{Endpoint, EndpointKind, EndpointTable, KeyId, Mode, SigningKey};
use latchkey_record::AuditRecord;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::flow::{self, Flows};
use crate::host::FakeHost;
use crate::profile;

/// What a bed is made of, before it is laid.
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) hold: Duration,
    pub(crate) patience: Patience,
    pub(crate) audit_queue: usize,
    pub(crate) max_connections: usize,
    /// Whether audit records are written; otherwise they fill the queue.
    pub(crate) writes_audit: bool,
    /// Where the metadata service is, if not at the fake host.
    pub(crate) imds: Option<SocketAddr>,
    pub(crate) identity: IdentityConfig,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            hold: Duration::from_secs(25),
            patience: Patience {
                connect: Duration::from_secs(5),
                response: Duration::from_secs(10),
            },
            audit_queue: 4096,
            max_connections: 256,
            writes_audit: true,
            imds: None,
            identity: IdentityConfig::default(),
        }
    }
}

/// A running agent without its kernel side.
pub(crate) struct Bed {
    pub(crate) imds: FakeHost,
    pub(crate) wire_server: FakeHost,
    /// An endpoint of a cloud without the protocol.
    pub(crate) plain: FakeHost,
    pub(crate) keys: KeyHolder,
    pub(crate) policies: Mutex<PolicyKeeper>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Arc<HostClock>,
    imds_address: SocketAddr,
    address: SocketAddr,
    flows: Flows,
    folder: tempfile::TempDir,
    audit_file: PathBuf,
    writer: Option<AuditWriter>,
    writing: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Bed {
    /// Everyone may do everything, in Enforce, and the key is there.
    pub(crate) async fn open() -> Self {
        let bed = Self::lay(Plan::default()).await;
        bed.apply(&profile::all("Enforce", "Allow"));
        bed.keys.replace(Some(key(1)));
        bed
    }

    /// Everything would be refused, but is only recorded.
    pub(crate) async fn audit() -> Self {
        let bed = Self::lay(Plan::default()).await;
        bed.apply(&profile::all("Audit", "Allow"));
        bed.keys.replace(Some(key(1)));
        bed
    }

    /// Starts the agent without rules and key, as configured: in Enforce.
    pub(crate) async fn lay(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts = [
            FakeHost::start().await,
            FakeHost::start().await,
            FakeHost::start().await,
        ];
        let imds_address = plan.imds.unwrap_or(hosts[0].address);
        let endpoints = table(imds_address, &hosts);
        let clock = Arc::new(HostClock::new());
        let opened = PolicyKeeper::open(endpoints.clone(), folder.path(), Arc::clone(&clock));
        let (policies, reader) = opened.unwrap();
        let counters = Arc::new(Counters::default());
        let audit_file = folder.path().join("audit.jsonl");
        let config = AuditConfig {
            file: audit_file.clone(),
            queue: plan.audit_queue,
            max_file_bytes: 1 << 30,
            keep_files: 1,
        };
        let (trail, writer) = audit::open(config, Arc::clone(&counters)).unwrap();
        let upstreams = Upstreams::new(plan.patience, TaskTracker::new(), Arc::clone(&counters));
        let (flows, keys) = (Flows::default(), KeyHolder::default());
        let proxy = Proxy {
            flows: Box::new(flows.clone()),
            users: Users::sharing(plan.max_connections),
            endpoints,
            judge: Judge {
                policies: reader.clone(),
                keys: keys.clone(),
                patience: plan.hold,
                counters: Arc::clone(&counters),
            },
            identities: IdentityResolver::new(&plan.identity, reader),
            forwarder: Forwarder::new(Arc::new(upstreams), Arc::clone(&clock)),
            audit: trail,
            counters: Arc::clone(&counters),
            limits: plan.limits,
        };
        let listener = listener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = listener::run(listener, Arc::new(proxy), plan.max_connections, stopped);
        let [imds, wire_server, plain] = hosts;
        let mut bed = Self {
            imds,
            wire_server,
            plain,
            keys,
            policies: Mutex::new(policies),
            counters,
            clock,
            imds_address,
            address,
            flows,
            folder,
            audit_file,
            writer: Some(writer),
            writing: None,
            stop,
            serving: tokio::spawn(serving),
        };
        if plan.writes_audit {
            bed.write_audit();
        }
        bed
    }

    /// Begins to write what waits in the audit queue.
    pub(crate) fn write_audit(&mut self) {
        let writer = self.writer.take().unwrap();
        self.writing = Some(tokio::task::spawn_blocking(move || writer.run()));
    }

    pub(crate) fn apply(&self, status: &serde_json::Value) {
        self.policies
            .lock()
            .unwrap()
            .apply(&profile::channel(status));
    }

    pub(crate) fn imds_address(&self) -> SocketAddr {
        self.imds_address
    }

    /// A connection of this process to the metadata service.
    pub(crate) async fn client(&self) -> Client {
        self.connect(Some(flow::own(self.imds_address))).await
    }

    /// A connection of this process, which must be root, to the WireServer.
    pub(crate) async fn root_client(&self) -> Client {
        let flow = flow::own(self.wire_server.address);
        assert!(flow.is_root(), "this test must run as root");
        self.connect(Some(flow)).await
    }

    /// A connection that the kernel has this record of, or none.
    pub(crate) async fn connect(&self, flow: Option<FlowRecord>) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        if let Some(flow) = flow {
            self.flows.publish(socket.local_addr().unwrap(), flow);
        }
        Client::new(socket.connect(self.address).await.unwrap())
    }

    /// Tells the agent, whenever it looks again, that this has become of its callers.
    pub(crate) fn callers_become(&self, standing: Standing) {
        self.flows.callers_become(standing);
    }

    /// Tells the agent to stop.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops the agent and returns all that it recorded.
    pub(crate) async fn finish(mut self) -> Vec<AuditRecord> {
        self.stop();
        self.serving.await.unwrap();
        if self.writing.is_none() {
            let writer = self.writer.take().unwrap();
            self.writing = Some(tokio::task::spawn_blocking(move || writer.run()));
        }
        self.writing.unwrap().await.unwrap();
        let text = std::fs::read_to_string(&self.audit_file).unwrap();
        drop(self.folder);
        let records: Vec<AuditRecord> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sequence: Vec<_> = records.iter().map(|record| record.sequence).collect();
        assert!(sequence.is_sorted_by(|a, b| a < b), "{sequence:?}");
        // Every lost record leaves a gap, and nothing else does.
        let last = sequence.last().copied().unwrap_or_default();
        assert!(last <= records.len() as u64 + self.counters.audit_lost.value());
        records
    }

    /// Stops the agent, which must have recorded one request, and returns its record.
    pub(crate) async fn only_record(self) -> AuditRecord {
        let mut records = self.finish().await;
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }
}

fn table(imds_address: SocketAddr, hosts: &[FakeHost; 3]) -> EndpointTable {
    let endpoint = |name: &str, kind, address: SocketAddr, msp| Endpoint {
        name: name.to_owned(),
        kind,
        addresses: vec![address.ip()],
        port: address.port(),
        hosts: vec!["metadata".to_owned()],
        initial_mode: Mode::Enforce,
        msp,
    };
    let [_, wire_server, plain] = hosts;
    EndpointTable::new(vec![
        endpoint("imds", EndpointKind::Imds, imds_address, true),
        endpoint(
            "wireserver",
            EndpointKind::WireServer,
            wire_server.address,
            true,
        ),
        endpoint("plain", EndpointKind::Imds, plain.address, false),
    ])
    .unwrap()
}

/// One of sixteen keys, each with an id and a secret of its own.
pub(crate) fn key(number: u8) -> IssuedKey {
    IssuedKey {
        key: signing_key(number),
        incarnation: Some(u32::from(number)),
        issued: "2026-01-02T03:04:05Z".to_owned(),
    }
}

pub(crate) fn signing_key(number: u8) -> SigningKey {
    let id = KeyId::parse(&format!("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b{number:02x}")).unwrap();
    SigningKey::from_hex(id, &format!("{number:02X}").repeat(32)).unwrap()
}
