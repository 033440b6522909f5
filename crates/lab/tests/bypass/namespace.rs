//! Callers in namespaces of their own.

use crate::trial::trial;
use crate::world::{GOAL_STATE, TOKEN};

/// Asks the `WireServer` as root of a new user namespace.
const AS_MAPPED_ROOT: &str = r#"
export HOST=168.63.129.16
exec unshare --user --map-root-user "$OTHER" stream to=168.63.129.16
"#;

#[test]
fn root_of_a_users_own_user_namespace_is_not_root() {
    let trial = trial!().asking_for(GOAL_STATE);
    let report = trial.script("app", AS_MAPPED_ROOT);
    trial.concludes(&report, "app");
}

#[test]
fn root_in_another_user_namespace_is_not_root() {
    let trial = trial!().asking_for(GOAL_STATE);
    let report = trial.script("root", AS_MAPPED_ROOT);
    trial.concludes(&report, "root");
}

#[test]
fn network_namespace_of_a_user_is_refused() {
    let trial = trial!();
    let report = trial.script(
        "app",
        r#"exec unshare --user --map-root-user --net sh -euc 'ip link set lo up; exec "$OTHER" stream'"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn socket_of_another_network_namespace_is_refused_where_it_is_used() {
    trial!().proves("root", &["foreign-socket"]);
}

#[test]
fn control_group_namespace_is_brokered() {
    let trial = trial!();
    let report = trial.script(
        "app",
        r#"exec unshare --user --map-current-user --cgroup "$OTHER" stream"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn file_mounted_over_the_allowed_one_in_an_own_namespace_is_refused() {
    let trial = trial!().asking_for(TOKEN);
    let report = trial.script(
        "app",
        r#"exec unshare --user --map-current-user --mount --keep-caps \
           sh -euc 'mount --bind "$OTHER" "$ALLOWED"; exec "$ALLOWED" stream'"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn overlay_over_the_allowed_folder_in_an_own_namespace_is_refused() {
    let trial = trial!().asking_for(TOKEN);
    let report = trial.script(
        "app",
        r#"mkdir "$HOME/evil"
           cp "$OTHER" "$HOME/evil/allowed"
           exec unshare --user --map-root-user --mount sh -euc '
               folder=${ALLOWED%/*}
               mount -t overlay -o "lowerdir=$HOME/evil:$folder" overlay "$folder"
               exec "$ALLOWED" stream'"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn allowed_path_within_another_root_directory_is_refused() {
    let trial = trial!().asking_for(TOKEN);
    let report = trial.script(
        "app",
        r#"folder=${ALLOWED%/*}
           mkdir -p "$HOME/jail$folder" "$HOME/jail/lib" "$HOME/jail/lib64"
           cp "$OTHER" "$HOME/jail$ALLOWED"
           for library in $(ldd "$OTHER" | grep -o '/[^ ]*'); do
               mkdir -p "$HOME/jail${library%/*}"
               cp "$library" "$HOME/jail$library"
           done
           exec unshare --user --map-root-user --root="$HOME/jail" "$ALLOWED" stream"#,
    );
    trial.concludes(&report, "app");
}
