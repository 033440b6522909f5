//! The admin interface: health, status, documents to verify tokens and attestations by, inbox; read-only, and never a secret.
//!
//! It asks nobody who they are, so it belongs on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use latchkey_gateway::emulator::attested::Attestor;
use latchkey_gateway::emulator::inbox::Posted;
use latchkey_gateway::server::{ListenerState, ListenerStates};
use latchkey_gateway::{CounterValues, Gateway, Machine};
use latchkey_protocol::{EndpointKind, Mode};
use serde::Serialize;
use serde_json::Value;

use crate::machines::reload::ReloadProblem;

/// What the admin interface shows.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Where it listens.
    pub listeners: ListenerStates,
    /// Why the present machine files are not in force.
    pub reload: Arc<ArcSwapOption<ReloadProblem>>,
    /// How many observations could not be written.
    pub unwritten: Arc<AtomicU64>,
    /// When the program started.
    pub started: Timestamp,
}

/// The whole status.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version: &'static str,
    started: Timestamp,
    machines: Vec<MachineStatus>,
    listeners: Vec<ListenerState>,
    counters: CounterValues,
    observations_unwritten: u64,
    reload_problem: Option<ReloadProblem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineStatus {
    id: String,
    name: String,
    addresses: Vec<std::net::IpAddr>,
    interface: Option<String>,
    modes: Modes,
    key_incarnation: u32,
    key: KeyStatus,
}

#[derive(Debug, Serialize)]
struct Modes {
    imds: Mode,
    wireserver: Mode,
    hostga: Mode,
}

/// The key of a machine, without the key.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
enum KeyStatus {
    /// None is latched.
    None,
    /// One is latched.
    Latched {
        /// Its identifier.
        id: String,
        /// The incarnation it was issued for.
        incarnation: u32,
    },
    /// The store cannot tell.
    Unreadable {
        /// Why.
        problem: String,
    },
}

impl Admin {
    /// Returns the routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/status", get(status))
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(keys))
            .route("/attestation-ca.pem", get(attestation_authority))
            .route("/inbox", get(inbox))
            .with_state(self)
    }
}

async fn status(State(admin): State<Admin>) -> Json<Status> {
    let mut machines = Vec::new();
    for machine in admin.gateway.machines().as_slice() {
        machines.push(machine_status(&admin.gateway, machine).await);
    }
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: admin.started,
        machines,
        listeners: admin.listeners.load().to_vec(),
        counters: admin.gateway.counters(),
        observations_unwritten: admin.unwritten.load(Ordering::Relaxed),
        reload_problem: admin.reload.load().as_deref().cloned(),
    })
}

async fn machine_status(gateway: &Gateway, machine: &Machine) -> MachineStatus {
    let key = match gateway.keys().latched(machine).await {
        Ok(Some((id, incarnation))) => KeyStatus::Latched {
            id: id.to_string(),
            incarnation,
        },
        Ok(None) => KeyStatus::None,
        Err(error) => KeyStatus::Unreadable {
            problem: error.to_string(),
        },
    };
    let now = gateway.now();
    let mode = |kind| machine.mode(kind, now);
    MachineStatus {
        id: machine.id.to_string(),
        name: machine.facts.name.clone(),
        addresses: machine.addresses.clone(),
        interface: machine.interface.clone(),
        modes: Modes {
            imds: mode(EndpointKind::Imds),
            wireserver: mode(EndpointKind::WireServer),
            hostga: mode(EndpointKind::HostGa),
        },
        key_incarnation: machine.key_incarnation,
        key,
    }
}

async fn configuration(State(admin): State<Admin>) -> Json<Value> {
    Json(admin.gateway.emulator().issuer().configuration())
}

async fn keys(State(admin): State<Admin>) -> Json<impl Serialize> {
    Json(admin.gateway.emulator().issuer().key_set())
}

/// Answers the certificate that attested documents are verified by.
async fn attestation_authority(State(admin): State<Admin>) -> Response {
    let attestor = admin.gateway.emulator().attestor();
    match attestor.map(Attestor::authority_pem) {
        Some(Ok(pem)) => ([(CONTENT_TYPE, "application/x-pem-file")], pem).into_response(),
        Some(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn inbox(State(admin): State<Admin>) -> Json<Vec<Posted>> {
    Json(admin.gateway.emulator().inbox().posts())
}
