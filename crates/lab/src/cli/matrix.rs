//! `latchkey-lab bypass-matrix`: writes the table of ways round, or checks that it is up to date.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use latchkey_lab::bypass::{evidence, matrix};

/// Writes the table.
pub(super) fn write(path: &Path) -> anyhow::Result<ExitCode> {
    let table = matrix::render(&evidence::directory()?)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(path, table).with_context(|| format!("write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Compares the table with what it should be.
pub(super) fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let table = matrix::render(&evidence::directory()?)?;
    let found = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if found == table {
        return Ok(ExitCode::SUCCESS);
    }
    let message = "differs from the results; run `make bypass-matrix`";
    writeln!(io::stderr(), "{}: {message}", path.display()).context("say what differs")?;
    Ok(ExitCode::FAILURE)
}
