//! Links between a host and its guests, with the real metadata addresses on the host's side.
//!
//! The machine's own network namespace takes no part: both ends of each link are made from inside
//! the host's namespace. A guest has no default route, and the host forwards nothing.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use crate::files::{self, FileError};
use crate::namespace::Namespace;
use crate::process::readable;

/// Where instance metadata is served (link-local, RFC 3927).
pub const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Where the `WireServer` and the `HostGAPlugin` are served, and names are resolved.
pub const WIRESERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The name of a guest's only interface beside `lo`, inside the guest.
pub const GUEST_INTERFACE: &str = "eth0";

/// Why a network could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A kernel setting could not be written.
    #[error(transparent)]
    Setting(#[from] FileError),
    /// The namespace could not be entered, so nothing was done.
    #[error("enter the network namespace of the lab")]
    Enter(#[source] Errno),
    /// `ip` could not be started.
    #[error("run `ip`; is iproute2 installed?")]
    Start(#[source] io::Error),
    /// `ip` refused.
    #[error("{purpose}: `{command}` failed: {said}")]
    Refused {
        /// What it was for.
        purpose: String,
        /// The command line.
        command: String,
        /// What it wrote to standard error.
        said: String,
    },
}

/// One guest's connection to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    interface: String,
    number: u8,
}

impl Link {
    /// Describes the link of the guest with this number.
    #[must_use]
    pub fn of_guest(number: u8) -> Self {
        Self {
            interface: format!("vm{number}"),
            number,
        }
    }

    /// Returns the name of the interface on the host's side.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Returns the guest's address, the source of all its packets.
    #[must_use]
    pub fn guest_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 2)
    }

    /// Returns the hardware address of the guest's end, locally administered (IEEE 802).
    #[must_use]
    pub fn hardware_address(&self) -> String {
        format!("02:00:0a:4d:{:02x}:02", self.number)
    }

    /// Returns the host's own address on the link.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 1)
    }
}

/// Gives the host its metadata addresses and makes it drop packets with a source that is not the
/// sender's.
///
/// # Errors
/// The kernel refused one of the steps.
pub fn set_up_host(host: &Namespace) -> Result<(), NetworkError> {
    inside(host, || {
        quieten_ipv6()?;
        // SECURITY: a guest that uses another guest's address must not be taken for it. The setting
        // is inherited by interfaces made later, so no packet comes in before it holds.
        for scope in ["all", "default"] {
            set(&format!("ipv4/conf/{scope}/rp_filter"), "1")?;
            set(&format!("ipv4/conf/{scope}/accept_source_route"), "0")?;
        }
        // Guests do not reach each other through their host.
        set("ipv4/ip_forward", "0")?;
        ip("bring up the host's loopback", "link set lo up")?;
        for address in [METADATA_ADDRESS, WIRESERVER_ADDRESS] {
            ip(
                "give the host its metadata address",
                &format!("address add {address}/32 dev lo"),
            )?;
        }
        Ok(())
    })
}

/// Connects a guest to the host.
///
/// # Errors
/// The kernel refused one of the steps.
pub fn connect(host: &Namespace, guest: &Namespace, link: &Link) -> Result<(), NetworkError> {
    let (near, far) = (link.interface(), GUEST_INTERFACE);
    let (host_address, guest_address) = (link.host_address(), link.guest_address());
    inside(guest, || {
        quieten_ipv6()?;
        ip("bring up the guest's loopback", "link set lo up")
    })?;
    inside(host, || {
        let purpose = format!("create link {near}");
        let (pid, mac) = (guest.holder().pid, link.hardware_address());
        ip(
            &purpose,
            &format!("link add {near} type veth peer name {far} address {mac} netns {pid}"),
        )?;
        ip(
            &purpose,
            &format!("address add {host_address}/24 dev {near}"),
        )?;
        ip(&purpose, &format!("link set {near} up"))
    })?;
    inside(guest, || {
        let purpose = format!("bring up the guest's end of link {near}");
        ip(
            &purpose,
            &format!("address add {guest_address}/24 dev {far}"),
        )?;
        ip(&purpose, &format!("link set {far} up"))?;
        for address in [METADATA_ADDRESS, WIRESERVER_ADDRESS] {
            ip(
                &purpose,
                &format!("route add {address}/32 dev {far} src {guest_address}"),
            )?;
        }
        Ok(())
    })
}

/// Returns the default routes of the calling thread's network namespace, or an empty text.
///
/// # Errors
/// `ip` refused.
pub(crate) fn default_routes() -> Result<String, NetworkError> {
    let purpose = "look for default routes";
    let mut routes = show(purpose, "-4 route show default")?;
    if has_ipv6() {
        routes.push_str(&show(purpose, "-6 route show default")?);
    }
    Ok(routes)
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").is_dir()
}

/// Leaves IPv6 to the loopback alone. IPv4-mapped sockets still work, and no interface sends
/// neighbour discovery of its own accord.
fn quieten_ipv6() -> Result<(), NetworkError> {
    // A kernel without IPv6 has nothing to switch off.
    if !has_ipv6() {
        return Ok(());
    }
    for (scope, value) in [("all", "1"), ("default", "1"), ("lo", "0")] {
        set(&format!("ipv6/conf/{scope}/disable_ipv6"), value)?;
    }
    Ok(())
}

/// Does `work` on a thread of its own inside the network namespace; the calling thread stays
/// outside.
fn inside(
    namespace: &Namespace,
    work: impl FnOnce() -> Result<(), NetworkError> + Send,
) -> Result<(), NetworkError> {
    let enter_and_work = || {
        setns(namespace.network(), CloneFlags::CLONE_NEWNET).map_err(NetworkError::Enter)?;
        work()
    };
    thread::scope(|scope| scope.spawn(enter_and_work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Writes a setting of the calling thread's network namespace.
fn set(name: &str, value: &str) -> Result<(), NetworkError> {
    // The kernel shows the settings of the thread that opens the file, not of its process.
    Ok(files::write(&Path::new("/proc/sys/net").join(name), value)?)
}

/// Runs `ip` in the calling thread's network namespace.
fn ip(purpose: &str, arguments: &str) -> Result<(), NetworkError> {
    show(purpose, arguments).map(drop)
}

/// Runs `ip` in the calling thread's network namespace and returns what it wrote.
fn show(purpose: &str, arguments: &str) -> Result<String, NetworkError> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .map_err(NetworkError::Start)?;
    if output.status.success() {
        return Ok(readable(&output.stdout));
    }
    Err(NetworkError::Refused {
        purpose: purpose.to_owned(),
        command: format!("ip {arguments}"),
        said: output.stderr.trim_ascii().escape_ascii().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_two_guests_share_no_address_and_no_interface() {
        let (one, two) = (Link::of_guest(1), Link::of_guest(254));
        assert_eq!(one.interface(), "vm1");
        assert_eq!(one.guest_address(), Ipv4Addr::new(10, 77, 1, 2));
        assert_eq!(two.host_address(), Ipv4Addr::new(10, 77, 254, 1));
        assert_ne!(
            one.guest_address().octets()[2],
            two.guest_address().octets()[2]
        );
    }
}
