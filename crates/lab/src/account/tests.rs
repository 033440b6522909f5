//! What the users of a guest may and may not be.

use super::*;

fn written(accounts: &[Account]) -> Result<(tempfile::TempDir, AccountFiles), AccountError> {
    let directory = tempfile::tempdir().unwrap();
    let files = AccountFiles::in_directory(directory.path());
    files
        .write(accounts, Path::new("/homes"))
        .map(|()| (directory, files))
}

#[test]
fn user_has_exactly_the_groups_that_were_given() {
    let (_directory, files) = written(&standard()).unwrap();
    let expected = Credentials {
        uid: 1004,
        gid: 2004,
        groups: vec![2100, 2101],
        home: "/homes/svc".into(),
    };
    assert_eq!(files.lookup("svc").unwrap(), expected);
    assert_eq!(files.lookup("app").unwrap().groups, Vec::<u32>::new());
}

#[test]
fn root_and_the_users_of_the_machine_are_there_too() {
    let (_directory, files) = written(&standard()).unwrap();
    assert_eq!(files.lookup("root").unwrap().uid, 0);
    assert_eq!(files.lookup("nobody").unwrap().uid, 65534);
    assert!(matches!(
        files.lookup("zoe"),
        Err(AccountError::Unknown { .. })
    ));
}

#[test]
fn user_of_the_machine_gives_way_to_one_of_the_same_name_or_id() {
    let accounts = [
        Account::new("nobody", 4000, 4000),
        Account::new("eve", 1, 4001),
    ];
    let (_directory, files) = written(&accounts).unwrap();
    assert_eq!(files.lookup("nobody").unwrap().uid, 4000);
    assert!(matches!(
        files.lookup("daemon"),
        Err(AccountError::Unknown { .. })
    ));
}

#[test]
fn name_or_id_used_twice_is_refused() {
    let app = Account::new("app", 1001, 2001);
    let cases = [
        Account::new("app", 1002, 2002),
        Account::new("eve", 1001, 2002),
        Account::new("eve", 1002, 2001),
        Account::new("root", 1002, 2002),
        Account::new("eve", 0, 2002),
    ];
    for other in cases {
        let result = written(&[app.clone(), other.clone()]);
        assert!(matches!(result, Err(AccountError::Taken(_))), "{other:?}");
    }
}

#[test]
fn name_that_breaks_the_file_is_refused() {
    for name in ["", "a:0", "a\nroot2::0:0", "-a", "0", "Ä"] {
        let result = written(&[Account::new(name, 1001, 2001)]);
        assert!(matches!(result, Err(AccountError::Name(_))), "{name:?}");
    }
}
