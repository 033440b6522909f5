//! Programs that pose as the one that `app` may have tokens with.

use crate::trial::{Trial, trial};
use crate::world::TOKEN;

/// Tries to get a token by a script of a user's.
#[track_caller]
fn poses(trial: Trial, script: &str) {
    let trial = trial.asking_for(TOKEN);
    let report = trial.script("app", script);
    trial.concludes(&report, "app");
}

#[test]
fn allowed_program_is_brokered() {
    poses(trial!(), r#"exec "$ALLOWED" stream"#);
}

#[test]
fn symbolic_link_with_the_allowed_name_is_what_it_leads_to() {
    poses(
        trial!(),
        r#"ln -s "$OTHER" "$HOME/allowed"; exec "$HOME/allowed" stream"#,
    );
}

#[test]
fn copy_of_the_allowed_program_is_refused() {
    poses(
        trial!(),
        r#"cp "$ALLOWED" "$HOME/allowed"; exec "$HOME/allowed" stream"#,
    );
}

#[test]
fn hard_link_to_the_allowed_program_is_refused() {
    let trial = trial!();
    trial.prepare(r#"ln "$ALLOWED" "${ALLOWED%/*}/linked""#);
    poses(trial, r#"exec "${ALLOWED%/*}/linked" stream"#);
}

#[test]
fn program_that_the_loader_was_told_to_run_is_the_loader() {
    poses(
        trial!(),
        r#"exec "$(ldd "$ALLOWED" | grep -o '/[^ ]*/ld-linux[^ ]*')" "$ALLOWED" stream"#,
    );
}

#[test]
fn executable_in_memory_is_refused() {
    poses(trial!(), r#"exec "$OTHER" memfd"#);
}

#[test]
fn deleted_executable_is_refused() {
    poses(
        trial!(),
        r#"cp "$OTHER" "$HOME/allowed"; exec "$HOME/allowed" deleted"#,
    );
}

#[test]
fn deleted_executable_is_not_the_file_with_its_name() {
    let trial = trial!().asking_for(TOKEN);
    trial.prepare(r#"chmod 777 "${ALLOWED%/*}""#);
    // The link that the kernel shows of a deleted executable ends in these words.
    let report = trial.script(
        "app",
        r#"cp "$OTHER" "$HOME/allowed"
           cp "$ALLOWED" "$HOME/allowed (deleted)"
           exec "$HOME/allowed" deleted"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn program_whose_file_was_replaced_is_refused() {
    let trial = trial!().asking_for(TOKEN);
    // Root puts a new version in the place of the file, as a package does, while the old one runs.
    trial.prepare(r#"chmod 777 "${ALLOWED%/*}"; chown app "$ALLOWED""#);
    let report = trial.script("app", r#"exec "$ALLOWED" deleted"#);
    trial.concludes(&report, "app");
}

#[test]
fn file_that_root_mounts_over_the_allowed_one_is_taken_for_it() {
    let trial = trial!();
    trial.prepare(r#"mount --bind "$OTHER" "$ALLOWED""#);
    poses(trial, r#"exec "$ALLOWED" stream"#);
}

#[test]
fn task_with_the_allowed_name_is_refused() {
    poses(trial!(), r#"exec "$OTHER" named allowed"#);
}

#[test]
fn process_that_names_another_file_as_its_executable_is_refused() {
    poses(trial!(), r#"exec "$OTHER" exe-file "$ALLOWED""#);
}

#[test]
fn child_that_shares_its_parents_memory_is_brokered() {
    trial!().proves("app", &["vfork"]);
}

#[test]
fn library_loaded_before_the_allowed_program_speaks_in_its_name() {
    poses(trial!(), r#"LD_PRELOAD="$INTRUDER" exec "$ALLOWED" wait"#);
}

#[test]
fn tracer_of_the_allowed_program_speaks_in_its_name() {
    poses(trial!(), r#"exec "$OTHER" traced "$ALLOWED""#);
}

/// Asks as the caller does, and reports as it does.
const SCRIPT: &str = r##"
cat > "$HOME/script" <<'END'
#!/usr/bin/env python3
import http.client, json, os
connection = http.client.HTTPConnection("169.254.169.254", timeout=20)
connection.request("GET", os.environ["TARGET"], headers={"Metadata": "true"})
answer = connection.getresponse()
print(json.dumps({"step": "answered", "error": None, "peer": None, "status": answer.status,
                  "reason": answer.getheader("latchkey-reason")}))
END
chmod +x "$HOME/script"
exec "$HOME/script"
"##;

#[test]
fn any_script_of_an_allowed_interpreter_speaks_in_its_name() {
    poses(trial!(), SCRIPT);
}
