//! Reads a TOML text with everything that is wrong with it, each at its line and column.
//!
//! A configuration is corrected once and not once for every mistake: what does not fit is noted
//! and taken out, so that the rest can be read and checked too.

#![forbid(unsafe_code)]

mod document;
mod place;

pub use document::{Document, Misfit};
pub use place::Place;
