//! The goal state: which documents there are, and of which incarnation.

use super::super::goal_state::Present;

/// Returns the document; `own` is the service's host and port.
pub(super) fn document(present: &Present<'_>, own: &str) -> String {
    let names = &present.names;
    let incarnation = present.incarnation.number;
    let base = format!(
        "http://{own}/machine/{}/{}?comp=",
        names.container, names.instance
    );
    let config = |kind: &str| format!("{base}config&amp;type={kind}&amp;incarnation={incarnation}");
    let remote_access = match present.owned().remote_users.as_slice() {
        [] => String::new(),
        _ => format!(
            "\n    <RemoteAccessInfo>{}</RemoteAccessInfo>",
            config("remoteAccessInfo")
        ),
    };
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="goalstate10.xsd">
  <Version>2012-11-30</Version>
  <Incarnation>{incarnation}</Incarnation>
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
          <Certificates>{base}certificates&amp;incarnation={incarnation}</Certificates>
          <ConfigName>{configuration}</ConfigName>
        </Configuration>
      </RoleInstance>
    </RoleInstanceList>{remote_access}
  </Container>
</GoalState>
"#,
        container = names.container,
        instance = names.instance,
        configuration = names.configuration,
        hosting = config("hostingEnvironmentConfig"),
        shared = config("sharedConfig"),
        extensions = config("extensionsConfig"),
    )
}
