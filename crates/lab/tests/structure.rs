//! The shape of the workspace: what may depend on what, where `unsafe` may stand, what the documents must list.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use latchkey_lab::bypass::{Proof, SECTIONS};
use latchkey_protocol::Reason;

/// What a crate must not depend on although it stands on a lower floor, or is of the outside.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("latchkey-protocol", &["tokio", "aya", "hyper"]),
    ("latchkey-settings", &["tokio", "aya", "hyper"]),
    ("latchkey-record", &["tokio", "aya", "hyper"]),
    ("latchkey-policy", &["tokio", "aya", "hyper"]),
    ("latchkey-agent", &["latchkey-gateway", "aya"]),
    ("latchkey-gateway", &["rusqlite", "aya"]),
    ("latchkey-api", &["tokio", "axum", "aya", "hyper"]),
    ("latchkey-control", &["latchkey-gateway", "aya"]),
    (
        "latchkey-cli",
        &["latchkey-gateway", "latchkey-host", "aya"],
    ),
];

/// The crates that must refuse `unsafe` beyond any exception.
const PURE: [&str; 4] = ["protocol", "settings", "record", "policy"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().unwrap()
}

/// Returns the floor of every member by its folder, as the workspace's manifest says it.
fn floors() -> BTreeMap<String, u32> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once("\n]").unwrap();
    let floor = |line: &str| {
        let (folder, comment) = line.trim().strip_prefix("\"crates/")?.split_once('"')?;
        let digit = comment.split_once("# floor ")?.1.split(':').next()?;
        Some((folder.to_owned(), digit.parse().ok()?))
    };
    let lines = members.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| floor(line).unwrap_or_else(|| panic!("no floor: {line}")))
        .collect()
}

/// Returns the names that a package depends on when it is used, not only tested.
fn uses(package: &Package) -> impl Iterator<Item = &str> {
    let dependencies = package.dependencies.iter();
    dependencies
        .filter(|used| used.kind != DependencyKind::Development)
        .map(|used| used.name.as_str())
}

/// Returns every file with this extension below a folder, but not what cargo builds.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn arrows_between_crates_point_down() {
    let (floors, metadata) = (floors(), metadata());
    assert_eq!(floors.len(), metadata.packages.len());
    let floor_of = |name: &str| {
        let folder = name.strip_prefix("latchkey-")?;
        Some(
            *floors
                .get(folder)
                .unwrap_or_else(|| panic!("{name} has no floor")),
        )
    };
    for package in &metadata.packages {
        let floor = floor_of(package.name.as_str()).unwrap();
        for used in uses(package) {
            if let Some(below) = floor_of(used) {
                assert!(
                    below < floor,
                    "{} (floor {floor}) uses {used} (floor {below})",
                    package.name
                );
            }
        }
    }
}

#[test]
fn crates_do_not_know_what_is_not_their_business() {
    let metadata = metadata();
    for (name, forbidden) in FORBIDDEN {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name == name)
            .unwrap();
        let found: Vec<&str> = uses(package)
            .filter(|used| forbidden.contains(used))
            .collect();
        assert!(found.is_empty(), "{name} uses {found:?}");
    }
    let aya: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| uses(package).any(|used| used == "aya"))
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(aya, ["latchkey-intercept"]);
}

#[test]
fn unsafe_stands_in_intercept_alone() {
    let crates = root().join("crates");
    let mut in_intercept = 0;
    for path in files(&crates, "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with("//"));
        // Composed here, so that this file is not found.
        let forms = ["{", "fn", "impl", "extern"].map(|next| format!("{} {next}", "unsafe"));
        let count = code
            .filter(|line| forms.iter().any(|form| line.contains(form)))
            .count();
        if path.starts_with(crates.join("intercept")) {
            in_intercept += count;
        } else {
            assert_eq!(count, 0, "{}", path.display());
        }
    }
    assert!(in_intercept > 0, "the search finds nothing any more");
    for name in PURE {
        let library = fs::read_to_string(crates.join(name).join("src/lib.rs")).unwrap();
        assert!(library.contains("#![forbid(unsafe_code)]"), "{name}");
    }
}

#[test]
fn every_source_file_begins_with_its_purpose() {
    for path in files(&root().join("crates"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > 20,
            "{}: {first}",
            path.display()
        );
    }
}

#[test]
fn every_reason_is_documented_with_its_status() {
    let text = fs::read_to_string(root().join("docs/reference/reasons.md")).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for reason in Reason::ALL {
        let row = format!("| `{reason}` | {} | ", reason.status());
        let found = rows.iter().filter(|line| line.starts_with(&row)).count();
        assert_eq!(found, 1, "docs/reference/reasons.md has no row `{row}…`");
    }
    assert_eq!(
        rows.len(),
        Reason::ALL.len(),
        "a row is about no reason that exists"
    );
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let text = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let (_, section) = text.split_once("\n## Bad days\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let named = section.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = named.filter(|name| name.contains('_')).collect();
    assert!(named.len() > 30, "the search finds nothing any more");
    let tests = tests();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/testing.md names no test: {missing:?}"
    );
}

#[test]
fn every_way_round_has_a_test_where_its_row_says() {
    let rows = SECTIONS.iter().flat_map(|section| section.rows);
    for row in rows {
        let folder = match row.proof {
            Proof::Evidence => "crates/lab/tests/bypass",
            Proof::Elsewhere(folder) => folder,
        };
        let found = tests_in(&root().join(folder)).contains(row.test);
        assert!(found, "{folder} has no test {}", row.test);
    }
}

/// Returns the names of all functions that could be tests.
fn tests() -> BTreeSet<String> {
    tests_in(&root().join("crates"))
}

fn tests_in(folder: &Path) -> BTreeSet<String> {
    let is_test = |line: &str| line.starts_with("fn ") || line.starts_with("async fn ");
    let mut tests = BTreeSet::new();
    for path in files(folder, "rs") {
        let text = fs::read_to_string(path).unwrap();
        let lines = text
            .lines()
            .map(str::trim_start)
            .filter(|line| is_test(line));
        let names = lines.filter_map(|line| line.split_once("fn ")?.1.split_once("()"));
        tests.extend(names.map(|(name, _)| name.to_owned()));
    }
    tests
}
