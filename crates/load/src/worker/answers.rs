//! Answers of an HTTP server on one kept-alive connection, as bytes only.
//!
//! Only answers that say their length are read: ours always do. Bodies of media are counted and dropped as they come;
//! playlists are kept, up to a bound.

use crate::{
    limits::{PLAYLIST_BYTES_MAX, UPGRADE_BYTES_MAX},
    protocol,
};

/// What shall become of the next body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Hand it out whole.
    Body,
    /// Count it.
    Nothing,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Empty when it was not to be kept.
    pub(super) body: Vec<u8>,
    pub(super) bytes: u64,
}

/// Why answers cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// No HTTP, or a header without end.
    Head,
    /// An answer that does not say its length.
    Length,
    /// A playlist beyond all measure.
    TooBig,
}

impl Unreadable {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Head => "not an HTTP answer",
            Self::Length => "an answer without a length",
            Self::TooBig => "a playlist that is too long",
        }
    }
}

/// Reads one answer after the other.
#[derive(Debug, Default)]
pub(super) struct Answers {
    head: Vec<u8>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    answer: Answer,
    left: u64,
}

impl Answers {
    /// Takes bytes up to the end of an answer; `None` once all are taken.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        keep: Keep,
    ) -> Result<Option<Answer>, Unreadable> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => match self.read_head(input)? {
                Some(body) => body,
                None => return Ok(None),
            },
        };
        let taken = usize::try_from(body.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (piece, rest) = input.split_at(taken);
        *input = rest;
        body.left -= taken as u64;
        body.answer.bytes += taken as u64;
        if keep == Keep::Body {
            if body.answer.body.len() + taken > PLAYLIST_BYTES_MAX {
                return Err(Unreadable::TooBig);
            }
            body.answer.body.extend_from_slice(piece);
        }
        if body.left == 0 {
            return Ok(Some(body.answer));
        }
        self.body = Some(body);
        Ok(None)
    }

    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Body>, Unreadable> {
        const END: &[u8] = b"\r\n\r\n";
        let before = self.head.len();
        let piece = &input[..input.len().min(UPGRADE_BYTES_MAX)];
        self.head.extend_from_slice(piece);
        let Some(end) = memchr::memmem::find(&self.head, END) else {
            *input = &input[piece.len()..];
            return if self.head.len() >= UPGRADE_BYTES_MAX {
                Err(Unreadable::Head)
            } else {
                Ok(None)
            };
        };
        *input = &input[end + END.len() - before..];
        let head = std::mem::take(&mut self.head);
        let status = protocol::http_status(&head).ok_or(Unreadable::Head)?;
        let left = content_length(&head[..end]).ok_or(Unreadable::Length)?;
        let answer = Answer {
            status,
            body: Vec::new(),
            bytes: 0,
        };
        Ok(Some(Body { answer, left }))
    }
}

fn content_length(head: &[u8]) -> Option<u64> {
    const NAME: &str = "content-length";
    let lines = head.split(|byte| *byte == b'\n');
    let mut lengths = lines.filter_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        name.eq_ignore_ascii_case(NAME)
            .then(|| value.trim().parse().ok())
    });
    lengths.next()?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &[u8], cuts: &[usize], keep: Keep) -> Result<Vec<Answer>, Unreadable> {
        let mut answers = Answers::default();
        let mut found = Vec::new();
        let mut rest = stream;
        let mut cuts = cuts.iter().copied().chain(std::iter::repeat(usize::MAX));
        while !rest.is_empty() {
            let (mut piece, after) =
                rest.split_at(cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len()));
            rest = after;
            while let Some(answer) = answers.next(&mut piece, keep)? {
                found.push(answer);
                if piece.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(
            read(b"SSH-2.0\r\n\r\n", &[], Keep::Body),
            Err(Unreadable::Head)
        );
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\n\r\n", &[], Keep::Body),
            Err(Unreadable::Length)
        );
        let endless = vec![b'x'; UPGRADE_BYTES_MAX];
        assert_eq!(read(&endless, &[], Keep::Body), Err(Unreadable::Head));
    }

    proptest! {
        #[test]
        fn answers_are_the_same_however_they_are_cut(
            bodies in prop::collection::vec((200_u16..600, prop::collection::vec(any::<u8>(), 0..300)), 0..8),
            cuts in prop::collection::vec(1_usize..80, 0..80), kept: bool,
        ) {
            let mut stream = Vec::new();
            for (status, body) in &bodies {
                stream.extend_from_slice(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nAge: 0\r\n\r\n", body.len()).as_bytes());
                stream.extend_from_slice(body);
            }
            let keep = if kept { Keep::Body } else { Keep::Nothing };
            let expected: Vec<Answer> = bodies.into_iter().map(|(status, body)| Answer {
                status,
                bytes: body.len() as u64,
                body: if kept { body } else { Vec::new() },
            }).collect();
            prop_assert_eq!(read(&stream, &cuts, keep).unwrap(), expected);
        }
    }
}
