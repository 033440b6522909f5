//! Guests and their host as namespaces on one machine, for the demo, the tests and the benchmarks.
//!
//! A [`Lab`] stands for as long as its value lives. Nothing in it reaches outside: a guest has a
//! route to its host's metadata addresses and to nothing else, and the machine's own network
//! namespace never holds one of these addresses. It is no security boundary: the guests share the
//! machine's files and process ids, so run in it only programs that you would run as root anyway.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = latchkey_lab::Lab::builder().guest("web").start()?;
//! let answer = lab
//!     .guest("web")?
//!     .command("app", "curl")
//!     .args(["--silent", "http://169.254.169.254/metadata/versions"])
//!     .output(Duration::from_secs(5))?;
//! println!("{}", answer.stdout_text());
//! # Ok(())
//! # }
//! ```

pub mod account;
pub mod bench;
pub mod binaries;
pub mod bypass;
pub mod cgroup;
pub mod command;
pub mod curl;
pub mod demo;
pub mod dhcp;
pub mod entry;
pub mod files;
pub mod guest;
pub mod id;
pub mod lab;
mod logs;
pub mod mounts;
pub mod namespace;
pub mod network;
pub mod node;
mod pid_namespace;
pub mod pins;
pub mod process;
mod remains;
pub mod root;
pub mod state;
pub mod sweep;
pub mod system;
pub mod wait;

pub use account::Account;
pub use command::{Command, Output};
pub use guest::Guest;
pub use lab::{Lab, LabError};
pub use node::Node;
pub use process::{Process, ProcessError};
pub use root::{Root, RootError, Tree};
pub use system::{GuestPlan, Identity, Profile, System, SystemError};
