//! Where a metadata service behind an endpoint is, and what it is told about who asks; checked, not yet looked up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use latchkey_gateway::upstream::Description;

use super::Problems;
use super::file::EndpointSection;

/// A metadata service as it is configured.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Where it is.
    pub location: Location,
    /// The headers by which it learns who asks.
    pub description: Description,
    /// The file with the secret that the gateway shares with it.
    pub secret_file: Option<PathBuf>,
}

/// Host and port of a metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// An IP address, in brackets if of version 6, or a name that is looked up at the start.
    host: String,
    port: u16,
}

impl Location {
    /// Returns host and port in the form in which they are looked up.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl From<SocketAddr> for Location {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Self {
            host,
            port: address.port(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

/// The text is no location: anything but scheme, host and port would be lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocationError;

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let uri: Uri = text.parse().map_err(|_uri| LocationError)?;
        let authority = uri.authority().ok_or(LocationError)?;
        let is_bare = matches!(
            uri.path_and_query().map(|rest| rest.as_str()),
            None | Some("/")
        );
        let is_plain = uri.scheme() == Some(&Scheme::HTTP) && !authority.as_str().contains('@');
        let port = authority.port_u16().unwrap_or(80);
        // A port that is no number, or none behind a colon, is none to the parser.
        let has_odd_port = authority.port().is_none() && authority.as_str() != authority.host();
        if !is_bare || !is_plain || has_odd_port || port == 0 || authority.host().is_empty() {
            return Err(LocationError);
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port,
        })
    }
}

impl UpstreamConfig {
    /// Checks what a section says about the service behind its endpoint; nothing, when the emulator
    /// answers there.
    pub(super) fn check(section: &EndpointSection, problems: &mut Problems<'_>) -> Option<Self> {
        let Some(url) = &section.upstream else {
            if problems.is_whole("endpoints") {
                refuse_without_upstream(section, problems);
            }
            return None;
        };
        let location = problems.parsed::<Location>(
            url,
            "is not of the form http://HOST:PORT, without path; TLS is not spoken",
        );
        let mut description = Description::default();
        for (name, value) in &section.upstream_headers {
            if let Err(error) = description.add(name, value.as_ref()) {
                problems.at(&value.span(), &error.to_string());
            }
        }
        let has_secret = section.upstream_secret_file.is_some() || !problems.is_whole("endpoints");
        if description.needs_secret() && !has_secret {
            problems.at(
                &url.span(),
                "a header holds an `hmac:` field, and there is no upstream_secret_file",
            );
        }
        Some(Self {
            location: location?,
            description,
            secret_file: section
                .upstream_secret_file
                .as_ref()
                .map(|file| file.as_ref().clone()),
        })
    }
}

/// The emulator reads no headers and no secret: who wrote them meant something else.
fn refuse_without_upstream(section: &EndpointSection, problems: &mut Problems<'_>) {
    for value in section.upstream_headers.values() {
        problems.at(
            &value.span(),
            "headers are for an upstream, and there is none",
        );
    }
    if let Some(file) = &section.upstream_secret_file {
        problems.at(
            &file.span(),
            "a secret is for an upstream, and there is none",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_host_and_port() {
        for (text, authority) in [
            ("http://10.0.0.5:8775", "10.0.0.5:8775"),
            ("http://10.0.0.5:8775/", "10.0.0.5:8775"),
            ("http://metadata.internal", "metadata.internal:80"),
            ("http://[fd00::5]:8775", "[fd00::5]:8775"),
            ("HTTP://metadata:8775", "metadata:8775"),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.authority(), authority);
            assert_eq!(location.to_string().parse(), Ok(location));
        }
    }

    #[test]
    fn what_would_be_lost_on_the_way_is_refused() {
        for text in [
            "10.0.0.5:8775",
            "https://10.0.0.5",
            "http://10.0.0.5/base",
            "http://10.0.0.5/?a",
            "http://user@10.0.0.5",
            "http://10.0.0.5:0",
            "http://10.0.0.5:99999",
            "http://10.0.0.5:",
            "http://:80",
            "http://",
            "/",
            "",
        ] {
            assert_eq!(text.parse::<Location>(), Err(LocationError), "{text}");
        }
    }
}
