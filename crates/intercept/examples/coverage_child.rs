//! The coverage probe's child and nothing else: what the tests of the probe start.

use std::process::ExitCode;

fn main() -> ExitCode {
    if latchkey_intercept::coverage::is_child() {
        latchkey_intercept::coverage::run_child()
    } else {
        ExitCode::FAILURE
    }
}
