//! Tells texts that stand for one thing or moment, and are others the next time, from those that last.

/// Returns whether a text looks like an id: digits, a UUID, a hardware address, a long hexadecimal
/// number, or a long text of letters and digits mixed.
pub(super) fn is_ephemeral(text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = |run: &[u8]| run.iter().all(u8::is_ascii_hexdigit);
    let is_number = digits == bytes.len();
    let longest = bytes
        .split(|byte| !byte.is_ascii_hexdigit())
        .map(<[u8]>::len)
        .max()
        .unwrap_or_default();
    let is_address = bytes.len() == 17
        && bytes
            .split(|b| *b == b':')
            .all(|p| p.len() == 2 && is_hex(p));
    let is_mixed = bytes.len() >= 24 && digits >= 4 && bytes.iter().all(u8::is_ascii_alphanumeric);
    is_number || is_address || is_mixed || holds_uuid(bytes) || (longest >= 12 && digits > 0)
}

/// The lengths of a UUID's parts (RFC 9562 section 4).
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

fn holds_uuid(bytes: &[u8]) -> bool {
    bytes.windows(36).any(|window| {
        let parts = window.split(|byte| *byte == b'-');
        parts.clone().map(<[u8]>::len).eq(UUID_PARTS) && parts.flatten().all(u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_each_time_and_words_and_dates_last() {
        for id in [
            "42",
            "2d8e2a4c-5d3a-4b3d-9c7b-000000000001",
            "x_2d8e2a4c-5d3a-4b3d-9c7b-000000000001.1",
            "02:00:17:00:aa:bb",
            "i-0abcdef0123456789",
            "Zk3TqPw9LmX2RvB8NcY5JhD7",
        ] {
            assert!(is_ephemeral(id), "{id}");
        }
        for word in [
            "",
            "beef",
            "instance",
            "2018-08-27",
            "meta_data.json",
            "02:00:17",
            "deadbeefcafefeed",
            "InstanceMetadataServiceVersion",
        ] {
            assert!(!is_ephemeral(word), "{word}");
        }
    }
}
