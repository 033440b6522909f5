//! The host program: the gateway with its key database, machine files, observations and admin interface.
//!
//! [`config`] and [`machines`] turn files into checked values, [`app`] runs the parts.
//! Decides nothing about requests: that is the gateway's.

#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod attestation;
pub mod cli;
pub mod config;
pub mod descriptors;
pub mod inbox;
pub mod keystore;
pub mod machines;
pub mod observations;
mod secret_file;
pub mod signals;
pub mod token_key;
pub mod upstream;
