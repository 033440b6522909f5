//! A machine for one test: a network namespace with the metadata address on its own loopback
//! device, a child cgroup and a directory of pins, all of which go away with it.

use std::fs;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream,
};
use std::ops::Deref;
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use latchkey_intercept::{
    BPFFS, Counter, InterceptConfig, InterceptMode, InterceptedEndpoint, Interceptor, KernelLimits,
    detach, ensure_bpffs, find_cgroup2_mount, keep_syn, netns_cookie,
};
use nix::sched::{CloneFlags, unshare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::caller::{Caller, Namespace};

pub(crate) const METADATA: &str = "169.254.169.254 80";
pub(crate) const METADATA_MAPPED: &str = "::ffff:169.254.169.254 80";
pub(crate) const METADATA_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
pub(crate) const NATIVE: &str = "fd00:ec2::254 80";
pub(crate) const NATIVE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254));
pub(crate) const ENDPOINT_INDEX: u32 = 7;
/// Sets a network namespace up so that the metadata addresses lead nowhere else.
pub(crate) const ADDRESSES: &str = "ip link set lo up && ip addr add 169.254.169.254/32 dev lo \
     && ip addr add fd00:ec2::254/128 dev lo nodad";

const PREFIX: &str = "latchkey-test-";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) cgroup: PathBuf,
    pub(crate) config: InterceptConfig,
    /// The agent's listener.
    pub(crate) listener: TcpListener,
    pub(crate) listener_v6: TcpListener,
    /// Stands for the metadata service; what passes arrives here.
    pub(crate) metadata: TcpListener,
}

/// Runs a test in a fresh world, on a thread of its own because namespaces belong to threads.
pub(crate) fn in_world(test: impl FnOnce(&World) + Send) {
    static STALE: Once = Once::new();
    STALE.call_once(remove_stale);
    let outcome = thread::scope(|scope| scope.spawn(|| test(&World::new())).join());
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl World {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace (needs root)");
        let status = Command::new("sh")
            .args(["-c", ADDRESSES])
            .status()
            .expect("run ip");
        assert!(
            status.success(),
            "ip could not set up the network namespace"
        );
        ensure_bpffs().expect("a bpf file system");

        let cgroup = find_cgroup2_mount().expect("a cgroup2 mount").join(&name);
        fs::create_dir(&cgroup).expect("make a cgroup");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let listener_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("listen on IPv6");
        for socket in [&listener, &listener_v6] {
            keep_syn(socket).expect("keep the SYN of connections");
        }
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let config = InterceptConfig {
            cgroup: cgroup.clone(),
            pin_dir: Path::new(BPFFS).join(&name),
            listener: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port(&listener)),
            listener_v6: Some(SocketAddrV6::new(
                Ipv6Addr::LOCALHOST,
                port(&listener_v6),
                0,
                0,
            )),
            limits: KernelLimits::default(),
        };
        let metadata = TcpListener::bind((METADATA_V4, 80)).expect("listen as metadata service");
        Self {
            cgroup,
            config,
            listener,
            listener_v6,
            metadata,
        }
    }

    /// Attaches the programs and protects the endpoints; nobody has claimed to be the agent yet.
    pub(crate) fn attach(&self, mode: InterceptMode) -> Interceptor {
        self.attach_with(KernelLimits::default(), mode)
    }

    fn attach_with(&self, limits: KernelLimits, mode: InterceptMode) -> Interceptor {
        let config = InterceptConfig {
            limits,
            ..self.config.clone()
        };
        let mut interceptor = Interceptor::attach(&config).expect("attach");
        let endpoints = [METADATA_V4, NATIVE_V6].map(|address| InterceptedEndpoint {
            address,
            port: 80,
            mode,
            index: ENDPOINT_INDEX,
        });
        interceptor.protect(&endpoints).expect("protect");
        interceptor
    }

    /// Attaches the programs with this process as the agent.
    pub(crate) fn agent(&self, mode: InterceptMode) -> Agent {
        Agent::start(self.attach(mode), self.netns())
    }

    /// As [`Self::agent`], with other limits than usual.
    pub(crate) fn limited_agent(&self, limits: KernelLimits, mode: InterceptMode) -> Agent {
        Agent::start(self.attach_with(limits, mode), self.netns())
    }

    /// Makes a cgroup below the intercepted one.
    pub(crate) fn cgroup_below(&self, path: &str) -> PathBuf {
        let cgroup = self.cgroup.join(path);
        fs::create_dir_all(&cgroup).expect("make a cgroup");
        cgroup
    }

    pub(crate) fn netns(&self) -> u64 {
        netns_cookie(&self.listener).expect("a network namespace")
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller_in(&Namespace::Own)
    }

    pub(crate) fn caller_in(&self, namespace: &Namespace) -> Caller {
        Caller::start(&self.cgroup, namespace)
    }

    /// A caller that is a script.
    pub(crate) fn script(&self, path: &Path) -> Caller {
        self.script_in(Path::new("/"), path)
    }

    /// A caller that is a script, executed in a folder.
    pub(crate) fn script_in(&self, folder: &Path, path: &Path) -> Caller {
        Caller::script(&self.cgroup, folder, path)
    }

    /// Accepts the next connection to the agent's listener.
    pub(crate) fn accept(&self) -> (TcpStream, SocketAddr) {
        accept(&self.listener)
    }
}

/// This process as the agent, with a heart that beats until it is dropped.
pub(crate) struct Agent {
    interceptor: Arc<Interceptor>,
    _stop: Sender<()>,
}

impl Agent {
    pub(crate) fn start(mut interceptor: Interceptor, netns_cookie: u64) -> Self {
        interceptor.claim(netns_cookie).expect("claim");
        let interceptor = Arc::new(interceptor);
        let beating = Arc::clone(&interceptor);
        let (stop, stopped) = mpsc::channel();
        thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                beating.heartbeat().expect("heartbeat");
            }
        });
        Self {
            interceptor,
            _stop: stop,
        }
    }
}

impl Deref for Agent {
    type Target = Interceptor;

    fn deref(&self) -> &Interceptor {
        &self.interceptor
    }
}

pub(crate) fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    assert!(
        has_connection(listener, PATIENCE),
        "no connection arrived at {listener:?}"
    );
    listener.accept().expect("accept")
}

pub(crate) fn has_connection(listener: &TcpListener, patience: Duration) -> bool {
    let limit = Timespec::try_from(patience).expect("a short time");
    let mut waiting = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    poll(&mut waiting, Some(&limit)).expect("poll") == 1
}

/// Whether this kernel has a tracepoint that programs with type information can be attached to.
pub(crate) fn has_tracepoint(name: &str) -> bool {
    let types = fs::read("/sys/kernel/btf/vmlinux").expect("the kernel's types");
    let name = format!("btf_trace_{name}\0");
    let mut texts = types.windows(name.len());
    texts.any(|text| text == name.as_bytes())
}

/// Whether the kernel tells who sends over a connection.
pub(crate) fn tells_senders() -> bool {
    has_tracepoint("tcp_sendmsg_locked") || has_tracepoint("sock_send_length")
}

pub(crate) fn count(interceptor: &Interceptor, counter: Counter) -> u64 {
    interceptor.counters().expect("counters").of(counter)
}

/// Waits until a condition holds, and fails if it does not hold in time.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        remove(&self.config.pin_dir, &self.cgroup);
    }
}

/// Removes what a test left; complains only if nothing else went wrong before.
fn remove(pin_dir: &Path, cgroup: &Path) {
    let detached = detach(pin_dir);
    drop(fs::write(cgroup.join("cgroup.kill"), "1"));
    let start = Instant::now();
    while cgroup.exists() && start.elapsed() < PATIENCE {
        remove_cgroups(cgroup);
        thread::park_timeout(Duration::from_millis(10));
    }
    if !thread::panicking() {
        detached.expect("detach");
        assert!(!cgroup.exists(), "{} cannot be removed", cgroup.display());
    }
}

/// Removes a cgroup with those below it, as far as processes have left them.
fn remove_cgroups(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    drop(fs::remove_dir(cgroup));
}

/// Removes what tests left that were killed: names hold the number of a process that is gone.
fn remove_stale() {
    ensure_bpffs().expect("a bpf file system");
    let cgroups = find_cgroup2_mount().expect("a cgroup2 mount");
    for directory in [Path::new(BPFFS), &cgroups] {
        for entry in fs::read_dir(directory).expect("list").flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let alive = rest
                .split('-')
                .next()
                .is_some_and(|pid| Path::new("/proc").join(pid).exists());
            if !alive {
                remove(&Path::new(BPFFS).join(&name), &cgroups.join(&name));
            }
        }
    }
}
