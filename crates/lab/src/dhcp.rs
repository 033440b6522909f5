//! A DHCP server (RFC 2131) on the host's side of a guest's link, as Azure has one.
//!
//! It offers the guest its own address, the way to the metadata addresses, and with option 245 the
//! address of the `WireServer`. It offers no router: a guest never gets a default route.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::guest::Guest;
use crate::lab::Lab;
use crate::network::{METADATA_ADDRESS, WIRESERVER_ADDRESS};
use crate::process::{Process, ProcessError};

/// How long the server may take to start.
const LIMIT: Duration = Duration::from_secs(20);

/// Serves a guest of a lab for as long as the process lives.
///
/// # Errors
/// dnsmasq is missing, or did not start.
pub fn serve(lab: &Lab, guest: &Guest) -> Result<Process, ProcessError> {
    let (address, gateway) = (guest.address(), guest.gateway());
    let leases = lab
        .host()
        .dir()
        .join(format!("{}.leases", guest.interface()));
    let mut server = lab
        .host()
        .command("root", "dnsmasq")
        .args(["--keep-in-foreground", "--log-facility=-", "--log-dhcp"])
        .args(["--conf-file=/dev/null", "--pid-file=", "--user=root"])
        // It serves no names, and does not ask around whether the guest's address is free.
        .args(["--port=0", "--no-ping", "--dhcp-authoritative"])
        .args(["--bind-interfaces", "--interface", guest.interface()])
        .arg(format!("--dhcp-leasefile={}", leases.display()))
        .arg(format!("--dhcp-range={address},{address},255.255.255.0,1h"))
        // Without a value: no router and no name server.
        .args([
            "--dhcp-option=option:router",
            "--dhcp-option=option:dns-server",
        ])
        .arg(format!("--dhcp-option=121,{}", routes(gateway)))
        .arg(format!(
            "--dhcp-option-force=245,{}",
            hexadecimal(WIRESERVER_ADDRESS)
        ))
        .spawn()?;
    server.wait_for_line("DHCP, IP range", LIMIT)?;
    Ok(server)
}

/// The metadata addresses behind a gateway, as classless static routes (RFC 3442) are written.
fn routes(gateway: Ipv4Addr) -> String {
    [METADATA_ADDRESS, WIRESERVER_ADDRESS]
        .map(|address| format!("{address}/32,{gateway}"))
        .join(",")
}

/// Four bytes, and not text, are what clients read from option 245.
fn hexadecimal(address: Ipv4Addr) -> String {
    address
        .octets()
        .map(|octet| format!("{octet:02x}"))
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_in_option_245_is_four_bytes() {
        assert_eq!(hexadecimal(WIRESERVER_ADDRESS), "a8:3f:81:10");
    }
}
