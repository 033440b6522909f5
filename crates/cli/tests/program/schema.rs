//! `latchkey profile schema`: what is in `docs/schema`, and what it says of documents that people write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::ran::{item, latchkey, written};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The forms that help lists.
fn forms() -> Vec<String> {
    let help = latchkey(&["profile", "schema", "--help"], "").out;
    let listed = help.lines().filter_map(|line| {
        let (name, says) = line.trim().strip_prefix("- ")?.split_once(':')?;
        assert!(!says.trim().is_empty(), "{name}");
        Some(name.to_owned())
    });
    listed.collect()
}

fn printed(form: &str) -> String {
    let ran = latchkey(&["profile", "schema", form], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{form}");
    ran.out
}

fn validator(form: &str) -> Validator {
    let schema: Value = serde_json::from_str(&printed(form)).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn assert_valid(form: &str, document: &Value) {
    let validator = validator(form);
    let errors: Vec<_> = validator.iter_errors(document).collect();
    assert!(errors.is_empty(), "{form}: {errors:?}\n{document:#}");
}

/// All files of the repository's profiles with one of these endings.
fn shipped(ending: &str) -> Vec<PathBuf> {
    let packs = fs::read_dir(Path::new(ROOT).join("profiles")).unwrap();
    let folders = packs.map(|entry| entry.unwrap().path());
    let within = folders
        .filter(|path| path.is_dir())
        .flat_map(|pack| fs::read_dir(pack).unwrap());
    let files = within.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn schemas_in_the_docs_are_those_that_are_printed() {
    let folder = Path::new(ROOT).join("docs/schema");
    let file = |form: &str| folder.join(format!("{form}.schema.json"));
    let made: BTreeMap<_, _> = forms()
        .iter()
        .map(|form| (file(form), printed(form)))
        .collect();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        made.iter()
            .for_each(|(path, text)| fs::write(path, text).unwrap());
    }
    let kept = fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    });
    assert_eq!(
        kept.collect::<BTreeMap<_, _>>(),
        made,
        "docs/schema is old: UPDATE_SCHEMAS=1 cargo nextest run -p latchkey-cli schemas_in_the_docs"
    );
}

#[test]
fn every_document_is_listed_and_an_unknown_one_is_a_wrong_command_line() {
    let expected = [
        "caller",
        "item",
        "learn-report",
        "local-rules",
        "profile-version",
        "request",
        "rules",
        "signing-request",
        "tests",
    ];
    assert_eq!(forms(), expected);
    let ran = latchkey(&["profile", "schema"], "");
    assert_eq!(ran.out, printed("item"));
    let ran = latchkey(&["profile", "schema", "profile"], "");
    assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{ran:?}");
    assert!(ran.err.contains("learn-report"), "{}", ran.err);
}

#[test]
fn shipped_profiles_and_their_tests_are_valid_by_their_schemas() {
    let profiles = shipped("json");
    assert_eq!(profiles.len(), 5, "{profiles:?}");
    for path in profiles {
        let text = fs::read_to_string(path).unwrap();
        assert_valid("item", &serde_json::from_str(&text).unwrap());
    }
    let tests = shipped("yaml");
    assert_eq!(tests.len(), 6, "{tests:?}");
    for path in tests {
        assert_valid("tests", &yaml(&fs::read_to_string(path).unwrap()));
    }
}

#[test]
fn file_of_tests_is_valid_by_its_schema_exactly_if_it_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("imds.json"), item("Enforce", "alice")).unwrap();
    let file = folder.path().join("imds.yaml");
    let whole = "profile: imds.json
endpoint: imds
now: 2026-12-01T00:00:00Z
callers: {bob: {userName: bob}}
tests: [{comment: c, deny: {method: GET, target: /m, caller: bob}}]
";
    let validator = validator("tests");
    for (from, to, is_valid) in [
        ("", "", true),
        ("caller: bob", "caller: {uid: 7, processName: x}", true),
        ("endpoint: imds", "endpoint: metadata", false),
        ("profile: imds.json", "profiles: imds.json", false),
        ("profile: imds.json\n", "", false),
        ("userName", "username", false),
        ("caller: bob", "caller: 7", false),
        ("caller: bob", "caller: {user: bob}", false),
        ("deny: {", "denies: {", false),
        ("comment: c, ", "allow: {target: /m, caller: bob}, ", false),
        ("method: GET", "methods: [GET]", false),
        (", deny: {method: GET, target: /m, caller: bob}", "", false),
        ("now: 2026-12-01T00:00:00Z", "now: soon", false),
        ("comment: c", "reason: no_matching_rule", true),
        ("comment: c", "reason: none", false),
        ("comment: c, deny", "reason: no_matching_rule, allow", false),
        (
            "[{comment: c, deny: {method: GET, target: /m, caller: bob}}]",
            "[]",
            false,
        ),
    ] {
        let text = whole.replacen(from, to, 1);
        fs::write(&file, &text).unwrap();
        let ran = latchkey(&["profile", "test", file.to_str().unwrap()], "");
        assert_eq!(ran.code == 0, is_valid, "{text}{ran:?}");
        assert_eq!(validator.is_valid(&yaml(&text)), is_valid, "{text}");
    }
}

#[test]
fn request_to_be_signed_is_valid_by_its_schema() {
    let vectors = fs::read_to_string(Path::new(ROOT).join("crates/protocol/testdata/signing.json"));
    let vectors: Value = serde_json::from_str(&vectors.unwrap()).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() > 30, "{}", vectors.len());
    for vector in vectors {
        assert_valid("signing-request", vector);
    }
    let validator = validator("signing-request");
    let whole = json!({
        "method": "GET", "url": "/a", "headers": [["Host", "a"]], "body_hex": "00ff"
    });
    for (name, value, is_valid) in [
        ("unknown", json!(1), true),
        ("method", Value::Null, false),
        ("url", json!(["/a"]), false),
        ("headers", json!({"Host": "a"}), false),
        ("headers", json!([["Host"]]), false),
        ("headers", json!([["Host", "a", "b"]]), false),
        ("body_hex", json!("0"), false),
        ("body_hex", json!("zz"), false),
        ("url_hex", json!("2f6"), false),
    ] {
        let mut document = whole.clone();
        document[name] = value;
        let file = written(&document.to_string());
        let path = file.path().to_str().unwrap();
        let ran = latchkey(&["signature", "--request", path, "--key-hex", "4A40"], "");
        assert_eq!(ran.code == 0, is_valid, "{document}{ran:?}");
        assert_eq!(validator.is_valid(&document), is_valid, "{document}");
    }
}

#[test]
fn report_of_learn_is_valid_by_its_schema() {
    let log = Path::new(ROOT).join("crates/policy/testdata/learn/ProxyAgent.Connection.log");
    let ran = latchkey(&["learn", "--format", "json", log.to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(!report["entries"].as_array().unwrap().is_empty());
    assert_valid("learn-report", &report);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let ran = latchkey(&["learn", "--output", folder, log.to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = fs::read_to_string(dir.path().join("report.json")).unwrap();
    assert_valid("learn-report", &serde_json::from_str(&text).unwrap());
    report.as_object_mut().unwrap().remove("entries");
    assert!(!validator("learn-report").is_valid(&report));
}
