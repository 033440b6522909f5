//! `latchkey manual`: manual pages and completions, made from the very arguments that the program reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::completions;
use crate::exit::Exit;
use crate::terminal;

/// Writes manual pages and shell completions below a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  latchkey manual /usr/share && man latchkey-simulate")]
pub(crate) struct Manual {
    /// The folder, such as /usr/share; what is missing in it is made.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Where the shells look for the completions of a program.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/latchkey"),
    (Shell::Fish, "fish/vendor_completions.d/latchkey.fish"),
    (Shell::Zsh, "zsh/vendor-completions/_latchkey"),
];

pub(crate) fn run(manual: &Manual) -> Exit {
    match write(&manual.dir) {
        Ok(()) => Exit::Success,
        Err(error) => {
            terminal::complain(&format!("{}: {error}", manual.dir.display()));
            Exit::Failure
        }
    }
}

fn write(dir: &Path) -> io::Result<()> {
    let pages = dir.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(Arguments::command(), &pages)?;
    for (shell, place) in COMPLETIONS {
        let file = dir.join(place);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, completions::written(shell))?;
    }
    Ok(())
}
