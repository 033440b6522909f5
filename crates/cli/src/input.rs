//! Lines of one file after another: plain or gzip, standard input too, each within a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

/// The longest line that is read, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How much is read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// How a gzip file begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line.
    Line,
    /// A line that is longer than what is read of one; none of it is kept.
    TooLong,
    /// The end of the input.
    End,
}

/// An open input.
pub(crate) struct Input {
    reader: Box<dyn BufRead>,
}

impl Input {
    /// Opens a file, or standard input for `-`; the bar moves by the bytes as they are stored.
    pub(crate) fn open(path: &Path, bar: &ProgressBar) -> io::Result<Self> {
        let raw: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path)?)
        };
        let mut stored = BufReader::with_capacity(BUFFER_BYTES, bar.wrap_read(raw));
        let reader: Box<dyn BufRead> = if stored.fill_buf()?.starts_with(&GZIP) {
            let decoder = MultiGzDecoder::new(stored);
            Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
        } else {
            Box::new(stored)
        };
        Ok(Self { reader })
    }

    /// Reads the next line without its end into `line`.
    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit).read_until(b'\n', line)?;
        if read == 0 {
            return Ok(Next::End);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read >= MAX_LINE_BYTES {
            line.clear();
            self.reader.skip_until(b'\n')?;
            return Ok(Next::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Next::Line)
    }
}
