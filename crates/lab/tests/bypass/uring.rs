//! Connections through `io_uring`.

use crate::trial::trial;

#[test]
fn io_uring_connect_is_brokered() {
    trial!().proves("app", &["uring", "plain"]);
}

#[test]
fn io_uring_connect_by_a_worker_is_brokered() {
    trial!().proves("app", &["uring", "worker"]);
}

#[test]
fn io_uring_connect_by_the_polling_thread_is_brokered() {
    trial!().proves("app", &["uring", "polled"]);
}

#[test]
fn io_uring_with_another_users_personality_is_refused() {
    trial!().proves("root", &["uring", "as=1001"]);
}

#[test]
fn io_uring_with_a_personality_kept_from_root_is_refused() {
    trial!().proves("root", &["uring", "kept=1003"]);
}
