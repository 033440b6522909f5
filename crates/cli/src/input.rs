//! Lines of one file after another: plain or gzip, standard input too, each within a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How much is read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// How a gzip file begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

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

    /// Reads the next line without its end into `line`; false at the end of the input.
    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit).read_until(b'\n', line)?;
        if read == 0 {
            return Ok(false);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read >= MAX_LINE_BYTES {
            let error = format!("a line is longer than {MAX_LINE_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(true)
    }

    /// Reads the rest, as far as documents are read.
    pub(crate) fn rest(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        let limit = u64::try_from(MAX_LINE_BYTES * 4).unwrap_or(u64::MAX);
        (&mut self.reader).take(limit).read_to_end(text)?;
        if self.reader.fill_buf()?.is_empty() {
            return Ok(());
        }
        let error = "the document is too large: give one request per line";
        Err(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
