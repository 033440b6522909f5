//! The program as a whole: makes the parts, starts them, ends them in order.
//!
//! Any part that ends early ends the program with a reason; nothing runs on unwatched.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use latchkey_gateway::clock::SystemClock;
use latchkey_gateway::emulator::Emulator;
use latchkey_gateway::key_service::KeyServiceError;
use latchkey_gateway::observe::observation_queue;
use latchkey_gateway::server::{Server, ServerError};
use latchkey_gateway::{Gateway, KeyService};
use latchkey_protocol::{Endpoint, EndpointKind};
use nix::errno::Errno;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::admin::Admin;
use crate::attestation::{self, AttestationError};
use crate::config::Config;
use crate::descriptors;
use crate::keystore::{OpenError, SqliteKeyStore};
use crate::machines::InvalidMachines;
use crate::machines::reload::MachineFollower;
use crate::observations::ObservationWriter;
use crate::signals::Signals;
use crate::token_key::{self, TokenKeyError};
use crate::upstream::{self, UpstreamSetupError};

/// How long the parts may take to end: longer than the listeners' drain. A client of the admin
/// interface that never finishes its request must not hold the program.
const END_DEADLINE: Duration = Duration::from_secs(12);

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The key database cannot be used.
    #[error(transparent)]
    KeyStore(#[from] OpenError),
    /// The key service cannot start.
    #[error(transparent)]
    Keys(#[from] KeyServiceError),
    /// The token issuer cannot start.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    /// The signer of attested documents cannot start.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// There is no valid set of machines to start with.
    #[error(transparent)]
    Machines(#[from] InvalidMachines),
    /// The observations file cannot be opened.
    #[error("cannot open the observations file `{}`", path.display())]
    Observations {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The admin interface cannot listen, or broke.
    #[error("cannot serve the admin interface on {address}")]
    Admin {
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The limit of open files cannot be raised.
    #[error("cannot raise the limit of open files")]
    Descriptors(#[source] Errno),
    /// A metadata service behind the gateway cannot be asked.
    #[error(transparent)]
    Upstream(#[from] UpstreamSetupError),
    /// The listeners cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// A part of the program ended by itself.
    #[error("a part of the program ended by itself")]
    Part(#[source] JoinError),
    /// A second interrupt came while requests were finishing.
    #[error("interrupted before all requests had finished")]
    Interrupted,
}

/// Runs the program until it is told to end.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub async fn run(config: Config) -> Result<(), AppError> {
    let signals = Signals::new().map_err(AppError::Signals)?;
    let (stop, drain) = watch::channel(false);
    let (parts, reload) = start(config, drain).await?;
    supervise(parts, signals, &stop, &reload).await
}

/// Starts all parts; returns them, and what asks for a look at the machine files.
async fn start(
    config: Config,
    drain: watch::Receiver<bool>,
) -> Result<(JoinSet<Result<(), AppError>>, Arc<Notify>), AppError> {
    let store = SqliteKeyStore::open(&config.state_dir)?;
    let issuer = Arc::new(token_key::issuer(&config.state_dir, &config.issuer)?);
    let attestor = attestation::attestor(&config.state_dir)?;
    let wire_server = config
        .endpoint(EndpointKind::WireServer)
        .map(authority)
        .unwrap_or_default();
    let (sink, queue) = observation_queue(config.observation_queue);
    let writer =
        ObservationWriter::new(config.observations_file.clone(), queue).map_err(|source| {
            AppError::Observations {
                path: config.observations_file,
                source,
            }
        })?;
    let mut gateway = Gateway::new(
        KeyService::new(Arc::new(store))?,
        Emulator::new(issuer, wire_server).attesting(attestor),
        sink,
        Arc::new(SystemClock),
        config.waits,
    );
    let to_upstreams = config.upstreams.len() * config.upstream_limits.requests;
    for (kind, upstream) in config.upstreams {
        let settings = upstream::find(upstream, config.upstream_limits, &config.endpoints).await?;
        info!(endpoint = %kind, upstream = %settings.address, "requests are forwarded");
        gateway = gateway.with_upstream(kind, settings);
    }
    let gateway = Arc::new(gateway);
    let follower = MachineFollower::start(config.machines_dir, Arc::clone(&gateway)).await?;
    let reload = follower.requests();
    let address = config.admin_listen;
    let admin_error = move |source| AppError::Admin { address, source };
    let admin_socket = TcpListener::bind(address).await.map_err(admin_error)?;
    let connections =
        descriptors::make_room(config.connections, to_upstreams).map_err(AppError::Descriptors)?;
    let server = Server::bind(
        Arc::clone(&gateway),
        config.endpoints.as_slice(),
        connections,
    )?;
    let admin = Admin {
        gateway,
        listeners: server.state(),
        reload: follower.problem(),
        unwritten: writer.unwritten(),
        started: Timestamp::now(),
    };
    let mut parts = JoinSet::new();
    parts.spawn_blocking(move || {
        writer.run();
        Ok(())
    });
    let (for_admin, for_follower) = (drain.clone(), drain.clone());
    parts.spawn(async move {
        follower.run(for_follower).await;
        Ok(())
    });
    parts.spawn(async move {
        let ended = axum::serve(admin_socket, admin.router())
            .with_graceful_shutdown(drained(for_admin))
            .await;
        ended.map_err(admin_error)
    });
    parts.spawn(async move { Ok(server.run(drain).await?) });
    info!(admin = %address, version = env!("CARGO_PKG_VERSION"), "host started");
    Ok((parts, reload))
}

/// Passes signals on, and waits for the end: asked for, or by a part that ended early.
async fn supervise(
    mut parts: JoinSet<Result<(), AppError>>,
    mut signals: Signals,
    stop: &watch::Sender<bool>,
    reload: &Notify,
) -> Result<(), AppError> {
    let mut outcome = Ok(());
    loop {
        tokio::select! {
            () = signals.reload.received() => reload.notify_one(),
            () = signals.terminate.received() => break,
            () = signals.interrupt.received() => break,
            Some(ended) = parts.join_next() => {
                outcome = ended.map_err(AppError::Part).flatten();
                break;
            }
        }
    }
    info!("ending, open requests may finish");
    stop.send_replace(true);
    let deadline = sleep(END_DEADLINE);
    let mut deadline = pin!(deadline);
    loop {
        tokio::select! {
            () = &mut deadline => {
                warn!("parts of the program were still busy at the deadline, and were cut");
                return outcome;
            }
            () = signals.interrupt.received() => return Err(AppError::Interrupted),
            ended = parts.join_next() => match ended {
                None => return outcome,
                Some(ended) => outcome = outcome.and(ended.map_err(AppError::Part).flatten()),
            }
        }
    }
}

async fn drained(mut drain: watch::Receiver<bool>) {
    // A sender that is gone ends the program as well.
    drop(drain.wait_for(|draining| *draining).await);
}

/// Returns host and port of an endpoint as documents name it.
fn authority(endpoint: &Endpoint) -> String {
    let address = endpoint.addresses.first();
    address
        .map(|address| SocketAddr::new(*address, endpoint.port).to_string())
        .unwrap_or_default()
}
