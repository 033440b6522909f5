//! The guard on a guest's links lets its DHCP client work, which uses packet sockets, and stops packet
//! sockets that ask for the protected port of an address at which names, leases and time are served.

use std::fs;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Process, dhcp};

use crate::world::{INSTANCE, World};

/// Sends packets of its own making to the metadata address: SYNs, and datagrams.
const SEND_PACKETS: &str = "import ipaddress, socket, struct\n\
    source, target = (ipaddress.ip_address(a).packed for a in ('10.77.1.2', '169.254.169.254'))\n\
    tcp = struct.pack('!IIBBHHH', 1, 0, 80, 2, 1024, 0, 0)\n\
    udp = struct.pack('!HH', 8, 0)\n\
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)\n\
    for protocol, port, body in ((6, 80, tcp), (6, 53, tcp), (17, 53, udp), (17, 67, udp), \
                                 (17, 123, udp), (17, 80, udp)):\n    \
        body = struct.pack('!HH', 40000, port) + body\n    \
        packet = struct.pack('!BBHHHBBH4s4s', 69, 0, 20 + len(body), 1, 0, 64, protocol, 0, \
                             source, target) + body\n    \
        try: frames.sendto(packet, ('eth0', 0x0800, 0, 0, b'\\xff' * 6)); print(port, 'sent')\n    \
        except OSError as error: print(port, error.strerror)\n";

/// Asks for a lease and changes nothing by it.
fn start_client(world: &World) -> Process {
    let guest = world.guest("vm");
    let file = |name: &str| guest.dir().join(name).display().to_string();
    let mut client = guest
        .command("root", "/usr/sbin/dhclient")
        .args(["-4", "-d", "-1", "-v"])
        .args(["-sf", "/bin/true", "-cf", "/dev/null"])
        .args([
            "-lf",
            &file("dhclient.leases"),
            "-pf",
            &file("dhclient.pid"),
        ])
        .arg("eth0")
        .spawn()
        .unwrap();
    client.wait_for_line("bound to 10.77.1.2", LIMIT).unwrap();
    client
}

#[test]
fn dhcp_client_with_packet_sockets_gets_its_lease_under_an_agent_in_enforce() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let server = dhcp::serve(world.system.lab(), world.guest("vm")).unwrap();
    fs::write(world.guest("vm").dir().join("dhclient.leases"), "").unwrap();
    let client = start_client(&world);
    let log = client.log().unwrap();
    assert!(log.contains("Sending on   LPF/eth0"), "{log}");
    assert!(log.contains("DHCPREQUEST for 10.77.1.2"), "{log}");
    assert!(server.log().unwrap().contains("DHCPACK"), "{log}");
    // The protected port of the same address is protected all the while.
    world.expect("vm", "mallory", &Curl::imds(INSTANCE), 403);
    drop(client);
    world.end(&[("vm", 1)]);
}

#[test]
fn packet_socket_reaches_other_ports_of_the_protected_address_only() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let python = world.guest("vm").command("root", "/usr/bin/python3");
    let output = python.args(["-c", SEND_PACKETS]).output(LIMIT).unwrap();
    assert_eq!(
        output.stdout_text(),
        "80 No buffer space available\n53 sent\n53 sent\n67 sent\n123 sent\n\
         80 No buffer space available\n",
        "{}",
        output.stderr
    );
    world.end(&[("vm", 0)]);
}

/// Makes a link and sends frames to the protected port over it until one is refused.
const SEND_OVER_NEW_LINK: &str = "import socket, struct, subprocess, time\n\
    subprocess.run('ip link add later0 type veth peer name later1 && ip link set later0 up \
                    && ip link set later1 up', shell=True, check=True)\n\
    target = bytes((169, 254, 169, 254))\n\
    packet = struct.pack('!BBHHHBBH4s4s', 69, 0, 40, 1, 0, 64, 6, 0, bytes(4), target)\n\
    packet += struct.pack('!HHIIBBHHH', 40000, 80, 1, 0, 80, 2, 1024, 0, 0)\n\
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)\n\
    until = time.monotonic() + 20\n\
    while time.monotonic() < until:\n    \
        try: frames.sendto(packet, ('later0', 0x0800, 0, 0, b'\\xff' * 6)); time.sleep(0.001)\n    \
        except OSError as error: print(error.strerror); break\n";

#[test]
fn link_that_appears_while_the_agent_runs_is_guarded() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let python = world.guest("vm").command("root", "/usr/bin/python3");
    let output = python.args(["-c", SEND_OVER_NEW_LINK]).output(LIMIT);
    let output = output.unwrap();
    let said = output.stdout_text();
    assert_eq!(said, "No buffer space available\n", "{}", output.stderr);
    world.end(&[("vm", 0)]);
}
