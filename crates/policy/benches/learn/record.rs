//! Audit records as the agent writes them, all different.

/// Returns a record as the agent writes it, of one of 200 services.
pub(crate) fn record(at: usize) -> String {
    let (service, second) = (at % 200, at % 86_400);
    let target = match at % 4 {
        0 => format!("/metadata/instance?api-version=2021-02-01&id={at:032x}"),
        1 => format!(
            "/metadata/identity/oauth2/token?resource=https://r{}.example",
            at % 5
        ),
        2 => format!("/latest/meta-data/{at:08x}-1111-2222-3333-444444444444/x"),
        _ => "/metadata/instance/compute?api-version=2021-02-01".to_owned(),
    };
    format!(
        "{{\"version\":1,\"sequence\":{at},\"run\":\"0123456789abcdef\",\"time\":\"2026-11-23T{:02}:{:02}:{:02}Z\",\
         \"durationUs\":1834,\"endpoint\":\"imds\",\"kind\":\"imds\",\"destination\":\"169.254.169.254:80\",\
         \"method\":\"GET\",\"target\":\"{target}\",\"caller\":{{\"pid\":{at},\"startTimeNs\":93847563,\"uid\":1000,\
         \"gid\":1000,\"euid\":1000,\"egid\":1000,\"root\":false,\"user\":\"svc{service}\",\"groups\":[\"svc\"],\
         \"executable\":\"/opt/app{service}/bin/app\",\"comm\":\"app\",\"cgroup\":4711,\
         \"unit\":\"app{service}.service\",\"executableState\":\"present\"}},\"mode\":\"Audit\",\"rules\":null,\
         \"rule\":\"default\",\"outcome\":\"forwarded\",\"reason\":null,\"wouldRefuse\":null,\"signed\":true,\
         \"status\":200}}\n",
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}
