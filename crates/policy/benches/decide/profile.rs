//! Profiles of any size in which every privilege has its own identity, and a request for the last one.

use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Attributes, Caller, Elevation, EndpointTable, Mode, Request};
use serde_json::json;

/// A profile of so many privileges, roles, identities and assignments. Every second privilege shares
/// its path with all the others of its kind and differs in a parameter; all identities share one
/// executable.
pub(crate) fn item(count: usize) -> AuthorizationItem {
    let path = |at: usize| match at % 2 {
        0 => {
            json!({"name": format!("p{at}"), "path": format!("/metadata/part{}/item{at}", at % 100)})
        }
        _ => json!({
            "name": format!("p{at}"), "path": "/metadata/identity/oauth2/token",
            "queryParameters": {"api-version": "2018-02-01", "resource": format!("https://r{at}/")},
        }),
    };
    let all = 0..count;
    serde_json::from_value(json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "bench",
        "rules": {
            "privileges": all.clone().map(path).collect::<Vec<_>>(),
            "roles": all.clone()
                .map(|at| json!({"name": format!("r{at}"), "privileges": [format!("p{at}")]}))
                .collect::<Vec<_>>(),
            "identities": all.clone()
                .map(|at| json!({"name": format!("i{at}"), "userName": format!("user{at}"), "exePath": "/opt/app"}))
                .collect::<Vec<_>>(),
            "roleAssignments": all
                .map(|at| json!({"role": format!("r{at}"), "identities": [format!("i{at}")]}))
                .collect::<Vec<_>>(),
        },
    }))
    .unwrap()
}

/// The request that the last privilege of such a profile covers; `count` is even.
pub(crate) fn request(count: usize) -> Request {
    let table = EndpointTable::azure(Mode::Enforce);
    let last = count - 1;
    let head = format!(
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fr{last}%2F HTTP/1.1\r\n\
         Host: 169.254.169.254\r\nMetadata: true\r\n\r\n"
    );
    let Ok(Parsed::Complete(head, _)) = parse(head.as_bytes()) else {
        panic!("the head is whole")
    };
    Request::read(*head, &table.as_slice()[0]).unwrap()
}

/// The caller whom the last privilege is for, or one without any privilege.
pub(crate) fn caller(user: &str) -> Caller {
    Caller {
        elevation: Elevation::Unprivileged,
        attributes: Ok(Attributes {
            user_name: Some(user.to_owned()),
            group_names: vec!["apps".to_owned(), "docker".to_owned()],
            executable: Some("/opt/app".to_owned()),
            uid: Some(1000),
            gid: Some(1000),
            cgroup: Some("/system.slice/app.service".to_owned()),
            systemd_unit: Some("app.service".to_owned()),
            systemd_slice: Some("system.slice".to_owned()),
            ..Attributes::default()
        }),
    }
}
