//! Machine files: what is a machine, what is refused, and when a change is seen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use jiff::Timestamp;
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
        "a.toml:2:1: unknown field `nonsense`",
        "a.toml: `imds` is missing",
        "b.json: `addresses` is empty",
        "c.toml:2:13: `a/b`",
        "d.toml:2:9: `state` needs",
        "e.toml: protocol 1.0 needs",
        "f.toml:2:8: `imds`: `Off` is not a mode",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

/// What is wrong with a machine file, each on a line that begins with its place.
fn told(text: &str) -> Vec<String> {
    let text = problems(&[("a.toml", text)]);
    let after_name = |line: &str| Some(line.split_once("a.toml:")?.1.trim_start().to_owned());
    text.lines().filter_map(after_name).collect()
}

fn assert_told(text: &str, expected: &[&str]) {
    let told = told(text);
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (line, expected) in told.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected} in {told:?}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_file_is_named_with_line_and_column() {
    let text = "colour = \"red\"\naddresses = [\"10.0.0.1\", \"ü\", \"10.0.0\"]\n\
                key_incarnation = \"first\"\ninterface = \"a/b\"\nimds = { mode = \"Off\" }\n\
                [facts]\ntags = { größe = 1 }\n[[facts.network]]\nprefix = 33\n[[facts.network]]\n\
                prefix = 300\n[[goal_state.remote_users]]\nname = \"u\"\npassword = \"hidden\"\n\
                [[goal_state.remote_users]]\nname = \"u\"\n"
        .replace("größe", "\"größe\"");
    let expected = [
        "`wireserver` is missing",
        "1:1: unknown field `colour`",
        "2:26: invalid IP address",
        "2:31: invalid IP address",
        "3:19: invalid type: string, expected u32",
        "4:13: `a/b` is not the name",
        "5:8: `imds`: `Off` is not a mode",
        "7:20: invalid type: integer, expected a string",
        "9:10: `facts.network.prefix` is 33",
        "11:10: invalid value: integer, expected u8",
        "12:1: missing field `expires`",
        "15:1: missing field `password`",
    ];
    assert_told(&text, &expected);
    assert_told(&text.replace('\n', "\r\n"), &expected);
}

#[test]
fn nothing_is_said_to_be_missing_that_only_does_not_fit() {
    for (text, expected) in [
        (
            "addresses = \"10.0.0.1\"\nimds = 1\nwireserver = { mode = 2 }\nid = 3\n",
            &[
                "1:13: invalid type",
                "2:8: invalid type",
                "3:23: invalid type",
                "4:6: invalid type",
            ][..],
        ),
        (
            "addresses = [1]\nprotocol = 1\nstate = \"Disabled\"\n",
            &["1:14: invalid type", "2:12: "],
        ),
        (
            &format!(
                "addresses = [\"10.0.0.1\"]\n{DISABLED}[facts.identity]\nclient_id = 1\n\
                 object_id = \"6f6f1c0e-2f0b-4a43-9d0a-51d1c5a3d004\"\n\
                 [[goal_state.certificates]]\nname = 1\n\
                 [[goal_state.extensions]]\nname = \"x\"\nversion = \"1\"\nmanifests = [\"m\"]\n\
                 protected_settings = {{}}\ncertificate = \"a\"\n"
            ),
            &["5:13: invalid type", "8:8: invalid type"],
        ),
    ] {
        assert_told(text, expected);
    }
}

#[test]
fn field_that_is_given_twice_is_named_where_it_stands_again() {
    let text =
        format!("addresses = [\"10.0.0.1\"]\n{DISABLED}imds = {{ mode = \"Audit\" }}\n[imds]\n");
    assert_told(&text, &["4:1: duplicate key", "5:2: duplicate key"]);
}

#[test]
fn one_section_is_placed_as_well_as_a_list() {
    let text = format!(
        "addresses = [\"10.0.0.1\"]\n{DISABLED}[facts.network]\nmac = \"x\"\nprefix = 33\n"
    );
    assert_told(
        &text,
        &["5:7: `facts.network.mac`", "6:10: `facts.network.prefix`"],
    );
}

#[test]
fn problem_of_a_profile_or_of_json_has_a_place_too() {
    let machine = "addresses = [\"10.0.0.1\"]\nimds = { mode = \"Audit\", profile = \"p.toml\" }\n\
         wireserver = { mode = \"Disabled\" }\n";
    let text = problems(&[
        ("a.toml", machine),
        ("p.toml", "defaultAccess = \"Allow\"\nx\n"),
    ]);
    assert!(text.contains("a.toml:2:8: `imds`: "), "{text}");
    assert!(text.contains("p.toml:2:"), "{text}");
    let text = problems(&[("b.json", "{\n  \"addresses\": \"hidden\"\n}")]);
    assert!(
        text.contains("b.json:2:23: invalid type: string, expected"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
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
        table
            .find("a")
            .unwrap()
            .mode(EndpointKind::Imds, Timestamp::UNIX_EPOCH),
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
            "unknown variant, expected one of `Freeze`",
        ),
        ("[facts.throttle]\nrate = 1\n", "unknown field `rate`"),
        (
            "[[facts.identity.user_assigned]]\nid = \"x\"\n",
            "unknown field `id`",
        ),
    ] {
        let text = facts_problems(facts);
        assert!(
            text.contains(field) && text.contains("a.toml:5:"),
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
