//! Attaches the programs and steers them; dropping an [`Interceptor`] leaves everything attached,
//! so an agent that dies does not open the endpoints.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{Map, MapData, PerCpuArray};
use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned};
use rustix::net::{AddressFamily, SocketType};

use crate::cgroup::Cgroup;
use crate::cgroup_place::CgroupPlace;
use crate::counter::Counters;
use crate::endpoint::{self, InterceptedEndpoint};
use crate::endpoint_maps::EndpointMaps;
use crate::error::InterceptError;
use crate::feature::MissingFeature;
use crate::flow::{FlowTable, KernelTables};
use crate::guard::{GuardKind, GuardedLink, LinkGuard};
use crate::held::HeldMap;
use crate::hold::Hold;
use crate::hook::HOOKS;
use crate::layout::{Claim, EndpointKey, EndpointValue};
use crate::limit::KernelLimits;
use crate::pin::{self, MAPS};
use crate::presence::{self, Presence};
use crate::process::AgentProcess;
use crate::reserve::reserve;
use crate::socket::netns_cookie;
use crate::tracing::Tracing;

mod upkeep;

pub use upkeep::ProgramState;

/// The programs, compiled by the build script.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/intercept.bpf.o"));

/// Where the programs are attached and pinned, and where they send connections.
#[derive(Clone, Debug)]
pub struct InterceptConfig {
    /// The cgroup v2 directory whose processes are intercepted: the root, outside of tests.
    pub cgroup: PathBuf,
    /// The directory of pins, on a BPF file system; made if it is missing.
    pub pin_dir: PathBuf,
    /// Where connections to IPv4 endpoints are sent; a loopback address.
    pub listener: SocketAddrV4,
    /// Where connections to native IPv6 endpoints are sent; without one they are handled by mode.
    pub listener_v6: Option<SocketAddrV6>,
    /// What one cgroup may ask for.
    pub limits: KernelLimits,
}

impl InterceptConfig {
    fn reserve_ports(&self) -> Result<(), InterceptError> {
        reserve(self.listener.port())?;
        self.listener_v6
            .map_or(Ok(()), |listener| reserve(listener.port()))
    }

    fn check_listeners(&self) -> Result<(), InterceptError> {
        let v4 = self.listener;
        if !v4.ip().is_loopback() || v4.port() == 0 {
            return Err(InterceptError::Listener {
                address: (*v4.ip()).into(),
                port: v4.port(),
            });
        }
        match self.listener_v6 {
            Some(v6) if !v6.ip().is_loopback() || v6.port() == 0 => Err(InterceptError::Listener {
                address: (*v6.ip()).into(),
                port: v6.port(),
            }),
            _ => Ok(()),
        }
    }
}

/// The attached programs and their maps.
pub struct Interceptor {
    presence: Arc<Presence>,
    endpoints: EndpointMaps,
    /// What [`Self::protect`] was last asked for.
    protected: Option<BTreeMap<EndpointKey, EndpointValue>>,
    counters: PerCpuArray<MapData, u64>,
    flows: FlowTable,
    hold: Hold,
    links: LinkGuard,
    missing: Vec<MissingFeature>,
    listener: SocketAddrV4,
    listener_v6: Option<SocketAddrV6>,
    cgroup: PathBuf,
    place: Option<CgroupPlace>,
}

impl fmt::Debug for Interceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptor")
            .field("listener", &self.listener)
            .field("listener_v6", &self.listener_v6)
            .finish_non_exhaustive()
    }
}

impl Interceptor {
    /// Loads the programs, attaches them to the cgroup and pins links and maps. The listeners' ports
    /// become reserved ones of the calling thread's network namespace.
    ///
    /// Pins of an earlier agent are taken over: each link gets the new program without a moment
    /// without one, and the maps with endpoints, modes, claim and flow records stay. Until
    /// [`Self::claim`] the agent counts as gone unless an earlier heartbeat is still fresh.
    /// After a failure the call may be repeated; what it attached so far stays attached.
    ///
    /// # Errors
    ///
    /// [`InterceptError`] says what is missing; needs root, kernel type information (BTF), cgroup
    /// v2 and a BPF file system.
    pub fn attach(config: &InterceptConfig) -> Result<Self, InterceptError> {
        Self::attach_with_guard(config, GuardKind::supported()?)
    }

    /// Does what [`Self::attach`] does, with links guarded in the given way.
    ///
    /// # Errors
    ///
    /// As [`Self::attach`].
    pub fn attach_with_guard(
        config: &InterceptConfig,
        guard: GuardKind,
    ) -> Result<Self, InterceptError> {
        config.check_listeners()?;
        config.reserve_ports()?;
        let cgroup = Arc::new(Cgroup::open(&config.cgroup)?);
        pin::prepare_directory(&config.pin_dir)?;
        let kernel_types = Btf::from_sys_fs().map_err(InterceptError::KernelTypes)?;
        let mut object = load_object(&config.pin_dir, &kernel_types)?;
        MAPS.iter().try_for_each(|map| map.check(&config.pin_dir))?;
        // The object refers to its maps by descriptors, so it keeps them until all are loaded.
        let programs = HOOKS
            .iter()
            .map(|hook| Ok((hook, hook.load(&mut object)?)))
            .collect::<Result<Vec<_>, InterceptError>>()?;
        let mut tracing = Tracing::load(&mut object, &kernel_types);
        let guard = LinkGuard::load(&mut object, guard, &config.pin_dir)?;
        let maps = MAPS
            .iter()
            .map(|map| HeldMap::open(&map.pin(&config.pin_dir)))
            .collect::<Result<_, _>>()?;
        let place = CgroupPlace::of(&config.cgroup)?;
        let [settings, heartbeat] = ["settings", "heartbeat"]
            .map(|name| take_map(&mut object, name).and_then(|map| array_data(map, name)));
        let presence = Presence::new(settings?, heartbeat?);
        presence.prepare(&config.pin_dir, || {
            let netns_cookie = own_netns_cookie()?;
            let claim = Claim::of_nobody(netns_cookie, config.listener, config.listener_v6);
            Ok(claim.within(place))
        })?;
        write_limits(&mut object, config)?;
        let mut links = tracing.attach(&config.pin_dir)?;
        for (hook, program) in programs {
            links.push(hook.attach(program, &cgroup, &config.pin_dir)?);
        }
        let flows = FlowTable::new(KernelTables {
            flows: hash_descriptor(&mut object, "flows")?,
            scripts: hash_descriptor(&mut object, "scripts")?,
            handovers: hash_descriptor(&mut object, "handovers")?,
            knows_executed: tracing.knows_executed(),
            thread_iterator: tracing.thread_iterator,
        });
        Ok(Self {
            presence: Arc::new(presence),
            endpoints: EndpointMaps::take(&mut object)?,
            protected: None,
            counters: take_map(&mut object, "counters")?
                .try_into()
                .map_err(InterceptError::map("counters"))?,
            flows,
            hold: Hold::new(&config.pin_dir, cgroup, links, maps)?,
            links: guard,
            missing: tracing.missing,
            listener: config.listener,
            listener_v6: config.listener_v6,
            cgroup: config.cgroup.clone(),
            place,
        })
    }

    /// Replaces the set of protected endpoints and their modes.
    ///
    /// An endpoint that is in the old and in the new set is intercepted all the time.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Endpoint`] before anything changes; otherwise the map could not be
    /// written, and endpoints of both sets may be protected.
    pub fn protect(&mut self, endpoints: &[InterceptedEndpoint]) -> Result<(), InterceptError> {
        let wanted = endpoint::map_entries(endpoints)?;
        self.endpoints.replace(&wanted)?;
        self.protected = Some(wanted);
        Ok(())
    }

    /// Puts the guard on every link of the network namespace in which the programs were attached,
    /// and takes the pins of links that are gone away.
    ///
    /// Due at every [`LinkEvents`](crate::LinkEvents) and every now and then: it also restores what
    /// somebody has removed. A link that cannot be guarded is told by [`Self::guarded_links`].
    ///
    /// # Errors
    ///
    /// [`InterceptError`] when the links cannot be listed; those that were guarded stay so.
    pub fn guard_links(&mut self) -> Result<(), InterceptError> {
        self.links.refresh()
    }

    /// Returns the links as [`Self::guard_links`] last found and left them; loopback is not listed.
    #[must_use]
    pub fn guarded_links(&self) -> &[GuardedLink] {
        self.links.links()
    }

    /// Makes the calling process the agent, with its listeners in the given network namespace.
    ///
    /// From now on its own connections reach the endpoints, those of everyone else in that
    /// namespace are sent to its listeners. It must already listen, on sockets that
    /// [keep the SYN](crate::keep_syn).
    ///
    /// # Errors
    ///
    /// [`InterceptError`] when the process cannot be named or the maps cannot be written.
    pub fn claim(&mut self, netns_cookie: u64) -> Result<(), InterceptError> {
        self.claim_for(AgentProcess::current()?, netns_cookie)
    }

    /// Makes another process the agent, as [`Self::claim`] does for the calling one.
    ///
    /// # Errors
    ///
    /// [`InterceptError`] when the maps cannot be written.
    pub fn claim_for(
        &mut self,
        agent: AgentProcess,
        netns_cookie: u64,
    ) -> Result<(), InterceptError> {
        self.presence.claim(Claim {
            agent_tgid: agent.pid.0,
            agent_start_ticks: agent.start_ticks,
            ..Claim::of_nobody(netns_cookie, self.listener, self.listener_v6).within(self.place)
        })?;
        self.heartbeat()
    }

    /// Tells the programs that the agent lives; due every second, and missed after five.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Element`] when the map cannot be written.
    pub fn heartbeat(&self) -> Result<(), InterceptError> {
        self.presence.beat()
    }

    /// Returns what sends heartbeats, for a task that nothing else holds up.
    #[must_use]
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.presence)
    }

    /// Returns the cgroup whose processes are intercepted.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Returns a handle to the flow records.
    #[must_use]
    pub fn flows(&self) -> FlowTable {
        self.flows.clone()
    }

    /// Returns what this kernel cannot do, though others can.
    #[must_use]
    pub fn missing_features(&self) -> &[MissingFeature] {
        &self.missing
    }

    /// Returns what the programs have counted since the maps were first pinned.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Map`] when the map cannot be read.
    pub fn counters(&self) -> Result<Counters, InterceptError> {
        Counters::read(&self.counters).map_err(InterceptError::map("counters"))
    }
}

/// Parses the object for the running kernel; maps that are pinned already are opened, not made.
pub(crate) fn load_object(pin_dir: &Path, kernel_types: &Btf) -> Result<Ebpf, InterceptError> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(kernel_types));
    // aya has no type for storage on tasks, which only the programs use.
    loader.allow_unsupported_maps();
    for map in MAPS {
        loader.map_pin_path(map.name, map.pin(pin_dir));
    }
    loader
        .load(OBJECT)
        .map_err(|source| InterceptError::Object(Box::new(source)))
}

pub(crate) fn take_map(object: &mut Ebpf, name: &'static str) -> Result<Map, InterceptError> {
    object
        .take_map(name)
        .ok_or(InterceptError::Missing { name })
}

fn write_limits(object: &mut Ebpf, config: &InterceptConfig) -> Result<(), InterceptError> {
    let limits = array_data(take_map(object, "limits")?, "limits")?;
    presence::write(&limits, "limits", &config.limits.settings(&config.cgroup)?)
}

fn array_data(map: Map, name: &'static str) -> Result<MapData, InterceptError> {
    match map {
        Map::Array(data) => Ok(data),
        _ => Err(InterceptError::Missing { name }),
    }
}

fn hash_descriptor(object: &mut Ebpf, name: &'static str) -> Result<OwnedFd, InterceptError> {
    let Map::HashMap(data) = take_map(object, name)? else {
        return Err(InterceptError::Missing { name });
    };
    let descriptor = data.fd().as_fd().try_clone_to_owned();
    descriptor.map_err(|source| InterceptError::Element {
        operation: "open",
        map: name,
        source,
    })
}

fn own_netns_cookie() -> Result<u64, InterceptError> {
    rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
        .map_err(Into::into)
        .and_then(netns_cookie)
        .map_err(InterceptError::NetworkNamespace)
}
