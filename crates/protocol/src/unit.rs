//! Names of systemd's units, as systemd itself accepts them (systemd.unit(5)).

/// The longest name, in bytes (`UNIT_NAME_MAX` less its NUL).
const MAX_BYTES: usize = 255;

/// What kinds of units there are.
const KINDS: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// Returns whether a text is the whole name of a unit, such as `app.service` or `app@one.service`.
/// A template (`app@.service`) is none: nothing runs as it.
#[must_use]
pub fn is_unit_name(text: &str) -> bool {
    let Some((stem, kind)) = text.rsplit_once('.') else {
        return false;
    };
    let is_stem = match stem.split_once('@') {
        None => !stem.is_empty(),
        Some((prefix, instance)) => !prefix.is_empty() && !instance.is_empty(),
    };
    text.len() <= MAX_BYTES && KINDS.contains(&kind) && is_stem && stem.bytes().all(is_allowed)
}

/// Returns whether a text is the name of a slice; `-.slice` is the one at the root.
#[must_use]
pub fn is_slice_name(text: &str) -> bool {
    text.ends_with(".slice") && !text.contains('@') && is_unit_name(text)
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b':' | b'-' | b'_' | b'.' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units_are_what_systemd_accepts() {
        for name in [
            "app.service",
            "user@1000.service",
            "a@b@c.socket",
            "docker-0f.scope",
            "dev-disk-by\\x2duuid.device",
            "-.slice",
            "a.b.c.timer",
        ] {
            assert!(is_unit_name(name), "{name}");
        }
        let long = format!("{}.service", "a".repeat(248));
        for name in [
            "",
            "app",
            ".service",
            "app.",
            "app.Service",
            "app.snapshot",
            "app@.service",
            "@app.service",
            "a b.service",
            "ä.service",
            "a/b.service",
            long.as_str(),
        ] {
            assert!(!is_unit_name(name), "{name}");
        }
    }

    #[test]
    fn slices_have_no_instances() {
        assert!(is_slice_name("user-1000.slice") && is_slice_name("-.slice"));
        assert!(!is_slice_name("user@1000.slice") && !is_slice_name(".slice"));
        assert!(!is_slice_name("app.service"));
    }
}
