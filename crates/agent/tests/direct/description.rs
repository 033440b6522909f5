//! What rules may ask about a caller besides names: script, content, numbers, and what is forbidden.

use latchkey_agent::identity::{Hashing, IdentityConfig};
use latchkey_intercept::{FlowRecord, ScriptPath};
use latchkey_protocol::{Flag, Reason};
use latchkey_record::AuditRecord;
use latchkey_record::caller::ExecutableState;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bed::{Bed, Plan, key};
use crate::modes::assert_refused;
use crate::{flow, profile};

const OWN: &str = "GET /metadata/own HTTP/1.1\r\nHost: metadata\r\n\r\n";

/// Asks once, as a caller whose record is changed like this, where only this identity may.
async fn ask(
    identity: Value,
    hashing: Hashing,
    change: impl FnOnce(&mut FlowRecord),
) -> (u16, AuditRecord) {
    let plan = Plan {
        identity: IdentityConfig {
            hashing,
            ..IdentityConfig::default()
        },
        ..Plan::default()
    };
    let bed = Bed::lay(plan).await;
    bed.apply(&profile::only(&identity));
    bed.keys.replace(Some(key(1)));
    let mut caller = flow::own(bed.imds_address());
    change(&mut caller);
    let response = bed.connect(Some(caller)).await.ask(OWN).await;
    let record = bed.only_record().await;
    if response.status != 200 {
        assert_refused(&response, &record, Reason::CallerNotAssigned);
    }
    (response.status, record)
}

#[tokio::test]
async fn script_that_the_kernel_saw_is_matched() {
    let identity = json!({"name": "i", "scriptPath": "/usr/bin/env"});
    for (script, expected) in [
        (Some("/usr/bin/env"), 200),
        (Some("/usr/bin/true"), 403),
        (Some("env"), 403),
        (None, 403),
    ] {
        let shown = script.map(str::to_owned);
        let script = script.map(|path| ScriptPath::Given(path.into()));
        let change = |caller: &mut FlowRecord| caller.script = script;
        let (status, record) = ask(identity.clone(), Hashing::WhenUsed, change).await;
        assert_eq!(status, expected, "{shown:?}");
        assert_eq!(record.caller.unwrap().script, shown);
    }
}

#[tokio::test]
async fn content_is_hashed_only_where_rules_or_configuration_ask_for_it() {
    let content = std::fs::read("/proc/self/exe").unwrap();
    let own = hex::encode(Sha256::digest(content));
    let by_content = json!({"name": "i", "exeSha256": ["00".repeat(32), own.to_uppercase()]});
    let by_number = json!({"name": "i", "uid": rustix::process::geteuid().as_raw()});
    for (identity, hashing, expected) in [
        (by_content, Hashing::WhenUsed, Some(&own)),
        (by_number.clone(), Hashing::Always, Some(&own)),
        (by_number, Hashing::WhenUsed, None),
    ] {
        let (status, record) = ask(identity, hashing, |_| {}).await;
        assert_eq!(status, 200);
        let caller = record.caller.unwrap();
        assert_eq!(caller.exe_sha256.as_ref(), expected);
        assert_eq!(caller.executable_state, Some(ExecutableState::Present));
        assert!(!caller.parents.is_empty());
    }
}

#[tokio::test]
async fn other_content_is_not_assigned() {
    let identity = json!({"name": "i", "exeSha256": ["00".repeat(32)]});
    assert_eq!(ask(identity, Hashing::WhenUsed, |_| {}).await.0, 403);
}

#[tokio::test]
async fn caller_of_another_user_namespace_is_refused_where_a_rule_forbids_it() {
    let uid = rustix::process::geteuid().as_raw();
    let identity = json!({"name": "i", "uid": uid, "forbid": ["userNamespace"]});
    for (is_initial, expected) in [(true, 200), (false, 403)] {
        let change = |caller: &mut FlowRecord| caller.initial_user_namespace = is_initial;
        let (status, record) = ask(identity.clone(), Hashing::WhenUsed, change).await;
        assert_eq!(status, expected);
        let caller = record.caller.unwrap();
        assert_eq!(caller.flags.contains(&Flag::UserNamespace), !is_initial);
    }
}

#[tokio::test]
async fn caller_without_a_known_cgroup_is_of_no_unit() {
    let identity = json!({"name": "i", "systemdSlice": "-.slice"});
    assert_eq!(ask(identity, Hashing::WhenUsed, |_| {}).await.0, 403);
}
