//! A gateway with one machine, a clock that tests set, and a guest that speaks raw bytes to it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use latchkey_gateway::clock::{Clock, http_date};
use latchkey_gateway::emulator::Emulator;
use latchkey_gateway::emulator::token::{TokenIssuer, generate_key};
use latchkey_gateway::facts::goal_state::GoalState;
use latchkey_gateway::facts::{
    AddressPair, Compute, Facts, Identities, Identity, Image, Interface, Network, Storage,
};
use latchkey_gateway::machine::{Channel, ChannelState, Protection};
use latchkey_gateway::observe::observation_queue;
use latchkey_gateway::service::Ending;
use latchkey_gateway::upstream::UpstreamSettings;
use latchkey_gateway::{
    Gateway, Ingress, KeyService, KeyStore, KeyStoreError, Machine, MachineId, MachineKey,
    MachineTable,
};
use latchkey_http1::Limits;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::header::{HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::latch::{IssuedKey, KEY_PATH, KEY_REQUEST_BODY, attestation_path};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::{Claims, Elevation, EndpointKind, EndpointTable, Mode, SigningKey};
use latchkey_record::Observation;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A connection that is served.
pub(crate) type Serving = JoinHandle<Ending<DuplexStream>>;

pub(crate) const ADDRESS: &str = "10.0.0.4";

/// A clock that stands where it is put.
pub(crate) struct SetClock(pub(crate) Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A store in memory, which survives the gateway.
#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<HashMap<MachineId, String>>);

impl MemoryStore {
    /// A store with one machine's key, as it was issued.
    pub(crate) fn holding(machine: &str, document: &str) -> Self {
        let id = MachineId::parse(machine).unwrap();
        Self(Mutex::new(HashMap::from([(id, document.to_owned())])))
    }
}

impl KeyStore for MemoryStore {
    fn load(&self, machine: &MachineId) -> Result<Option<MachineKey>, KeyStoreError> {
        let documents = self.0.lock().unwrap();
        let read = |text: &String| IssuedKey::parse(text.as_bytes()).unwrap();
        Ok(documents
            .get(machine)
            .map(|text| MachineKey::try_from(read(text)).unwrap()))
    }

    fn save(&self, machine: &MachineId, key: &MachineKey) -> Result<(), KeyStoreError> {
        self.0
            .lock()
            .unwrap()
            .insert(machine.clone(), key.issued().to_json().to_string());
        Ok(())
    }
}

pub(crate) struct Host {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) store: Arc<MemoryStore>,
    observations: mpsc::Receiver<Observation>,
    drain: watch::Sender<bool>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn reason(&self) -> &str {
        self.header("latchkey-reason").unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A request before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    kind: EndpointKind,
    line: String,
    headers: String,
    body: Vec<u8>,
}

impl Ask {
    /// A request to an endpoint, with the endpoint's own host.
    pub(crate) fn new(kind: EndpointKind, line: &str) -> Self {
        let host = match kind {
            EndpointKind::Imds => "169.254.169.254",
            EndpointKind::WireServer => "168.63.129.16",
            EndpointKind::HostGa => "168.63.129.16:32526",
        };
        let headers = format!("Host: {host}\r\nConnection: close\r\n");
        Self {
            kind,
            line: line.to_owned(),
            headers,
            body: Vec::new(),
        }
    }

    pub(crate) fn imds(line: &str) -> Self {
        Self::new(EndpointKind::Imds, line).with("Metadata", "true")
    }

    pub(crate) fn wire(line: &str) -> Self {
        Self::new(EndpointKind::WireServer, line)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        let length = self.body.len().to_string();
        self.with("Content-Length", &length)
    }

    /// Signs the request as it stands.
    pub(crate) fn signed(self, key: &SigningKey, elevation: Elevation, at: Timestamp) -> Self {
        let claims = Claims { elevation }.header_value();
        let dated = self
            .with(HOST_DATE.as_str(), &http_date(at))
            .with(HOST_CLAIMS.as_str(), claims);
        let bytes = dated.bytes();
        let Ok(Parsed::Complete(head, _)) = parse(&bytes) else {
            panic!("{dated:?}")
        };
        let signable = Signable {
            method: &head.method,
            target: &head.target,
            headers: &head.headers,
            body: &dated.body,
        };
        let value = key.sign(&signable).unwrap().header_value();
        dated.with(HOST_AUTHORIZATION.as_str(), value.to_str().unwrap())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} HTTP/1.1\r\n{}\r\n", self.line, self.headers).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Host {
    /// A gateway with one machine in this mode.
    pub(crate) fn new(mode: Mode) -> Self {
        Self::with(machine(rules(mode), 1), Arc::default())
    }

    /// A gateway that protects nothing, with one machine whose agents are to do this.
    pub(crate) fn in_goal_state(goal_state: GoalState) -> Self {
        Self::telling(|facts| facts.goal_state = goal_state)
    }

    /// A gateway with one machine that nothing protects, with these facts changed.
    pub(crate) fn telling(change: impl FnOnce(&mut Facts)) -> Self {
        let mut machine = machine(rules(Mode::Disabled), 1);
        change(&mut machine.facts);
        Self::with(machine, Arc::default())
    }

    /// A gateway with this machine, on what a store holds.
    pub(crate) fn with(machine: Machine, store: Arc<MemoryStore>) -> Self {
        Self::serving(machine, store, |emulator| emulator)
    }

    /// A gateway with this machine and these services.
    pub(crate) fn serving(
        machine: Machine,
        store: Arc<MemoryStore>,
        services: impl FnOnce(Emulator) -> Emulator,
    ) -> Self {
        let clock = Arc::new(SetClock(Mutex::new(
            "2026-01-06T07:08:09Z".parse().unwrap(),
        )));
        let issuer = TokenIssuer::new("http://127.0.0.1:9420", &generate_key().unwrap()).unwrap();
        let (sink, observations) = observation_queue(64);
        let gateway = Gateway::new(
            KeyService::new(Arc::<MemoryStore>::clone(&store)).unwrap(),
            services(Emulator::new(
                Arc::new(issuer),
                "168.63.129.16:80".to_owned(),
            )),
            sink,
            Arc::<SetClock>::clone(&clock),
            Limits {
                idle_timeout: Duration::from_secs(5),
                ..Limits::default()
            },
        );
        gateway.set_machines(MachineTable::new(vec![machine]).unwrap());
        let (drain, _) = watch::channel(false);
        Self {
            gateway: Arc::new(gateway),
            clock,
            store,
            observations,
            drain,
        }
    }

    /// Puts a metadata service behind the endpoints of a kind.
    pub(crate) fn before(mut self, kind: EndpointKind, upstream: UpstreamSettings) -> Self {
        let gateway = Arc::into_inner(self.gateway).unwrap();
        self.gateway = Arc::new(gateway.with_upstream(kind, upstream));
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn wait(&self, time: SignedDuration) {
        *self.clock.0.lock().unwrap() += time;
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        self.ask_from(ADDRESS, ask.kind, &ask.bytes()).await
    }

    pub(crate) async fn ask_raw(&self, kind: EndpointKind, bytes: &[u8]) -> Answer {
        self.ask_from(ADDRESS, kind, bytes).await
    }

    /// Sends bytes from an address and reads one answer to the end of the connection.
    pub(crate) async fn ask_from(&self, from: &str, kind: EndpointKind, bytes: &[u8]) -> Answer {
        let received = self.converse(from, kind, bytes).await;
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Sends bytes and returns all that comes back.
    pub(crate) async fn converse(&self, from: &str, kind: EndpointKind, bytes: &[u8]) -> String {
        let (client, serving) = self.connect_from(from, kind);
        finish(client, serving, bytes).await.0
    }

    /// As [`Host::converse`], from the machine; also tells how the connection ended.
    pub(crate) async fn overhear(&self, kind: EndpointKind, bytes: &[u8]) -> (String, Ending<()>) {
        let (client, serving) = self.connect(kind);
        finish(client, serving, bytes).await
    }

    /// Opens a connection from the machine.
    pub(crate) fn connect(&self, kind: EndpointKind) -> (DuplexStream, Serving) {
        self.connect_from(ADDRESS, kind)
    }

    fn connect_from(&self, from: &str, kind: EndpointKind) -> (DuplexStream, Serving) {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let table = EndpointTable::azure(Mode::Enforce);
        let endpoint = table
            .as_slice()
            .iter()
            .find(|endpoint| endpoint.kind == kind)
            .unwrap();
        let ingress = Ingress {
            endpoint: Arc::new(endpoint.clone()),
            source: format!("{from}:40000").parse().unwrap(),
            interface: None,
        };
        let (gateway, drain) = (Arc::clone(&self.gateway), self.drain.subscribe());
        let serving = tokio::spawn(async move { gateway.serve(server, &ingress, drain).await });
        (client, serving)
    }

    /// Returns the only observation since the last look.
    pub(crate) fn observation(&mut self) -> Observation {
        let observation = self.observations.try_recv().unwrap();
        assert!(
            self.observations.try_recv().is_err(),
            "more than one observation"
        );
        observation
    }

    pub(crate) fn forget_observations(&mut self) {
        while self.observations.try_recv().is_ok() {}
    }

    /// Acquires a key, without attesting it.
    pub(crate) async fn acquire(&self) -> IssuedKey {
        let answer = self
            .ask(&Ask::wire(&format!("POST {KEY_PATH}")).body(KEY_REQUEST_BODY))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        IssuedKey::parse(answer.body.as_bytes()).unwrap()
    }

    pub(crate) async fn attest(&self, key: &SigningKey) -> Answer {
        let ask = Ask::wire(&format!("POST {}", attestation_path(key.id()))).body("");
        self.ask(&ask.signed(key, Elevation::Root, self.now()))
            .await
    }

    /// Acquires and latches a key.
    pub(crate) async fn latch(&self) -> SigningKey {
        let issued = self.acquire().await;
        assert_eq!(self.attest(&issued.key).await.status, 200);
        issued.key
    }

    pub(crate) async fn status(&self) -> Value {
        let answer = self.ask(&Ask::wire("GET /secure-channel/status")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// Sends bytes and returns all that comes back, and how the connection ended.
async fn finish(client: DuplexStream, serving: Serving, bytes: &[u8]) -> (String, Ending<()>) {
    let (mut reader, mut writer) = tokio::io::split(client);
    let reading = tokio::spawn(async move {
        let mut received = String::new();
        reader.read_to_string(&mut received).await.unwrap();
        received
    });
    match writer.write_all(bytes).await {
        Ok(()) => writer.shutdown().await.unwrap(),
        // What is refused early is not taken to its end.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe),
    }
    let ending = match serving.await.unwrap() {
        Ending::Ended => Ending::Ended,
        Ending::BrokenOff(_) => Ending::BrokenOff(()),
    };
    (reading.await.unwrap(), ending)
}

/// Version 2.0 with both endpoints in this mode.
pub(crate) fn rules(mode: Mode) -> Channel {
    let item = AuthorizationItem {
        default_access: "Allow".to_owned(),
        mode: mode.as_str().to_owned(),
        id: format!("rules-{mode}"),
        ..AuthorizationItem::default()
    };
    let protection = Box::new(Protection::try_from(item).unwrap());
    Channel::Rules {
        imds: Some(protection.clone()),
        wire_server: Some(protection),
    }
}

/// Version 1.0 with everything enforced.
pub(crate) const fn state() -> Channel {
    Channel::State(ChannelState::WireServerAndImds)
}

pub(crate) fn machine(channel: Channel, key_incarnation: u32) -> Machine {
    Machine {
        id: MachineId::parse("web").unwrap(),
        addresses: vec![ADDRESS.parse().unwrap()],
        interface: None,
        channel,
        key_incarnation,
        facts: facts(),
    }
}

fn facts() -> Facts {
    Facts {
        vm_id: Uuid::from_u128(1),
        name: "web & co".to_owned(),
        computer_name: "web".to_owned(),
        location: "westeurope".to_owned(),
        zone: String::new(),
        subscription_id: Uuid::from_u128(2),
        resource_group: "shop".to_owned(),
        vm_size: "Standard_B1s".to_owned(),
        image: Image::default(),
        admin_user: "azureuser".to_owned(),
        public_keys: vec![],
        tags: vec![],
        user_data: String::new(),
        network: Network {
            primary: Interface {
                address: AddressPair {
                    private: ADDRESS.parse().unwrap(),
                    public: None,
                },
                secondary: vec![],
                ipv6: vec![],
                subnet: "10.0.0.0".parse().unwrap(),
                prefix: 24,
                mac: "000D3A000001".to_owned(),
            },
            further: vec![],
        },
        compute: Compute::default(),
        storage: Storage::default(),
        identities: Identities {
            tenant_id: Uuid::from_u128(3),
            system: Some(Identity {
                client_id: Uuid::from_u128(4),
                object_id: Uuid::from_u128(5),
                resource_id: "/subscriptions/2/resourceGroups/shop/own".to_owned(),
            }),
            user_assigned: vec![],
        },
        load_balancer: None,
        events: vec![],
        throttle: None,
        goal_state: GoalState::default(),
    }
}
