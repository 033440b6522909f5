//! What must hold for any bytes; a claim that does not hold panics.
//!
//! The fuzz targets put new bytes to these functions, and a test of `latchkey-policy` the
//! corpora, so that what a fuzzer once found stays checked by every run of the tests.

mod document;
mod line;
mod log;
mod request;
mod spelling;

pub use document::profile_document;
pub use log::log_record;
pub use request::canonical_request;
