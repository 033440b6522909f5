//! TCP by hand: raw sockets, packet sockets, and everything that could hide a packet from a filter.

use crate::trial::{Trial, trial};

/// Tries to talk TCP by hand. The guest's own TCP, which knows nothing of the connection, would
/// reset it, so where no route is needed it gets none for its answer.
#[track_caller]
fn by_hand(trial: Trial, arguments: &[&str]) {
    if arguments[0].starts_with("packet") {
        trial.prepare("ip route replace blackhole 169.254.169.254/32");
    }
    let arguments = [&["handmade"], arguments].concat();
    trial.proves("root", &arguments);
}

#[test]
fn user_without_capabilities_has_no_raw_socket() {
    trial!().proves("app", &["handmade", "raw-tcp"]);
}

#[test]
fn raw_segment_is_refused() {
    by_hand(trial!(), &["raw-tcp"]);
}

#[test]
fn raw_segment_of_a_connected_socket_is_refused() {
    by_hand(trial!(), &["raw-connected"]);
}

#[test]
fn raw_packet_with_its_own_header_is_refused() {
    by_hand(trial!(), &["raw-header"]);
}

#[test]
fn raw_packet_with_ip_options_is_refused() {
    by_hand(trial!(), &["raw-header", "options"]);
}

#[test]
fn raw_packet_in_fragments_is_refused() {
    by_hand(trial!(), &["raw-fragments"]);
}

#[test]
fn frame_is_refused() {
    by_hand(trial!(), &["packet"]);
}

#[test]
fn frame_with_a_priority_tag_is_refused() {
    by_hand(trial!(), &["packet-tagged"]);
}

#[test]
fn frame_with_two_priority_tags_is_refused() {
    by_hand(trial!(), &["packet-tagged-twice"]);
}

#[test]
fn frame_that_says_it_is_another_protocol_is_refused() {
    by_hand(trial!(), &["packet-lying"]);
}

#[test]
fn frame_with_ip_options_is_refused() {
    by_hand(trial!(), &["packet", "options"]);
}

#[test]
fn frame_whose_header_the_kernel_makes_is_refused() {
    by_hand(trial!(), &["packet-datagram"]);
}

#[test]
fn frame_past_the_queueing_discipline_is_refused_by_the_host() {
    by_hand(trial!(), &["packet-bypass"]);
}
