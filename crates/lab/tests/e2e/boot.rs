//! Programs that provision the machine they run on, unmodified, in a throw-away root of a guest in
//! Enforce. Each is allowed, refused, and surprised by a restart of the agent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Profile, Root, Tree, wait};
use latchkey_record::audit::Outcome;

use crate::world::World;

mod attribution;
mod azure_library;
mod first_boot;
mod linux_agent;
mod starter_packs;

/// The only guest.
const VM: &str = "vm";

/// Debian 12, with cloud-init 22.4 and version 2.7 of Azure's agent.
const BOOKWORM: &str = "bookworm";

/// Debian 13, with cloud-init 25.1.
const TRIXIE: &str = "trixie";

/// A guest in which root alone may read what the machine is and use the `WireServer`: what an
/// operator would allow for provisioning.
fn allowing() -> GuestPlan {
    let instance = Profile::deny("instance").grant("read", "/metadata/instance", &["root"]);
    let wireserver = Profile::deny("wireserver").grant("use", "/", &["root"]);
    GuestPlan::enforce(VM)
        .with_profile(instance)
        .with_wireserver_profile(wireserver)
}

/// A guest in which nobody may do anything.
fn refusing() -> GuestPlan {
    GuestPlan::enforce(VM)
        .with_profile(Profile::deny("closed"))
        .with_wireserver_profile(Profile::deny("closed"))
}

/// Targets of requests, by how often they were asked for.
type Targets = BTreeMap<String, usize>;

/// A system with one guest, and a throw-away root in it.
struct Machine {
    world: World,
    root: Root,
}

impl Machine {
    fn start(plan: GuestPlan, release: &str) -> Self {
        let world = World::start([plan]);
        let tree = Tree::of_release(release).unwrap();
        let root = Root::start(world.guest(VM), &tree).unwrap();
        Self { world, root }
    }

    /// Ends the agent as an upgrade does: it drains first.
    fn stop_agent(&mut self) {
        let status = self.world.system.terminate_agent(VM).unwrap();
        assert!(status.success(), "{status}");
    }

    fn start_agent(&mut self) {
        self.world.system.start_agent(VM).unwrap();
        self.world.system.wait_until_served(VM).unwrap();
    }

    /// Returns the targets of the requests that reached the host, by how often they did.
    fn observed(&self) -> Targets {
        let seen = self.world.observed(VM).into_iter();
        count(seen.map(|seen| seen.target.unwrap_or_default()))
    }

    /// Returns the targets of the requests that the agent recorded with one of these outcomes.
    fn recorded(&self, outcomes: &[Outcome]) -> Targets {
        let records = self.world.system.audit(VM).unwrap().into_iter();
        let chosen = records.filter(|record| outcomes.contains(&record.outcome));
        count(chosen.filter_map(|record| record.target))
    }

    /// Whether each request that reached the host has one record, and each record of a request that
    /// was answered is about one that reached the host.
    fn is_recorded_once(&self) -> bool {
        use Outcome::{Abandoned, Failed, Forwarded};
        let observed = self.observed();
        is_within(&self.recorded(&[Forwarded]), &observed)
            && is_within(&observed, &self.recorded(&[Forwarded, Failed, Abandoned]))
    }

    /// Waits until `check` holds.
    #[track_caller]
    fn wait_until(&self, awaited: &str, limit: Duration, check: impl Fn(&Self) -> bool) {
        let found = wait::until(limit, || Ok::<_, Infallible>(check(self).then_some(())));
        if found.unwrap().is_none() {
            panic!("{awaited}: {:?}", self.world.system.audit(VM).unwrap());
        }
    }

    /// Ends everything and checks what holds for every world, and that each request which reached
    /// the host has one record.
    #[track_caller]
    fn end(mut self) {
        // Nothing asks after this, and the agent's file is complete when it has drained.
        self.root.kill().unwrap();
        self.stop_agent();
        self.wait_until(
            "each request is recorded once",
            LIMIT,
            Self::is_recorded_once,
        );
        let Self { world, root } = self;
        root.stop().unwrap();
        let count = world.system.audit(VM).unwrap().len();
        world.end(&[(VM, count)]);
    }
}

fn count(targets: impl Iterator<Item = String>) -> Targets {
    let mut counts = Targets::new();
    for target in targets {
        *counts.entry(target).or_default() += 1;
    }
    counts
}

/// Whether no target is more often in `part` than in `whole`.
fn is_within(part: &Targets, whole: &Targets) -> bool {
    part.iter()
        .all(|(target, count)| whole.get(target).is_some_and(|all| count <= all))
}

/// The health reports that the host was given.
fn reports(machine: &Machine) -> Vec<String> {
    let inbox = machine.world.system.admin("/inbox").unwrap();
    let posts = inbox.as_array().unwrap().iter();
    let reports = posts.filter(|post| post["target"] == "/machine?comp=health");
    reports
        .map(|post| post["body"]["text"].as_str().unwrap().to_owned())
        .collect()
}
