//! The resources of the compatible API: what their documents say.
//!
//! A resource is stored under its resource id in lower case, since ids mean the same in any case;
//! its body is the resource as it was last written, with the id as it was first written.

pub mod id;
pub mod settings;
pub mod version;

pub use id::ResourceId;
pub use settings::{HostEndpointSettings, ProxyAgentSettings};
pub use version::VersionProperties;
