//! Any bytes as the head of a request.

#![no_main]

#[expect(dead_code, reason = "each target puts one claim to the test")]
#[path = "../src/claims.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::canonical_request(bytes));
