//! `latchkey profile export`: a profile for the management API, Bicep, Terraform or the deployed agent.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, ValueEnum};
use latchkey_policy::export::name::{GalleryName, ProfileName, VersionName};
use latchkey_policy::export::{
    Deployment, ExportError, HostEndpoint, Loss, Severity, Target, Widening, export,
};

use crate::arguments::{Arguments, Format, ProfileEndpoint, region};
use crate::document::{self, Loaded};
use crate::exit::Exit;
use crate::visible::visible_json;
use crate::{output, terminal};

mod report;

/// Writes a profile for others: the management API, Bicep, Terraform, or the deployed agent.
///
/// What the target cannot express is named on standard error. What would let more through than the
/// profile is refused unless --allow-widening accepts it; an identity that would become everybody
/// is refused always.
///
/// Exit codes: 0 written; 1 a file cannot be read or written; 3 the profile is invalid or cannot be
/// exported safely; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile export imds.json --to resource --location westeurope > version.json
  latchkey profile export imds.json --to bicep --endpoint imds --os linux --output imds.bicep
  latchkey profile export imds.json --to local --output IMDS_Rules.json")]
pub(crate) struct Export {
    /// The profile, in any of its forms.
    file: PathBuf,
    /// Whom it is written for.
    #[arg(long, value_enum)]
    to: To,
    /// The endpoint that the profile is for; for bicep and terraform.
    #[arg(long, value_enum, required_if_eq_any = [("to", "bicep"), ("to", "terraform")])]
    endpoint: Option<ProfileEndpoint>,
    /// The guests that the profile is for; for bicep and terraform.
    #[arg(long, value_enum, required_if_eq_any = [("to", "bicep"), ("to", "terraform")])]
    os: Option<Os>,
    /// The gallery; for bicep and terraform, where it is a parameter without a default otherwise.
    #[arg(long, value_name = "NAME")]
    gallery: Option<GalleryName>,
    /// The name of the profile; as --gallery.
    #[arg(long, value_name = "NAME")]
    profile_name: Option<ProfileName>,
    /// The version, as in 1.0.0; as --gallery.
    #[arg(long, value_name = "N.N.N")]
    version: Option<VersionName>,
    /// Where it is stored.
    #[arg(long, value_name = "REGION", required_if_eq("to", "resource"), value_parser = region)]
    location: Option<String>,
    /// Where the version is replicated to, several times if there are more; its location if absent.
    #[arg(long, value_name = "REGION", value_parser = region)]
    region: Vec<String>,
    /// Write it although more would be let through than the profile says.
    #[arg(long)]
    allow_widening: bool,
    /// The file to write, at once or not at all; standard output if there is none.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the answer is written; JSON is one object with the export and all that it does not take over.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// A file for Bicep.
    Bicep,
    /// A local rule file of the deployed agent.
    Local,
    /// The body of a version, as the management API takes it.
    Resource,
    /// A configuration for Terraform's azapi provider.
    Terraform,
}

impl From<ProfileEndpoint> for HostEndpoint {
    fn from(endpoint: ProfileEndpoint) -> Self {
        match endpoint {
            ProfileEndpoint::Imds => Self::Imds,
            ProfileEndpoint::WireServer => Self::WireServer,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Os {
    Linux,
    Windows,
}

impl From<Os> for latchkey_policy::export::Os {
    fn from(os: Os) -> Self {
        match os {
            Os::Linux => Self::Linux,
            Os::Windows => Self::Windows,
        }
    }
}

impl Export {
    /// Returns the target; nothing where an argument is missing that it needs.
    fn target(&self) -> Option<Target> {
        Some(match self.to {
            To::Bicep => Target::Bicep(self.deployment()?),
            To::Local => Target::Local,
            To::Resource => Target::Resource(self.location.clone()?),
            To::Terraform => Target::Terraform(self.deployment()?),
        })
    }

    fn deployment(&self) -> Option<Deployment> {
        Some(Deployment {
            endpoint: self.endpoint?.into(),
            os: self.os?.into(),
            gallery: self.gallery.clone(),
            profile: self.profile_name.clone(),
            version: self.version.clone(),
            location: self.location.clone(),
        })
    }
}

pub(crate) fn run(arguments: &Export) -> Exit {
    let Some(target) = arguments.target() else {
        let text = "the target needs --location, or --endpoint and --os";
        let error = Arguments::command().error(ErrorKind::MissingRequiredArgument, text);
        return terminal::printed(error.print(), Exit::Usage);
    };
    let format = arguments.format;
    let loaded = match document::load_as(&arguments.file, format) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let widening = if arguments.allow_widening {
        Widening::Accept
    } else {
        Widening::Refuse
    };
    let output = arguments.output.as_deref();
    match export(loaded.item(), &target, &arguments.region, widening) {
        Ok(export) if format == Format::Json => {
            let text = visible_export(&target, export.text);
            let exit = output.map_or(Exit::Success, |file| output::write(&text, Some(file)));
            if exit == Exit::Success {
                report::json(&loaded, &export.losses, (Some(&text), output), exit)
            } else {
                exit
            }
        }
        Ok(export) => {
            report::say(&loaded, &export.losses, widening);
            output::write(&visible_export(&target, export.text), output)
        }
        Err(ExportError::Unsafe(losses)) => refuse(&loaded, &losses, widening, format),
        Err(error @ ExportError::Invalid(_)) => {
            terminal::complain(&error.to_string());
            Exit::Invalid
        }
        Err(error @ ExportError::Json(_)) => {
            terminal::complain(&error.to_string());
            Exit::Failure
        }
    }
}

/// Returns the text of an export without what would command a terminal, as far as its language has
/// escapes for that which are JSON's.
fn visible_export(target: &Target, text: String) -> String {
    match target {
        Target::Local | Target::Resource(_) => visible_json(&text),
        Target::Bicep(_) | Target::Terraform(_) => text,
    }
}

fn refuse(loaded: &Loaded, losses: &[Loss], widening: Widening, format: Format) -> Exit {
    if format == Format::Json {
        return report::json(loaded, losses, (None, None), Exit::Invalid);
    }
    report::say(loaded, losses, widening);
    let mut losses = losses.iter();
    terminal::complain(
        if losses.any(|loss| loss.severity == Severity::Impossible) {
            "nothing is written: the target cannot express this profile"
        } else {
            "nothing is written: more would be let through; accept it with --allow-widening"
        },
    );
    Exit::Invalid
}
