//! The shared configuration and the hosting environment: the names and the address of the machine.

use super::super::goal_state::Present;
use super::super::xml::Escaped;

/// Returns the shared configuration.
pub(super) fn shared(present: &Present<'_>) -> String {
    let names = &present.names;
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SharedConfig version="1.0.0.0" goalStateIncarnation="{incarnation}">
{deployment}  <Incarnation number="{incarnation}" instance="{instance}" guid="{{{container}}}" />
  <Role guid="{{{container}}}" name="{role}" settleTimeSeconds="0" />
  <Instances>
    <Instance id="{instance}" address="{address}" />
  </Instances>
</SharedConfig>
"#,
        deployment = deployment(present),
        incarnation = present.incarnation.number,
        container = names.container,
        role = Escaped(&names.role),
        instance = names.instance,
        address = present.machine.facts.network.private_address(),
    )
}

/// Returns the hosting environment.
pub(super) fn hosting(present: &Present<'_>) -> String {
    let names = &present.names;
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<HostingEnvironmentConfig version="1.0.0.0" goalStateIncarnation="{incarnation}">
  <StoredCertificates />
{deployment}  <Incarnation number="{incarnation}" instance="{instance}" guid="{{{container}}}" />
  <Role guid="{{{container}}}" name="{role}" hostingEnvironmentVersion="1" software="" softwareType="ApplicationPackage" entryPoint="" parameters="" settleTimeSeconds="0" />
  <HostingEnvironmentSettings name="full" Runtime="" />
  <ApplicationSettings />
  <ResourceReferences />
</HostingEnvironmentConfig>
"#,
        deployment = deployment(present),
        incarnation = present.incarnation.number,
        container = names.container,
        role = Escaped(&names.role),
        instance = names.instance,
    )
}

fn deployment(present: &Present<'_>) -> String {
    let names = &present.names;
    format!(
        r#"  <Deployment name="{deployment}" guid="{{{deployment}}}" incarnation="{incarnation}" isNonCancellableTopologyChangeEnabled="false">
    <Service name="{role}" guid="{{{deployment}}}" />
    <ServiceInstance name="{deployment}.{incarnation}" guid="{{{deployment}}}" />
  </Deployment>
"#,
        deployment = names.deployment,
        incarnation = present.incarnation.number,
        role = Escaped(&names.role),
    )
}
