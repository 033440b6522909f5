//! Machine files: what is a machine, what is refused, and when a change is seen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use latchkey_gateway::MachineTable;
use latchkey_gateway::machine::Channel;
use latchkey_host::machines::{fingerprint, read};
use latchkey_protocol::{EndpointKind, Mode};
use tempfile::TempDir;

const DISABLED: &str = "imds = { mode = \"Disabled\" }\nwireserver = { mode = \"Disabled\" }\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        write(folder.path(), name, content);
    }
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    std::fs::write(folder.join(name), content).unwrap();
}

fn table(folder: &TempDir) -> MachineTable {
    read(folder.path()).outcome.unwrap()
}

fn problems(files: &[(&str, &str)]) -> String {
    read(folder(files).path()).outcome.unwrap_err().to_string()
}

fn item_id(table: &MachineTable) -> String {
    match &table.find("a").unwrap().channel {
        Channel::Rules {
            imds: Some(imds), ..
        } => imds.item().id.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn file_that_was_cut_off_is_refused_and_not_taken_for_unprotected() {
    let whole = format!("addresses = [\"10.0.0.1\"]\n{DISABLED}");
    assert_eq!(table(&folder(&[("a.toml", &whole)])).as_slice().len(), 1);
    for cut in [
        "addresses = [\"10.0.0.1\"]\n",
        "addresses = [\"10.0.0.1\"]\nimds = { mode = \"Disabled\" }\n",
        "",
    ] {
        let text = problems(&[("a.toml", cut)]);
        assert!(text.contains("missing"), "{text}");
    }
}

#[test]
fn profile_that_says_a_thing_twice_is_refused() {
    let twice = r#"{ "defaultAccess": "Deny", "defaultAccess": "Allow" }"#;
    let inline = format!(
        r#"{{ "addresses": ["10.0.0.1"], "wireserver": {{ "mode": "Enforce" }},
            "imds": {{ "mode": "Enforce", "profile": {twice} }} }}"#
    );
    assert!(problems(&[("a.json", &inline)]).contains("given twice"));
    let beside = "addresses = [\"10.0.0.1\"]\nwireserver = { mode = \"Enforce\" }\n\
                  imds = { mode = \"Enforce\", profile = \"p.profile\" }\n";
    let text = problems(&[("a.toml", beside), ("p.profile", twice)]);
    assert!(text.contains("given twice"), "{text}");
}

#[test]
fn every_file_with_a_problem_is_named() {
    let text = problems(&[
        ("a.toml", "addresses = [\"10.0.0.1\"]\nnonsense = 1\n"),
        ("b.json", "{\"addresses\": []}"),
        (
            "c.toml",
            &format!("addresses = [\"10.0.0.2\"]\ninterface = \"a/b\"\n{DISABLED}"),
        ),
        (
            "d.toml",
            &format!("addresses = [\"10.0.0.3\"]\nstate = \"Disabled\"\n{DISABLED}"),
        ),
        ("e.toml", "addresses = [\"10.0.0.4\"]\nprotocol = \"1.0\"\n"),
        (
            "f.toml",
            "addresses = [\"10.0.0.5\"]\nimds = { mode = \"Off\" }\nwireserver = { mode = \"Audit\" }\n",
        ),
    ]);
    for expected in [
        "a.toml: TOML parse error at line 2",
        "b.json: `addresses` is empty",
        "c.toml: `a/b`",
        "d.toml: `state` needs",
        "e.toml: protocol 1.0 needs",
        "f.toml: `imds`: `Off` is not a mode",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn two_machines_in_one_place_are_refused() {
    let machine = format!("addresses = [\"10.0.0.1\"]\n{DISABLED}");
    let text = problems(&[("a.toml", &machine), ("b.toml", &machine)]);
    assert!(text.contains("both claim 10.0.0.1"), "{text}");
}

#[test]
fn profile_beside_its_machine_is_no_machine() {
    let machine = "addresses = [\"10.0.0.1\"]\nimds = { mode = \"Enforce\", profile = \"p.json\" }\nwireserver = { mode = \"Audit\" }\n";
    let folder = folder(&[
        ("a.toml", machine),
        ("p.json", "{\"defaultAccess\": \"Deny\"}"),
    ]);
    let table = table(&folder);
    assert_eq!(table.as_slice().len(), 1);
    assert_eq!(
        table.find("a").unwrap().mode(EndpointKind::Imds),
        Mode::Enforce
    );
}

#[test]
fn change_of_a_profile_is_seen_and_changes_the_id_that_guests_compare() {
    let machine = "addresses = [\"10.0.0.1\"]\nimds = { mode = \"Enforce\", profile = \"p.json\" }\nwireserver = { mode = \"Audit\" }\n";
    let folder = folder(&[
        ("a.toml", machine),
        ("p.json", "{\"defaultAccess\": \"Deny\"}"),
    ]);
    let first = read(folder.path());
    assert_eq!(
        fingerprint(folder.path(), &first.fingerprint),
        first.fingerprint
    );
    write(folder.path(), "p.json", "{\"defaultAccess\": \"Allow\"}");
    assert_ne!(
        fingerprint(folder.path(), &first.fingerprint),
        first.fingerprint
    );
    assert_ne!(item_id(&first.outcome.unwrap()), item_id(&table(&folder)));
}

#[test]
fn file_that_comes_or_goes_is_seen() {
    let machine = |address: u8| format!("addresses = [\"10.0.0.{address}\"]\n{DISABLED}");
    let folder = folder(&[("a.toml", &machine(1))]);
    let first = read(folder.path()).fingerprint;
    write(folder.path(), "b.toml", &machine(2));
    let second = read(folder.path()).fingerprint;
    assert_ne!(first, second);
    assert_eq!(fingerprint(folder.path(), &first), second);
    std::fs::remove_file(folder.path().join("b.toml")).unwrap();
    assert_ne!(fingerprint(folder.path(), &second), second);
    write(folder.path(), ".hidden.toml", "nonsense");
    write(folder.path(), "notes.txt", "nonsense");
    assert_eq!(read(folder.path()).fingerprint, first);
}

#[test]
fn folder_that_is_not_there_is_a_problem() {
    let text = read(Path::new("/latchkey-no-such-folder"))
        .outcome
        .unwrap_err()
        .to_string();
    assert!(text.contains("cannot list"), "{text}");
}

fn facts_problems(facts: &str) -> String {
    problems(&[(
        "a.toml",
        &format!("addresses = [\"10.0.0.1\"]\n{DISABLED}{facts}"),
    )])
}

#[test]
fn every_impossible_fact_of_a_machine_is_named() {
    let text = facts_problems(
        r#"
        [facts]
        user_data = "not base64"
        [facts.compute]
        host = "/hosts/a"
        host_group = "/groups/a"
        priority = "Urgent"
        security_profile = { security_type = "Best" }
        [facts.storage]
        os_disk = { lun = 0 }
        data_disks = [{ lun = 1 }, {}, { encryption = { enabled = true } }]
        [[facts.network]]
        [[facts.network]]
        [facts.identity]
        client_id = "6f6f1c0e-2f0b-4a43-9d0a-51d1c5a3d004"
        [[facts.events]]
        type = "Freeze"
        id = "6f6f1c0e-2f0b-4a43-9d0a-51d1c5a3d008"
        [[facts.events]]
        type = "Reboot"
        id = "6f6f1c0e-2f0b-4a43-9d0a-51d1c5a3d008"
        [facts.throttle]
        requests_per_second = 0
        "#,
    );
    for expected in [
        "`facts.user_data` is not base64",
        "has a `host` and a `host_group`",
        "`facts.compute.priority` is `Urgent`",
        "`facts.compute.security_profile.security_type` is `Best`",
        "`facts.storage.os_disk`: `lun` and `ultra`",
        "two disks with lun 1",
        "with lun 2: `encryption`",
        "`facts.network[1]` needs a `private_address`",
        "needs both `client_id` and `object_id`",
        "two events with id 6f6f1c0e",
        "`facts.throttle.requests_per_second` is 0",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(text.lines().count(), 12, "{text}");
}

#[test]
fn misspelt_fact_is_an_error_at_its_line() {
    for (facts, field) in [
        ("[facts.compute]\nzone = \"1\"\n", "unknown field `zone`"),
        ("[[facts.network]]\nmacs = \"1\"\n", "unknown field `macs`"),
        (
            "[[facts.events]]\ntype = \"Sleep\"\n",
            "unknown variant `Sleep`",
        ),
        ("[facts.throttle]\nrate = 1\n", "unknown field `rate`"),
        (
            "[[facts.identity.user_assigned]]\nid = \"x\"\n",
            "unknown field `id`",
        ),
    ] {
        let text = facts_problems(facts);
        assert!(
            text.contains(field) && text.contains("at line"),
            "{field} in {text}"
        );
    }
}

#[test]
fn two_machines_that_a_service_could_not_tell_apart_are_refused() {
    let named = |address: &str| format!("addresses = [\"{address}\"]\nname = \"web\"\n{DISABLED}");
    let (one, two) = (named("10.0.0.1"), named("10.0.0.2"));
    let text = problems(&[("a.toml", &one), ("b.toml", &two)]);
    assert!(
        text.contains("machines `a` and `b` have the same vm_id"),
        "{text}"
    );
    let own = "[facts]\nvm_id = \"6f6f1c0e-2f0b-4a43-9d0a-51d1c5a3d001\"\n";
    let told_apart = format!("{two}{own}");
    let both = folder(&[("a.toml", &one), ("b.toml", &told_apart)]);
    assert_eq!(table(&both).as_slice().len(), 2);
}
