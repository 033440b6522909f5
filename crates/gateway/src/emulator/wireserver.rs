//! The `WireServer` and the `HostGAPlugin`: versions, goal state, configuration documents, reports that are taken.
//!
//! The documents have the fields that provisioning and the deployed agents read. There are
//! no certificates and no extensions; the documents about them say so.

use http::{Method, StatusCode};
use latchkey_protocol::RequestHead;
use latchkey_protocol::target::canonical_path;
use uuid::Uuid;

use super::query::Query;
use crate::answer::{self, Answer};
use crate::facts::Facts;
use crate::machine::Machine;

const INCARNATION: u32 = 1;
const VERSIONS: [&str; 7] = [
    "2015-04-05",
    "2012-11-30",
    "2012-09-15",
    "2012-05-15",
    "2011-12-31",
    "2011-10-15",
    "2010-12-15",
];

/// Answers a request of a machine to the `WireServer`; says whether the body is to be kept.
pub(super) fn answer(machine: &Machine, head: &RequestHead, own: &str) -> (Answer, bool) {
    let (path, query) = head.path_and_query();
    let (Ok((path, _)), Ok(query)) = (canonical_path(path), Query::parse(query)) else {
        return (
            error(
                StatusCode::BAD_REQUEST,
                "InvalidInput",
                "The request is not understood.",
            ),
            false,
        );
    };
    let names = Names::new(&machine.facts);
    let component = query.value("comp").map(str::to_ascii_lowercase);
    let instance = format!("/machine/{}/{}", names.container, names.instance).to_ascii_lowercase();
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    match (is_read, path.as_str(), component.as_deref()) {
        (true, "/", Some("versions")) => (answer::xml(StatusCode::OK, versions()), false),
        (true, "/machine", Some("goalstate")) => {
            (answer::xml(StatusCode::OK, goal_state(&names, own)), false)
        }
        (true, path, Some("config")) if path == instance => {
            (configuration(&names, machine, &query), false)
        }
        (true, path, Some("certificates")) if path == instance => (
            answer::xml(StatusCode::OK, NO_CERTIFICATES.to_owned()),
            false,
        ),
        (false, "/machine", Some("health" | "telemetrydata" | "roleproperties"))
        | (false, "/healthservice" | "/vmagentlog", None) => (answer::empty(StatusCode::OK), true),
        _ => (not_found(), false),
    }
}

/// Answers a request to the `HostGAPlugin`; says whether the body is to be kept.
pub(super) fn answer_plugin(head: &RequestHead) -> (Answer, bool) {
    let Ok((path, _)) = canonical_path(head.path_and_query().0) else {
        return (not_found(), false);
    };
    match (&head.method, path.as_str()) {
        (&Method::GET | &Method::HEAD, "/versions") => {
            (answer::json(StatusCode::OK, &["2015-09-01"]), false)
        }
        (&Method::GET | &Method::HEAD, "/health") => (answer::empty(StatusCode::OK), false),
        (&Method::PUT | &Method::POST, "/status" | "/vmagentlog") => {
            (answer::empty(StatusCode::OK), true)
        }
        _ => (answer::empty(StatusCode::NOT_FOUND), false),
    }
}

/// The names that the documents know a machine by, escaped for XML; the instance's name is safe
/// in a path too.
struct Names {
    container: Uuid,
    instance: String,
    role: String,
    deployment: Uuid,
}

impl Names {
    fn new(facts: &Facts) -> Self {
        Self {
            container: facts.vm_id,
            instance: format!("_{}", facts.name.replace(|c| !is_path_safe(c), "-")),
            role: escape(&facts.name),
            deployment: facts.subscription_id,
        }
    }
}

const fn is_path_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn versions() -> String {
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

fn goal_state(names: &Names, own: &str) -> String {
    let base = format!(
        "http://{own}/machine/{}/{}?comp=",
        names.container, names.instance
    );
    let document =
        |kind: &str| format!("{base}config&amp;type={kind}&amp;incarnation={INCARNATION}");
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="goalstate10.xsd">
  <Version>2012-11-30</Version>
  <Incarnation>{INCARNATION}</Incarnation>
  <Machine>
    <ExpectedState>Started</ExpectedState>
    <StopRolesDeadlineHint>300000</StopRolesDeadlineHint>
    <LBProbePorts>
      <Port>16001</Port>
    </LBProbePorts>
    <ExpectHealthReport>FALSE</ExpectHealthReport>
  </Machine>
  <Container>
    <ContainerId>{container}</ContainerId>
    <RoleInstanceList>
      <RoleInstance>
        <InstanceId>{instance}</InstanceId>
        <State>Started</State>
        <Configuration>
          <HostingEnvironmentConfig>{hosting}</HostingEnvironmentConfig>
          <SharedConfig>{shared}</SharedConfig>
          <ExtensionsConfig>{extensions}</ExtensionsConfig>
          <FullConfig>{full}</FullConfig>
          <Certificates>{base}certificates&amp;incarnation={INCARNATION}</Certificates>
          <ConfigName>{instance}.1.xml</ConfigName>
        </Configuration>
      </RoleInstance>
    </RoleInstanceList>
  </Container>
</GoalState>
"#,
        container = names.container,
        instance = names.instance,
        hosting = document("hostingEnvironmentConfig"),
        shared = document("sharedConfig"),
        extensions = document("extensionsConfig"),
        full = document("fullConfig"),
    )
}

fn configuration(names: &Names, machine: &Machine, query: &Query) -> Answer {
    let kind = query.value("type").map(str::to_ascii_lowercase);
    let document = match kind.as_deref() {
        Some("sharedconfig") => shared_config(names, machine),
        Some("hostingenvironmentconfig") => hosting_environment(names),
        Some("extensionsconfig") => NO_EXTENSIONS.to_owned(),
        _ => return not_found(),
    };
    answer::xml(StatusCode::OK, document)
}

fn shared_config(names: &Names, machine: &Machine) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SharedConfig version="1.0.0.0" goalStateIncarnation="{INCARNATION}">
  <Deployment name="{deployment}" guid="{{{deployment}}}" incarnation="{INCARNATION}" isNonCancellableTopologyChangeEnabled="false">
    <Service name="{role}" guid="{{{deployment}}}" />
    <ServiceInstance name="{deployment}.{INCARNATION}" guid="{{{deployment}}}" />
  </Deployment>
  <Incarnation number="{INCARNATION}" instance="{instance}" guid="{{{container}}}" />
  <Role guid="{{{container}}}" name="{role}" settleTimeSeconds="0" />
  <Instances>
    <Instance id="{instance}" address="{address}" />
  </Instances>
</SharedConfig>
"#,
        deployment = names.deployment,
        container = names.container,
        role = names.role,
        instance = names.instance,
        address = machine.facts.network.private_address(),
    )
}

fn hosting_environment(names: &Names) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<HostingEnvironmentConfig version="1.0.0.0" goalStateIncarnation="{INCARNATION}">
  <StoredCertificates />
  <Deployment name="{deployment}" guid="{{{deployment}}}" incarnation="{INCARNATION}" isNonCancellableTopologyChangeEnabled="false">
    <Service name="{role}" guid="{{{deployment}}}" />
    <ServiceInstance name="{deployment}.{INCARNATION}" guid="{{{deployment}}}" />
  </Deployment>
  <Incarnation number="{INCARNATION}" instance="{instance}" guid="{{{container}}}" />
  <Role guid="{{{container}}}" name="{role}" hostingEnvironmentVersion="1" software="" softwareType="ApplicationPackage" entryPoint="" parameters="" settleTimeSeconds="0" />
  <HostingEnvironmentSettings name="full" Runtime="" />
  <ApplicationSettings />
  <ResourceReferences />
</HostingEnvironmentConfig>
"#,
        deployment = names.deployment,
        container = names.container,
        role = names.role,
        instance = names.instance,
    )
}

const NO_CERTIFICATES: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<CertificateFile xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="certificates10.xsd">
  <Version>2010-12-15</Version>
  <Incarnation>1</Incarnation>
  <Format>Pkcs7BlobWithPfxContents</Format>
</CertificateFile>
"#;

const NO_EXTENSIONS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Extensions version="1.0.0.0" goalStateIncarnation="1">
  <GuestAgentExtension xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
    <GAFamilies />
  </GuestAgentExtension>
  <Plugins />
  <PluginSettings />
</Extensions>
"#;

fn not_found() -> Answer {
    error(
        StatusCode::NOT_FOUND,
        "ResourceNotAvailable",
        "The resource requested is not available.",
    )
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Error>
  <Code>{code}</Code>
  <Message>{message}</Message>
</Error>
"#
    );
    answer::xml(status, body)
}
