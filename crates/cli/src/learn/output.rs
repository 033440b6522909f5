//! What was learned, written: profiles in the form that was asked for, and the report.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use latchkey_policy::document::{Form, Resource, render};
use latchkey_policy::export::{self, ExportError, Loss, Severity, Target, Widening};
use latchkey_policy::learn::{Learned, Profile, Report};
use latchkey_protocol::EndpointKind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::intake::Read;
use super::text;
use crate::arguments::Format;
use crate::exit::Exit;
use crate::terminal;
use crate::visible::visible_json;

const REPORT: &str = "report.json";

/// How many losses of a profile are told.
const TOLD: usize = 20;

/// What profiles are written as.
pub(crate) enum Written {
    /// In a form of Latchkey's, with all that was learned.
    Whole(Form),
    /// For others, who know less.
    Exported(Target, Widening),
}

/// Where the profiles go.
pub(crate) enum Output {
    Folder { folder: PathBuf, existing: Existing },
    Terminal,
}

/// What becomes of files that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Overwrite,
}

/// The answer could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("write the answer as JSON")]
    Json(#[from] serde_json::Error),
    #[error("export the profile of {name}")]
    Export {
        name: &'static str,
        source: ExportError,
    },
    #[error("nothing is written: deployed agents cannot express what was learned; use --form item")]
    Impossible,
    #[error(
        "nothing is written: deployed agents would let more through than what was learned; accept it with \
         --allow-widening, or use --form item"
    )]
    Widens,
    #[error("{} is there already: use --force to overwrite it", .0.display())]
    Exists(PathBuf),
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// All that is to be written.
pub(crate) struct Answer {
    pub(crate) form: Written,
    pub(crate) format: Format,
    pub(crate) only_hostga: bool,
    pub(crate) learned: Learned,
    pub(crate) input: Read,
}

/// The report with what was read for it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Whole<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// What was read, by what became of it.
    input: &'a Read,
    /// The profiles, by endpoint, in the form that was asked for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    profiles: Map<String, Value>,
    /// The files that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

impl Answer {
    /// Returns the name of a profile, in answers and of its file.
    fn name(&self, profile: &Profile) -> &'static str {
        if self.only_hostga {
            return EndpointKind::HostGa.as_str();
        }
        profile.endpoint.as_str()
    }

    /// Returns the texts of all profiles, by name, and says what they lack.
    fn texts(&self) -> Result<Vec<Text>, OutputError> {
        let texts = self.learned.profiles.iter().map(|profile| {
            let name = self.name(profile);
            Ok((name, self.text(name, profile)?))
        });
        // All of them, so that each says what it lacks.
        let texts: Vec<_> = texts.collect();
        texts.into_iter().collect()
    }

    fn text(&self, name: &'static str, profile: &Profile) -> Result<String, OutputError> {
        let (target, widening) = match &self.form {
            Written::Whole(form) => {
                return Ok(render(*form, &profile.item, &Resource::default()));
            }
            Written::Exported(target, widening) => (target, *widening),
        };
        match export::export(&profile.item, target, &[], widening) {
            Ok(export) => {
                tell_losses(name, export.losses);
                Ok(export.text)
            }
            Err(ExportError::Unsafe(losses)) => {
                let is_impossible = losses
                    .iter()
                    .any(|loss| loss.severity == Severity::Impossible);
                tell_losses(name, losses);
                Err(if is_impossible {
                    OutputError::Impossible
                } else {
                    OutputError::Widens
                })
            }
            Err(source) => Err(OutputError::Export { name, source }),
        }
    }

    /// Returns the report as JSON, with the profiles or the files that hold them.
    fn json(&self, profiles: Map<String, Value>, files: Vec<String>) -> serde_json::Result<String> {
        let whole = Whole {
            report: &self.learned.report,
            input: &self.input,
            profiles,
            files,
        };
        Ok(visible_json(&serde_json::to_string_pretty(&whole)?) + "\n")
    }

    fn exit(&self) -> Exit {
        let has_requests = self.input.requests > 0;
        if !has_requests {
            terminal::complain("no request was read, so nothing was learned");
        }
        // Callers are all that a status tells.
        let is_told = has_requests || self.input.callers > 0;
        if is_told && self.input.broken_off.is_empty() {
            Exit::Success
        } else {
            Exit::Failure
        }
    }
}

/// A profile as it is written, with its name.
type Text = (&'static str, String);

fn as_json(texts: &[Text]) -> serde_json::Result<Map<String, Value>> {
    let values = texts
        .iter()
        .map(|(name, text)| Ok(((*name).to_owned(), serde_json::from_str(text)?)));
    values.collect()
}

/// Says what a profile lacks for those who know less, the worst first.
fn tell_losses(name: &str, mut losses: Vec<Loss>) {
    losses.sort_by_key(|loss| std::cmp::Reverse(loss.severity));
    for loss in losses.iter().take(TOLD) {
        let what = match loss.severity {
            Severity::Dropped => "left out",
            Severity::Differs => "warning",
            Severity::Widens => "WARNING, lets more through",
            Severity::Impossible => "impossible",
        };
        terminal::complain(&format!("{name}: {what}: {loss}"));
    }
    if let Some(more) = losses.len().checked_sub(TOLD).filter(|more| *more > 0) {
        terminal::complain(&format!("{name}: and {more} more losses"));
    }
}

impl OutputError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Impossible | Self::Widens => Exit::Invalid,
            _ => Exit::Failure,
        }
    }
}

impl Output {
    /// Looks for files in the way before anything is read.
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        let Self::Folder {
            folder,
            existing: Existing::Keep,
        } = self
        else {
            return Ok(());
        };
        let names = ["imds.json", "wireserver.json", "hostga.json", REPORT];
        let mut taken = names.iter().map(|name| folder.join(name));
        taken
            .find(|path| path.exists())
            .map_or(Ok(()), |path| Err(OutputError::Exists(path)))
    }

    pub(crate) fn write(&self, answer: &Answer) -> Exit {
        match self.written(answer) {
            Ok(text) => terminal::print(&text, answer.exit()),
            Err(error) => {
                terminal::complain(&latchkey_agent::failure::with_causes(&error));
                error.exit()
            }
        }
    }

    /// Writes files, and returns what goes to standard output.
    fn written(&self, answer: &Answer) -> Result<String, OutputError> {
        let texts = answer.texts()?;
        let files = match self {
            Self::Terminal => Vec::new(),
            Self::Folder { folder, existing } => files(answer, &texts, folder, *existing)?,
        };
        let told = text::report(answer, &files);
        match (answer.format, self) {
            (Format::Json, Self::Terminal) => Ok(answer.json(as_json(&texts)?, files)?),
            (Format::Json, Self::Folder { .. }) => Ok(answer.json(Map::new(), files)?),
            (Format::Text, Self::Folder { .. }) => Ok(told),
            (Format::Text, Self::Terminal) => {
                terminal::tell(&told);
                Ok(match texts.as_slice() {
                    [(_, text)] => text.clone(),
                    _ => visible_json(&serde_json::to_string_pretty(&as_json(&texts)?)?) + "\n",
                })
            }
        }
    }
}

/// Writes a file for each profile, and the report.
fn files(
    answer: &Answer,
    texts: &[Text],
    folder: &Path,
    existing: Existing,
) -> Result<Vec<String>, OutputError> {
    let failed = |source| OutputError::Write {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut files = Vec::new();
    for (name, text) in texts {
        let path = folder.join(format!("{name}.json"));
        write(&path, text, existing)?;
        files.push(path.display().to_string());
    }
    let path = folder.join(REPORT);
    files.push(path.display().to_string());
    write(&path, &answer.json(Map::new(), files.clone())?, existing)?;
    Ok(files)
}

fn write(path: &Path, text: &str, existing: Existing) -> Result<(), OutputError> {
    let mut options = OpenOptions::new();
    match existing {
        Existing::Keep => options.write(true).create_new(true),
        Existing::Overwrite => options.write(true).create(true).truncate(true),
    };
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => OutputError::Exists(path.to_owned()),
        _ => OutputError::Write {
            path: path.to_owned(),
            source,
        },
    })
}
