//! The form of a row: a way round, what must become of it, and what proves it.

use latchkey_protocol::Reason;

/// What becomes of a way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It leads to the agent, which lets it through, signed, in the name of whoever asked.
    Brokered,
    /// It leads to the agent, which takes it for somebody else's and lets it through, signed.
    InAnothersName,
    /// The agent refuses it.
    Agent(Reason),
    /// The host refuses it.
    Host(Reason),
    /// The guest's kernel refuses it with this error.
    Kernel(&'static str),
    /// Nothing ever answers.
    Unanswered,
    /// It is left alone.
    Passes,
}

/// Where a row is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a test of `tests/bypass`, which leaves evidence.
    Evidence,
    /// By a test of this folder, which stands for more than this row.
    Elsewhere(&'static str),
}

/// A way round and what must become of it.
#[derive(Debug)]
pub struct Row {
    /// The test, named after the claim that it proves.
    pub test: &'static str,
    /// The threats that the way belongs to, by their number in the threat model.
    pub threats: &'static [u8],
    /// What is tried.
    pub way: &'static str,
    /// What must become of it.
    pub outcome: Outcome,
    /// What stands against it.
    pub stands_against: &'static str,
    /// What stays open, or nothing.
    pub residual: &'static str,
    /// Where it is proven.
    pub proof: Proof,
}

impl Row {
    pub(super) const fn new(
        test: &'static str,
        threats: &'static [u8],
        way: &'static str,
        outcome: Outcome,
        stands_against: &'static str,
    ) -> Self {
        Self {
            test,
            threats,
            way,
            outcome,
            stands_against,
            residual: "",
            proof: Proof::Evidence,
        }
    }

    pub(super) const fn but(mut self, residual: &'static str) -> Self {
        self.residual = residual;
        self
    }

    pub(super) const fn proven_in(mut self, folder: &'static str) -> Self {
        self.proof = Proof::Elsewhere(folder);
        self
    }
}

/// Rows that belong together.
#[derive(Debug)]
pub struct Section {
    /// What they have in common.
    pub title: &'static str,
    /// The rows, in the order of the table.
    pub rows: &'static [Row],
}

/// A threat that no test can settle, and why it stays as it is.
#[derive(Debug)]
pub struct Argument {
    /// Its number in the threat model.
    pub threat: u8,
    /// What it is.
    pub threat_is: &'static str,
    /// Why it stays open, or does not arise.
    pub argument: &'static str,
}
