//! The machines, read from a folder of files: all of them valid, or the last good set stays in force.
//!
//! A machine says for each endpoint what holds; a section that is missing, as in a file
//! that was cut off, is an error and never "not protected". Profiles are checked by the
//! same compiler that the agents use.

mod document;
mod facts;
mod form;
mod goal_state;
mod problem;
mod profile;
pub mod reload;
mod sources;
mod unique;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use latchkey_gateway::{Machine, MachineTable};

use document::MachineFile;
use form::Form;
pub use problem::MachineProblem;
pub use sources::Fingerprint;
use sources::Sources;

/// What a folder held when it was read.
#[derive(Debug)]
pub struct Reading {
    /// The machines, or all that is wrong.
    pub outcome: Result<MachineTable, InvalidMachines>,
    /// Names the content of all files that were read.
    pub fingerprint: Fingerprint,
}

/// Why the files are no set of machines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine files are invalid:{}", listed(.0))]
pub struct InvalidMachines(pub Vec<MachineProblem>);

fn listed(problems: &[MachineProblem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n{problem}"))
        .collect()
}

/// Reads all machine files of a folder.
#[must_use]
pub fn read(folder: &Path) -> Reading {
    let mut sources = Sources::default();
    let outcome = read_with(folder, &mut sources).map_err(InvalidMachines);
    Reading {
        outcome,
        fingerprint: sources.into_fingerprint(),
    }
}

/// Returns the fingerprint that reading the folder would have, if the same profiles are named.
#[must_use]
pub fn fingerprint(folder: &Path, known: &Fingerprint) -> Fingerprint {
    let mut sources = Sources::default();
    let listed = machine_files(folder).unwrap_or_default();
    for path in listed
        .into_iter()
        .chain(known.paths().cloned())
        .collect::<BTreeSet<_>>()
    {
        // What cannot be read counts as such; reading again will say why.
        drop(sources.read(&path));
    }
    sources.into_fingerprint()
}

fn read_with(folder: &Path, sources: &mut Sources) -> Result<MachineTable, Vec<MachineProblem>> {
    let whole = |path: &Path, message| MachineProblem {
        path: path.to_owned(),
        place: None,
        message,
    };
    let files = machine_files(folder)
        .map_err(|source| vec![whole(folder, format!("cannot list: {source}"))])?;
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for path in files {
        match sources.read(&path) {
            Ok(text) => texts.push((path, text)),
            Err(message) => problems.push(whole(&path, message)),
        }
    }
    let machines = check(&texts, sources, &mut problems);
    if !problems.is_empty() {
        problems.sort_by(|one, other| one.path.cmp(&other.path));
        return Err(problems);
    }
    refuse_one_vm_id_for_two(&machines).map_err(|message| vec![whole(folder, message)])?;
    MachineTable::new(machines).map_err(|error| vec![whole(folder, error.to_string())])
}

/// Returns the machines of these texts, and adds all that is wrong with them.
fn check(
    texts: &[(PathBuf, String)],
    sources: &mut Sources,
    problems: &mut Vec<MachineProblem>,
) -> Vec<Machine> {
    let read = texts
        .iter()
        .map(|(path, text)| (path, Form::<MachineFile>::read(path, text)));
    let mut read: Vec<_> = read.collect();
    // A profile may lie beside the machine that names it; it is no machine.
    let profiles: BTreeSet<_> = read
        .iter()
        .filter_map(|(path, form)| Some((path, form.value.as_ref()?)))
        .flat_map(|(path, file)| file.profile_paths(path))
        .collect();
    read.retain(|(path, _)| !profiles.contains(*path));
    let mut machines = Vec::new();
    for (path, mut form) in read {
        let is_whole = form.misfits.is_empty();
        match form.value.take().map(|file| file.check(path, sources)) {
            Some(Ok(machine)) if is_whole => machines.push(machine),
            Some(Err(found)) => problems.extend(form.problems(path, found.into_vec())),
            Some(Ok(_)) | None => problems.extend(form.problems(path, Vec::new())),
        }
    }
    machines
}

/// SECURITY: a metadata service that is told the `vm_id` would give one machine the data of the
/// other. Machines in different resource groups may well have one name, which it is derived from.
fn refuse_one_vm_id_for_two(machines: &[Machine]) -> Result<(), String> {
    let mut seen = HashMap::new();
    for machine in machines {
        if let Some(other) = seen.insert(machine.facts.vm_id, &machine.id) {
            return Err(format!(
                "machines `{other}` and `{}` have the same vm_id: give each its own in `[facts]`, \
                 or its own `name`",
                machine.id
            ));
        }
    }
    Ok(())
}

/// Lists `*.toml` and `*.json`, hidden files left out, in the order of their names.
fn machine_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_document = path
            .extension()
            .is_some_and(|kind| kind == "toml" || kind == "json");
        if is_document && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}
