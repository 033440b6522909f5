//! What the pins say: which endpoints are protected, where redirected connections go, and what the
//! programs have counted. Nothing is changed and no program is loaded.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, PerCpuArray};

use super::error::CoverageError;
use super::nest;
use crate::counter::Counters;
use crate::endpoint::InterceptMode;
use crate::error::InterceptError;
use crate::layout::{Claim, EndpointKey, EndpointValue, LAYOUT_VERSION, MODE_AUDIT, Settings};
use crate::mount::find_cgroup2_mount;
use crate::pin::{MAPS, attachments};
use crate::sys;

/// The pinned maps of an agent that need not run.
pub(super) struct Protection {
    pin_dir: PathBuf,
    pub(super) claim: Claim,
    /// The protected endpoints, in the order of their addresses.
    pub(super) endpoints: Vec<(SocketAddr, InterceptMode)>,
    counters: PerCpuArray<MapData, u64>,
}

impl Protection {
    pub(super) fn read(pin_dir: &Path) -> Result<Self, CoverageError> {
        let settings_pin = pin_dir.join("map_settings");
        if !settings_pin.exists() {
            return Err(CoverageError::NotProtected {
                path: pin_dir.into(),
            });
        }
        MAPS.iter().try_for_each(|map| map.check(pin_dir))?;
        Ok(Self {
            claim: read_claim(pin_dir)?,
            endpoints: read_endpoints(pin_dir)?,
            counters: Map::PerCpuArray(open(pin_dir, "counters")?)
                .try_into()
                .map_err(InterceptError::map("counters"))?,
            pin_dir: pin_dir.into(),
        })
    }

    pub(super) fn listener(&self) -> SocketAddr {
        SocketAddr::new(self.claim.listener.into(), self.claim.listener_port)
    }

    pub(super) fn listener_v6(&self) -> Option<SocketAddr> {
        let port = self.claim.listener6_port;
        (port != 0).then(|| SocketAddr::new(self.claim.listener6.into(), port))
    }

    /// Returns how often the programs let something pass because of its endpoint's mode.
    pub(super) fn passed(&self) -> Result<u64, InterceptError> {
        let counters = Counters::read(&self.counters).map_err(InterceptError::map("counters"))?;
        let passed = counters
            .iter()
            .filter(|(counter, _)| counter.as_str().ends_with("_passed"));
        Ok(passed.map(|(_, value)| value).sum())
    }

    /// Returns the directory of the cgroup that the programs are attached to.
    pub(super) fn cgroup(&self) -> Result<PathBuf, CoverageError> {
        let ids = attachments(&self.pin_dir)?.into_iter();
        let id = ids
            .map(|attachment| attachment.cgroup_id)
            .find(|id| *id != 0);
        let not_attached = || CoverageError::NotAttached {
            path: self.pin_dir.clone(),
        };
        let root = find_cgroup2_mount()?;
        nest::find(&root, id.ok_or_else(not_attached)?)
            .map_err(|source| CoverageError::File {
                operation: "search for the attached cgroup below",
                path: root,
                source,
            })?
            .ok_or_else(not_attached)
    }
}

fn open(pin_dir: &Path, name: &'static str) -> Result<MapData, InterceptError> {
    let pin = pin_dir.join(format!("map_{name}"));
    MapData::from_pin(pin).map_err(InterceptError::map(name))
}

fn read_claim(pin_dir: &Path) -> Result<Claim, InterceptError> {
    let map = open(pin_dir, "settings")?;
    let settings: Option<Settings> = sys::map_lookup(map.fd().as_fd(), &0_u32, sys::UNDER_LOCK)
        .map_err(|source| InterceptError::Element {
            operation: "read",
            map: "settings",
            source,
        })?;
    settings
        .filter(|settings| settings.layout_version == LAYOUT_VERSION)
        .map(|settings| settings.claim)
        .ok_or_else(|| InterceptError::PinnedByOther {
            path: pin_dir.into(),
        })
}

fn read_endpoints(pin_dir: &Path) -> Result<Vec<(SocketAddr, InterceptMode)>, InterceptError> {
    let failed = InterceptError::map("endpoints");
    let map: HashMap<_, EndpointKey, EndpointValue> = Map::HashMap(open(pin_dir, "endpoints")?)
        .try_into()
        .map_err(&failed)?;
    let mut endpoints = map
        .iter()
        .map(|entry| entry.map(|(key, value)| (address(key), mode(value))))
        .collect::<Result<Vec<_>, _>>()
        .map_err(&failed)?;
    endpoints.sort_by_key(|(endpoint, _)| *endpoint);
    Ok(endpoints)
}

fn address(key: EndpointKey) -> SocketAddr {
    SocketAddr::new(IpAddr::from(key.address), key.port)
}

/// What is not Audit is refused by the programs, so it counts as Enforce.
fn mode(value: EndpointValue) -> InterceptMode {
    if value.mode == MODE_AUDIT {
        InterceptMode::Audit
    } else {
        InterceptMode::Enforce
    }
}
