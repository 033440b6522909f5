//! Nobody but root of the initial user namespace can take the place of the agent's listener.

use latchkey_intercept::{Counter, InterceptMode, Interceptor};

use crate::caller::Namespace;
use crate::world::{ADDRESSES, World, count, in_world};

/// Every local address at which a connection to 127.0.0.1 would be heard.
const PLACES: [(&str, &str); 6] = [
    ("INET", "127.0.0.1"),
    ("INET", "0.0.0.0"),
    ("INET6", "::"),
    ("INET6", "::1"),
    ("INET6", "::ffff:127.0.0.1"),
    ("INET6", "::ffff:0.0.0.0"),
];

fn bind_answers(world: &World, caller: &mut crate::caller::Caller) -> Vec<String> {
    let port = world.config.listener.port();
    let mut answers = Vec::new();
    for (family, address) in PLACES {
        for kind in ["tcp", "mptcp"] {
            assert_eq!(caller.ask(&format!("open {family} {kind}")), "ok");
            answers.push(caller.ask(&format!("bind {address} {port}")));
        }
    }
    answers
}

#[test]
fn ordinary_user_cannot_bind_the_listeners_port() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Audit);
        let mut squatter = world.caller();
        assert_eq!(squatter.ask("become 1001 1001"), "ok");
        assert_eq!(bind_answers(world, &mut squatter), ["EPERM"; 12]);
        assert_eq!(count(&interceptor, Counter::BindRefused), 12);
    });
}

#[test]
fn listeners_port_is_given_to_no_socket_that_asks_for_any_port() {
    in_world(|world| {
        let setting = |name: &str| format!("/proc/sys/net/ipv4/{name}");
        // Both settings are the test's own namespace's. The one other port that is left is reserved.
        std::fs::write(setting("ip_local_port_range"), "3079 3080").unwrap();
        std::fs::write(setting("ip_local_reserved_ports"), "3079").unwrap();
        let mut config = world.config.clone();
        config.listener.set_port(3080);
        let _interceptor = Interceptor::attach(&config).unwrap();
        let reserved = std::fs::read_to_string(setting("ip_local_reserved_ports")).unwrap();
        // Behind them is the port of the other listener.
        assert!(reserved.starts_with("3079-3080,"), "{reserved}");
        let mut squatter = world.caller();
        assert_eq!(squatter.ask("become 1001 1001"), "ok");
        for family in ["INET", "INET6"] {
            assert_eq!(squatter.ask(&format!("open {family} tcp")), "ok");
            assert_eq!(squatter.ask("listen-unbound"), "EADDRINUSE");
        }
        assert_eq!(squatter.ask("open INET tcp"), "ok");
        assert_eq!(squatter.ask("bind 127.0.0.1 0"), "EADDRINUSE");
    });
}

#[test]
fn root_of_another_user_namespace_cannot_bind_the_listeners_port() {
    in_world(|world| {
        let _interceptor = world.attach(InterceptMode::Audit);
        let mut squatter = world.caller_in(&Namespace::User);
        assert_eq!(bind_answers(world, &mut squatter), ["EPERM"; 12]);
    });
}

#[test]
fn root_can_bind_the_listeners_port_again() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        let mut root = world.caller();
        // The port is taken by the test itself; what counts is that the guard does not refuse.
        let answers = bind_answers(world, &mut root);
        assert!(
            answers.iter().all(|answer| answer != "EPERM"),
            "{answers:?}"
        );
        assert_eq!(count(&interceptor, Counter::BindRefused), 0);
    });
}

#[test]
fn ports_and_addresses_besides_the_listener_are_free() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        let port = world.config.listener.port();
        let mut user = world.caller();
        assert_eq!(user.ask("become 1001 1001"), "ok");
        assert_eq!(user.ask("open INET tcp"), "ok");
        assert_ne!(user.ask("bind 127.0.0.1 0"), "EPERM");
        assert_eq!(user.ask("open INET tcp"), "ok");
        assert_eq!(
            user.ask(&format!("bind 169.254.169.254 {port}")),
            port.to_string()
        );
        assert_eq!(user.ask("open INET udp"), "ok");
        assert_eq!(
            user.ask(&format!("bind 127.0.0.1 {port}")),
            port.to_string()
        );
        assert_eq!(count(&interceptor, Counter::BindRefused), 0);
    });
}

#[test]
fn other_network_namespaces_may_use_the_port() {
    in_world(|world| {
        let _interceptor = world.attach(InterceptMode::Enforce);
        let port = world.config.listener.port();
        let mut user = world.caller_in(&Namespace::Network { setup: ADDRESSES });
        assert_eq!(user.ask("become 1001 1001"), "ok");
        assert_eq!(user.ask("open INET tcp"), "ok");
        assert_eq!(
            user.ask(&format!("bind 127.0.0.1 {port}")),
            port.to_string()
        );
    });
}
