//! The emulated scheduled events: what a guest reads of them, and what its approval does.

use jiff::SignedDuration;
use latchkey_gateway::facts::{EventKind, EventSource, ScheduledEvent};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::host::{Answer, Ask, Host};

const EVENTS: &str = "/metadata/scheduledevents?api-version=2020-07-01";

fn host(kinds: &[EventKind]) -> Host {
    let events = (1..).zip(kinds).map(|(number, kind)| ScheduledEvent {
        id: Uuid::from_u128(number),
        kind: *kind,
        resources: vec!["web".to_owned()],
        source: EventSource::User,
        description: "restart".to_owned(),
        duration_seconds: 5,
        notice_seconds: 900,
        started_seconds: 60,
    });
    Host::telling(|facts| facts.events = events.collect())
}

async fn read(host: &Host) -> Value {
    let answer = host.ask(&Ask::imds(&format!("GET {EVENTS}"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn approve(host: &Host, body: &str) -> Answer {
    host.ask(&Ask::imds(&format!("POST {EVENTS}")).body(body))
        .await
}

fn approval(number: u128) -> String {
    json!({ "StartRequests": [{ "EventId": Uuid::from_u128(number) }] }).to_string()
}

#[tokio::test]
async fn machine_without_events_reads_an_empty_list() {
    let document = read(&host(&[])).await;
    assert_eq!(document, json!({ "DocumentIncarnation": 1, "Events": [] }));
}

#[tokio::test]
async fn event_is_scheduled_then_started_then_gone() {
    let host = host(&[EventKind::Reboot]);
    let document = read(&host).await;
    assert_eq!(
        document,
        json!({ "DocumentIncarnation": 2, "Events": [{
            "EventId": "00000000-0000-0000-0000-000000000001",
            "EventStatus": "Scheduled",
            "EventType": "Reboot",
            "ResourceType": "VirtualMachine",
            "Resources": ["web"],
            "NotBefore": "Tue, 06 Jan 2026 07:23:09 GMT",
            "Description": "restart",
            "EventSource": "User",
            "DurationInSeconds": 5,
        }]})
    );
    assert_eq!(read(&host).await, document, "reading changes nothing");
    host.wait(SignedDuration::from_secs(900));
    let document = read(&host).await;
    assert_eq!(document["DocumentIncarnation"], 3);
    let event = &document["Events"][0];
    assert_eq!(
        (&event["EventStatus"], &event["NotBefore"]),
        (&"Started".into(), &"".into())
    );
    host.wait(SignedDuration::from_secs(60));
    assert_eq!(
        read(&host).await,
        json!({ "DocumentIncarnation": 4, "Events": [] })
    );
}

#[tokio::test]
async fn approved_event_starts_and_the_approval_is_in_the_inbox() {
    let host = host(&[EventKind::Freeze, EventKind::Redeploy]);
    read(&host).await;
    let answer = approve(&host, &approval(2)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let document = read(&host).await;
    assert_eq!(document["DocumentIncarnation"], 3);
    assert_eq!(document["Events"][0]["EventStatus"], "Scheduled");
    assert_eq!(document["Events"][1]["EventStatus"], "Started");
    assert_eq!(approve(&host, &approval(2)).await.status, 200);
    assert_eq!(
        read(&host).await,
        document,
        "a second approval is nothing new"
    );
    let posts = host.gateway.emulator().inbox().posts();
    assert_eq!((posts.len(), posts[0].target.as_str()), (2, EVENTS));
}

#[tokio::test]
async fn approval_that_is_malformed_or_of_no_event_is_a_bad_request() {
    let host = host(&[EventKind::Freeze]);
    let document = read(&host).await;
    for body in [
        &approval(9),
        "",
        "{}",
        r#"{"StartRequests":[{"EventId":"x"}]}"#,
    ] {
        let answer = approve(&host, body).await;
        assert_eq!(answer.status, 400, "{body}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("Bad request. "), "{error}");
    }
    let put = host.ask(&Ask::imds(&format!("PUT {EVENTS}"))).await;
    assert_eq!(
        (put.status, put.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    assert_eq!(read(&host).await, document);
    assert_eq!(host.gateway.emulator().inbox().posts(), []);
}
