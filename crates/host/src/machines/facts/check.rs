//! What facts may not say, because no real document would.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_gateway::facts::{Compute, Facts, Storage, Throttle};

use super::super::problem::Problems;

/// Reports everything in the facts that cannot be.
pub(super) fn check(facts: &Facts, problems: &mut Problems) {
    if STANDARD.decode(&facts.user_data).is_err() {
        problems.at("facts.user_data", "`facts.user_data` is not base64");
    }
    check_compute(&facts.compute, problems);
    check_storage(&facts.storage, problems);
    if let Some(throttle) = &facts.throttle {
        check_throttle(throttle, problems);
    }
}

fn check_compute(compute: &Compute, problems: &mut Problems) {
    if !compute.host.is_empty() && !compute.host_group.is_empty() {
        problems.at(
            "facts.compute",
            "`facts.compute` has a `host` and a `host_group`: say one",
        );
    }
    let words: [(&str, &str, &[&str]); 3] = [
        ("priority", &compute.priority, &["Regular", "Low", "Spot"]),
        (
            "eviction_policy",
            &compute.eviction_policy,
            &["Deallocate", "Delete"],
        ),
        (
            "security_profile.security_type",
            &compute.security_profile.security_type,
            &["TrustedLaunch", "ConfidentialVM"],
        ),
    ];
    for (name, word, known) in words {
        if !word.is_empty() && !known.contains(&word) {
            let known = known.join("`, `");
            problems.at(
                format!("facts.compute.{name}"),
                format!("`facts.compute.{name}` is `{word}`: it is empty or one of `{known}`"),
            );
        }
    }
}

fn check_storage(storage: &Storage, problems: &mut Problems) {
    let own = &storage.os_disk;
    if own.lun.is_some() || own.ultra.is_some() {
        problems.at(
            "facts.storage.os_disk",
            "`facts.storage.os_disk`: `lun` and `ultra` are of data disks",
        );
    }
    let mut seen = BTreeSet::new();
    for (position, disk) in (0..).zip(&storage.data_disks) {
        let lun = disk.lun.unwrap_or(position);
        if !seen.insert(lun) {
            problems.between(
                format!("facts.storage.data_disks.{position}"),
                format!("`facts.storage.data_disks` has two disks with lun {lun}"),
            );
        }
        if disk.encryption != Default::default() || !disk.diff_disk_option.is_empty() {
            problems.at(format!("facts.storage.data_disks.{position}"), format!(
                "`facts.storage.data_disks` with lun {lun}: `encryption` and `diff_disk_option` \
                 are of the system's disk"
            ));
        }
    }
}

fn check_throttle(throttle: &Throttle, problems: &mut Problems) {
    let rates = [
        ("requests_per_second", throttle.requests_per_second),
        (
            "identity_requests_per_second",
            throttle.identity_requests_per_second,
        ),
    ];
    for (name, _) in rates.iter().filter(|(_, rate)| *rate == 0) {
        problems.at(
            format!("facts.throttle.{name}"),
            format!("`facts.throttle.{name}` is 0: no request would ever be answered"),
        );
    }
}
