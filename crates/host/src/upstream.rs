//! Finds the metadata services once, at the start: their addresses by name, the shared secrets in files.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use latchkey_gateway::upstream::{Description, Secret, UpstreamLimits, UpstreamSettings};
use latchkey_protocol::EndpointTable;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::config::{Location, UpstreamConfig};
use crate::secret_file;

/// How long a name may take to be found.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(10);

/// Why a metadata service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamSetupError {
    /// Its name has no address.
    #[error("cannot find the address of the upstream {location}")]
    Lookup {
        /// Where it should be.
        location: Location,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// It is the gateway itself, which would ask itself for ever.
    #[error("the upstream {location} is this host's own endpoint `{endpoint}`")]
    Loop {
        /// Where it should be.
        location: Location,
        /// The endpoint.
        endpoint: String,
    },
    /// The shared secret cannot be read.
    #[error("cannot read the shared secret `{}`", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file of the shared secret is empty.
    #[error("the shared secret `{}` is empty", .0.display())]
    NoSecret(PathBuf),
}

/// Makes of a configured service one that can be asked.
///
/// # Errors
/// When it cannot be found, is the gateway itself, or its secret cannot be read.
pub async fn find(
    config: UpstreamConfig,
    limits: UpstreamLimits,
    endpoints: &EndpointTable,
) -> Result<UpstreamSettings, UpstreamSetupError> {
    let address = look_up(&config.location).await?;
    if let Some((_, endpoint)) = endpoints.find(address) {
        return Err(UpstreamSetupError::Loop {
            location: config.location,
            endpoint: endpoint.name.clone(),
        });
    }
    Ok(UpstreamSettings {
        address,
        description: with_secret(config.description, config.secret_file.as_deref())?,
        limits,
    })
}

async fn look_up(location: &Location) -> Result<SocketAddr, UpstreamSetupError> {
    let failed = |source| UpstreamSetupError::Lookup {
        location: location.clone(),
        source,
    };
    let found = timeout(LOOKUP_PATIENCE, lookup_host(location.authority())).await;
    let found = found.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
    let first = found.map_err(failed)?.next();
    first.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// Reads the secret; a line end behind it is none of it.
fn with_secret(
    description: Description,
    path: Option<&Path>,
) -> Result<Description, UpstreamSetupError> {
    let Some(path) = path else {
        return Ok(description);
    };
    let content = secret_file::read(path).map_err(|source| UpstreamSetupError::Secret {
        path: path.to_owned(),
        source,
    })?;
    let secret = content.trim_ascii_end();
    if secret.is_empty() {
        return Err(UpstreamSetupError::NoSecret(path.to_owned()));
    }
    Ok(description.with_secret(Secret::new(secret)))
}
