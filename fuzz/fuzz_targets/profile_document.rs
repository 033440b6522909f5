//! Any bytes as the text of a profile.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| latchkey_fuzz::profile_document(bytes));
