//! Starts everything in the order that never opens an endpoint, and stops it in the one that loses nothing.
//!
//! Start: programs attached and endpoints closed, then the listener, then the claim.
//! Stop: listener, open connections, audit trail. The pinned programs stay and keep closed
//! what is in Enforce.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_intercept::{
    InterceptConfig, InterceptError, Interceptor, MountError, ensure_bpffs, find_cgroup2_mount,
    netns_cookie,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::TaskTracker;

use crate::admission::Users;
use crate::audit::{self, AuditError, AuditWriter};
use crate::clock::HostClock;
use crate::config::{Config, Measure};
use crate::counters::Counters;
use crate::coverage::FirstMeasurement;
use crate::descriptors::{self, DescriptorError};
use crate::file::{self, FileError};
use crate::forward::Forwarder;
use crate::identity::IdentityResolver;
use crate::judge::Judge;
use crate::keys::KeyHolder;
use crate::keys::channel::ChannelClient;
use crate::keys::keeper::{ChannelReport, KeyKeeper};
use crate::keys::store::{KeyFolder, KeyFolderError};
use crate::listener;
use crate::preexisting::Sweeper;
use crate::proxy::Proxy;
use crate::redirect::{self, KernelReports};
use crate::rules::{PolicyKeeper, PolicyReader};
use crate::status::StatusWriter;
use crate::upstream::Upstreams;
use crate::watchdog::Watchdog;

/// The agent could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A state file or folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key folder cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFolderError),
    /// The audit trail cannot be used.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Too few files may be open.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    /// A needed file system is missing.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The kernel's side cannot be set up or kept up.
    #[error("set up the kernel's side")]
    Intercept(#[from] InterceptError),
    /// The listener cannot be opened.
    #[error("listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddrV4,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("receive signals")]
    Signal(#[source] io::Error),
    /// A part of the agent ended by itself.
    #[error("BUG: a part of the agent ended by itself")]
    EndedEarly,
    /// A part of the agent panicked.
    #[error("BUG: a part of the agent panicked")]
    Panicked(#[from] JoinError),
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// When it cannot start, or a part of it fails.
pub async fn run(mut config: Config) -> Result<(), AppError> {
    let destinations = config.endpoints.as_slice().iter();
    let destinations = destinations.map(|endpoint| endpoint.addresses.len()).sum();
    config.max_connections = descriptors::make_room(config.max_connections, destinations)?;
    file::private_folder(&config.state_dir)?;
    let counters = Arc::new(Counters::default());
    let clock = Arc::new(HostClock::new());
    let (mut policies, policy_reader) = PolicyKeeper::open(
        config.endpoints.clone(),
        &config.state_dir,
        Arc::clone(&clock),
    )?;
    if let Some(folder) = config.local_rules_dir.take() {
        policies.read_local_rules_of(folder);
    }
    let (interceptor, listener) = take_over(&config, &policy_reader)?;
    // Where the programs are attached, which is what paths of cgroups are relative to.
    let protected = config.identity.cgroup.take();
    config.identity.cgroup = protected.or_else(|| find_cgroup2_mount().ok());
    let parts = Parts::build(
        &config,
        &interceptor,
        (policies, policy_reader),
        clock,
        &counters,
    )?;
    parts.run(&config, interceptor, listener).await
}

/// Closes the endpoints, opens the listener, and only then takes the connections.
fn take_over(
    config: &Config,
    policies: &PolicyReader,
) -> Result<(Interceptor, TcpListener), AppError> {
    ensure_bpffs()?;
    let cgroup: PathBuf = match &config.cgroup {
        Some(cgroup) => cgroup.clone(),
        None => find_cgroup2_mount()?,
    };
    let mut interceptor = Interceptor::attach(&InterceptConfig {
        cgroup,
        pin_dir: config.pin_dir.clone(),
        listener: config.listener,
        listener_v6: None,
        limits: config.kernel_limits,
    })?;
    for missing in interceptor.missing_features() {
        tracing::warn!(
            feature = missing.feature.as_str(),
            error = &missing.error as &dyn std::error::Error,
            "this kernel lacks a feature"
        );
    }
    interceptor.protect(&redirect::intercepted(&config.endpoints, &policies.modes()))?;
    // What stays unguarded is told link by link as soon as the agent runs.
    if let Err(error) = interceptor.guard_links() {
        tracing::warn!(%error, "network links cannot be guarded");
    }
    let failed = |source| AppError::Listen {
        address: config.listener,
        source,
    };
    let listener = listener::bind(config.listener).map_err(failed)?;
    interceptor.claim(netns_cookie(&listener).map_err(failed)?)?;
    tracing::info!(address = %config.listener, "redirected connections are served");
    Ok((interceptor, listener))
}

/// Everything that runs, built and not yet started.
struct Parts {
    proxy: Arc<Proxy>,
    keeper: Option<KeyKeeper>,
    status: StatusWriter,
    audit: AuditWriter,
    upstream_tasks: TaskTracker,
    kernel_reports: KernelReports,
    sweeper: Sweeper,
    measurement: FirstMeasurement,
}

impl Parts {
    fn build(
        config: &Config,
        interceptor: &Interceptor,
        (policies, policy_reader): (PolicyKeeper, PolicyReader),
        clock: Arc<HostClock>,
        counters: &Arc<Counters>,
    ) -> Result<Self, AppError> {
        let upstream_tasks = TaskTracker::new();
        let upstreams = Arc::new(Upstreams::new(
            config.patience,
            upstream_tasks.clone(),
            Arc::clone(counters),
        ));
        let (keys, report) = (KeyHolder::default(), ChannelReport::default());
        let (trail, audit) = audit::open(config.audit.clone(), Arc::clone(counters))?;
        let (kernel_counters, kernel) = watch::channel(Vec::new());
        let (followed, kernel_follows) = watch::channel(policy_reader.modes());
        let (found, preexisting) = watch::channel(Vec::new());
        let (watchdog, protection) = Watchdog::over(interceptor, Arc::clone(counters));
        let (result, coverage) = watch::channel(None);
        let folder = KeyFolder::open(config.state_dir.join("keys"))?;
        let keeper = config.channel.map(|host| KeyKeeper {
            client: ChannelClient::new(Arc::clone(&upstreams), Arc::clone(&clock), host),
            folder,
            holder: keys.clone(),
            policies,
            report: report.clone(),
            counters: Arc::clone(counters),
            interval: config.poll_interval,
        });
        let status = StatusWriter {
            path: config.status_file.clone(),
            interval: config.status_interval,
            started: Timestamp::now(),
            endpoints: config.endpoints.clone(),
            policies: policy_reader.clone(),
            keys: keys.clone(),
            report,
            counters: Arc::clone(counters),
            kernel,
            protection,
            preexisting,
            coverage,
        };
        let sweeper = Sweeper {
            cgroup: interceptor.cgroup().to_owned(),
            endpoints: config.endpoints.clone(),
            followed: kernel_follows,
            found,
            counters: Arc::clone(counters),
        };
        let proxy = Arc::new(Proxy {
            flows: Box::new(interceptor.flows()),
            users: Users::sharing(config.max_connections),
            endpoints: config.endpoints.clone(),
            judge: Judge {
                policies: policy_reader.clone(),
                keys,
                patience: config.hold,
                counters: Arc::clone(counters),
            },
            identities: IdentityResolver::new(&config.identity, policy_reader),
            forwarder: Forwarder::new(upstreams, clock),
            audit: trail,
            counters: Arc::clone(counters),
            limits: config.limits,
        });
        Ok(Self {
            proxy,
            keeper,
            status,
            audit,
            upstream_tasks,
            sweeper,
            kernel_reports: KernelReports {
                watchdog,
                counters: kernel_counters,
                followed,
            },
            measurement: FirstMeasurement {
                pin_dir: config.pin_dir.clone(),
                cgroup: config.cgroup.clone(),
                result,
            },
        })
    }

    /// Starts every part, waits for the end, and drains in order.
    async fn run(
        self,
        config: &Config,
        interceptor: Interceptor,
        listener: TcpListener,
    ) -> Result<(), AppError> {
        let (stop, stopped) = watch::channel(false);
        let (drained, all_drained) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let policies = self.proxy.judge.policies.clone();
        let audit_writer = tokio::task::spawn_blocking(move || self.audit.run());
        let mut parts = JoinSet::new();
        let kernel = redirect::run(
            interceptor,
            config.endpoints.clone(),
            policies,
            self.kernel_reports,
            all_drained.clone(),
        );
        parts.spawn(kernel);
        let sweeping = self.sweeper.run(stopped.clone());
        parts.spawn(async move { sweeping.await.map_err(AppError::from) });
        if let Some(keeper) = self.keeper {
            let (wake, stopped) = (Arc::clone(&wake), stopped.clone());
            parts.spawn(async move {
                keeper.run(wake, stopped).await;
                Ok(())
            });
        }
        let status = self.status;
        parts.spawn(async move {
            status.run(all_drained).await;
            Ok(())
        });
        if config.measure == Measure::AtStart {
            let (measurement, stopped) = (self.measurement, stopped.clone());
            parts.spawn(async move {
                measurement.run(stopped).await;
                Ok(())
            });
        }
        let serving = listener::run(listener, self.proxy, config.max_connections, stopped);
        let serving = tokio::spawn(serving);

        let ended = tokio::select! {
            result = wait_for_stop(&wake) => result,
            part = parts.join_next() => Err(early_end(part)),
        };
        stop.send_replace(true);
        serving.await?;
        drained.send_replace(true);
        while let Some(part) = parts.join_next().await {
            part??;
        }
        audit_writer.await?;
        self.upstream_tasks.close();
        ended
    }
}

fn early_end(part: Option<Result<Result<(), AppError>, JoinError>>) -> AppError {
    match part {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => error.into(),
        Some(Ok(Ok(()))) | None => AppError::EndedEarly,
    }
}

/// Returns at SIGTERM or SIGINT; SIGHUP asks the host at once.
async fn wait_for_stop(wake: &Notify) -> Result<(), AppError> {
    let receive = |kind| signal(kind).map_err(AppError::Signal);
    let mut terminate = receive(SignalKind::terminate())?;
    let mut interrupt = receive(SignalKind::interrupt())?;
    let mut hang_up = receive(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                tracing::info!("asking the host at once");
                wake.notify_one();
            }
        }
    }
    tracing::info!("stopping: open connections may finish");
    Ok(())
}
