//! Any bytes as the head of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| latchkey_fuzz::canonical_request(bytes));
