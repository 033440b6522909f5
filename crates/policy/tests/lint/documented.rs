//! The reference documentation has a row for each code, and for nothing else; its example is good.

use latchkey_policy::lint;
use latchkey_policy::lint::{Code, Context, Severity};

use super::read;

const REFERENCE: &str = include_str!("../../../../docs/reference/lint.md");
const PROFILE: &str = include_str!("../../../../docs/reference/profile.md");

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let rows: Vec<&str> = REFERENCE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for code in Code::ALL {
        let row = format!("| `{code}` | {} | {} | ", code.severity(), code.title());
        let count = rows.iter().filter(|line| line.starts_with(&row)).count();
        assert_eq!(count, 1, "docs/reference/lint.md has no row `{row}…`");
    }
    assert_eq!(
        rows.len(),
        Code::ALL.len(),
        "a row is about no code that exists"
    );
}

#[test]
fn profile_of_the_reference_has_no_error() {
    let (_, rest) = PROFILE.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let item = read(serde_json::from_str(example).unwrap());
    let findings = lint(&item, &Context::default());
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}
