//! Listeners on loopback: interfaces told apart, machines followed, failures shown.

use std::time::Instant;

use latchkey_protocol::{EndpointKind, Mode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::machine::MachineTable;
use crate::machine::tests::machine;
use crate::service::tests::gateway;

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        name: "imds".to_owned(),
        kind: EndpointKind::Imds,
        addresses: vec!["127.0.0.1".parse().unwrap()],
        port,
        hosts: vec![],
        initial_mode: Mode::Enforce,
        msp: true,
    }
}

fn bound(gateway: &Arc<Gateway>, endpoint: Endpoint) -> Result<Server, ServerError> {
    Server::bind(
        Arc::clone(gateway),
        &[endpoint],
        ConnectionLimits::default(),
    )
}

async fn wait_until(states: &ListenerStates, holds: impl Fn(&[ListenerState]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds(&states.load()) {
        assert!(
            Instant::now() < deadline,
            "listeners are {:?}",
            states.load()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metadata/versions HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn listeners_follow_the_machines_and_tell_interfaces_apart() {
    let gateway = gateway();
    let on_loopback = machine("a", "127.0.0.1", Some("lo"));
    gateway.set_machines(MachineTable::new(vec![on_loopback]).unwrap());
    let server = bound(&gateway, endpoint(0)).unwrap();
    let (states, (stop, drain)) = (server.state(), watch::channel(false));
    let running = tokio::spawn(server.run(drain));
    wait_until(&states, |states| states.len() == 1).await;
    let bound = states.load()[0].clone();
    assert_eq!(
        (bound.interface.as_deref(), &bound.problem),
        (Some("lo"), &None)
    );
    assert!(
        ask(bound.address).await.contains("signature_missing"),
        "the machine is known"
    );

    gateway.set_machines(MachineTable::new(vec![machine("b", "127.0.0.1", None)]).unwrap());
    wait_until(&states, |states| {
        states.iter().all(|state| state.interface.is_none())
    })
    .await;
    assert!(
        ask(states.load()[0].address)
            .await
            .contains("signature_missing")
    );

    let elsewhere = machine("c", "127.0.0.1", Some("latchkey-none"));
    gateway.set_machines(MachineTable::new(vec![elsewhere]).unwrap());
    wait_until(&states, |states| {
        states.iter().any(|state| state.problem.is_some())
    })
    .await;
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn packets_over_an_interface_never_pass_for_those_of_a_machine_without_one() {
    let gateway = gateway();
    let machines = vec![
        machine("a", "127.0.0.1", Some("lo")),
        machine("b", "127.0.0.2", None),
    ];
    gateway.set_machines(MachineTable::new(machines).unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = bound(&gateway, endpoint(port)).unwrap();
    let (states, (stop, drain)) = (server.state(), watch::channel(false));
    let running = tokio::spawn(server.run(drain));
    wait_until(&states, |states| states.len() == 2).await;
    assert!(
        states.load().iter().all(|state| state.problem.is_none()),
        "{:?}",
        states.load()
    );
    let address = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
    assert!(
        ask(address).await.contains("signature_missing"),
        "taken by the listener of lo"
    );
    let from_other = TcpSocket::new_v4().unwrap();
    from_other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = from_other.connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("unknown_machine"), "{answer}");
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn address_that_is_taken_ends_the_server_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let gateway = gateway();
    gateway.set_machines(MachineTable::new(vec![machine("a", "127.0.0.1", None)]).unwrap());
    let error = bound(&gateway, endpoint(port)).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }), "{error}");
}

/// Runs `ip` in the network namespace of this thread.
fn ip(arguments: &str) {
    let status = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

#[test]
fn interface_that_was_made_anew_gets_a_new_listener() {
    // A thread's network namespace ends with the thread.
    let alone = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(follow_an_interface());
    });
    alone.join().unwrap();
}

async fn follow_an_interface() {
    ip("link set lo up");
    ip("link add guest0 type veth peer name guest1");
    let gateway = gateway();
    let machine = machine("a", "127.0.0.1", Some("guest0"));
    gateway.set_machines(MachineTable::new(vec![machine]).unwrap());
    let mut server = bound(&gateway, endpoint(8080)).unwrap();
    assert!(!server.has_problem());

    ip("link delete guest0");
    assert!(server.has_problem(), "the listener lost its interface");
    server.follow_machines();
    assert!(server.state().load()[0].problem.is_some());

    ip("link add guest0 type veth peer name guest1");
    server.follow_machines();
    assert!(server.state().load()[0].problem.is_none() && !server.has_problem());
    let device = getsockopt(
        &*server.running.values().next().unwrap().socket,
        sockopt::BindToDevice,
    );
    assert_eq!(device.unwrap(), "guest0");

    ip("link delete guest0");
    ip("link add guest0 type veth peer name guest1");
    assert!(
        server.has_problem(),
        "the name is there, the interface is another"
    );
    server.follow_machines();
    assert!(server.state().load()[0].problem.is_none() && !server.has_problem());
}
