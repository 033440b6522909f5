//! The operator's program: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    latchkey_cli::run()
}
