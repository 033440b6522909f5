//! The emulated `WireServer` answers what provisioning and the deployed agents ask.

use latchkey_gateway::MachineTable;
use latchkey_gateway::facts::goal_state::{GoalState, RemoteUser};
use latchkey_gateway::redacted::Redacted;
use latchkey_protocol::{EndpointKind, Mode};
use roxmltree::Document;

use crate::host::{Answer, Ask, Host, machine, rules};
use crate::openssl::TransportKey;

async fn get(host: &Host, target: &str) -> Answer {
    host.ask(&Ask::wire(&format!("GET {target}"))).await
}

/// Fetches a well-formed document.
pub(crate) async fn document(host: &Host, target: &str) -> String {
    let answer = get(host, target).await;
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    assert!(answer.header("content-type").unwrap().contains("xml"));
    Document::parse(&answer.body).unwrap();
    answer.body
}

/// Returns the text of the first element with this name.
pub(crate) fn element(document: &str, name: &str) -> String {
    let document = Document::parse(document).unwrap();
    let mut nodes = document.descendants();
    let node = nodes.find(|node| node.has_tag_name(name));
    let node = node.unwrap_or_else(|| panic!("no {name}"));
    node.text().unwrap_or_default().trim().to_owned()
}

/// Returns the target of the document that the goal state names so.
pub(crate) async fn link(host: &Host, name: &str) -> String {
    let goal_state = document(host, "/machine?comp=goalstate").await;
    let url = element(&goal_state, name);
    url.strip_prefix("http://168.63.129.16:80")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn goal_state_has_what_agents_read() {
    let host = Host::new(Mode::Disabled);
    let with_slash = document(&host, "/machine/?comp=goalstate").await;
    let goal_state = document(&host, "/machine?comp=goalstate").await;
    assert_eq!(goal_state, with_slash);
    for (name, text) in [
        ("Version", "2012-11-30"),
        ("Incarnation", "1"),
        ("ExpectedState", "Started"),
        ("ContainerId", "00000000-0000-0000-0000-000000000001"),
        ("InstanceId", "_web---co"),
        ("State", "Started"),
    ] {
        assert_eq!(element(&goal_state, name), text, "{name}");
    }
    let deployment = "00000000-0000-0000-0000-000000000002";
    let configuration = format!("{deployment}.1.{deployment}.1._web---co.1.xml");
    assert_eq!(element(&goal_state, "ConfigName"), configuration);
    assert!(!goal_state.contains("RemoteAccessInfo"));
}

#[tokio::test]
async fn goal_state_names_documents_that_are_there() {
    let host = Host::in_goal_state(GoalState {
        remote_users: vec![RemoteUser {
            name: "u".to_owned(),
            password: Redacted("p".to_owned()),
            expires: jiff::Timestamp::UNIX_EPOCH,
        }],
        ..GoalState::default()
    });
    let key = TransportKey::new();
    for (name, root) in [
        ("SharedConfig", "SharedConfig"),
        ("HostingEnvironmentConfig", "HostingEnvironmentConfig"),
        ("ExtensionsConfig", "Extensions"),
        ("Certificates", "CertificateFile"),
        ("RemoteAccessInfo", "RemoteAccess"),
    ] {
        let target = link(&host, name).await;
        let answer = host.ask(&key.ask(&target, "AES128_CBC")).await;
        let document = Document::parse(&answer.body).unwrap();
        assert!(
            answer.status == 200 && document.root_element().has_tag_name(root),
            "{target}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn names_and_addresses_are_in_the_configurations() {
    let host = Host::new(Mode::Disabled);
    for name in ["SharedConfig", "HostingEnvironmentConfig"] {
        let text = document(&host, &link(&host, name).await).await;
        let document = Document::parse(&text).unwrap();
        let attribute = |element: &str, name: &str| {
            let mut nodes = document.descendants();
            let node = nodes.find(|node| node.has_tag_name(element)).unwrap();
            node.attribute(name).unwrap().to_owned()
        };
        assert_eq!(attribute("Role", "name"), "web & co");
        assert_eq!(attribute("Incarnation", "instance"), "_web---co");
        assert_eq!(attribute("Incarnation", "number"), "1");
        let deployment = "00000000-0000-0000-0000-000000000002";
        assert_eq!(attribute("Deployment", "name"), deployment);
        if name == "SharedConfig" {
            assert_eq!(attribute("Instance", "address"), "10.0.0.4");
        }
    }
}

#[tokio::test]
async fn change_of_the_machine_raises_the_incarnation() {
    let host = Host::new(Mode::Disabled);
    let before = link(&host, "SharedConfig").await;
    let mut changed = machine(rules(Mode::Enforce), 2);
    let set = |machine| {
        let table = MachineTable::new(vec![machine]).unwrap();
        host.gateway.set_machines(table);
    };
    changed.channel = rules(Mode::Disabled);
    set(changed.clone());
    assert_eq!(link(&host, "SharedConfig").await, before);
    changed.facts.name = "renamed".to_owned();
    set(changed);
    let goal_state = document(&host, "/machine?comp=goalstate").await;
    assert_eq!(element(&goal_state, "Incarnation"), "2");
}

#[tokio::test]
async fn document_of_an_earlier_incarnation_is_gone() {
    let host = Host::new(Mode::Disabled);
    let before = link(&host, "SharedConfig").await;
    let mut changed = machine(rules(Mode::Disabled), 1);
    changed.facts.vm_size = "other".to_owned();
    host.gateway
        .set_machines(MachineTable::new(vec![changed]).unwrap());
    let answer = get(&host, &before).await;
    assert_eq!(answer.status, 410);
    assert_eq!(element(&answer.body, "Code"), "ResourceNotAvailable");
}

#[tokio::test]
async fn versions_name_the_one_that_clients_speak() {
    let versions = document(&Host::new(Mode::Disabled), "/?comp=versions").await;
    assert!(
        versions.contains("<Version>2012-11-30</Version>"),
        "{versions}"
    );
}

#[tokio::test]
async fn reports_are_taken_and_kept() {
    let host = Host::new(Mode::Disabled);
    let lines = [
        "POST /machine?comp=health",
        "POST /machine?comp=telemetrydata",
        "POST /HealthService",
    ];
    for line in lines {
        let ask = Ask::new(EndpointKind::WireServer, line).body("<Health/>");
        assert_eq!(host.ask(&ask).await.status, 200, "{line}");
    }
    let posts = host.gateway.emulator().inbox().posts();
    assert_eq!((posts.len(), posts[0].machine.as_str()), (3, "web"));
    assert_eq!(posts[0].target, "/machine?comp=health");
}

#[tokio::test]
async fn role_properties_are_accepted_in_the_only_way_that_agents_take_for_success() {
    let host = Host::new(Mode::Disabled);
    let ask = Ask::wire("POST /machine?comp=roleProperties").body("<RoleProperties/>");
    assert_eq!(host.ask(&ask).await.status, 202);
    assert_eq!(host.gateway.emulator().inbox().posts().len(), 1);
}

#[tokio::test]
async fn unknown_resource_is_not_found() {
    let host = Host::new(Mode::Disabled);
    for target in [
        "/",
        "/machine",
        "/machine?comp=none",
        "/machine/x/y?comp=config&type=sharedConfig",
    ] {
        let answer = get(&host, target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(element(&answer.body, "Code"), "ResourceNotAvailable");
    }
}
