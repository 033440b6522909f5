//! The emulated metadata service holds a machine to its rates, and says when to come again.

use jiff::SignedDuration;
use latchkey_gateway::facts::Throttle;
use latchkey_protocol::Mode;
use serde_json::json;

use crate::host::{Answer, Ask, Host};

const VERSIONS: &str = "GET /metadata/versions";
const TOKEN: &str = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=r";

async fn ask(host: &Host, line: &str) -> Answer {
    host.ask(&Ask::imds(line)).await
}

#[tokio::test]
async fn machine_that_asks_too_often_is_told_to_wait() {
    let host = Host::telling(|facts| facts.throttle = Some(Throttle::default()));
    for _ in 0..5 {
        assert_eq!(ask(&host, VERSIONS).await.status, 200);
    }
    let answer = ask(&host, VERSIONS).await;
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.json()),
        (429, Some("1"), json!({ "error": "Too many requests" }))
    );
    host.wait(SignedDuration::from_secs(1));
    assert_eq!(ask(&host, VERSIONS).await.status, 200);
}

#[tokio::test]
async fn requests_about_identities_have_a_rate_of_their_own() {
    let host = Host::telling(|facts| {
        facts.throttle = Some(Throttle {
            requests_per_second: 1,
            identity_requests_per_second: 2,
        });
    });
    assert_eq!(ask(&host, VERSIONS).await.status, 200);
    assert_eq!(ask(&host, VERSIONS).await.status, 429);
    for _ in 0..2 {
        assert_eq!(ask(&host, TOKEN).await.status, 200);
    }
    let answer = ask(&host, TOKEN).await;
    assert_eq!(answer.status, 429);
    assert_eq!(
        answer.json(),
        json!({
            "error": "invalid_request",
            "error_description": "Temporarily throttled, too many requests",
        })
    );
}

#[tokio::test]
async fn machine_without_a_rate_asks_as_often_as_it_likes() {
    let host = Host::new(Mode::Disabled);
    for _ in 0..100 {
        assert_eq!(ask(&host, VERSIONS).await.status, 200);
    }
}
