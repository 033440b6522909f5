//! Answers that were given, so that equal questions of a log are judged once.
//!
//! Bounded: when the questions take too much memory, all are forgotten and asked anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Judged, Question};

/// How much the kept questions may take, in bytes of their texts and of the table.
const MAX_BYTES: usize = 48 * 1024 * 1024;

/// What a question takes besides its target: attributes of a caller are short.
const QUESTION_BYTES: usize = 1024;

/// The questions of one state of time, with their answers.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// The answers, each with its question: a map lends its values alone.
    answers: HashMap<Question, (Question, Judged)>,
    bytes: usize,
    /// How many Audits had ended when these answers were given.
    ended: usize,
}

impl Memo {
    /// Returns the answer to a question, and asks if it is new.
    pub(super) fn get_or_insert(
        &mut self,
        question: Question,
        ended: usize,
        ask: impl FnOnce(&Question) -> Judged,
    ) -> (&Question, &Judged) {
        if self.ended != ended || self.bytes > MAX_BYTES {
            self.answers.clear();
            self.bytes = 0;
            self.ended = ended;
        }
        let kept = match self.answers.entry(question) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                self.bytes += QUESTION_BYTES + new.key().target.len();
                let judged = ask(new.key());
                let question = new.key().clone();
                new.insert((question, judged))
            }
        };
        (&kept.0, &kept.1)
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::{Attributes, Caller, Elevation, EndpointKind};

    use super::*;

    fn question(target: String) -> Question {
        Question {
            endpoint: EndpointKind::Imds,
            method: "GET".to_owned(),
            target: target.into_bytes(),
            caller: Caller {
                elevation: Elevation::Root,
                attributes: Ok(Attributes::default()),
            },
            objection: None,
        }
    }

    const NOTHING: Judged = Judged {
        candidate: None,
        current: None,
    };

    #[test]
    fn equal_questions_are_asked_once_until_an_audit_ends() {
        let mut memo = Memo::default();
        let mut asked = 0;
        for (target, ended) in [("/a", 0), ("/b", 0), ("/a", 0), ("/a", 1), ("/a", 1)] {
            memo.get_or_insert(question(target.to_owned()), ended, |_| {
                asked += 1;
                NOTHING
            });
        }
        assert_eq!(asked, 3);
    }

    #[test]
    fn memory_is_bounded_whatever_is_asked() {
        let mut memo = Memo::default();
        for at in 0..60_000 {
            memo.get_or_insert(question(format!("/{at:01000}")), 0, |_| NOTHING);
            assert!(memo.bytes <= MAX_BYTES + 2 * QUESTION_BYTES);
        }
        assert!(memo.answers.len() * 2 * QUESTION_BYTES <= MAX_BYTES + 4 * QUESTION_BYTES);
    }
}
