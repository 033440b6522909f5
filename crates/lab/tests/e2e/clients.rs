//! Clients that nobody here wrote, unmodified.

use std::path::PathBuf;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Output};
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;
use serde_json::json;

use crate::world::World;

/// Names the interpreter of the environment that `scripts/python.sh` makes.
const PYTHON_VARIABLE: &str = "LATCHKEY_PYTHON";

/// What any program does that uses its machine's identity.
const GET_TOKEN: &str = r#"
from azure.identity import ManagedIdentityCredential
print(ManagedIdentityCredential().get_token("https://management.azure.com/.default").token)
"#;

/// What a service does that gets such a token: it knows the issuer's published keys, no secret.
const VERIFY: &str = r#"
import json, jwt, sys
given = json.load(sys.stdin)
keys = jwt.PyJWKSet.from_dict(given["keys"])
key = keys[jwt.get_unverified_header(given["token"])["kid"]].key
claims = jwt.decode(given["token"], key, algorithms=["RS256"], audience=given["audience"],
                    issuer=given["issuer"], options={"require": ["exp", "iat", "nbf", "sub", "oid"]})
print(claims["oid"], claims["xms_mirid"])
"#;

/// Makes the environment visible in the guest at a place that every user may enter, and returns
/// the path of its interpreter there.
fn python(world: &World, guest: &str) -> PathBuf {
    let interpreter = std::env::var_os(PYTHON_VARIABLE)
        .expect("LATCHKEY_PYTHON names no interpreter: run `make test`, or see scripts/python.sh");
    let interpreter = PathBuf::from(interpreter);
    let folder = interpreter.parent().unwrap().parent().unwrap();
    let guest = world.guest(guest);
    let seen = guest.dir().join("python");
    // In the guest's own mount namespace alone.
    let script = r#"mkdir "$2" && mount --bind "$1" "$2""#;
    let shell = guest.command("root", "sh").args(["-c", script, "sh"]);
    let output = shell.arg(folder).arg(&seen).output(LIMIT).unwrap();
    assert!(output.success(), "{output:?}");
    seen.join(interpreter.strip_prefix(folder).unwrap())
}

fn get_token(world: &World, user: &str) -> Output {
    let interpreter = python(world, "vm");
    let command = world.guest("vm").command(user, interpreter);
    command.args(["-B", "-c", GET_TOKEN]).output(LIMIT).unwrap()
}

#[test]
fn azure_identity_gets_a_token_that_verifies_against_the_published_keys() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let output = get_token(&world, "app");
    assert!(output.success(), "{}", output.stderr);
    let discovery = world
        .system
        .admin("/.well-known/openid-configuration")
        .unwrap();
    let given = json!({
        "token": output.stdout_text().trim(),
        "keys": world.system.admin("/jwks").unwrap(),
        "audience": "https://management.azure.com",
        "issuer": discovery["issuer"],
    });
    let interpreter = std::env::var_os(PYTHON_VARIABLE).unwrap();
    let verify = world.system.lab().host().command("root", interpreter);
    let verified = verify
        .args(["-B", "-c", VERIFY])
        .stdin(given.to_string())
        .output(LIMIT)
        .unwrap();
    let text = verified.stdout_text();
    assert!(
        text.starts_with("99999999-8888-4777-8666-555555555555 /"),
        "{verified:?}"
    );
    let record = world.record("vm", 1);
    let caller = record.caller.unwrap();
    assert_eq!(caller.user.as_deref(), Some("app"));
    assert!(
        caller
            .executable
            .as_deref()
            .unwrap()
            .starts_with("/usr/bin/python3")
    );
    assert_eq!(
        world.wait_for_observed("vm", 1)[0].signature,
        SignatureFinding::Valid
    );
    world.end(&[("vm", 1)]);
}

#[test]
fn azure_identity_tells_a_refused_user_what_happened() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let output = get_token(&world, "www");
    assert_eq!(output.code(), Some(1));
    let last = output
        .stderr
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    assert!(
        last.starts_with("azure."),
        "an exception of the client itself: {}",
        output.stderr
    );
    let record = world.record("vm", 1);
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Refused, Some(Reason::CallerNotAssigned))
    );
    assert_eq!(world.observed("vm"), []);
    world.end(&[("vm", 1)]);
}
