//! A simulation reads no whole head and knows callers by heart; it answers as if it did neither.

use latchkey_policy::case::{self, Answer};
use latchkey_policy::simulate::{Profiles, Question, Simulator};

use super::*;

/// Methods and targets of every kind, of which many make no request.
fn line() -> impl Strategy<Value = (String, Vec<u8>)> {
    let methods = prop_oneof![
        8 => method().prop_map(str::to_owned),
        1 => Just("OPTIONS".to_owned()),
        1 => "[A-Za-z \r\n]{0,8}",
    ];
    let targets = prop_oneof![
        4 => target().prop_map(String::into_bytes),
        1 => Just(b"*".to_vec()),
        1 => Just(b"/vmAgentLog".to_vec()),
        1 => Just(b"/machine/?comp=TelemetryData".to_vec()),
        1 => Just([b"/".as_slice(), &[b'a'; 9000]].concat()),
        2 => "[ -~]{0,24}|/[!-~]{0,24}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => any::<u8>().prop_map(|byte| vec![b'/', byte]),
    ];
    (methods, targets)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn simulation_answers_as_the_decision_about_the_whole_request(
        item in item(),
        lines in prop::collection::vec(line(), 1..4),
        caller in caller(),
        endpoint in endpoint(),
        now in now(),
    ) {
        let mut profiles = Profiles::default();
        profiles.insert(endpoint.kind, &item).unwrap();
        let mut simulator = Simulator::new(profiles, Profiles::default());
        let policy = policy(endpoint.kind, Some(&item));
        for (method, target) in lines {
            let decided = match case::request(&endpoint, &method, &target) {
                Ok(request) => Answer::to(request, &caller, &policy, now),
                Err(reason) => Answer::malformed(reason),
            };
            let question = Question {
                endpoint: endpoint.kind,
                method,
                target,
                caller: caller.clone(),
                objection: None,
            };
            let judged = simulator.judge(&question, now);
            prop_assert_eq!(judged.candidate, Some(decided));
            prop_assert_eq!(judged.current, None);
        }
    }
}
