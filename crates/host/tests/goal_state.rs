//! The goal state of a machine file: what it holds, what is refused, and what is never shown.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use latchkey_gateway::facts::goal_state::{ExtensionState, GoalState};
use latchkey_host::machines::{fingerprint, read};
use tempfile::TempDir;

const MACHINE: &str = "addresses = [\"10.0.0.1\"]\nimds = { mode = \"Disabled\" }\n\
                       wireserver = { mode = \"Disabled\" }\n";

/// A folder with one machine file that ends so.
fn folder(end: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.toml"), format!("{MACHINE}{end}")).unwrap();
    folder
}

fn goal_state(folder: &TempDir) -> GoalState {
    let table = read(folder.path()).outcome.unwrap();
    table.find("a").unwrap().facts.goal_state.clone()
}

fn problem(end: &str) -> String {
    let outcome = read(folder(end).path()).outcome;
    outcome.unwrap_err().to_string()
}

/// Makes a certificate and a key in files; returns both as text.
fn make(folder: &TempDir, name: &str, algorithm: &str) -> (String, String) {
    let path = |kind: &str| folder.path().join(format!("{name}.{kind}"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-subj", "/CN=a", "-newkey"])
        .arg(algorithm)
        .args(
            (algorithm == "ec")
                .then_some(["-pkeyopt", "ec_paramgen_curve:P-256"])
                .iter()
                .flatten(),
        )
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("crt"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |kind: &str| std::fs::read_to_string(path(kind)).unwrap();
    (text("crt"), text("key"))
}

#[test]
fn everything_that_agents_are_told_is_read() {
    let state = goal_state(&folder(
        r#"
        [goal_state]
        status_blob = "https://status.example/blob"
        status_blob_kind = "PageBlob"
        [[goal_state.certificates]]
        name = "own"
        [[goal_state.agent_families]]
        name = "Prod"
        manifests = ["https://agent.example"]
        [[goal_state.extensions]]
        name = "Script"
        version = "1.0"
        state = "disabled"
        manifests = ["https://script.example"]
        sequence = 3
        public_settings = { command = "true" }
        protected_settings = { secret = "hidden" }
        certificate = "own"
        [[goal_state.remote_users]]
        name = "jit"
        password = "hidden"
        expires = "2026-01-07T00:00:00Z"
        "#,
    ));
    assert_eq!(state.certificates[0].given, None);
    assert_eq!(state.agent_families[0].manifests, ["https://agent.example"]);
    assert_eq!(
        state.status_blob.as_ref().unwrap().kind.as_str(),
        "PageBlob"
    );
    let extension = &state.extensions[0];
    assert_eq!(extension.state, ExtensionState::Disabled);
    let settings = extension.settings.as_ref().unwrap();
    assert_eq!(settings.sequence, 3);
    assert_eq!(settings.protected.as_ref().unwrap().certificate, "own");
    assert_eq!(state.remote_users[0].password.0, "hidden");
    let shown = format!("{state:?}");
    assert!(
        !shown.contains("hidden") && !shown.contains("status.example"),
        "{shown}"
    );
}

#[test]
fn machine_without_a_goal_state_has_an_empty_one() {
    assert_eq!(goal_state(&folder("")), GoalState::default());
}

#[test]
fn certificate_is_read_from_the_file_or_from_beside_it() {
    let beside = folder(
        "[[goal_state.certificates]]\nname = \"own\"\ncertificate = \"own.crt\"\nprivate_key = \"own.key\"\n",
    );
    let (certificate, key) = make(&beside, "own", "rsa:2048");
    let inline = folder(&format!(
        "[[goal_state.certificates]]\nname = \"own\"\ncertificate = '''{certificate}'''\nprivate_key = '''{key}'''\n"
    ));
    let given = goal_state(&beside).certificates;
    assert!(given[0].given.is_some());
    assert_eq!(given, goal_state(&inline).certificates);
}

#[test]
fn change_of_a_certificate_file_is_seen() {
    let folder = folder(
        "[[goal_state.certificates]]\nname = \"own\"\ncertificate = \"own.crt\"\nprivate_key = \"own.key\"\n",
    );
    make(&folder, "own", "rsa:2048");
    let first = read(folder.path()).fingerprint;
    assert_eq!(fingerprint(folder.path(), &first), first);
    make(&folder, "own", "rsa:2048");
    assert_ne!(fingerprint(folder.path(), &first), first);
}

#[test]
fn key_that_agents_cannot_read_is_refused() {
    let folder = folder(
        "[[goal_state.certificates]]\nname = \"own\"\ncertificate = \"own.crt\"\nprivate_key = \"own.key\"\n",
    );
    make(&folder, "own", "ec");
    let problem = read(folder.path()).outcome.unwrap_err().to_string();
    assert!(problem.contains("not a usable RSA key"), "{problem}");
}

#[test]
fn what_no_agent_could_act_on_is_refused_with_a_reason() {
    let extension = "[[goal_state.extensions]]\nname = \"x\"\nversion = \"1\"\n";
    let manifests = "manifests = [\"https://x\"]\n";
    for (end, expected) in [
        (
            "[goal_state]\nnonsense = 1\n".to_owned(),
            "unknown field `nonsense`",
        ),
        (
            "[[goal_state.certificates]]\nname = \"a\"\ncertificate = \"a.crt\"\n".to_owned(),
            "needs both `certificate` and `private_key`",
        ),
        (
            "[[goal_state.certificates]]\nname = \"a\"\n".repeat(2),
            "two certificates are named `a`",
        ),
        (
            format!("{extension}manifests = []\n"),
            "`manifests` is empty",
        ),
        (
            format!("{extension}{manifests}").repeat(2),
            "the extension `x` is given twice",
        ),
        (
            format!("{extension}{manifests}protected_settings = {{ a = 1 }}\n"),
            "need a `certificate`",
        ),
        (
            format!("{extension}{manifests}protected_settings = {{}}\ncertificate = \"none\"\n"),
            "names none of the machine's",
        ),
        (
            format!("{extension}{manifests}public_settings = \"text\"\n"),
            "settings are objects",
        ),
    ] {
        let problem = problem(&end);
        assert!(problem.contains(expected), "{expected} in {problem}");
    }
}

#[test]
fn problem_of_a_file_does_not_quote_its_secrets() {
    let user = "[[goal_state.remote_users]]\nname = \"u\"\n";
    for end in [
        format!("{user}expires = \"soon\"\npassword = \"hidden\" x\n"),
        format!("{user}expires = \"hidden\"\npassword = \"hidden\"\n"),
        format!("{user}password = [\"hidden\"]\n"),
        "[goal_state]\nremote_users = \"hidden\"\n".to_owned(),
        "[goal_state]\nremote_users = [\"hidden, expected a map\"]\n".to_owned(),
        "[goal_state]\nstatus_blob_kind = \"hidden\"\n".to_owned(),
        "[facts]\nvm_id = \"hidden\"\n".to_owned(),
        "[goal_state]\nextensions = 1\ncertificates = { private_key = \"hidden\" }\n".to_owned(),
    ] {
        let problem = problem(&end);
        assert!(problem.contains("a.toml:"), "{problem}");
        assert!(!problem.contains("hidden"), "{problem}");
    }
}

#[test]
fn problem_of_a_secret_without_quotes_does_not_quote_it() {
    let user = "[[goal_state.remote_users]]\nname = \"u\"\nexpires = \"2026-12-31T00:00:00Z\"\n";
    let problem = problem(&format!("{user}password = 472911\n"));
    assert!(problem.contains(":7:12: invalid type"), "{problem}");
    assert!(!problem.contains("472911"), "{problem}");
}

#[test]
fn problem_of_a_key_without_the_lines_of_pem_does_not_quote_it() {
    let certificate = "[[goal_state.certificates]]\nname = \"own\"\ncertificate = \"own.crt\"\n";
    let folder = folder(&format!("{certificate}private_key = \"MIIEhidden\"\n"));
    make(&folder, "own", "rsa:2048");
    let problem = read(folder.path()).outcome.unwrap_err().to_string();
    assert!(problem.contains("the file of the private key"), "{problem}");
    assert!(!problem.contains("hidden"), "{problem}");
}

#[test]
fn text_before_the_lines_of_pem_does_not_make_a_key_a_path() {
    let folder = folder("");
    let (certificate, key) = make(&folder, "own", "rsa:2048");
    let end = format!(
        "[[goal_state.certificates]]\nname = \"own\"\ncertificate = \"\"\"\n{certificate}\"\"\"\n\
         private_key = \"\"\"\nBag Attributes\n    localKeyID: 01\n{key}\"\"\"\n"
    );
    std::fs::write(folder.path().join("a.toml"), format!("{MACHINE}{end}")).unwrap();
    assert!(goal_state(&folder).certificates[0].given.is_some());
}
