//! Users who may log in for a time, with passwords that the agent alone can read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::goal_state::{GoalStateError, Present};
use super::super::xml::Escaped;
use super::transport::Transport;
use crate::clock::http_date;
use crate::facts::goal_state::RemoteUser;

/// Returns the document.
pub(super) fn document(
    present: &Present<'_>,
    transport: &Transport,
) -> Result<String, GoalStateError> {
    let users = present.owned().remote_users.iter();
    let users: Result<Vec<_>, _> = users.map(|account| user(account, transport)).collect();
    Ok(format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<RemoteAccess>
  <Version>1</Version>
  <Incarnation>{incarnation}</Incarnation>
  <Users>
{users}  </Users>
</RemoteAccess>
"#,
        incarnation = present.incarnation.number,
        users = users?.concat(),
    ))
}

fn user(user: &RemoteUser, transport: &Transport) -> Result<String, GoalStateError> {
    // Agents decode what they decrypt as UTF-16 of their own byte order.
    let password: Vec<u8> = user
        .password
        .0
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let password = STANDARD.encode(transport.seal(&Zeroizing::new(password))?);
    Ok(format!(
        r#"    <User>
      <Name>{name}</Name>
      <Password>{password}</Password>
      <Expiration>{expires}</Expiration>
    </User>
"#,
        name = Escaped(&user.name),
        expires = http_date(user.expires),
    ))
}
