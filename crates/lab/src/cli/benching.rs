//! `latchkey-lab bench`: runs the benchmark, prints the table and writes the figures.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use latchkey_lab::bench::{self, Plan};

use super::BenchArguments;

/// Runs the benchmark.
pub(super) fn bench(arguments: &BenchArguments) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        rounds: arguments.rounds,
        seconds: arguments.seconds,
    };
    let report = bench::run(plan, |step| {
        // Progress is for whoever watches; nobody may.
        drop(writeln!(io::stderr(), "bench: {step}"));
    })?;
    io::stdout()
        .write_all(report.table().as_bytes())
        .context("print the table")?;
    if let Some(path) = &arguments.output {
        write(path, &serde_json::to_string_pretty(&report)?)?;
        writeln!(io::stdout(), "\nfigures: {}", path.display()).context("print the path")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
