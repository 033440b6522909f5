//! The key keeper against a secure channel that issues, latches, rolls, refuses, breaks off and talks nonsense.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use latchkey_agent::clock::HostClock;
use latchkey_agent::counters::Counters;
use latchkey_agent::keys::KeyHolder;
use latchkey_agent::keys::channel::ChannelClient;
use latchkey_agent::keys::keeper::{ChannelReport, KeyKeeper};
use latchkey_agent::keys::store::KeyFolder;
use latchkey_agent::rules::{PolicyKeeper, PolicyReader};
use latchkey_agent::upstream::{Patience, Upstreams};
use latchkey_protocol::{EndpointTable, Mode};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::bed::{key, signing_key};
use crate::host::{Answer, FakeHost, Received};
use crate::profile;

const HOST_DATE: &str = "Tue, 06 Jan 2026 07:08:09 GMT";

/// The host's side of the channel, as a test changes it.
struct Channel {
    /// Everything of the status but the key.
    status: Value,
    /// Answers status calls instead of the document.
    instead: Option<Vec<u8>>,
    /// Answers key calls instead of a key.
    instead_of_key: Option<Vec<u8>>,
    latched: Option<u8>,
    issued: u8,
    accepts_proof: bool,
    /// Whether the answer to an accepted proof is lost.
    loses_answer: bool,
}

impl Channel {
    fn answer(&mut self, request: &Received) -> Answer {
        let call = (request.head.method.as_str(), request.head.target.as_str());
        match call {
            ("GET", "/secure-channel/status") => match &self.instead {
                Some(bytes) => Answer::ReplyAndClose(bytes.clone()),
                None => json_answer(&self.document()),
            },
            ("POST", "/secure-channel/key") => match &self.instead_of_key {
                Some(bytes) => Answer::Reply(bytes.clone()),
                None => self.issue(),
            },
            ("POST", target) => self.prove(request, target),
            _ => Answer::reply("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        }
    }

    fn document(&self) -> Value {
        let mut status = self.status.clone();
        status["keyGuid"] = self
            .latched
            .map(|number| signing_key(number).id().to_string())
            .into();
        status
    }

    fn issue(&mut self) -> Answer {
        if self.latched.is_some() {
            return Answer::reply("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        }
        self.issued += 1;
        json_answer(&serde_json::from_str(&key(self.issued).to_json()).unwrap())
    }

    fn prove(&mut self, request: &Received, target: &str) -> Answer {
        let key = signing_key(self.issued);
        assert_eq!(
            target,
            format!("/secure-channel/key/{}/key-attestation", key.id())
        );
        assert!(request.is_signed_by(&key), "{request:?}");
        if !self.accepts_proof {
            return Answer::reply("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
        }
        self.latched = Some(self.issued);
        if self.loses_answer {
            Answer::nothing()
        } else {
            Answer::ok("")
        }
    }
}

fn json_answer(body: &Value) -> Answer {
    let body = body.to_string();
    Answer::Reply(
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\
             x-ms-azure-host-date: {HOST_DATE}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// A running key keeper.
struct Keeping {
    host: Option<FakeHost>,
    channel: Arc<Mutex<Channel>>,
    folder: Arc<tempfile::TempDir>,
    holder: KeyHolder,
    report: ChannelReport,
    policies: PolicyReader,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Keeping {
    async fn start() -> Self {
        Self::start_with(profile::all("Enforce", "Allow"), None).await
    }

    async fn start_with(status: Value, latched: Option<u8>) -> Self {
        let channel = Channel {
            status,
            instead: None,
            instead_of_key: None,
            latched,
            issued: latched.unwrap_or(0),
            accepts_proof: true,
            loses_answer: false,
        };
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::resume(Arc::new(Mutex::new(channel)), folder).await
    }

    /// Starts an agent over what another one left behind.
    async fn resume(channel: Arc<Mutex<Channel>>, folder: Arc<tempfile::TempDir>) -> Self {
        let host = open_host(SocketAddr::from(([127, 0, 0, 1], 0)), &channel).await;
        let endpoints = EndpointTable::azure(Mode::Enforce);
        let clock = Arc::new(HostClock::new());
        let opened = PolicyKeeper::open(endpoints, folder.path(), Arc::clone(&clock));
        let (policies, reader) = opened.unwrap();
        let counters = Arc::new(Counters::default());
        let seconds = Duration::from_secs;
        let patience = Patience {
            connect: seconds(5),
            response: seconds(120),
        };
        let upstreams = Upstreams::new(patience, TaskTracker::new(), Arc::clone(&counters));
        let (holder, report) = (KeyHolder::default(), ChannelReport::default());
        let keeper = KeyKeeper {
            client: ChannelClient::new(Arc::new(upstreams), clock, host.address),
            folder: KeyFolder::open(folder.path().join("keys")).unwrap(),
            holder: holder.clone(),
            policies,
            report: report.clone(),
            counters: Arc::clone(&counters),
            interval: Duration::from_millis(20),
        };
        let (stop, stopped) = watch::channel(false);
        Self {
            host: Some(host),
            channel,
            folder,
            holder,
            report,
            policies: reader,
            counters,
            stop,
            keeper: tokio::spawn(keeper.run(Arc::new(Notify::new()), stopped)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Channel)) {
        change(&mut self.channel.lock().unwrap());
    }

    fn key_file(&self, number: u8) -> PathBuf {
        let name = format!("{}.key", signing_key(number).id());
        self.folder.path().join("keys").join(name)
    }

    fn key_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("keys"))
            .unwrap()
            .count()
    }

    fn holds(&self, number: u8) -> bool {
        let held = self.holder.current();
        held.is_some_and(|held| {
            let expected = signing_key(number);
            held.key.id() == expected.id() && *held.key.expose_hex() == *expected.expose_hex()
        })
    }

    fn problem(&self) -> Option<String> {
        self.report.read().0.problem
    }

    fn calls(&self, target: &str) -> usize {
        let received = self.host.as_ref().unwrap().received();
        received
            .iter()
            .filter(|received| received.head.target == target)
            .count()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !condition(self) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "never: {what}; {:?}",
                self.problem()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the keeper has made some rounds that succeeded.
    async fn some_rounds(&self) {
        let before = self.calls("/secure-channel/status");
        self.until("rounds", |keeping| {
            keeping.calls("/secure-channel/status") > before + 3
        })
        .await;
    }

    async fn some_failures(&self) {
        let before = self.counters.channel_errors.value();
        self.until("failures", |keeping| {
            keeping.counters.channel_errors.value() > before + 3
        })
        .await;
    }

    async fn end(self) -> (Arc<Mutex<Channel>>, Arc<tempfile::TempDir>) {
        self.stop.send_replace(true);
        self.keeper.await.unwrap();
        (self.channel, self.folder)
    }
}

async fn open_host(address: SocketAddr, channel: &Arc<Mutex<Channel>>) -> FakeHost {
    let channel = Arc::clone(channel);
    FakeHost::start_at(address, move |request| {
        channel.lock().unwrap().answer(request)
    })
    .await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn key_is_acquired_saved_privately_proved_and_only_then_used() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    assert_eq!(mode(&keeping.key_file(1)), 0o600);
    assert_eq!(mode(keeping.key_file(1).parent().unwrap()), 0o700);
    let file: Value = serde_json::from_slice(&std::fs::read(keeping.key_file(1)).unwrap()).unwrap();
    let fields: Vec<_> = file.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "authorizationScheme",
            "incarnationId",
            "guid",
            "issued",
            "key"
        ]
    );
    keeping.some_rounds().await;
    let received = keeping.host.as_ref().unwrap().received();
    let targets: Vec<_> = received
        .iter()
        .map(|received| received.head.target.as_str())
        .collect();
    let proof = format!(
        "/secure-channel/key/{}/key-attestation",
        signing_key(1).id()
    );
    let status = "/secure-channel/status";
    assert_eq!(
        targets[..4],
        [status, "/secure-channel/key", &proof, status]
    );
    assert!(
        targets[4..].iter().all(|target| *target == status),
        "{targets:?}"
    );
    assert_eq!(
        received[1].body,
        br#"{"authorizationScheme": "Azure-HMAC-SHA256"}"#
    );
    let date = received[2].header("x-ms-azure-host-date").unwrap();
    assert!(date.starts_with("Tue, 06 Jan 2026 07:08"), "{date}");
    let text = String::from_utf8(received[0].bytes.clone()).unwrap();
    assert!(text.contains("\r\nmetadata: True \r\n"), "{text}");
    let names: Vec<_> = received[0]
        .head
        .headers
        .keys()
        .map(|name| name.as_str())
        .collect();
    let order = [
        "x-ms-azure-host-date",
        "host",
        "x-ms-azure-host-claims",
        "content-length",
        "metadata",
    ];
    assert_eq!(names, order);
    assert_eq!(keeping.counters.keys_latched.value(), 1);
    assert_eq!(keeping.report.read().0.incarnation, Some(1));
}

#[tokio::test]
async fn restarted_agent_finds_its_key_on_disk_and_asks_for_none() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    let (channel, folder) = keeping.end().await;
    let keeping = Keeping::resume(channel, folder).await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.some_rounds().await;
    assert_eq!(keeping.calls("/secure-channel/key"), 0);
}

#[tokio::test]
async fn torn_or_foreign_key_file_is_never_used_and_the_hosts_refusal_is_shown() {
    type Damage = fn(&Path);
    let damages: [Damage; 4] = [
        |path| std::fs::write(path, &std::fs::read(path).unwrap()[..60]).unwrap(),
        |path| std::fs::write(path, "").unwrap(),
        |path| std::fs::write(path, key(2).to_json().as_bytes()).unwrap(),
        |path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap(),
    ];
    for damage in damages {
        let keeping = Keeping::start().await;
        keeping.until("key", |keeping| keeping.holds(1)).await;
        let path = keeping.key_file(1);
        let (channel, folder) = keeping.end().await;
        damage(&path);
        let keeping = Keeping::resume(channel, folder).await;
        keeping.some_failures().await;
        assert!(keeping.holder.current().is_none());
        assert!(keeping.problem().unwrap().contains("403"));
        keeping.change(|channel| (channel.latched, channel.issued) = (None, 2));
        keeping.until("new key", |keeping| keeping.holds(3)).await;
        keeping
            .until("no problem", |keeping| keeping.problem().is_none())
            .await;
        assert_eq!(keeping.key_files(), 1);
    }
}

#[tokio::test]
async fn key_is_rolled_when_the_host_forgets_it() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.change(|channel| channel.latched = None);
    keeping
        .until("second key", |keeping| keeping.holds(2))
        .await;
    keeping
        .until("one file", |keeping| keeping.key_files() == 1)
        .await;
    assert!(keeping.key_file(2).exists());
}

#[tokio::test]
async fn refused_proof_leaves_the_old_key_in_use_and_fills_no_folder() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.change(|channel| (channel.latched, channel.accepts_proof) = (None, false));
    keeping.some_failures().await;
    assert!(keeping.holds(1));
    assert!(keeping.problem().unwrap().contains("attest"));
    assert!(keeping.key_files() <= 2, "{}", keeping.key_files());
    keeping.change(|channel| channel.accepts_proof = true);
    keeping
        .until("new key", |keeping| {
            !keeping.holds(1) && keeping.key_files() == 1
        })
        .await;
}

#[tokio::test]
async fn key_whose_accepted_proof_was_not_heard_of_is_found_on_disk() {
    let keeping = Keeping::start_with(profile::all("Enforce", "Allow"), None).await;
    keeping.change(|channel| channel.loses_answer = true);
    keeping.until("key", |keeping| keeping.holds(1)).await;
    assert_eq!(keeping.calls("/secure-channel/key"), 1);
}

#[tokio::test]
async fn host_that_never_names_a_key_gets_a_new_proof_each_round() {
    let keeping = Keeping::start().await;
    for _ in 0..4 {
        let latched = keeping.counters.keys_latched.value();
        keeping.change(|channel| channel.latched = None);
        keeping
            .until("another key", |keeping| {
                keeping.counters.keys_latched.value() > latched
            })
            .await;
        assert!(keeping.holder.current().is_some());
    }
    keeping
        .until("one file", |keeping| keeping.key_files() == 1)
        .await;
}

#[tokio::test]
async fn unusable_key_is_neither_used_nor_saved_nor_shown() {
    let good: Value = serde_json::from_str(&key(1).to_json()).unwrap();
    let changes = [
        ("guid", json!("../../etc/passwd")),
        ("guid", json!("00000000-0000-0000-0000-000000000000")),
        ("key", json!("DEADBEEFSECRET")),
        ("key", json!("DEADBEEF")),
        ("key", json!("DEADBEEF".repeat(100))),
        ("authorizationScheme", json!("DEADBEEF")),
        ("key", json!(["DEADBEEF"])),
    ];
    for (field, value) in changes {
        let keeping = Keeping::start_with(profile::all("Enforce", "Allow"), None).await;
        let mut document = good.clone();
        document[field] = value;
        keeping.change(|channel| {
            let Answer::Reply(bytes) = json_answer(&document) else {
                panic!()
            };
            channel.instead_of_key = Some(bytes);
        });
        keeping.some_failures().await;
        let problem = keeping.problem().unwrap();
        assert!(!problem.contains("DEADBEEF"), "{problem}");
        assert!(keeping.holder.current().is_none() && keeping.key_files() == 0);
    }
}

#[tokio::test]
async fn status_that_is_not_understood_changes_nothing_and_is_shown() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    let rules = keeping.policies.current()[0]
        .rules()
        .unwrap()
        .content_hash()
        .to_owned();
    let document = |field: &str, value: Value| {
        let mut status = profile::all("Disabled", "Deny");
        status[field] = value;
        let Answer::Reply(bytes) = json_answer(&status) else {
            panic!()
        };
        bytes
    };
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(9 << 20));
    let statuses = [
        document("version", json!("3.0")),
        document("version", json!(2.0)),
        document("secureChannelEnabled", Value::Null),
        document("secureChannelState", json!("Audit")),
        document("keyGuid", json!("not-a-guid")),
        document(
            "authorizationRules",
            json!({"imds": {"defaultAccess": "Allow", "mode": "Off", "id": "x"}}),
        ),
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"a\"".to_vec(),
        b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        b"garbage\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{".to_vec(),
        huge.into_bytes(),
        Vec::new(),
    ];
    for status in statuses {
        let shown = status[..status.len().min(300)].escape_ascii().to_string();
        keeping.change(|channel| channel.instead = Some(status));
        keeping.some_failures().await;
        assert!(keeping.problem().is_some() && keeping.holds(1), "{shown}");
        let modes = keeping.policies.modes();
        assert!(modes.iter().all(|mode| *mode == Mode::Enforce), "{shown}");
        for policy in keeping.policies.current().iter() {
            assert_eq!(policy.rules().unwrap().content_hash(), rules, "{shown}");
        }
        keeping.change(|channel| channel.instead = None);
        keeping
            .until("no problem", |keeping| keeping.problem().is_none())
            .await;
    }
    assert_eq!(keeping.calls("/secure-channel/key"), 1);
}

#[tokio::test]
async fn bad_profile_keeps_the_last_good_rules_is_shown_and_does_not_stop_the_key() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.change(|channel| {
        channel.status["authorizationRules"]["imds"] =
            json!({"defaultAccess": "perhaps", "mode": "Disabled", "id": "bad"});
        channel.latched = None;
    });
    keeping.until("key", |keeping| keeping.holds(2)).await;
    keeping
        .until("problem", |keeping| keeping.report.read().1[0].is_some())
        .await;
    let (_, problems) = keeping.report.read();
    assert!(problems[0].as_ref().unwrap().contains("perhaps") && problems[1].is_none());
    let policies = keeping.policies.current();
    assert_eq!(
        (
            keeping.policies.modes()[0],
            policies[0].rules().unwrap().id()
        ),
        (Mode::Enforce, Some("Enforce-Allow"))
    );
}

#[tokio::test]
async fn disabled_channel_drops_the_key_and_an_enabled_one_finds_it_again() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.change(|channel| channel.status["secureChannelEnabled"] = json!(false));
    keeping
        .until("no key", |keeping| keeping.holder.current().is_none())
        .await;
    assert_eq!(keeping.policies.modes()[0], Mode::Disabled);
    assert!(keeping.key_file(1).exists());
    keeping
        .until("shown", |keeping| keeping.report.read().0.key.is_none())
        .await;
    keeping.change(|channel| channel.status["secureChannelEnabled"] = json!(true));
    keeping.until("key", |keeping| keeping.holds(1)).await;
    assert_eq!(keeping.calls("/secure-channel/key"), 1);
}

#[tokio::test]
async fn version_1_0_sets_the_modes_by_its_state_and_latches_a_key() {
    for (state, modes) in [
        ("WireServer", [Mode::Audit, Mode::Enforce, Mode::Enforce]),
        ("wireserverandimds", [Mode::Enforce; 3]),
    ] {
        let status = json!({
            "authorizationScheme": "Azure-HMAC-SHA256", "keyDeliveryMethod": "http",
            "version": "1.0", "secureChannelState": state,
        });
        let keeping = Keeping::start_with(status, None).await;
        keeping.until("key", |keeping| keeping.holds(1)).await;
        let policies = keeping.policies.current();
        let found = keeping.policies.modes();
        assert_eq!(found, modes);
        assert!(policies.iter().all(|policy| policy.rules().is_some()));
    }
}

#[tokio::test]
async fn host_that_goes_down_changes_nothing_and_is_followed_when_it_comes_back() {
    let mut keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    let address = keeping.host.take().unwrap().address;
    keeping.some_failures().await;
    assert!(keeping.holds(1) && keeping.problem().is_some());
    keeping.change(|channel| channel.latched = None);
    let host = loop {
        // The old host's connections are still closing.
        tokio::task::yield_now().await;
        if std::net::TcpListener::bind(address).is_ok() {
            break open_host(address, &keeping.channel).await;
        }
    };
    keeping.host = Some(host);
    keeping
        .until("second key", |keeping| keeping.holds(2))
        .await;
    keeping
        .until("no problem", |keeping| keeping.problem().is_none())
        .await;
}

#[tokio::test]
async fn host_that_hangs_does_not_delay_the_end() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.host.as_ref().unwrap().plan(Answer::Silence);
    let received = keeping.calls("/secure-channel/status");
    keeping
        .until("call", |keeping| {
            keeping.calls("/secure-channel/status") > received
        })
        .await;
    let began = Instant::now();
    drop(keeping.end().await);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn host_that_hangs_is_given_up_and_asked_again() {
    let keeping = Keeping::start().await;
    keeping.until("key", |keeping| keeping.holds(1)).await;
    keeping.host.as_ref().unwrap().plan(Answer::Silence);
    let failures = keeping.counters.channel_errors.value();
    let mut seconds = 0;
    tokio::time::pause();
    while keeping.counters.channel_errors.value() == failures {
        tokio::time::advance(Duration::from_secs(1)).await;
        seconds += 1;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(seconds < 100);
    }
    tokio::time::resume();
    keeping.some_rounds().await;
    assert!(keeping.holds(1) && keeping.problem().is_none());
}
