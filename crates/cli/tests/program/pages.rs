//! Manual pages, completions and help.

use crate::ran::latchkey;

#[test]
fn every_command_has_a_manual_page_and_every_shell_its_completions() {
    let dir = tempfile::tempdir().unwrap();
    let ran = latchkey(&["manual", dir.path().to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    for page in [
        "latchkey",
        "latchkey-explain",
        "latchkey-profile-test",
        "latchkey-simulate",
    ] {
        let page = dir.path().join(format!("man/man1/{page}.1"));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".TH "), "{}", page.display());
    }
    for file in [
        "bash-completion/completions/latchkey",
        "fish/vendor_completions.d/latchkey.fish",
        "zsh/vendor-completions/_latchkey",
    ] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.contains("simulate"), "{file}");
    }
}

#[test]
fn folder_that_cannot_be_made_is_a_failure() {
    let ran = latchkey(&["manual", "/dev/null/x"], "");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn help_of_every_command_has_an_example() {
    for command in [
        &["explain"][..],
        &["simulate"],
        &["signature"],
        &["profile", "fmt"],
        &["profile", "show"],
        &["profile", "test"],
        &["completions"],
        &["manual"],
    ] {
        let ran = latchkey(&[command, &["--help"]].concat(), "");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("Example"), "{command:?}");
    }
}
