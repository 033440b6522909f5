//! Programs of others around ours: each that comes or goes is logged once.

use std::collections::HashSet;

use latchkey_intercept::{Neighbour, Order, Survey};
use latchkey_record::protection::{NeighbourStatus, Surroundings};

/// At most this many are listed in the status.
const MAX_NEIGHBOURS: usize = 100;

/// The programs that were there when it was last looked.
#[derive(Debug, Default)]
pub struct Neighbourhood(HashSet<NeighbourStatus>);

impl Neighbourhood {
    /// Takes what a look around found and returns it as the status shows it.
    pub fn follow(&mut self, survey: &Survey) -> Surroundings {
        let found: HashSet<_> = survey.neighbours.iter().map(neighbour_status).collect();
        self.0.difference(&found).for_each(tell_of_leaving);
        found.difference(&self.0).for_each(tell_of_coming);
        self.0 = found;
        surroundings(survey)
    }
}

fn tell_of_leaving(gone: &NeighbourStatus) {
    tracing::info!(
        hook = gone.hook,
        cgroup = gone.cgroup,
        program = gone.program,
        name = gone.name,
        "a program of somebody else is gone"
    );
}

/// What runs after ours can undo what ours did; what runs before cannot.
fn tell_of_coming(new: &NeighbourStatus) {
    let effects = new.effects.join(", ");
    if new.order == Order::After.as_str() {
        tracing::warn!(
            hook = new.hook,
            cgroup = new.cgroup,
            program = new.program,
            name = new.name,
            effects,
            "a program of somebody else runs after ours"
        );
    } else {
        tracing::info!(
            hook = new.hook,
            cgroup = new.cgroup,
            program = new.program,
            name = new.name,
            order = new.order,
            effects,
            "a program of somebody else is at a hook that matters"
        );
    }
}

/// Puts what was found into the form of the status.
fn surroundings(survey: &Survey) -> Surroundings {
    let neighbours = survey.neighbours.iter().take(MAX_NEIGHBOURS);
    Surroundings {
        cgroups: survey.cgroups,
        cgroups_skipped: survey.skipped,
        neighbours: neighbours.map(neighbour_status).collect(),
        neighbours_omitted: survey.neighbours.len().saturating_sub(MAX_NEIGHBOURS),
    }
}

fn neighbour_status(neighbour: &Neighbour) -> NeighbourStatus {
    let effects = neighbour.effects.iter();
    NeighbourStatus {
        hook: neighbour.hook.to_owned(),
        cgroup: neighbour.cgroup.display().to_string(),
        program: neighbour.program_id,
        name: neighbour.name.clone(),
        tag: hex::encode(neighbour.tag),
        sharing: neighbour.sharing.as_str().to_owned(),
        order: neighbour.order.as_str().to_owned(),
        effects: effects.map(|effect| effect.as_str().to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_intercept::{Effect, Sharing};

    use super::*;

    fn neighbour(program_id: u32) -> Neighbour {
        Neighbour {
            hook: "connect4",
            cgroup: "/sys/fs/cgroup".into(),
            program_id,
            name: "other".to_owned(),
            tag: [0xab; 8],
            sharing: Sharing::Multi,
            order: Order::After,
            effects: vec![Effect::Rewrite, Effect::Overrule],
        }
    }

    #[test]
    fn list_in_the_status_is_bounded_and_says_what_it_leaves_out() {
        let survey = Survey {
            neighbours: (0..103).map(neighbour).collect(),
            cgroups: 7,
            ..Survey::default()
        };
        let shown = Neighbourhood::default().follow(&survey);
        assert_eq!((shown.neighbours.len(), shown.neighbours_omitted), (100, 3));
        assert_eq!(shown.cgroups, 7);
        let first = &shown.neighbours[0];
        assert_eq!(first.tag, "abababababababab");
        assert_eq!(first.effects, ["rewrite", "overrule"]);
        assert_eq!(
            (first.order.as_str(), first.sharing.as_str()),
            ("after", "multi")
        );
    }
}
