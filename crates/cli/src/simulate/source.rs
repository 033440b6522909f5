//! The requests of one file one after another, whatever its shape: lines, or one document.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use indicatif::ProgressBar;

use super::requests::{self, Shape};
use crate::input::{Input, MAX_LINE_BYTES, Next};

/// How some editors begin a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The largest document that is read, in bytes.
const MAX_DOCUMENT_BYTES: usize = MAX_LINE_BYTES * 4;

/// The requests of one file.
pub(super) struct Source {
    input: Input,
    /// How many lines were read, blank ones too.
    lines: u64,
    is_begun: bool,
    /// What was read to see what the file is.
    waiting: VecDeque<(Place, Vec<u8>)>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its line, or which entry of a document it is; from 1.
    pub(super) number: u64,
    /// Whether all of it was read.
    pub(super) is_whole: bool,
}

/// Why a file gives no more requests.
pub(super) enum SourceError {
    Input(io::Error),
    /// It is a document, and no JSON.
    Document(Vec<u8>, serde_json::Error),
}

impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

impl Source {
    pub(super) fn open(file: &Path, bar: &ProgressBar) -> io::Result<Self> {
        Ok(Self {
            input: Input::open(file, bar)?,
            lines: 0,
            is_begun: false,
            waiting: VecDeque::new(),
        })
    }

    /// Reads the next request into `text`; nothing at the end.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<Place>, SourceError> {
        if !self.is_begun {
            self.is_begun = true;
            self.begin()?;
        }
        match self.waiting.pop_front() {
            Some((place, waiting)) => {
                *text = waiting;
                Ok(Some(place))
            }
            None => Ok(self.line(text)?),
        }
    }

    /// Reads the next line that is not blank.
    fn line(&mut self, text: &mut Vec<u8>) -> io::Result<Option<Place>> {
        loop {
            let next = self.input.next_line(text)?;
            if next == Next::End {
                return Ok(None);
            }
            self.lines += 1;
            if self.lines == 1 && text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len());
            }
            if next == Next::TooLong || !text.trim_ascii().is_empty() {
                return Ok(Some(Place {
                    number: self.lines,
                    is_whole: next == Next::Line,
                }));
            }
        }
    }

    /// Reads as much as tells the shape of the file.
    fn begin(&mut self) -> Result<(), SourceError> {
        let mut text = Vec::new();
        let Some(place) = self.line(&mut text)? else {
            return Ok(());
        };
        let shape = if place.is_whole {
            requests::shape(&text)
        } else {
            Shape::Lines
        };
        self.waiting.push_back((place, text));
        match shape {
            Shape::Lines => return Ok(()),
            Shape::Document => self.read_on(|_line| false)?,
            // A document over many lines, or a log whose first line was cut off.
            Shape::Open => self.read_on(requests::is_one)?,
        };
        let is_alone = self.waiting.len() == 1;
        let last = self.waiting.back();
        let is_log = last.is_some_and(|(place, line)| place.is_whole && requests::is_one(line));
        if shape == Shape::Open && (is_alone || is_log) {
            return Ok(());
        }
        self.document()
    }

    /// Reads lines to the end, or to the first of which `is_enough` holds.
    fn read_on(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        let mut read = 0;
        let mut text = Vec::new();
        while let Some(place) = self.line(&mut text)? {
            read += text.len();
            if read > MAX_DOCUMENT_BYTES {
                let error = "the document is too large: give one request per line";
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            let is_last = is_enough(&text);
            self.waiting.push_back((place, std::mem::take(&mut text)));
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Takes what was read for one document, and its entries for the requests.
    fn document(&mut self) -> Result<(), SourceError> {
        let mut text = Vec::new();
        let mut line = 1;
        for (place, part) in self.waiting.drain(..) {
            // Blank lines count where a mistake is shown.
            let missed = usize::try_from(place.number - line).unwrap_or(0);
            text.extend(std::iter::repeat_n(b'\n', missed));
            text.extend(part);
            line = place.number;
        }
        let entries =
            requests::lines(&text).map_err(|error| SourceError::Document(text.clone(), error))?;
        let numbered = (1..).zip(entries).map(|(number, entry)| {
            let is_whole = true;
            let entry = Box::<str>::from(entry).into_string().into_bytes();
            (Place { number, is_whole }, entry)
        });
        self.waiting.extend(numbered);
        Ok(())
    }
}
