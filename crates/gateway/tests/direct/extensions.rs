//! Extensions are told by the `WireServer` and by the `HostGAPlugin`, and both say the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_gateway::certificate::CertifiedKey;
use latchkey_gateway::facts::goal_state::{
    AgentFamily, BlobKind, Extension, ExtensionSettings, ExtensionState, GoalState,
    MachineCertificate, ProtectedSettings, StatusBlob,
};
use latchkey_gateway::redacted::Redacted;
use latchkey_protocol::EndpointKind;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use crate::host::{Ask, Host};
use crate::openssl::openssl;
use crate::wireserver::{document, link};

const BLOB: &str = "https://status.example/blob?sig=a&b=<c>";

fn extension(name: &str, manifests: &[&str], settings: Option<ExtensionSettings>) -> Extension {
    Extension {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        state: ExtensionState::Enabled,
        manifests: manifests.iter().map(|&uri| uri.to_owned()).collect(),
        settings,
    }
}

fn goal_state(certified: CertifiedKey) -> GoalState {
    let settings = ExtensionSettings {
        sequence: 4,
        public: Some(json!({ "command": "echo \"<&>\"" })),
        protected: Some(ProtectedSettings {
            certificate: "own".to_owned(),
            value: Redacted(json!({ "secret": "hidden" })),
        }),
    };
    GoalState {
        certificates: vec![MachineCertificate {
            name: "own".to_owned(),
            given: Some(certified.into()),
        }],
        agent_families: vec![AgentFamily {
            name: "Prod".to_owned(),
            version: Some("9.9.9.9".to_owned()),
            manifests: vec!["https://one.example/?a&b".to_owned()],
        }],
        extensions: vec![
            extension(
                "First",
                &["https://1", "https://2", "https://3"],
                Some(settings),
            ),
            extension("Second", &["https://4"], None),
        ],
        status_blob: Some(StatusBlob {
            url: Redacted(BLOB.to_owned()),
            kind: BlobKind::Block,
        }),
        remote_users: vec![],
    }
}

fn host() -> (Host, CertifiedKey) {
    let certified = CertifiedKey::self_signed("own").unwrap();
    (
        Host::in_goal_state(goal_state(certified.clone())),
        certified,
    )
}

async fn configuration(host: &Host) -> String {
    document(host, &link(host, "ExtensionsConfig").await).await
}

async fn vm_settings(host: &Host) -> Value {
    let ask = Ask::new(EndpointKind::HostGa, "GET /vmSettings");
    let answer = host.ask(&ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn find<'a>(document: &'a Document<'a>, name: &str) -> Node<'a, 'a> {
    let mut nodes = document.descendants();
    nodes.find(|node| node.has_tag_name(name)).unwrap()
}

/// Returns the settings of the only extension that has some, as the agent reads them.
fn handler_settings(text: &str) -> Value {
    let document = Document::parse(text).unwrap();
    let runtime = find(&document, "RuntimeSettings");
    assert_eq!(runtime.attribute("seqNo"), Some("4"));
    let settings: Value = serde_json::from_str(runtime.text().unwrap()).unwrap();
    let handler = settings.pointer("/runtimeSettings/0/handlerSettings");
    handler.unwrap().clone()
}

#[tokio::test]
async fn agent_reads_every_extension_with_its_places_and_settings() {
    let (host, _) = host();
    let text = configuration(&host).await;
    let document = Document::parse(&text).unwrap();
    let plugins: Vec<_> = find(&document, "Plugins")
        .children()
        .filter(Node::is_element)
        .collect();
    assert_eq!(plugins.len(), 2);
    for (name, value) in [
        ("name", "First"),
        ("version", "1.2.3"),
        ("state", "enabled"),
        ("location", "https://1"),
        ("failoverlocation", "https://2"),
    ] {
        assert_eq!(plugins[0].attribute(name), Some(value), "{name}");
    }
    assert_eq!(
        find(&document, "additionalLocation").text(),
        Some("https://3")
    );
    assert_eq!(plugins[1].attribute("failoverlocation"), None);
    assert_eq!(
        handler_settings(&text)["publicSettings"],
        json!({ "command": "echo \"<&>\"" })
    );
}

#[tokio::test]
async fn agent_reads_its_own_versions_and_where_its_status_goes() {
    let (host, _) = host();
    let text = configuration(&host).await;
    let document = Document::parse(&text).unwrap();
    let family = find(&document, "GAFamily");
    let texts: Vec<_> = family
        .descendants()
        .filter(|node| node.children().all(|child| child.is_text()) && node.is_element())
        .map(|node| (node.tag_name().name(), node.text().unwrap_or_default()))
        .collect();
    assert_eq!(
        texts,
        [
            ("Name", "Prod"),
            ("Version", "9.9.9.9"),
            ("Uri", "https://one.example/?a&b")
        ]
    );
    let blob = find(&document, "StatusUploadBlob");
    assert_eq!(
        (blob.text(), blob.attribute("statusBlobType")),
        (Some(BLOB), Some("BlockBlob"))
    );
}

#[tokio::test]
async fn protected_settings_decrypt_with_the_key_of_the_named_certificate() {
    let (host, certified) = host();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, crate::certificates::private_key(&host).await).unwrap();
    let of_xml = handler_settings(&configuration(&host).await);
    let of_json = vm_settings(&host).await["extensionGoalStates"][0]["settings"][0].clone();
    for settings in [of_xml, of_json] {
        assert_eq!(
            settings["protectedSettingsCertThumbprint"],
            certified.thumbprint()
        );
        let sealed = settings["protectedSettings"].as_str().unwrap();
        let decrypt = ["cms", "-decrypt", "-inform", "DER", "-inkey"];
        let arguments = [&decrypt[..], &[path.to_str().unwrap()]].concat();
        let plain = openssl(&arguments, &STANDARD.decode(sealed).unwrap());
        let plain: Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(plain, json!({ "secret": "hidden" }));
    }
}

#[tokio::test]
async fn plugin_tells_the_same_as_the_configuration() {
    let (host, _) = host();
    let text = configuration(&host).await;
    let document = Document::parse(&text).unwrap();
    let settings = vm_settings(&host).await;
    let metadata = find(&document, "InVMGoalStateMetaData");
    for (attribute, member) in [
        ("createdOnTicks", "extensionsLastModifiedTickCount"),
        ("activityId", "activityId"),
        ("correlationId", "correlationId"),
        ("inSvdSeqNo", "inSvdSeqNo"),
    ] {
        let said = &settings[member];
        let said = said.as_str().map_or(said.to_string(), str::to_owned);
        assert_eq!(metadata.attribute(attribute), Some(said.as_str()));
    }
    assert_eq!(
        settings["statusUploadBlob"],
        json!({ "statusBlobType": "BlockBlob", "value": BLOB })
    );
    assert_eq!(
        settings["gaFamilies"],
        json!([{ "name": "Prod", "version": "9.9.9.9", "uris": ["https://one.example/?a&b"] }])
    );
    let [first, second] = settings["extensionGoalStates"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("{settings}")
    };
    assert_eq!(
        [
            &first["name"],
            &first["location"],
            &first["failoverLocation"]
        ],
        ["First", "https://1", "https://2"]
    );
    assert_eq!(first["additionalLocations"], json!(["https://3"]));
    assert_eq!(first["settingsSeqNo"], 4);
    let public = first["settings"][0]["publicSettings"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(public).unwrap(),
        handler_settings(&text)["publicSettings"]
    );
    assert_eq!(second.get("settings"), None);
}

#[tokio::test]
async fn machine_without_extensions_is_told_of_none() {
    let host = Host::in_goal_state(GoalState::default());
    let text = configuration(&host).await;
    let document = Document::parse(&text).unwrap();
    for name in ["GAFamilies", "Plugins", "PluginSettings"] {
        let count = find(&document, name)
            .children()
            .filter(Node::is_element)
            .count();
        assert_eq!(count, 0, "{name}");
    }
    assert!(!text.contains("StatusUploadBlob"));
    assert_eq!(vm_settings(&host).await["extensionGoalStates"], json!([]));
}
