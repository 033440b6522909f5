//! The program itself, as a script meets it: standard output, standard error, exit code.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; a failure is the test's"
)]

mod explain;
mod pages;
mod profile;
mod ran;
mod schema;
mod signature;
mod simulate;
