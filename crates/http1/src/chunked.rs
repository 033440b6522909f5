//! Decodes the chunked transfer coding (RFC 9112 section 7.1); trailers are dropped.
//!
//! Refuses bare line feeds, sizes that are not plain hexadecimal and lines without end.

use bytes::{Buf as _, Bytes, BytesMut};
use latchkey_protocol::Reason;

/// The longest chunk-size line with extensions, and the longest trailer section, in bytes.
const MAX_LINE_BYTES: usize = 1024;
const MAX_TRAILER_LINES: usize = 32;

/// Where in a chunked body the decoder is.
#[derive(Debug)]
pub(crate) enum ChunkedDecoder {
    Size,
    Data(u64),
    DataEnd,
    Trailer(usize),
    Done,
}

impl ChunkedDecoder {
    /// Takes the next piece of data out of `buffer`; nothing when more bytes are needed or the body is done.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Reason> {
        loop {
            match self {
                Self::Size => match take_line(buffer)? {
                    None => return Ok(None),
                    Some(line) => {
                        let size = parse_size(&line)?;
                        *self = if size == 0 {
                            Self::Trailer(0)
                        } else {
                            Self::Data(size)
                        };
                    }
                },
                Self::Data(_) if buffer.is_empty() => return Ok(None),
                Self::Data(left) => {
                    let length =
                        usize::try_from(*left).map_or(buffer.len(), |l| l.min(buffer.len()));
                    *left -= length as u64;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Some(buffer.split_to(length).freeze()));
                }
                Self::DataEnd => match take_line(buffer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => *self = Self::Size,
                    Some(_) => return Err(Reason::MalformedBody),
                },
                Self::Trailer(lines) => match take_line(buffer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => *self = Self::Done,
                    Some(_) if *lines >= MAX_TRAILER_LINES => return Err(Reason::MalformedBody),
                    Some(_) => *lines += 1,
                },
                Self::Done => return Ok(None),
            }
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// Takes a line that ends in CR LF, without its end.
fn take_line(buffer: &mut BytesMut) -> Result<Option<Bytes>, Reason> {
    let Some(end) = buffer.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() > MAX_LINE_BYTES {
            Err(Reason::MalformedBody)
        } else {
            Ok(None)
        };
    };
    let mut line = buffer.split_to(end + 1).freeze();
    line.truncate(end);
    match line.last() {
        Some(b'\r') if end <= MAX_LINE_BYTES => {
            line.truncate(end - 1);
            if line.contains(&b'\r') {
                Err(Reason::MalformedBody)
            } else {
                Ok(Some(line))
            }
        }
        _ => Err(Reason::MalformedBody),
    }
}

/// Reads a size and skips extensions.
fn parse_size(line: &Bytes) -> Result<u64, Reason> {
    let mut digits = line.clone();
    if let Some(extension) = line.iter().position(|byte| *byte == b';') {
        digits.truncate(extension);
    }
    let mut size: u64 = 0;
    if digits.is_empty() || digits.len() > 15 {
        return Err(Reason::MalformedBody);
    }
    while digits.has_remaining() {
        let digit = char::from(digits.get_u8())
            .to_digit(16)
            .ok_or(Reason::MalformedBody)?;
        size = size << 4 | u64::from(digit);
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Reason> {
        let mut decoder = ChunkedDecoder::Size;
        let (mut buffer, mut data) = (BytesMut::new(), Vec::new());
        for part in bytes.chunks(piece) {
            buffer.extend_from_slice(part);
            while let Some(chunk) = decoder.decode(&mut buffer)? {
                data.extend_from_slice(&chunk);
            }
        }
        assert!(decoder.is_done(), "not done: {decoder:?}");
        Ok((data, buffer.to_vec()))
    }

    #[test]
    fn chunks_arrive_whole_however_they_are_cut() {
        let bytes = b"5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\nGET";
        for piece in 1..bytes.len() {
            let (data, rest) = decode(bytes, piece).unwrap();
            assert_eq!(
                (data.as_slice(), rest.as_slice()),
                (&b"hello0123456789"[..], &b"GET"[..])
            );
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bytes in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\nhello",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"0\r\nx: y\n\r\n",
        ] {
            assert_eq!(decode(bytes, 4096), Err(Reason::MalformedBody), "{bytes:?}");
        }
    }

    #[test]
    fn lines_are_bounded() {
        let endless = [b'1'; MAX_LINE_BYTES + 1];
        assert_eq!(decode(&endless, 64), Err(Reason::MalformedBody));
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILER_LINES + 1));
        assert_eq!(decode(trailers.as_bytes(), 64), Err(Reason::MalformedBody));
    }
}
