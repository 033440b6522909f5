//! What makes a process load other code than its own: variables of its environment, `ld.so.preload`.
//!
//! Names only. Values may be secrets, and are forgotten as soon as they are read. The environment
//! is the process's own memory: what it shows is a hint about its start, and no proof.

use std::collections::BTreeSet;

use latchkey_protocol::Reason;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::folder::Folder;

/// How much of an environment is read; of a longer one nothing is known.
const MAX_BYTES: u64 = 256 * 1024;

/// How the list of libraries that every program loads is recorded.
const PRELOAD_FILE: &str = "/etc/ld.so.preload";

/// Variables that the dynamic linker, runtimes, interpreters and shells take code from, in the order of
/// bytes. Not `ENV`: only interactive shells read it, and deployments name their environment by it.
const VARIABLES: [&str; 32] = [
    "BASH_ENV",
    "CLASSPATH",
    "CORECLR_PROFILER_PATH",
    "CORECLR_PROFILER_PATH_64",
    "DOTNET_STARTUP_HOOKS",
    "GCONV_PATH",
    "GEM_PATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LUA_CPATH",
    "LUA_INIT",
    "LUA_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "RUBYLIB",
    "RUBYOPT",
    "_JAVA_OPTIONS",
];

/// Returns the names of what a process may have loaded other code from.
///
/// # Errors
/// When that cannot be told.
pub(super) fn preloads(folder: &Folder) -> Result<Vec<String>, Reason> {
    let mut names = variables(&folder.read("environ", MAX_BYTES)?);
    if has_preload_file(folder)? {
        names.push(PRELOAD_FILE.to_owned());
    }
    Ok(names)
}

/// Returns the known variables that are set to something, each once, in the order of names.
fn variables(environment: &[u8]) -> Vec<String> {
    let known = |entry: &[u8]| {
        let end = entry.iter().position(|byte| *byte == b'=')?;
        let (name, value) = entry.split_at_checked(end)?;
        let place = VARIABLES.binary_search_by(|known| known.as_bytes().cmp(name));
        VARIABLES.get(place.ok().filter(|_| value.len() > 1)?)
    };
    let entries = environment.split(|byte| *byte == 0);
    let set: BTreeSet<_> = entries.filter_map(known).collect();
    set.into_iter().map(|name| (*name).to_owned()).collect()
}

/// Returns whether the list is there and has something in it, seen from the process's own root.
fn has_preload_file(folder: &Folder) -> Result<bool, Reason> {
    let root = folder.file("root", OFlags::PATH | OFlags::DIRECTORY)?;
    // SECURITY: a link in a root that others wrote must not lead out of it.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match rustix::fs::openat2(&root, PRELOAD_FILE, flags, Mode::empty(), resolve) {
        Ok(list) => rustix::fs::fstat(&list)
            .map(|list| list.st_size > 0)
            .map_err(|_unknown| Reason::CallerUnreadable),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
        Err(_) => Err(Reason::CallerUnreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_load_code_are_named_without_their_values() {
        let environment = b"HOME=/\0PYTHONPATH=/tmp/secret\0LD_PRELOAD=x.so\0ENV=\0\
                            XLD_AUDIT=1\0LD_AUDITX=1\0PATH=LD_AUDIT=1\0";
        assert_eq!(variables(environment), ["LD_PRELOAD", "PYTHONPATH"]);
        assert!(VARIABLES.is_sorted());
        let twice = b"LD_PRELOAD=a\0_JAVA_OPTIONS=-x\0LD_PRELOAD=b\0";
        assert_eq!(variables(twice), ["LD_PRELOAD", "_JAVA_OPTIONS"]);
        for clean in [b"".as_slice(), b"\0\0", b"LD_PRELOAD", b"A=\0LD_PRELOAD=\0"] {
            assert!(variables(clean).is_empty());
        }
    }
}
