//! The versions of the protocol that clients may speak.

/// The one that the real service prefers comes first.
const VERSIONS: [&str; 7] = [
    "2015-04-05",
    "2012-11-30",
    "2012-09-15",
    "2012-05-15",
    "2011-12-31",
    "2011-10-15",
    "2010-12-15",
];

/// Returns the document.
pub(super) fn document() -> String {
    let lines: Vec<_> = VERSIONS
        .iter()
        .map(|version| format!("    <Version>{version}</Version>\n"))
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Versions>
  <Preferred>
    <Version>{preferred}</Version>
  </Preferred>
  <Supported>
{supported}  </Supported>
</Versions>
"#,
        preferred = VERSIONS[0],
        supported = lines.concat(),
    )
}
