//! Commands that become something else: a holder of namespaces, or a program inside a node.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use latchkey_lab::account::Credentials;
use latchkey_lab::entry::{self, Entry, EntryError};
use latchkey_lab::id::LabId;
use latchkey_lab::namespace::{self, Plan};
use latchkey_lab::root;
use latchkey_lab::state::{self, LabState};

use super::{EnterArguments, ExecArguments, HoldArguments, HoldRootArguments, tell};

pub(super) fn enter(arguments: EnterArguments) -> anyhow::Result<ExitCode> {
    let id = match arguments.lab {
        Some(id) => id,
        None => only_lab()?,
    };
    if !id.owner().is_alive() {
        bail!("lab {id} does not stand; `latchkey-lab list` shows those that do");
    }
    let lab = LabState::read(id)?;
    let Some(node) = lab.node(&arguments.node) else {
        let names: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
        bail!(
            "lab {id} has no `{}`, only: {}",
            arguments.node,
            names.join(", ")
        );
    };
    if !node.holder.is_alive() {
        bail!("`{}` of lab {id} is going down", node.name);
    }
    let credentials = node.accounts().lookup(&arguments.user)?;
    let mut environment = entry::environment(&arguments.user, &credentials.home);
    environment.extend(std::env::var_os("TERM").map(|term| ("TERM".into(), term)));
    let (program, arguments) = split(arguments.command)?;
    become_program(&Entry {
        holder: node.holder.pid,
        cgroup: node.cgroup.clone(),
        directory: PathBuf::from(&credentials.home),
        credentials,
        environment: Some(environment),
        program,
        arguments,
    })
}

/// Returns the lab that stands, if it is exactly one.
fn only_lab() -> anyhow::Result<LabId> {
    match state::standing()?.as_slice() {
        [id] => Ok(*id),
        [] => bail!("no lab stands; `latchkey-lab up GUEST` makes one"),
        _ => bail!("several labs stand; choose with --lab, `latchkey-lab list` shows them"),
    }
}

pub(super) fn hold(arguments: HoldArguments) -> anyhow::Result<ExitCode> {
    let HoldArguments {
        cgroup,
        hostname,
        bind,
    } = arguments;
    let mut binds = Vec::new();
    let mut paths = bind.into_iter();
    while let (Some(source), Some(target)) = (paths.next(), paths.next()) {
        binds.push((source, target));
    }
    namespace::hold(&Plan {
        cgroup,
        hostname,
        binds,
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn hold_root(arguments: HoldRootArguments) -> anyhow::Result<ExitCode> {
    let HoldRootArguments {
        tree,
        mount_point,
        hostname,
    } = arguments;
    root::hold::hold(&root::hold::Plan {
        tree,
        mount_point,
        hostname,
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn exec(arguments: ExecArguments) -> anyhow::Result<ExitCode> {
    let ExecArguments {
        holder,
        cgroup,
        uid,
        gid,
        groups,
        directory,
        command,
    } = arguments;
    let groups = groups
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::parse);
    let groups = groups.collect::<Result<_, _>>().context("read --groups")?;
    let credentials = Credentials {
        uid,
        gid,
        groups,
        home: String::new(),
    };
    let (program, arguments) = split(command)?;
    let environment = None;
    become_program(&Entry {
        holder,
        cgroup,
        credentials,
        directory,
        environment,
        program,
        arguments,
    })
}

/// Splits a command line into the program and its arguments.
fn split(command: Vec<OsString>) -> anyhow::Result<(OsString, Vec<OsString>)> {
    let mut words = command.into_iter();
    let program = words.next().context("no command given")?;
    Ok((program, words.collect()))
}

/// Becomes a program; returns only if that failed, with the exit codes of env(1).
fn become_program(entry: &Entry) -> anyhow::Result<ExitCode> {
    let error = entry.run();
    let code = match &error {
        EntryError::Run { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
        EntryError::Run { .. } => 126,
        _ => 125,
    };
    tell(&error.into());
    Ok(ExitCode::from(code))
}
