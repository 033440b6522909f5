//! Programs that are known to do what others tell them: interpreters, and those that pass requests on.
//!
//! The one table, for what is learned by itself and for what lint warns of.

/// Programs that run what they are given, by name, without version.
const INTERPRETERS: [&str; 71] = [
    "ash",
    "awk",
    "bash",
    "beam.smp",
    "bun",
    "busybox",
    "chroot",
    "csh",
    "dash",
    "deno",
    "doas",
    "dotnet",
    "elixir",
    "env",
    "erl",
    "expect",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "groovy",
    "guile",
    "irb",
    "java",
    "julia",
    "ksh",
    "ld.so",
    "lua",
    "luajit",
    "mawk",
    "mksh",
    "mono",
    "nawk",
    "nice",
    "node",
    "nodejs",
    "nohup",
    "nsenter",
    "octave",
    "parallel",
    "perl",
    "php",
    "php-cgi",
    "php-fpm",
    "pkexec",
    "pwsh",
    "pypy",
    "python",
    "rbash",
    "rscript",
    "ruby",
    "runuser",
    "scala",
    "setpriv",
    "setsid",
    "sh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "tclsh",
    "tcsh",
    "timeout",
    "toybox",
    "unshare",
    "watch",
    "wish",
    "xargs",
    "yash",
    "zsh",
];
/// Programs that fetch for whoever starts them.
const FETCHERS: [&str; 19] = [
    "aria2c",
    "axel",
    "curl",
    "elinks",
    "ftp",
    "git",
    "http",
    "httpie",
    "https",
    "links",
    "lwp-request",
    "lynx",
    "nc",
    "ncat",
    "netcat",
    "openssl",
    "telnet",
    "w3m",
    "wget",
];
/// Programs that pass on what reaches them over the network.
const RELAYS: [&str; 24] = [
    "apache",
    "caddy",
    "cloudflared",
    "envoy",
    "haproxy",
    "httpd",
    "kube-proxy",
    "kubectl",
    "mitmdump",
    "mitmproxy",
    "nginx",
    "ngrok",
    "pomerium",
    "privoxy",
    "socat",
    "squid",
    "ssh",
    "sshd",
    "stunnel",
    "tailscaled",
    "tinyproxy",
    "traefik",
    "varnishd",
    "xinetd",
];
/// What stands behind a version in the names of builds of one program: `python3.7m`, `python3.11-dbg`.
const BUILDS: [&str; 10] = [
    "", "cgi", "d", "dbg", "debug", "dm", "fpm", "m", "m-dbg", "t",
];
/// How the kernel's loader of programs is called, which runs the program that it is given.
const LOADERS: [&str; 3] = ["ld-2.", "ld-linux", "ld-musl-"];

/// What a program is known to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Runs what it is given.
    Interpreter,
    /// Fetches for whoever starts it.
    Fetcher,
    /// Passes on what reaches it over the network.
    Relay,
}

impl Program {
    /// Recognises a program by the path or name of its file, whatever its version.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').find(|segment| !segment.is_empty())?;
        let name = name.to_ascii_lowercase();
        let stem = without_version(&name);
        let known = |list: &[&str]| list.contains(&name.as_str()) || list.contains(&stem);
        let is_loader = LOADERS.iter().any(|start| name.starts_with(start));
        if is_loader || known(&INTERPRETERS) {
            Some(Self::Interpreter)
        } else if known(&FETCHERS) {
            Some(Self::Fetcher)
        } else if known(&RELAYS) {
            Some(Self::Relay)
        } else {
            None
        }
    }
}

/// Returns a program's own name: `python` of `python3.11-dbg`, all of `python3-config`.
fn without_version(name: &str) -> &str {
    let is_joint = |letter: char| ".-_".contains(letter);
    let Some(at) = name.find(|letter: char| letter.is_ascii_digit()) else {
        return name.trim_end_matches(is_joint);
    };
    let (stem, version) = name.split_at(at);
    let build =
        version.trim_start_matches(|letter: char| letter.is_ascii_digit() || is_joint(letter));
    // Debian names perl by version and machine: `perl5.36-x86_64-linux-gnu`.
    if BUILDS.contains(&build) || build.contains("-linux-") {
        stem.trim_end_matches(is_joint)
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_in_any_version_and_place() {
        for (path, expected) in [
            ("/usr/bin/python3.11", Some(Program::Interpreter)),
            ("/opt/venv/bin/python", Some(Program::Interpreter)),
            ("php-fpm8.2", Some(Program::Interpreter)),
            ("lua5.4", Some(Program::Interpreter)),
            ("/bin/busybox", Some(Program::Interpreter)),
            ("/usr/bin/curl", Some(Program::Fetcher)),
            ("/usr/sbin/haproxy", Some(Program::Relay)),
            ("apache2", Some(Program::Relay)),
            ("/opt/app/bin/app", None),
            ("/opt/python3/bin/server", None),
            ("/usr/bin/python3-config", None),
            ("/usr/bin/gitlab-runner", None),
            ("/usr/bin/python3.11-dbg", Some(Program::Interpreter)),
            ("/usr/bin/python3.7m", Some(Program::Interpreter)),
            (
                "/usr/bin/perl5.36-x86_64-linux-gnu",
                Some(Program::Interpreter),
            ),
            ("/lib64/ld-linux-x86-64.so.2", Some(Program::Interpreter)),
            ("/opt/PYTHON3", Some(Program::Interpreter)),
            ("/usr/bin/Rscript", Some(Program::Interpreter)),
            ("/opt/node-18", Some(Program::Interpreter)),
            ("/usr/bin/sudo", Some(Program::Interpreter)),
            ("/usr/bin/systemd-run", Some(Program::Interpreter)),
            ("/usr/bin/socat", Some(Program::Relay)),
            ("/usr/bin/pythonista", None),
            ("/opt/shell", None),
            ("", None),
        ] {
            assert_eq!(Program::of(path), expected, "{path}");
        }
    }
}
