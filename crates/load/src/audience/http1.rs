//! HTTP/1.1 as a viewer speaks it: one request after the other on a connection that stays, answers of a stated length.

use super::wire::{Broken, Sink};

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The answers of one connection, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Http1 {
    /// The begin of a head that has not ended yet.
    head: Vec<u8>,
    /// Bytes of the body that are still to come; `None` between two answers.
    left: Option<u64>,
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
            let left = match self.left {
                Some(left) => left,
                None => match self.head(&mut input, sink)? {
                    Some(length) => length,
                    None => return Ok(()),
                },
            };
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
            let (body, rest) = input.split_at(taken);
            if !body.is_empty() {
                sink.data(0, body);
            }
            input = rest;
            let left = left - body.len() as u64;
            self.left = (left > 0).then_some(left);
            if left == 0 {
                sink.end(0);
            }
        }
        Ok(())
    }

    /// The length of the body, once the head is whole.
    fn head(&mut self, input: &mut &[u8], sink: &mut impl Sink) -> Result<Option<u64>, Broken> {
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
        let (status, length) = read_head(&self.head[..end])?;
        self.head.clear();
        sink.head(0, status);
        Ok(Some(length))
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Result<(u16, u64), Broken> {
    let text = std::str::from_utf8(head).map_err(|_| Broken("a head that is no text"))?;
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or(Broken("no HTTP/1.1"))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    };
    let length = text.lines().find_map(field);
    Ok((status, length.ok_or(Broken("an answer without a length"))?))
}

#[cfg(test)]
mod tests {
    use super::{super::wire::tests::Heard, *};

    const ANSWERS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhelloHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n\
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
                b"HTTP/1.1 200 OK\r\n\xff: 1\r\n\r\n",
                "a head that is no text",
            ),
        ] {
            let error = Http1::default().receive(bytes, &mut Heard::default());
            assert_eq!(error.unwrap_err().0, why);
        }
        let endless = vec![b'a'; HEAD_BYTES_MAX + 1];
        assert!(
            Http1::default()
                .receive(&endless, &mut Heard::default())
                .is_err()
        );
    }
}
