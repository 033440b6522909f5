//! Verifies tokens as the services do that get them.

use latchkey_lab::system::LIMIT;
use serde_json::json;

use super::tool::Tool;
use crate::world::World;

/// Checks the token in what a client says against the issuer's published keys.
pub(super) fn verify(world: &World, said: &str, audience: &str) {
    let token = said.lines().find_map(|line| line.strip_prefix("token "));
    let discovery = world.system.admin("/.well-known/openid-configuration");
    let given = json!({
        "token": token.unwrap(),
        "keys": world.system.admin("/jwks").unwrap(),
        "audience": audience,
        "issuer": discovery.unwrap()["issuer"],
    });
    let host = world.system.lab().host();
    let verify = host
        .command("root", Tool::Python.outside())
        .args(["-B", "-c", include_str!("../../clients/verify_token.py")])
        .stdin(given.to_string());
    let verified = verify.output(LIMIT).unwrap();
    let claims = verified.stdout_text();
    let object_id = "99999999-8888-4777-8666-555555555555 /";
    assert!(claims.starts_with(object_id), "{verified:?}");
}
