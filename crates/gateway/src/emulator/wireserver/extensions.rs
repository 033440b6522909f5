//! The extensions configuration: the agent's own versions, extensions and their settings, where status goes.

use serde_json::{Value, json};

use super::super::goal_state::{GoalStateError, Present};
use super::super::xml::Escaped;
use crate::facts::goal_state::{AgentFamily, Extension, ExtensionSettings};

/// Returns the document.
pub(super) fn document(present: &Present<'_>) -> Result<String, GoalStateError> {
    let owned = present.owned();
    let (incarnation, activity) = (present.incarnation.number, present.incarnation.activity);
    let families: String = owned.agent_families.iter().map(family).collect();
    let plugins: String = owned.extensions.iter().map(plugin).collect();
    let settings = owned.extensions.iter().filter_map(|extension| {
        let settings = extension.settings.as_ref()?;
        Some(plugin_settings(present, extension, settings))
    });
    let settings: String = settings.collect::<Result<_, _>>()?;
    let status = owned.status_blob.as_ref().map_or_else(String::new, |blob| {
        format!(
            "  <StatusUploadBlob statusBlobType=\"{}\">{}</StatusUploadBlob>\n",
            blob.kind.as_str(),
            Escaped(&blob.url.0)
        )
    });
    Ok(format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Extensions version="1.0.0.0" goalStateIncarnation="{incarnation}">
  <GuestAgentExtension xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
    <GAFamilies>
{families}    </GAFamilies>
  </GuestAgentExtension>
  <Plugins>
{plugins}  </Plugins>
  <PluginSettings>
{settings}  </PluginSettings>
{status}{metadata}  <InVMGoalStateMetaData inSvdSeqNo="{incarnation}" createdOnTicks="{ticks}" activityId="{activity}" correlationId="{activity}" />
</Extensions>
"#,
        metadata = machine_metadata(present),
        ticks = present.incarnation.created_ticks(),
    ))
}

fn family(family: &AgentFamily) -> String {
    let mut text = format!(
        "      <GAFamily>\n        <Name>{}</Name>\n",
        Escaped(&family.name)
    );
    if let Some(version) = &family.version {
        text += &format!("        <Version>{}</Version>\n", Escaped(version));
    }
    let uris: String = family
        .manifests
        .iter()
        .map(|uri| format!("          <Uri>{}</Uri>\n", Escaped(uri)))
        .collect();
    text + &format!("        <Uris>\n{uris}        </Uris>\n      </GAFamily>\n")
}

fn plugin(extension: &Extension) -> String {
    let mut manifests = extension.manifests.iter();
    let mut location = |name: &str| {
        let uri = manifests.next();
        uri.map_or_else(String::new, |uri| format!(" {name}=\"{}\"", Escaped(uri)))
    };
    let head = format!(
        r#"    <Plugin name="{name}" version="{version}"{location}{failover} state="{state}" autoUpgrade="false" runAsStartupTask="false" isJson="true" useExactVersion="true""#,
        name = Escaped(&extension.name),
        version = Escaped(&extension.version),
        location = location("location"),
        failover = location("failoverlocation"),
        state = extension.state.as_str(),
    );
    let others: String = manifests
        .map(|uri| {
            let uri = Escaped(uri);
            format!("        <additionalLocation>{uri}</additionalLocation>\n")
        })
        .collect();
    if others.is_empty() {
        return format!("{head} />\n");
    }
    format!(
        "{head}>\n      <additionalLocations>\n{others}      </additionalLocations>\n    </Plugin>\n"
    )
}

fn plugin_settings(
    present: &Present<'_>,
    extension: &Extension,
    settings: &ExtensionSettings,
) -> Result<String, GoalStateError> {
    let mut handler = serde_json::Map::new();
    if let Some(public) = &settings.public {
        handler.insert("publicSettings".to_owned(), public.clone());
    }
    if let Some(protected) = &settings.protected {
        let sealed = present.seal(protected)?;
        let thumbprint = Value::String(sealed.thumbprint);
        handler.insert("protectedSettingsCertThumbprint".to_owned(), thumbprint);
        handler.insert("protectedSettings".to_owned(), Value::String(sealed.text));
    }
    let runtime = json!({ "runtimeSettings": [{ "handlerSettings": handler }] }).to_string();
    Ok(format!(
        r#"    <Plugin name="{name}" version="{version}">
      <RuntimeSettings seqNo="{sequence}">{runtime}</RuntimeSettings>
    </Plugin>
"#,
        name = Escaped(&extension.name),
        version = Escaped(&extension.version),
        sequence = settings.sequence,
        runtime = Escaped(&runtime),
    ))
}

/// Says about the machine what its extensions ask for.
fn machine_metadata(present: &Present<'_>) -> String {
    let facts = &present.machine.facts;
    let image = &facts.image;
    let lines = [
        ("SubscriptionId", facts.subscription_id.to_string()),
        ("ResourceGroupName", facts.resource_group.clone()),
        ("VMName", facts.name.clone()),
        ("Location", facts.location.clone()),
        ("VMId", facts.vm_id.to_string()),
        ("VMSize", facts.vm_size.clone()),
        ("OSType", "Linux".to_owned()),
    ];
    let lines = lines.map(|(name, value)| format!("    <{name}>{}</{name}>\n", Escaped(&value)));
    format!(
        r#"  <InVMMetadata>
{lines}    <Image>
      <Publisher>{publisher}</Publisher>
      <Offer>{offer}</Offer>
      <Sku>{sku}</Sku>
      <Version>{version}</Version>
    </Image>
  </InVMMetadata>
"#,
        lines = lines.concat(),
        publisher = Escaped(&image.publisher),
        offer = Escaped(&image.offer),
        sku = Escaped(&image.sku),
        version = Escaped(&image.version),
    )
}
