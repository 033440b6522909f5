//! The one meaning of a request target: decoded once, folded, or refused as ambiguous.
//!
//! Rules are matched on this form and the target is forwarded as received. So whatever
//! a lenient host could read differently (encoded separators, dot segments, double
//! encoding, path parameters, repeated parameters, …) has no canonical form. Empty
//! segments collapse: real clients send them, and either reading is decided alike; an
//! empty first one does not, because what follows could be read as an authority.

use std::cmp::Ordering;

use crate::reason::Reason;

/// A target in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalTarget {
    path: String,
    has_trailing_slash: bool,
    parameters: Vec<(String, String)>,
}

impl CanonicalTarget {
    /// Reads a path with an optional query, or `*`.
    ///
    /// # Errors
    /// The reason, when two parsers could read the target differently.
    pub fn parse(target: &str) -> Result<Self, Reason> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (target, ""),
        };
        // SECURITY: URL parsers take `//a/b` for the path `/b` at the authority `a`
        // (RFC 3986 section 4.2), so an empty first segment is no mere repetition.
        if path.starts_with("//") {
            return Err(Reason::AbsoluteForm);
        }
        let (path, has_trailing_slash) = match path {
            "*" => ("*".to_owned(), false),
            _ => canonical_path(path)?,
        };
        Ok(Self {
            path,
            has_trailing_slash,
            parameters: canonical_query(query)?,
        })
    }

    /// Returns the path: decoded, in lower case, `/a/b` without empty segments; `/` for
    /// the root, `*` for the asterisk form.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether a slash followed the last segment.
    #[must_use]
    pub const fn has_trailing_slash(&self) -> bool {
        self.has_trailing_slash
    }

    /// Returns the value of a parameter, decoded and in lower case; names are unique.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns all parameters in the order received.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }
}

/// Reads the path of a request or of a rule.
///
/// # Errors
/// The reason, when two parsers could read the path differently.
pub fn canonical_path(raw: &str) -> Result<(String, bool), Reason> {
    let mut path = String::with_capacity(raw.len() + 1);
    for segment in raw.split('/').filter(|segment| !segment.is_empty()) {
        path.push('/');
        let start = path.len();
        decode_segment(segment, &mut path)?;
        // `.` and `..`, and names that some file systems read without their last dot.
        if path.len() > start && path.ends_with('.') {
            return Err(Reason::DotSegment);
        }
    }
    if path.is_empty() {
        return Ok(("/".to_owned(), false));
    }
    Ok((path, raw.ends_with('/')))
}

fn decode_segment(segment: &str, path: &mut String) -> Result<(), Reason> {
    let mut bytes = segment.bytes();
    while let Some(raw) = bytes.next() {
        let byte = if raw == b'%' {
            decode_escape(&mut bytes)?
        } else {
            raw
        };
        path.push(char::from(checked_path_byte(byte)?.to_ascii_lowercase()));
    }
    Ok(())
}

const fn checked_path_byte(byte: u8) -> Result<u8, Reason> {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Ok(byte),
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
        | b',' | b'=' | b':' | b'@' => Ok(byte),
        b'/' | b'\\' => Err(Reason::EncodedSeparator),
        b'%' => Err(Reason::DoubleEncoding),
        b'?' | b'#' => Err(Reason::EncodedDelimiter),
        b';' => Err(Reason::PathParameter),
        0x00..=0x1F | 0x7F => Err(Reason::ControlCharacter),
        0x80.. => Err(Reason::InvalidEncoding),
        _ => Err(Reason::UnusualPathCharacter),
    }
}

/// Reads the two hexadecimal digits after a percent sign.
fn decode_escape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, Reason> {
    let mut digit = || {
        let digit = char::from(bytes.next()?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    match (digit(), digit()) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(Reason::InvalidPercentEncoding),
    }
}

fn canonical_query(raw: &str) -> Result<Vec<(String, String)>, Reason> {
    let mut parameters = Vec::new();
    for (name, value) in pairs(raw) {
        if name.is_empty() {
            return Err(Reason::NamelessParameter);
        }
        parameters.push((canonical_name(name)?, canonical_text(value)?));
    }
    if parameters.len() < 2 {
        return Ok(parameters);
    }
    if repeats(parameters.iter().map(|(name, _)| name), Ord::cmp) {
        return Err(Reason::RepeatedParameter);
    }
    if repeats(pairs(raw), |one, other| {
        signed_as(*one).cmp(signed_as(*other))
    }) {
        return Err(Reason::CollidingParameters);
    }
    Ok(parameters)
}

/// Returns names and values as they stand in a query.
fn pairs(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = raw.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// Reads the name of a parameter of a request or of a rule, as [`canonical_text`] does.
///
/// # Errors
/// The reason, when two parsers could read the name differently: form decoders take a plus sign
/// for a blank, and some servers trim blanks off names.
pub fn canonical_name(raw: &str) -> Result<String, Reason> {
    let name = canonical_text(raw)?;
    if name.contains([' ', '+']) {
        return Err(Reason::UnusualParameterName);
    }
    Ok(name)
}

/// Returns the bytes that the signature covers of a parameter: name and value without a separator.
fn signed_as((name, value): (&str, &str)) -> impl Iterator<Item = u8> {
    let name = name.bytes().map(|byte| byte.to_ascii_lowercase());
    name.chain(value.bytes())
}

/// Returns whether two of some texts are equal in an order.
fn repeats<T>(texts: impl Iterator<Item = T>, order: impl Fn(&T, &T) -> Ordering) -> bool {
    let mut sorted: Vec<_> = texts.collect();
    sorted.sort_unstable_by(&order);
    let mut pairs = sorted.windows(2);
    pairs.any(|pair| matches!(pair, [one, other] if order(one, other).is_eq()))
}

/// Reads a parameter name or value of a request or of a rule: decoded once, in lower case.
///
/// # Errors
/// The reason, when two parsers could read the text differently.
pub fn canonical_text(raw: &str) -> Result<String, Reason> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(raw) = bytes.next() {
        let byte = match raw {
            b'%' => decode_escape(&mut bytes)?,
            b';' => return Err(Reason::SemicolonInQuery),
            _ => raw,
        };
        if byte < 0x20 || byte == 0x7F {
            return Err(Reason::ControlCharacter);
        }
        decoded.push(byte.to_ascii_lowercase());
    }
    let text = String::from_utf8(decoded).map_err(|_utf8| Reason::InvalidEncoding)?;
    if holds_escape(&text) {
        Err(Reason::DoubleEncoding)
    } else if has_another_case(&text) {
        Err(Reason::InvalidEncoding)
    } else {
        Ok(text)
    }
}

/// Returns whether a text in ASCII's lower case is another one to those who fold all letters.
///
/// SECURITY: deployed agents fold `É` to `é` and the Kelvin sign to `k`, other parsers do not; what a
/// rule reserves under the one spelling could be had under the other.
fn has_another_case(text: &str) -> bool {
    !text.is_ascii() && text.to_uppercase().to_lowercase() != text
}

fn holds_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| {
        matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &str) -> String {
        CanonicalTarget::parse(target).unwrap().path().to_owned()
    }

    #[test]
    fn spellings_of_one_path_have_one_form() {
        for target in [
            "/Metadata/%49nstance",
            "/metadata/instance/",
            "/metadata///instance",
            "/metadata/instance?x=1",
        ] {
            assert_eq!(path(target), "/metadata/instance", "{target}");
        }
        assert_eq!(path("/"), "/");
        assert_eq!(path("*"), "*");
    }

    #[test]
    fn names_with_dots_are_plain_names() {
        assert_eq!(path("/a/..token"), "/a/..token");
        assert_eq!(path("/a/to.ken"), "/a/to.ken");
    }

    #[test]
    fn ambiguous_paths_have_no_canonical_form() {
        for (target, expected) in [
            ("/a%2fb", Reason::EncodedSeparator),
            ("/a%2Fb", Reason::EncodedSeparator),
            ("/a%5Cb", Reason::EncodedSeparator),
            ("/a\\b", Reason::EncodedSeparator),
            ("/a/token.", Reason::DotSegment),
            ("/a/token%2e/b", Reason::DotSegment),
            ("/a/./b", Reason::DotSegment),
            ("/a/../b", Reason::DotSegment),
            ("/a/%2e%2E/b", Reason::DotSegment),
            ("/a/.%2e", Reason::DotSegment),
            ("/a%252fb", Reason::DoubleEncoding),
            ("/a%00", Reason::ControlCharacter),
            ("/a%0d%0a", Reason::ControlCharacter),
            ("/a%7F", Reason::ControlCharacter),
            ("/a%ff", Reason::InvalidEncoding),
            ("/caf%C3%A9", Reason::InvalidEncoding),
            ("/a%3Fb=c", Reason::EncodedDelimiter),
            ("/a%23b", Reason::EncodedDelimiter),
            ("/a;b=c/d", Reason::PathParameter),
            ("/a%3bb", Reason::PathParameter),
            ("/a%20", Reason::UnusualPathCharacter),
            ("/a|b", Reason::UnusualPathCharacter),
            ("/a%", Reason::InvalidPercentEncoding),
            ("/a%4", Reason::InvalidPercentEncoding),
            ("/a%zz", Reason::InvalidPercentEncoding),
            ("/a%+1", Reason::InvalidPercentEncoding),
        ] {
            assert_eq!(CanonicalTarget::parse(target), Err(expected), "{target}");
        }
    }

    #[test]
    fn path_that_could_begin_with_an_authority_has_no_canonical_form() {
        for target in [
            "//",
            "//x/metadata/identity",
            "///metadata/identity",
            "//?a=b",
        ] {
            assert_eq!(
                CanonicalTarget::parse(target),
                Err(Reason::AbsoluteForm),
                "{target}"
            );
        }
    }

    #[test]
    fn parameters_are_decoded_and_folded_once() {
        let target =
            CanonicalTarget::parse("/a?API%2DVersion=2018%2D02-01&Resource=HTTPS://X/&&flag&e=")
                .unwrap();
        assert_eq!(target.parameter("api-version"), Some("2018-02-01"));
        assert_eq!(target.parameter("resource"), Some("https://x/"));
        assert_eq!(target.parameter("flag"), Some(""));
        assert_eq!(target.parameter("e"), Some(""));
        assert_eq!(target.parameter("x"), None);
    }

    #[test]
    fn plus_sign_in_a_query_is_a_plus_sign() {
        assert_eq!(
            CanonicalTarget::parse("/a?b=c+d").unwrap().parameter("b"),
            Some("c+d")
        );
    }

    #[test]
    fn letters_beyond_ascii_are_parameters_in_the_one_case_that_everybody_reads_alike() {
        for query in ["k=%C3%A9", "%C3%A9=1", "k=%CF%83", "k=%E6%97%A5"] {
            let target = CanonicalTarget::parse(&format!("/x?{query}"));
            assert!(target.is_ok(), "{query}: {target:?}");
        }
        for query in [
            "k=%C3%89",
            "%C3%89=1",
            "k=%CE%A3",
            "k=%E2%84%AAey",
            "%E2%84%AA=v",
            "k=%C4%B0",
            "k=%C4%B1",
            "k=%C5%BF",
        ] {
            let target = CanonicalTarget::parse(&format!("/x?{query}"));
            assert_eq!(target, Err(Reason::InvalidEncoding), "{query}");
        }
    }

    #[test]
    fn ambiguous_queries_have_no_canonical_form() {
        for (query, expected) in [
            ("a=1&a=1", Reason::RepeatedParameter),
            ("a=1&A=2", Reason::RepeatedParameter),
            ("a=1&%61=2", Reason::RepeatedParameter),
            ("a=bc&ab=c", Reason::CollidingParameters),
            ("abc&ab=c", Reason::CollidingParameters),
            ("=v", Reason::NamelessParameter),
            ("%20a=1", Reason::UnusualParameterName),
            ("a+=1", Reason::UnusualParameterName),
            ("a=1;b=2", Reason::SemicolonInQuery),
            ("a=%00", Reason::ControlCharacter),
            ("a=%ff", Reason::InvalidEncoding),
            ("a=%252D", Reason::DoubleEncoding),
            ("a=%", Reason::InvalidPercentEncoding),
        ] {
            let target = format!("/x?{query}");
            assert_eq!(CanonicalTarget::parse(&target), Err(expected), "{query}");
        }
    }
}
