//! A session of `requests` that stays open while the agent ends under it and starts again.

use std::fs;

use latchkey_lab::Process;
use latchkey_lab::system::LIMIT;
use latchkey_record::audit::Outcome;

use super::python_http::requests::CLIENT;
use super::situation::{Client, GUEST};

/// As [`CLIENT`], told to go on until it is enough.
const SESSION: Client = Client {
    told: |python| {
        let script = include_str!("../../clients/requests_session.py");
        python.args(["-B", "-c", script])
    },
    ..CLIENT
};

#[test]
fn session_goes_on_after_a_restart_and_each_of_its_answers_is_recorded_once() {
    let mut world = SESSION.world(&SESSION.tool.executable());
    let enough = world.guest(GUEST).dir().join("enough");
    let mut session = SESSION.command(&world).arg(&enough).spawn().unwrap();
    session.wait_for_line("answered 10", LIMIT).unwrap();
    let status = world.system.terminate_agent(GUEST).unwrap();
    assert!(status.success(), "{status}");
    session.wait_for_line("Connection refused", LIMIT).unwrap();
    world.system.start_agent(GUEST).unwrap();
    let later = format!("answered {}", answers(&session) + 10);
    session.wait_for_line(&later, LIMIT).unwrap();
    fs::write(&enough, "").unwrap();
    let status = session.wait(LIMIT).unwrap();
    assert!(status.success(), "{status}: {}", session.log().unwrap());
    world.system.wait_until_served(GUEST).unwrap();
    let status = world.system.terminate_agent(GUEST).unwrap();
    assert!(status.success(), "{status}");
    let answered = answers(&session);
    let records = world.system.audit(GUEST).unwrap();
    for record in &records {
        assert_eq!(record.outcome, Outcome::Forwarded, "{record:?}");
    }
    assert_eq!(records.len(), answered);
    SESSION.end(world, answered, answered);
}

/// Returns how many answers the session has counted so far.
fn answers(session: &Process) -> usize {
    let said = session.log().unwrap();
    let mut counts = said.lines().rev();
    let last = counts.find_map(|line| line.strip_prefix("answered ")?.parse().ok());
    last.unwrap()
}
