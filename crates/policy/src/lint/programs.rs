//! Programs that are known to do what others tell them: interpreters, and those that pass requests on.

/// Interpreters by name, without version.
const INTERPRETERS: [&str; 37] = [
    "ash", "awk", "bash", "bun", "busybox", "csh", "dash", "deno", "dotnet", "env", "erl",
    "expect", "fish", "gawk", "groovy", "guile", "irb", "java", "ksh", "lua", "luajit", "mawk",
    "mono", "node", "nodejs", "perl", "php", "php-fpm", "pwsh", "pypy", "python", "rscript",
    "ruby", "sh", "tclsh", "tcsh", "zsh",
];
/// Programs that fetch for whoever starts them.
const FETCHERS: [&str; 14] = [
    "aria2c", "axel", "curl", "git", "http", "httpie", "links", "lynx", "nc", "ncat", "netcat",
    "openssl", "telnet", "wget",
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

/// What a program is known to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Runs what it is given.
    Interpreter,
    /// Fetches for whoever starts it.
    Fetcher,
    /// Passes on what reaches it over the network.
    Relay,
}

impl Program {
    /// Recognises a program by the path or name of its file, whatever its version.
    pub(super) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').find(|segment| !segment.is_empty())?;
        let name = name.to_ascii_lowercase();
        // `python3.11`, `ruby2.7`, `php-fpm8.2`, `python3-config` is none.
        let stem =
            name.trim_end_matches(|letter: char| letter.is_ascii_digit() || ".-_".contains(letter));
        let known = |list: &[&str]| list.contains(&name.as_str()) || list.contains(&stem);
        if known(&INTERPRETERS) {
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
            ("", None),
        ] {
            assert_eq!(Program::of(path), expected, "{path}");
        }
    }
}
