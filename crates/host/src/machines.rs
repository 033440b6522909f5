//! The machines, read from a folder of files: all of them valid, or the last good set stays in force.
//!
//! A machine says for each endpoint what holds; a section that is missing, as in a file
//! that was cut off, is an error and never "not protected". Profiles are checked by the
//! same compiler that the agents use.

mod document;
mod facts;
mod goal_state;
mod profile;
pub mod reload;
mod sources;
mod unique;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use latchkey_gateway::{Machine, MachineTable};

use document::MachineFile;
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

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineProblem {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What is wrong, with line and column where the file is not of the form.
    pub message: String,
}

impl fmt::Display for MachineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
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
    let files = machine_files(folder).map_err(|source| {
        vec![MachineProblem {
            path: folder.to_owned(),
            message: format!("cannot list: {source}"),
        }]
    })?;
    let mut read: Vec<_> = files
        .into_iter()
        .map(|path| {
            let document = sources
                .read(&path)
                .and_then(|text| MachineFile::parse(&path, &text));
            (path, document)
        })
        .collect();
    // A profile may lie beside the machine that names it; it is no machine.
    let profiles: BTreeSet<_> = read
        .iter()
        .filter_map(|(path, document)| Some((path, document.as_ref().ok()?)))
        .flat_map(|(path, document)| document.profile_paths(path))
        .collect();
    read.retain(|(path, _)| !profiles.contains(path));
    let mut machines: Vec<Machine> = Vec::new();
    let mut problems = Vec::new();
    for (path, document) in read {
        let checked = document.map_err(|message| vec![message]);
        match checked.and_then(|document| document.check(&path, sources)) {
            Ok(machine) => machines.push(machine),
            Err(messages) => problems.extend(messages.into_iter().map(|message| MachineProblem {
                path: path.clone(),
                message,
            })),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let of_folder = |message| {
        vec![MachineProblem {
            path: folder.to_owned(),
            message,
        }]
    };
    refuse_one_vm_id_for_two(&machines).map_err(of_folder)?;
    MachineTable::new(machines).map_err(|error| of_folder(error.to_string()))
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
