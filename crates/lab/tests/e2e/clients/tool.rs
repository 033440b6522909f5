//! The programs that run the clients, as a guest sees them.

use std::path::{Path, PathBuf};

use latchkey_lab::Guest;
use latchkey_lab::system::LIMIT;

/// Where a guest sees the folder of its tool. The same in every guest, so that a profile can name
/// what lies there before the guest stands.
pub(crate) const FOLDER: &str = "/mnt";

/// A program that runs clients, or is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The system's curl.
    Curl,
    /// The interpreter of the environment that `scripts/node.sh` makes.
    Node,
    /// The interpreter of the environment that `scripts/python.sh` makes.
    Python,
}

impl Tool {
    /// Returns the interpreter's place on this machine; nothing for what every guest has.
    fn interpreter(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Curl => return None,
            Self::Node => "LATCHKEY_NODE",
            Self::Python => "LATCHKEY_PYTHON",
        };
        let interpreter = std::env::var_os(variable)
            .expect("LATCHKEY_NODE and LATCHKEY_PYTHON name interpreters: run `make clients`");
        Some(interpreter.into())
    }

    /// Makes the tool visible in a guest, at a place that every user may enter.
    pub(crate) fn install(self, guest: &Guest) {
        let Some(interpreter) = self.interpreter() else {
            return;
        };
        // In the guest's own mount namespace alone.
        let mount = guest.command("root", "mount").arg("--bind");
        let mount = mount.arg(environment(&interpreter)).arg(FOLDER);
        let output = mount.output(LIMIT).unwrap();
        assert!(output.success(), "{output:?}");
    }

    /// Returns what is started in a guest.
    pub(crate) fn program(self) -> PathBuf {
        match self.interpreter() {
            Some(interpreter) => seen(&interpreter, environment(&interpreter)),
            None => PathBuf::from("/usr/bin/curl"),
        }
    }

    /// Returns the file that the kernel then executes in the guest: links are followed.
    pub(crate) fn executable(self) -> PathBuf {
        let Some(interpreter) = self.interpreter() else {
            return self.program();
        };
        let file = interpreter.canonicalize().unwrap();
        let environment = environment(&interpreter).canonicalize().unwrap();
        if file.starts_with(&environment) {
            seen(&file, &environment)
        } else {
            file
        }
    }

    /// Returns the interpreter's place on this machine, for a program outside of guests.
    pub(crate) fn outside(self) -> PathBuf {
        self.interpreter().unwrap_or_else(|| self.program())
    }
}

/// Returns the environment of an interpreter, which lies at `bin` in it.
fn environment(interpreter: &Path) -> &Path {
    interpreter.parent().and_then(Path::parent).unwrap()
}

/// Returns where a guest sees a file of an environment.
fn seen(file: &Path, environment: &Path) -> PathBuf {
    Path::new(FOLDER).join(file.strip_prefix(environment).unwrap())
}
