//! The emulated instance metadata service keeps the real one's rules.

use std::net::Ipv4Addr;

use latchkey_gateway::facts::{
    AddressPair, Disk, FrontendPair, InboundRule, Interface, LoadBalancer, Transport,
};
use latchkey_protocol::{EndpointKind, Mode};
use serde_json::{Value, json};

use crate::host::{Ask, Host};

async fn get(target: &str) -> (u16, Value) {
    let host = Host::new(Mode::Disabled);
    let answer = host.ask(&Ask::imds(&format!("GET {target}"))).await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)),
    )
}

#[tokio::test]
async fn request_without_the_metadata_header_is_a_bad_request() {
    let host = Host::new(Mode::Disabled);
    for target in [
        "/metadata/versions",
        "/metadata/instance?api-version=2021-02-01",
    ] {
        let bare = Ask::new(EndpointKind::Imds, &format!("GET {target}"));
        let answer = host.ask(&bare).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json()["error"],
            "Bad request. Required metadata header not specified"
        );
        assert_eq!(
            host.ask(&bare.clone().with("metadata", "True "))
                .await
                .status,
            200
        );
        assert_eq!(host.ask(&bare.with("metadata", "false")).await.status, 400);
    }
}

#[tokio::test]
async fn forwarded_and_doubled_requests_are_bad_requests_whatever_the_mode() {
    let host = Host::new(Mode::Disabled);
    let ask = Ask::imds("GET /metadata/versions");
    assert_eq!(
        host.ask(&ask.with("X-Forwarded-For", "1.2.3.4"))
            .await
            .status,
        400
    );
    let (status, error) =
        get("/metadata/instance?api-version=2021-02-01&API-Version=2021-02-01").await;
    assert_eq!(
        (status, &error["error"]),
        (400, &"Bad request. Duplicate query parameters".into())
    );
}

#[tokio::test]
async fn version_that_a_service_does_not_have_is_answered_with_its_newest() {
    let newest = ["2025-04-07", "2024-07-17", "2024-03-15"];
    let newest_events = ["2020-07-01", "2019-08-01", "2019-04-01"];
    for (path, version, newest) in [
        ("instance", "", newest),
        ("instance", "1999-01-01", newest),
        ("instance", "2017-03-01", newest),
        ("identity/info", "2017-12-01", newest),
        ("identity/oauth2/token", "latest", newest),
        ("loadbalancer", "2020-09-01", newest),
        ("scheduledevents", "2025-04-07", newest_events),
    ] {
        let (status, error) = get(&format!("/metadata/{path}?api-version={version}")).await;
        assert_eq!(status, 400, "{path}");
        assert_eq!(
            error["newest-versions"],
            serde_json::json!(newest),
            "{path}"
        );
    }
    assert_eq!(get("/metadata/instance").await.0, 400);
}

#[tokio::test]
async fn versions_are_listed_without_naming_one_and_all_of_them_are_answered() {
    let (status, versions) = get("/metadata/versions").await;
    assert_eq!(status, 200);
    let versions = versions["apiVersions"].as_array().unwrap().clone();
    assert_eq!((versions.len(), &versions[0]), (35, &"2017-03-01".into()));
    for version in &versions[1..] {
        let version = version.as_str().unwrap();
        let (status, document) = get(&format!("/metadata/instance?api-version={version}")).await;
        assert_eq!(status, 200, "{version}");
        let has_zone = document["compute"].get("zone").is_some();
        assert_eq!(has_zone, version >= "2017-12-01", "{version}");
    }
}

const INSTANCE: &str = "/metadata/instance";
const QUERY: &str = "api-version=2021-08-01";

#[tokio::test]
async fn parts_of_the_instance_are_answered_as_json_or_text() {
    let (status, whole) = get(&format!("{INSTANCE}?{QUERY}&extended=true")).await;
    assert_eq!(
        (status, &whole["compute"]["vmSize"]),
        (200, &"Standard_B1s".into())
    );
    assert_eq!(whole["extended"]["compute"]["ppsType"], "None");
    for path in ["compute", "compute/", "COMPUTE", "compute//"] {
        let (_, compute) = get(&format!("{INSTANCE}/{path}?{QUERY}&Format=JSON")).await;
        assert_eq!(compute, whole["compute"], "{path}");
    }
    let text = async |path: &str| get(&format!("{INSTANCE}{path}?{QUERY}&format=text")).await;
    assert_eq!(text("").await, (200, "compute/\nnetwork/".into()));
    assert_eq!(text("/").await, (200, "compute/\nnetwork/".into()));
    assert_eq!(text("/compute/location").await, (200, "westeurope".into()));
    assert_eq!(text("/compute/Location/").await, (200, "westeurope".into()));
    assert_eq!(text("/compute/zone").await, (200, "".into()));
    assert_eq!(
        text("/network/interface/0/ipv4").await,
        (200, "ipAddress/\nsubnet/".into())
    );
    for path in [
        "/compute/nothing",
        "/compute/physicalZone",
        "/network/interface/7",
    ] {
        assert_eq!(text(path).await, (404, json!({ "error": "Not found" })));
    }
}

#[tokio::test]
async fn single_value_is_answered_as_text_alone() {
    let leaf = format!("{INSTANCE}/compute/name?{QUERY}");
    for format in ["", "&format=json", "&format=", "&format=xml"] {
        let (status, error) = get(&format!("{leaf}{format}")).await;
        assert_eq!(status, 400, "{format}");
        assert!(error["error"].as_str().unwrap().starts_with("Bad request."));
    }
    let host = Host::new(Mode::Disabled);
    let ask = |target: &str| Ask::imds(&format!("GET {target}"));
    let text = host.ask(&ask(&format!("{leaf}&format=text"))).await;
    assert_eq!((text.status, text.body.as_str()), (200, "web & co"));
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let json = host.ask(&ask(&format!("{INSTANCE}?{QUERY}"))).await;
    assert_eq!(
        json.header("content-type"),
        Some("application/json; charset=utf-8")
    );
}

#[tokio::test]
async fn disks_and_interfaces_of_the_machine_are_in_the_document() {
    let host = Host::telling(|facts| {
        facts.storage.data_disks = vec![Disk {
            size_gb: Some(64),
            ..Disk::default()
        }];
        let second = Interface {
            ipv6: vec!["fd00::4".parse().unwrap()],
            secondary: vec![AddressPair {
                private: Ipv4Addr::new(10, 0, 1, 5),
                public: Some(Ipv4Addr::new(192, 0, 2, 5)),
            }],
            ..facts.network.primary.clone()
        };
        facts.network.further = vec![second];
    });
    let ask = Ask::imds(&format!("GET {INSTANCE}?{QUERY}"));
    let document = host.ask(&ask).await.json();
    let disk = &document["compute"]["storageProfile"]["dataDisks"][0];
    assert_eq!(
        (&disk["lun"], &disk["diskSizeGB"], &disk["name"]),
        (&"0".into(), &"64".into(), &"web & co_DataDisk_0".into())
    );
    let second = &document["network"]["interface"][1];
    assert_eq!(
        second["ipv6"]["ipAddress"][0]["privateIpAddress"],
        "fd00::4"
    );
    assert_eq!(
        second["ipv4"]["ipAddress"][1],
        json!({ "privateIpAddress": "10.0.1.5", "publicIpAddress": "192.0.2.5" })
    );
}

#[tokio::test]
async fn load_balancer_is_told_or_not_found() {
    let target = "GET /metadata/loadbalancer?api-version=2020-10-01";
    let none = Host::new(Mode::Disabled).ask(&Ask::imds(target)).await;
    assert_eq!(none.status, 404);
    assert!(none.body.contains("No load balancer metadata is found"));
    let host = Host::telling(|facts| {
        let (outside, inside) = ("192.0.2.1".parse().unwrap(), "10.0.0.4".parse().unwrap());
        facts.load_balancer = Some(LoadBalancer {
            inbound_rules: vec![InboundRule {
                frontend_ip_address: outside,
                protocol: Transport::Tcp,
                frontend_port: 80,
                backend_port: 8080,
                private_ip_address: inside,
            }],
            outbound_rules: vec![FrontendPair {
                frontend_ip_address: outside,
                private_ip_address: inside,
            }],
            ..LoadBalancer::default()
        });
    });
    let told = host.ask(&Ask::imds(target)).await;
    assert_eq!(
        told.json()["loadbalancer"],
        json!({
            "publicIpAddresses": [],
            "inboundRules": [{
                "frontendIpAddress": "192.0.2.1",
                "protocol": "tcp",
                "frontendPort": 80,
                "backendPort": 8080,
                "privateIpAddress": "10.0.0.4",
            }],
            "outboundRules": [{
                "frontendIpAddress": "192.0.2.1",
                "privateIpAddress": "10.0.0.4",
            }],
        })
    );
}

#[tokio::test]
async fn what_the_service_does_not_have_is_not_found() {
    for target in [
        "/",
        "/metadata",
        "/metadata/none",
        "/latest/meta-data/",
        "/metadata/identity/none?api-version=2018-02-01",
    ] {
        let (status, error) = get(target).await;
        assert_eq!(
            (status, &error["error"]),
            (404, &"Not found".into()),
            "{target}"
        );
    }
    let host = Host::new(Mode::Disabled);
    let post = host.ask(&Ask::imds("POST /metadata/versions")).await;
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD"))
    );
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let host = Host::new(Mode::Disabled);
    let answer = host.ask(&Ask::imds("HEAD /metadata/versions")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.header("content-length").is_some());
}
