//! A prepared answer as it goes to every socket: head and body in one piece.

use std::{
    cell::{Cell, OnceCell},
    fs::File,
    io::{self, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;
use rustix::fs::{MemfdFlags, memfd_create};

use super::road::Road;

/// Where processors copy fastest from.
const ALIGNED_TO: usize = 64;

/// Room for a head; they are shorter.
const HEAD_BYTES_USUAL: usize = 1024;

/// What is shorter the system copies in less time than it takes to lay hands on the pages of a file.
const FILE_BYTES_MIN: usize = 32 * 1024;

/// So many are sent a copy before a file is made, which costs as much as some copies.
const COPIES: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Vec<u8>,
    /// Where the answer begins in them: at a byte that is well aligned.
    begin: usize,
    head: usize,
    /// How many more are sent a copy.
    copies: Cell<usize>,
    /// The same as a file, which nobody writes to again: the system sends its pages themselves. None where it cannot be.
    file: OnceCell<Option<File>>,
}

impl Whole {
    /// Puts an answer together, in the memory of one that is not needed any more.
    pub(super) fn new(
        spare: Option<Self>,
        body: &[u8],
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let mut bytes = spare.map(|spare| spare.bytes).unwrap_or_default();
        let begin = clear(&mut bytes, body.len() + HEAD_BYTES_USUAL);
        write_head(&mut bytes);
        let head = bytes.len() - begin;
        bytes.extend_from_slice(body);
        Self {
            bytes,
            begin,
            head,
            copies: Cell::new(COPIES),
            file: OnceCell::new(),
        }
    }

    /// Head and body.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }

    /// How many of them are the head.
    pub(super) fn head(&self) -> usize {
        self.head
    }

    /// Sends as much of it as the socket takes now.
    pub(super) fn send<I: Road>(&self, io: &mut I, context: &mut Context<'_>) -> io::Result<usize> {
        if !I::SENDS_FILES || self.bytes().len() < FILE_BYTES_MIN {
            return write(io, self.bytes(), context);
        }
        if let Some(left) = self.copies.get().checked_sub(1) {
            self.copies.set(left);
        } else if let Some(file) = self.file.get_or_init(|| self.to_file()) {
            match io.poll_send_file(context, file, self.bytes().len()) {
                Poll::Pending => return Ok(0),
                Poll::Ready(Err(error)) if is_refusal(&error) => self.copies.set(usize::MAX),
                Poll::Ready(sent) => return sent,
            }
        }
        write(io, self.bytes(), context)
    }

    /// None if the system has no room for it: then it is copied to each, as before.
    fn to_file(&self) -> Option<File> {
        let made = || {
            let mut file = File::from(memfd_create("fanwave-answer", MemfdFlags::CLOEXEC)?);
            file.write_all(self.bytes())?;
            io::Result::Ok(file)
        };
        made()
            .inspect_err(
                |error| tracing::debug!(%error, "an answer is copied to each who is sent it"),
            )
            .ok()
    }
}

/// Whether the system sends no files to this socket, of which it has sent nothing then.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Empties memory but for what comes before the first byte that is well aligned, and sees to it that there is room for so many
/// bytes behind it.
pub(super) fn clear(bytes: &mut Vec<u8>, room: usize) -> usize {
    bytes.clear();
    bytes.reserve(ALIGNED_TO + room);
    let begin = bytes.as_ptr().align_offset(ALIGNED_TO).min(ALIGNED_TO);
    bytes.resize(begin, 0);
    begin
}

/// How much of it the socket takes now.
pub(super) fn write<I: Write + Unpin>(
    io: &mut I,
    out: &[u8],
    context: &mut Context<'_>,
) -> io::Result<usize> {
    let mut written = 0;
    while written < out.len() {
        match Pin::new(&mut *io).poll_write(context, &out[written..]) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(taken) => written += taken?,
            Poll::Pending => break,
        }
    }
    Ok(written)
}
