//! Any bytes as a log, or as requests that somebody wrote down.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| latchkey_fuzz::log_record(bytes));
