//! The emulated `HostGAPlugin`: versions, health, conditional settings, what clients hand in.

use latchkey_gateway::MachineTable;
use latchkey_gateway::facts::goal_state::GoalState;
use latchkey_protocol::EndpointKind;

use crate::host::{Answer, Ask, Host, machine, rules};
use crate::wireserver::{document, element};
use latchkey_protocol::Mode;

fn ask(line: &str) -> Ask {
    Ask::new(EndpointKind::HostGa, line)
}

fn host() -> Host {
    Host::in_goal_state(GoalState::default())
}

async fn settings(host: &Host, known: Option<&str>) -> Answer {
    let ask = ask("GET /vmSettings");
    let ask = match known {
        Some(known) => ask.with("If-None-Match", known),
        None => ask,
    };
    host.ask(&ask).await
}

/// Changes what the machine is told.
fn change(host: &Host) {
    let mut changed = machine(rules(Mode::Disabled), 1);
    changed.facts.vm_size = "Standard_B2s".to_owned();
    host.gateway
        .set_machines(MachineTable::new(vec![changed]).unwrap());
}

#[tokio::test]
async fn plugin_answers_versions_and_health() {
    let host = host();
    assert_eq!(
        host.ask(&ask("GET /versions")).await.json(),
        serde_json::json!(["2015-09-01"])
    );
    assert_eq!(host.ask(&ask("GET /health")).await.status, 200);
}

#[tokio::test]
async fn settings_that_a_client_has_are_not_sent_again() {
    let host = host();
    let first = settings(&host, None).await;
    let tag = first.header("etag").unwrap();
    assert!(tag.bytes().all(|byte| byte.is_ascii_digit()), "{tag}");
    for known in [
        tag.to_owned(),
        format!("\"{tag}\""),
        format!("W/\"{tag}\""),
        format!("1, {tag}"),
        "*".to_owned(),
    ] {
        let again = settings(&host, Some(&known)).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), Some(tag));
    }
    assert_eq!(settings(&host, Some("1")).await.status, 200);
}

#[tokio::test]
async fn settings_that_changed_are_sent_under_another_tag() {
    let host = host();
    let first = settings(&host, None).await;
    let tag = first.header("etag").unwrap();
    change(&host);
    let second = settings(&host, Some(tag)).await;
    assert_eq!(second.status, 200);
    assert_ne!(second.header("etag"), Some(tag));
    assert_eq!(second.json()["inSvdSeqNo"], 2);
}

#[tokio::test]
async fn answer_names_the_request_that_it_belongs_to() {
    let correlated = ask("GET /vmSettings").with("x-ms-client-correlationid", "abc");
    let answer = host().ask(&correlated).await;
    assert_eq!(answer.header("x-ms-client-correlationid"), Some("abc"));
}

#[tokio::test]
async fn client_with_an_old_goal_state_is_told_so() {
    let host = host();
    let goal_state = document(&host, "/machine?comp=goalstate").await;
    let container = element(&goal_state, "ContainerId");
    let configuration = element(&goal_state, "ConfigName");
    let with = |line: &str| {
        ask(line)
            .with("x-ms-containerid", &container)
            .with("x-ms-host-config-name", &configuration)
            .body("{}")
    };
    let lines = ["GET /vmSettings", "PUT /status"];
    for line in lines {
        assert_eq!(host.ask(&with(line)).await.status, 200, "{line}");
    }
    let foreign = ask("PUT /status").with("x-ms-containerid", "other");
    assert_eq!(host.ask(&foreign.body("{}")).await.status, 410);
    change(&host);
    for line in lines {
        let answer = host.ask(&with(line)).await;
        assert_eq!(answer.status, 410, "{line}");
        assert_eq!(answer.json()["errorCode"], "ResourceNotAvailable");
    }
    assert_eq!(host.gateway.emulator().inbox().posts().len(), 1);
}

#[tokio::test]
async fn status_and_log_of_an_agent_are_kept() {
    let host = host();
    for line in ["PUT /status", "PUT /vmAgentLog"] {
        assert_eq!(host.ask(&ask(line).body("{}")).await.status, 200);
    }
    let posts = host.gateway.emulator().inbox().posts();
    let targets: Vec<_> = posts.iter().map(|post| post.target.as_str()).collect();
    assert_eq!(targets, ["/status", "/vmAgentLog"]);
}

#[tokio::test]
async fn artifact_is_not_found_because_nothing_is_fetched_for_guests() {
    let ask =
        ask("GET /extensionArtifact").with("x-ms-artifact-location", "http://127.0.0.1/secret");
    let answer = host().ask(&ask).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["errorCode"], "ResourceNotFound");
}
