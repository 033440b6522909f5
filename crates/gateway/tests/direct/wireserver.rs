//! The emulated `WireServer` and `HostGAPlugin` answer what provisioning and the deployed agents ask.

use latchkey_protocol::{EndpointKind, Mode};

use crate::host::{Answer, Ask, Host};

async fn get(target: &str) -> Answer {
    Host::new(Mode::Disabled)
        .ask(&Ask::wire(&format!("GET {target}")))
        .await
}

/// Returns the text of the first element with this name.
fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[tokio::test]
async fn goal_state_names_documents_that_are_there() {
    let with_slash = get("/machine/?comp=goalstate").await;
    let goal_state = get("/machine?comp=goalstate").await;
    assert_eq!(goal_state.body, with_slash.body);
    assert!(goal_state.header("content-type").unwrap().contains("xml"));
    for name in [
        "Version",
        "Incarnation",
        "ExpectedState",
        "StopRolesDeadlineHint",
        "Port",
        "ExpectHealthReport",
        "ContainerId",
        "InstanceId",
        "State",
        "ConfigName",
        "FullConfig",
    ] {
        assert!(!element(&goal_state.body, name).is_empty(), "{name}");
    }
    for (name, root) in [
        ("SharedConfig", "<SharedConfig "),
        ("HostingEnvironmentConfig", "<HostingEnvironmentConfig "),
        ("ExtensionsConfig", "<Extensions "),
        ("Certificates", "<CertificateFile "),
    ] {
        let url = element(&goal_state.body, name).replace("&amp;", "&");
        let target = url.strip_prefix("http://168.63.129.16:80").unwrap();
        let document = get(target).await;
        assert!(
            document.status == 200 && document.body.contains(root),
            "{target}: {document:?}"
        );
    }
}

#[tokio::test]
async fn shared_configuration_has_what_the_deployed_agent_reads() {
    let url = get("/machine?comp=goalstate").await;
    let target = element(&url.body, "SharedConfig").replace("&amp;", "&");
    let target = target
        .strip_prefix("http://168.63.129.16:80")
        .unwrap()
        .to_owned();
    let shared = get(&target).await.body;
    for attribute in [
        "<Deployment name=",
        "guid=",
        "incarnation=\"1\"",
        "<Role guid=",
        "<Instance id=",
        "address=\"10.0.0.4\"",
    ] {
        assert!(shared.contains(attribute), "{attribute} in {shared}");
    }
}

#[tokio::test]
async fn versions_name_the_one_that_clients_speak() {
    let versions = get("/?comp=versions").await.body;
    assert!(
        versions.contains("<Version>2012-11-30</Version>"),
        "{versions}"
    );
}

#[tokio::test]
async fn reports_are_taken_and_kept() {
    let host = Host::new(Mode::Disabled);
    for (kind, line) in [
        (EndpointKind::WireServer, "POST /machine?comp=health"),
        (EndpointKind::WireServer, "POST /machine?comp=telemetrydata"),
        (EndpointKind::WireServer, "POST /HealthService"),
        (EndpointKind::HostGa, "PUT /status"),
    ] {
        let answer = host.ask(&Ask::new(kind, line).body("<Health/>")).await;
        assert_eq!(answer.status, 200, "{line}");
    }
    let posts = host.gateway.emulator().inbox().posts();
    assert_eq!((posts.len(), posts[0].machine.as_str()), (4, "web"));
    assert_eq!(posts[0].target, "/machine?comp=health");
}

#[tokio::test]
async fn plugin_answers_versions_and_health() {
    let host = Host::new(Mode::Disabled);
    let ask = |target: &str| Ask::new(EndpointKind::HostGa, &format!("GET {target}"));
    assert_eq!(
        host.ask(&ask("/versions")).await.json(),
        serde_json::json!(["2015-09-01"])
    );
    assert_eq!(host.ask(&ask("/health")).await.status, 200);
    assert_eq!(host.ask(&ask("/vmSettings")).await.status, 404);
}

#[tokio::test]
async fn unknown_resource_is_not_found() {
    for target in [
        "/",
        "/machine",
        "/machine?comp=none",
        "/machine/x/y?comp=config&type=sharedConfig",
    ] {
        assert_eq!(get(target).await.status, 404, "{target}");
    }
}
