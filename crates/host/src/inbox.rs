//! The command `emulator inbox`: asks the running host what clients posted, and shows it.
//!
//! What a guest sent is never written to a terminal as it is.

mod client;
mod page;

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use latchkey_gateway::emulator::inbox::Posted;
use tokio::time::sleep;

use crate::cli::{Format, InboxArguments, InboxCommand};
use crate::config::Location;
use client::AdminClient;
pub use client::AdminError;

/// How often new posts are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why the inbox cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The host does not tell.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// There is no such post.
    #[error("post {number} is not in the inbox, which {range}")]
    NoSuchPost {
        /// The post.
        number: u64,
        /// What is there.
        range: Range,
    },
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// The posts that are there, by the numbers of the first and the last.
#[derive(Clone, Copy, Debug)]
pub struct Range(Option<(u64, u64)>);

impl Range {
    fn of(posts: &[Posted]) -> Self {
        let ends = posts.first().zip(posts.last());
        Self(ends.map(|(first, last)| (first.number, last.number)))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("is empty"),
            Some((first, last)) => write!(f, "holds {first} to {last}"),
        }
    }
}

/// Shows what the host at `admin` has in its inbox; a reader who has seen enough is no failure.
///
/// # Errors
/// When the host does not tell, or there is no such post.
pub async fn show(
    admin: Location,
    arguments: &InboxArguments,
    out: &mut impl Write,
) -> Result<(), InboxError> {
    let client = AdminClient::new(admin);
    let shown = match arguments.one {
        Some(InboxCommand::Show { number }) => {
            show_one(&client, number.get(), arguments.format, out).await
        }
        None => list(&client, arguments, out).await,
    };
    match shown {
        Err(InboxError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

async fn show_one(
    client: &AdminClient,
    number: u64,
    format: Format,
    out: &mut impl Write,
) -> Result<(), InboxError> {
    let posts = client.inbox().await?;
    let found = posts.iter().find(|posted| posted.number == number);
    let Some(posted) = found else {
        let range = Range::of(&posts);
        return Err(InboxError::NoSuchPost { number, range });
    };
    match format {
        Format::Table => page::post(posted, out)?,
        Format::Json => page::json(posted, out)?,
    }
    Ok(out.flush()?)
}

async fn list(
    client: &AdminClient,
    arguments: &InboxArguments,
    out: &mut impl Write,
) -> Result<(), InboxError> {
    let mut posts = client.inbox().await?;
    if arguments.format == Format::Table {
        page::heading(out)?;
    }
    let mut seen = 0;
    loop {
        let last = posts.last().map_or(0, |posted| posted.number);
        // A host that was started anew counts from 1 again.
        if last < seen {
            seen = 0;
        }
        for posted in posts.iter().filter(|posted| posted.number > seen) {
            if is_wanted(posted, arguments) {
                match arguments.format {
                    Format::Table => page::row(posted, out)?,
                    Format::Json => page::json(posted, out)?,
                }
            }
        }
        out.flush()?;
        if !arguments.follow {
            return Ok(());
        }
        seen = last;
        sleep(LOOK_EVERY).await;
        posts = client.inbox().await?;
    }
}

fn is_wanted(posted: &Posted, arguments: &InboxArguments) -> bool {
    let machine = arguments.machine.as_ref();
    machine.is_none_or(|machine| *machine == posted.machine)
        && arguments
            .endpoint
            .is_none_or(|endpoint| endpoint == posted.endpoint)
}
