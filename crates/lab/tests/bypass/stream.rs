//! Stream sockets of every kind.

use crate::trial::trial;

#[test]
fn plain_stream_is_brokered() {
    trial!().proves("app", &["stream"]);
}

#[test]
fn stream_bound_before_it_connects_is_brokered() {
    trial!().proves("app", &["stream", "from=0.0.0.0", "source-port=20080"]);
}

#[test]
fn fast_open_without_connect_is_brokered() {
    trial!().proves("app", &["stream", "fastopen"]);
}

#[test]
fn fast_open_that_connects_by_its_first_bytes_is_brokered() {
    trial!().proves("app", &["stream", "fastopen-connect"]);
}

#[test]
fn fast_open_of_the_mapped_address_is_brokered() {
    trial!().proves("app", &["stream", "fastopen", "mapped"]);
}

#[test]
fn multipath_stream_is_brokered() {
    trial!().proves("app", &["stream", "mptcp"]);
}

#[test]
fn multipath_stream_to_the_mapped_address_is_brokered() {
    trial!().proves("app", &["stream", "mptcp", "mapped"]);
}

#[test]
fn stream_bound_to_the_uplink_goes_nowhere() {
    trial!().proves("app", &["stream", "device=eth0"]);
}

#[test]
fn stream_bound_to_the_loopback_device_is_brokered() {
    trial!().proves("app", &["stream", "device=lo"]);
}

#[test]
fn marked_stream_is_brokered() {
    trial!().proves("root", &["stream", "mark=1"]);
}

#[test]
fn source_address_that_the_guest_does_not_have_is_refused() {
    trial!().proves("app", &["stream", "freebind", "from=10.66.66.66"]);
}

#[test]
fn transparent_source_address_goes_nowhere() {
    trial!().proves("root", &["stream", "transparent", "from=10.66.66.66"]);
}

#[test]
fn source_routed_stream_goes_nowhere() {
    let trial = trial!();
    let route = format!("route={}", trial.world.guest("vm").gateway());
    trial.proves("root", &["stream", &route]);
}

#[test]
fn stream_in_repair_is_reset_by_the_listener() {
    trial!().proves("root", &["stream", "repair"]);
}
