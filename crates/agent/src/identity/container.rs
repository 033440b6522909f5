//! Reads the container out of a cgroup's path, where only a manager of the system can have put it.
//!
//! Of containers within containers the outermost is the one that the system's manager made.
//!
//! SECURITY: whoever may make cgroups below its own could name one like another container's;
//! only the place that root alone can write to counts, as with units.

use latchkey_protocol::unit::is_slice_name;
use latchkey_record::caller::ContainerRecord;

use super::systemd::unescaped;

/// What names of scopes begin with that hold a container, and what runs it.
const SCOPES: [(&str, &str); 5] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
];
/// The groups at the root that hold one group for each container, and what runs it.
const FOLDERS: [(&str, Option<&str>); 3] = [
    ("docker", Some("docker")),
    ("libpod_parent", Some("podman")),
    ("kubepods", None),
];
/// What LXC's group of a container begins with.
const LXC: &str = "lxc.payload.";
/// How many hexadecimal digits an id has.
const ID_DIGITS: usize = 64;
/// How deep in Kubernetes's groups a container can be: class, pod, container.
const KUBERNETES_DEPTH: usize = 3;

/// Returns the container that the cgroup at `path` belongs to.
pub(super) fn container(path: &str) -> Option<ContainerRecord> {
    let mut names = path
        .split('/')
        .filter(|name| !name.is_empty())
        .map(unescaped)
        .skip_while(|name| is_slice_name(name));
    let first = names.next()?;
    if let Some(scope) = first.strip_suffix(".scope") {
        return in_scope(scope);
    }
    if let Some(name) = first.strip_prefix(LXC) {
        return (!name.is_empty()).then(|| record(name, Some("lxc")));
    }
    let (_, runtime) = FOLDERS.into_iter().find(|(folder, _)| *folder == first)?;
    let mut ids = names.take(KUBERNETES_DEPTH).map(without_prefix);
    ids.find(|id| is_id(id)).map(|id| record(id, runtime))
}

fn in_scope(scope: &str) -> Option<ContainerRecord> {
    let of = |(prefix, runtime): (&str, &'static str)| {
        let id = scope.strip_prefix(prefix)?;
        is_id(id).then_some((id, runtime))
    };
    let (id, runtime) = SCOPES.into_iter().find_map(of)?;
    Some(record(id, Some(runtime)))
}

/// Podman's groups carry its prefix without systemd too.
fn without_prefix(name: &str) -> &str {
    name.strip_prefix("libpod-").unwrap_or(name)
}

fn record(id: &str, runtime: Option<&str>) -> ContainerRecord {
    ContainerRecord {
        id: id.to_owned(),
        runtime: runtime.map(str::to_owned),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    fn read(path: &str) -> Option<(String, Option<String>)> {
        let path = path.replace("ID", ID).replace("OTHER", OTHER);
        container(&path).map(|found| (found.id, found.runtime))
    }

    #[test]
    fn groups_of_the_common_runtimes_name_their_container() {
        for (path, runtime) in [
            ("/system.slice/docker-ID.scope", Some("docker")),
            ("/system.slice/docker-ID.scope/init", Some("docker")),
            ("/docker/ID", Some("docker")),
            ("/docker/ID/kubepods/pod1/OTHER", Some("docker")),
            ("/system.slice/nerdctl-ID.scope", Some("containerd")),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
                Some("containerd"),
            ),
            (
                "/kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
                Some("cri-o"),
            ),
            ("/kubepods/besteffort/pod1/ID", None),
            ("/kubepods/pod1/ID", None),
            ("/machine.slice/libpod-ID.scope/container", Some("podman")),
            ("/libpod_parent/libpod-ID", Some("podman")),
        ] {
            let found = (ID.to_owned(), runtime.map(str::to_owned));
            assert_eq!(read(path), Some(found), "{path}");
        }
        let web = ("web".to_owned(), Some("lxc".to_owned()));
        assert_eq!(read("/lxc.payload.web/init.scope"), Some(web));
    }

    #[test]
    fn groups_that_are_no_container_or_that_users_made_name_none() {
        for path in [
            "/",
            "/system.slice/app.service",
            "/system.slice/docker.service",
            "/system.slice/app.service/docker-ID.scope",
            "/system.slice/app.service/docker/ID",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "/user.slice/user-1000.slice/session-3.scope/docker/ID",
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/crio-conmon-ID.scope",
            "/kubepods.slice/kubepods-pod1.slice",
            "/kubepods/a/b/c/ID",
            "/docker/0f",
            "/lxc.payload.",
            "/ID",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
