//! Any bytes as a line of the audit trail.

#![no_main]

#[expect(dead_code, reason = "each target puts one claim to the test")]
#[path = "../src/claims.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::log_record(bytes));
