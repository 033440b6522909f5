//! Control groups: those that callers make, and those that they move to.

use crate::trial::{GUEST, Trial, trial};

/// Makes a group below the guest's, and returns its path.
fn below(trial: &Trial) -> String {
    let group = trial.world.guest(GUEST).cgroup().path().join("own");
    std::fs::create_dir(&group).unwrap();
    group.to_str().unwrap().to_owned()
}

/// Returns a group that the programs are not attached to: the lab's, above all of its nodes.
fn outside(trial: &Trial) -> String {
    let group = trial.world.guest(GUEST).cgroup().path();
    group.parent().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn group_below_the_attached_one_is_brokered() {
    let trial = trial!();
    let group = below(&trial);
    trial.proves("root", &["kept-socket", &group]);
}

#[test]
fn process_that_changes_its_group_after_connecting_is_brokered() {
    let trial = trial!();
    let group = below(&trial);
    trial.proves("root", &["moved", &group]);
}

#[test]
fn socket_stays_in_the_group_that_it_was_made_in() {
    let trial = trial!();
    let group = outside(&trial);
    trial.proves("root", &["kept-socket", &group]);
}
