//! The reference documentation has a row for each code, and for nothing else.

use latchkey_policy::lint::Code;

const REFERENCE: &str = include_str!("../../../../docs/reference/lint.md");

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
