//! HTTP/1.1 as a viewer speaks it (RFC 9112): one request after the other on a connection that stays, answers of a stated length
//! or in chunks.

use super::wire::{Broken, Sink};

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of a line between two chunks: a size with its extensions, or a trailer.
const LINE_BYTES_MAX: usize = 1024;

/// The answers of one connection, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Http1 {
    /// The begin of a head that has not ended yet.
    head: Vec<u8>,
    /// The body that is under way; `None` between two answers.
    body: Option<Body>,
    /// The begin of a line between two chunks that has not ended yet.
    line: Vec<u8>,
}

/// What of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// So many bytes, and the answer is whole.
    Length(u64),
    /// So many bytes of a chunk, and the end of its line.
    Chunk(u64),
    /// The end of the line behind a chunk.
    ChunkEnd,
    /// A line with the size of the next chunk.
    Size,
    /// Lines behind the last chunk, until an empty one.
    Trailer,
}

impl Http1 {
    /// Writes a request.
    pub(super) fn request(out: &mut Vec<u8>, host: &str, path: &str) {
        for piece in [
            "GET ",
            path,
            " HTTP/1.1\r\nHost: ",
            host,
            "\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n",
        ] {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Takes what came.
    pub(super) fn receive(&mut self, mut input: &[u8], sink: &mut impl Sink) -> Result<(), Broken> {
        while !input.is_empty() {
            let body = match self.body {
                Some(body) => body,
                None => match self.head(&mut input, sink)? {
                    Some(body) => body,
                    None => return Ok(()),
                },
            };
            self.body = self.go_on(body, &mut input, sink)?;
            if self.body.is_none() {
                sink.end(0);
            }
        }
        Ok(())
    }

    /// Takes what belongs to the body; says what is still to come of it.
    fn go_on(
        &mut self,
        body: Body,
        input: &mut &[u8],
        sink: &mut impl Sink,
    ) -> Result<Option<Body>, Broken> {
        Ok(match body {
            Body::Length(left) => {
                let left = take(left, input, sink);
                (left > 0).then_some(Body::Length(left))
            }
            Body::Chunk(left) => match take(left, input, sink) {
                0 => Some(Body::ChunkEnd),
                left => Some(Body::Chunk(left)),
            },
            Body::ChunkEnd => match self.line(input)? {
                Some(line) if line.is_empty() => Some(Body::Size),
                Some(_) => return Err(Broken("a chunk that is longer than it says")),
                None => Some(body),
            },
            Body::Size => match self.line(input)? {
                Some(line) => match chunk_size(&line).ok_or(Broken("a chunk without a size"))? {
                    0 => Some(Body::Trailer),
                    size => Some(Body::Chunk(size)),
                },
                None => Some(body),
            },
            Body::Trailer => match self.line(input)? {
                Some(line) if line.is_empty() => None,
                Some(_) | None => Some(body),
            },
        })
    }

    /// The next line, without its end, once it is whole.
    fn line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let end = memchr::memchr(b'\n', input);
        let (taken, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        self.line.extend_from_slice(taken);
        *input = rest;
        if self.line.len() > LINE_BYTES_MAX {
            return Err(Broken("a line without an end"));
        }
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.truncate(line.len() - 1);
        line.pop_if(|last| *last == b'\r');
        Ok(Some(line))
    }

    /// What body follows, once the head is whole.
    fn head(&mut self, input: &mut &[u8], sink: &mut impl Sink) -> Result<Option<Body>, Broken> {
        let seen = self.head.len().saturating_sub(3);
        self.head.extend_from_slice(input);
        let Some(end) = memchr::memmem::find(&self.head[seen..], b"\r\n\r\n") else {
            *input = &[];
            return if self.head.len() > HEAD_BYTES_MAX {
                Err(Broken("a head without an end"))
            } else {
                Ok(None)
            };
        };
        let end = seen + end + 4;
        let behind = self.head.len() - end;
        *input = &input[input.len() - behind..];
        let (status, body) = read_head(&self.head[..end])?;
        self.head.clear();
        sink.head(0, status);
        Ok(Some(body))
    }
}

/// Hands on what has come of so many bytes; how many are still to come.
fn take(left: u64, input: &mut &[u8], sink: &mut impl Sink) -> u64 {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (bytes, rest) = input.split_at(taken);
    if !bytes.is_empty() {
        sink.data(0, bytes);
    }
    *input = rest;
    left - bytes.len() as u64
}

/// The size of a chunk: hexadecimal digits, and extensions that say nothing to a viewer.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim_end();
    // A sign is no digit.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// Status, and what body follows.
fn read_head(head: &[u8]) -> Result<(u16, Body), Broken> {
    let text = std::str::from_utf8(head).map_err(|_| Broken("a head that is no text"))?;
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or(Broken("no HTTP/1.1"))?;
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then(|| value.trim()))
    };
    let body = match field("transfer-encoding") {
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => Body::Size,
        Some(_) => return Err(Broken("an answer in an unknown coding")),
        None => field("content-length")
            .and_then(|length| length.parse().ok())
            .map(Body::Length)
            .ok_or(Broken("an answer without a length"))?,
    };
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::{super::wire::tests::Heard, *};

    const ANSWERS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhelloHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;name=value\r\nhello\r\nb\r\n in chunks\n\r\n00\r\ntrailer: x\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length:  3\r\n\r\nend";

    #[test]
    fn answers_are_told_apart_however_they_are_cut() {
        for piece in 1..ANSWERS.len() {
            let mut heard = Heard::default();
            let mut http = Http1::default();
            for piece in ANSWERS.chunks(piece) {
                http.receive(piece, &mut heard).unwrap();
            }
            // An answer without a body ends with the next bytes, or at once where its head came whole.
            assert_eq!(
                heard.answers,
                [
                    (0, 200, b"hello".to_vec()),
                    (0, 404, Vec::new()),
                    (0, 200, b"hello in chunks\n".to_vec()),
                    (0, 200, b"end".to_vec())
                ],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (bytes, why) in [
            (
                &b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
                "no HTTP/1.1",
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n", "an answer without a length"),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
                "an answer in an unknown coding",
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n",
                "a chunk without a size",
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
                "a chunk that is longer than it says",
            ),
            (
                b"HTTP/1.1 200 OK\r\n\xff: 1\r\n\r\n",
                "a head that is no text",
            ),
        ] {
            let error = Http1::default().receive(bytes, &mut Heard::default());
            assert_eq!(error.unwrap_err().0, why);
        }
        let mut line = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        line.resize(line.len() + LINE_BYTES_MAX + 1, b'0');
        let error = Http1::default().receive(&line, &mut Heard::default());
        assert_eq!(error.unwrap_err().0, "a line without an end");
        let endless = vec![b'a'; HEAD_BYTES_MAX + 1];
        assert!(
            Http1::default()
                .receive(&endless, &mut Heard::default())
                .is_err()
        );
    }
}
