//! A cgroup that storms the endpoints is refused by the kernel, and everybody else is served meanwhile.

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{Guest, GuestPlan, Process};

use crate::world::{GOAL_STATE, INSTANCE, World};

const CLIENT: &str = include_str!("greedy_client.py");

/// How often one cgroup may connect at once, and how often the greedy one tries.
const BURST: u32 = 30;
const ATTEMPTS: u32 = 300;

fn start_greedy(guest: &Guest, cgroup: &str) -> Process {
    let cgroup = guest.cgroup().create_below(cgroup).unwrap();
    let command = guest.command("mallory", "/usr/bin/python3");
    let command = command.args(["-c", CLIENT]).arg(ATTEMPTS.to_string());
    command.in_cgroup(&cgroup).spawn().unwrap()
}

/// Returns how often it connected and how often it was refused.
fn outcome(greedy: &mut Process) -> (u32, u32) {
    let line = greedy.wait_for_line("done", LIMIT).unwrap();
    let mut numbers = line
        .split(' ')
        .skip(1)
        .map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn greedy_cgroup_is_refused_and_counted_while_everybody_else_is_served() {
    let mut world = World::start([GuestPlan::enforce("vm").with_connects(1, BURST)]);
    let depths = ["greedy", "user/1000/manager/a/b"];
    let mut greedy = depths.map(|cgroup| start_greedy(world.guest("vm"), cgroup));
    for _ in 0..3 {
        world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
        world.expect("vm", "root", &Curl::wireserver(GOAL_STATE), 200);
    }
    let mut all_refused = 0;
    for process in &mut greedy {
        let (connected, refused) = outcome(process);
        assert_eq!(connected + refused, ATTEMPTS);
        assert!((BURST..ATTEMPTS / 2).contains(&connected), "{connected}");
        all_refused += u64::from(refused);
    }
    // Another one of the same manager finds its bucket empty, one of another manager does not.
    let depths = ["user/1000/manager/c", "user/1001/manager"];
    let mut later = depths.map(|cgroup| start_greedy(world.guest("vm"), cgroup));
    let [again, other] = later.each_mut().map(|process| {
        let (connected, refused) = outcome(process);
        all_refused += u64::from(refused);
        connected
    });
    assert!(again < BURST && other >= BURST, "{again}, {other}");
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let counted = ("rate_limited_refused".to_owned(), all_refused);
    world
        .system
        .wait_for_status("vm", "all refusals counted", |status| {
            status.kernel.contains(&counted)
        })
        .unwrap();
    world.end(&[("vm", 7)]);
    drop((greedy, later));
}
