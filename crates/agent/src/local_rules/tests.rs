//! What a local file changes, and what a bad one does not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::*;

/// An item whose host asks for local rules.
fn host(mode: &str) -> AuthorizationItem {
    serde_json::from_value(json!({
        "defaultAccess": "Allow", "mode": mode,
        "id": "eyJpZCI6InIiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0=",
    }))
    .unwrap()
}

const FILE: &str = r#"{"id": "mine", "defaultAccess": "Deny"}"#;

/// A folder for rules; the files of one folder are those of one agent.
struct Bed {
    folder: tempfile::TempDir,
    files: LocalRuleFiles,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalRuleFiles::of(folder.path().to_owned());
        Self { folder, files }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("IMDS_Rules.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    /// The id, the default access, the mode, and what is wrong.
    fn join(&mut self, host: &AuthorizationItem) -> (String, String, String, Option<String>) {
        let Joined { item, problem } = self.files.join(EndpointKind::Imds, host).unwrap();
        let problem = problem.map(|problem| crate::failure::with_causes(&problem));
        (item.id, item.default_access, item.mode, problem)
    }

    /// As [`Bed::join`], of an item that the host enforces.
    fn joined(&mut self) -> (String, String, Option<String>) {
        let (id, access, _, problem) = self.join(&host("Enforce"));
        (id, access, problem)
    }
}

const HOST_ID: &str = "r-useLocalFileRules-true";
const BOTH_ID: &str = "r-useLocalFileRules-true_mine";

#[test]
fn file_is_joined_only_where_the_host_asks_for_it() {
    let mut bed = Bed::new();
    bed.write(FILE);
    assert_eq!(bed.joined(), (BOTH_ID.into(), "Deny".into(), None));
    let plain = AuthorizationItem {
        id: "plain".to_owned(),
        ..host("Enforce")
    };
    let (id, access, _, problem) = bed.join(&plain);
    assert_eq!(
        (id.as_str(), access.as_str(), problem),
        ("plain", "Allow", None)
    );
    let other = bed.files.join(EndpointKind::HostGa, &host("Enforce"));
    assert_eq!(other.unwrap().item.id, HOST_ID);
}

#[test]
fn missing_file_and_missing_folder_leave_the_rules_of_the_host() {
    let mut bed = Bed::new();
    assert_eq!(bed.joined(), (HOST_ID.into(), "Allow".into(), None));
    bed.files = LocalRuleFiles::of(bed.path().join("none"));
    assert_eq!(bed.joined(), (HOST_ID.into(), "Allow".into(), None));
}

#[test]
fn bad_file_leaves_the_last_good_content_with_the_newest_rules_of_the_host() {
    let mut bed = Bed::new();
    bed.write(FILE);
    bed.joined();
    bed.write("{");
    let (id, access, mode, problem) = bed.join(&host("Audit"));
    assert_eq!(
        (id.as_str(), access.as_str(), mode.as_str()),
        (BOTH_ID, "Deny", "Audit")
    );
    assert!(problem.unwrap().contains("this is not JSON"));
    let broken = AuthorizationItem {
        default_access: "perhaps".to_owned(),
        ..host("Audit")
    };
    assert!(bed.files.join(EndpointKind::Imds, &broken).is_err());
}

#[test]
fn file_is_gone_when_two_rounds_in_succession_have_missed_it() {
    for (text, id) in [(FILE, BOTH_ID), ("{", HOST_ID)] {
        let mut bed = Bed::new();
        for _ in 0..2 {
            bed.write(text);
            bed.joined();
            fs::remove_file(bed.file()).unwrap();
            let (found, access, problem) = bed.joined();
            assert_eq!((found.as_str(), access.as_str()), (id, "Deny"), "{text}");
            assert!(problem.unwrap().contains("for another round"));
        }
        assert_eq!(bed.joined(), (HOST_ID.into(), "Allow".into(), None));
    }
}

#[test]
fn bad_file_after_a_missing_one_denies_everything_whatever_was_good_before() {
    for was_good in [false, true] {
        let mut bed = Bed::new();
        if was_good {
            bed.write(FILE);
            bed.joined();
            fs::remove_file(bed.file()).unwrap();
            bed.joined();
        }
        assert_eq!(bed.joined(), (HOST_ID.into(), "Allow".into(), None));
        let bad: [fn(&Path); 3] = [
            |file| fs::write(file, "").unwrap(),
            |file| std::os::unix::fs::symlink("other", file).unwrap(),
            |file| fs::create_dir(file).unwrap(),
        ];
        for make in bad {
            make(&bed.file());
            let (id, access, problem) = bed.joined();
            assert_eq!((id.as_str(), access.as_str()), (HOST_ID, "Deny"));
            assert!(problem.is_some());
            let removed = fs::remove_file(bed.file()).or_else(|_| fs::remove_dir(bed.file()));
            removed.unwrap();
            bed.joined();
            assert_eq!(bed.joined(), (HOST_ID.into(), "Allow".into(), None));
        }
    }
}

#[test]
fn bad_first_file_denies_everything_in_the_mode_of_the_host() {
    for mode in ["Enforce", "Audit", "Disabled"] {
        let mut bed = Bed::new();
        bed.write(r#"{"defaultAcess": "Deny"}"#);
        let (_, access, found, problem) = bed.join(&host(mode));
        assert_eq!((access.as_str(), found.as_str()), ("Deny", mode));
        assert!(problem.unwrap().contains("did you mean `defaultAccess`?"));
    }
}

#[test]
fn change_of_content_is_noticed_whatever_the_time_of_the_file_is() {
    let mut bed = Bed::new();
    bed.write(FILE);
    bed.joined();
    let time = fs::metadata(bed.file()).unwrap().modified().unwrap();
    bed.write(&FILE.replace("mine", "them"));
    let file = fs::File::options().write(true).open(bed.file()).unwrap();
    file.set_modified(time).unwrap();
    assert!(bed.joined().0.ends_with("_them"));
}

#[test]
fn file_or_folder_that_others_can_write_to_is_refused() {
    let mut bed = Bed::new();
    bed.write(FILE);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for (path, bad, good) in [
        (bed.file(), 0o646, 0o644),
        (bed.file(), 0o664, 0o644),
        (bed.path().to_owned(), 0o777, 0o755),
    ] {
        set(&path, bad).unwrap();
        let mut files = LocalRuleFiles::of(bed.path().to_owned());
        let joined = files.join(EndpointKind::Imds, &host("Audit")).unwrap();
        let problem = crate::failure::with_causes(&joined.problem.unwrap());
        assert!(
            problem.contains("that nobody else can write to"),
            "{problem}"
        );
        assert_eq!(joined.item.default_access, "Deny");
        set(&path, good).unwrap();
        assert_eq!(bed.joined().2, None);
    }
}

#[test]
fn link_in_the_place_of_file_or_folder_is_refused() {
    let mut bed = Bed::new();
    fs::write(bed.path().join("other"), FILE).unwrap();
    std::os::unix::fs::symlink("other", bed.file()).unwrap();
    assert!(bed.joined().2.is_some());
    let link = bed.path().join("link");
    fs::remove_file(bed.file()).unwrap();
    std::os::unix::fs::symlink(bed.path(), &link).unwrap();
    bed.files = LocalRuleFiles::of(link);
    assert!(bed.joined().2.is_some());
}
