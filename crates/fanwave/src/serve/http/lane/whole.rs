//! A prepared answer as it goes to every socket: head and body in one piece.

use std::{
    cell::{Cell, OnceCell},
    fs::File,
    io::{self, Write as _},
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};

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

    /// What is left behind so many of them, as pieces of the body that was written down.
    pub(super) fn pieces(&self, body: &Bytes, written: usize) -> impl Iterator<Item = Bytes> {
        let head = &self.bytes()[written.min(self.head)..self.head];
        let head = (!head.is_empty()).then(|| Bytes::copy_from_slice(head));
        let rest = body.slice(written.saturating_sub(self.head)..);
        head.into_iter().chain([rest])
    }

    /// Sends as much of it as the socket takes now.
    pub(super) fn send<O: Outlet>(&self, outlet: &mut O) -> io::Result<usize> {
        if !O::SENDS_FILES || self.bytes().len() < FILE_BYTES_MIN {
            return write(outlet, self.bytes());
        }
        if let Some(left) = self.copies.get().checked_sub(1) {
            self.copies.set(left);
        } else if let Some(file) = self.file.get_or_init(|| self.to_file()) {
            let length = self.bytes().len();
            let mut at = 0;
            match until_full(length, |sent| {
                outlet.send_file(file, &mut at, length - sent)
            }) {
                Err(error) if at == 0 && is_refusal(&error) => self.copies.set(usize::MAX),
                sent => return sent,
            }
        }
        write(outlet, self.bytes())
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

/// Whether the system sends no files to this socket.
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

/// Where answers are sent to.
pub(super) trait Outlet {
    /// Whether the system sends files here without a copy.
    const SENDS_FILES: bool;

    /// How many of these bytes are taken; fails with [`WouldBlock`](io::ErrorKind::WouldBlock) where none are now.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The same of a file from there on, where that is passed. Only where [`SENDS_FILES`](Self::SENDS_FILES).
    fn send_file(&mut self, file: &File, at: &mut u64, length: usize) -> io::Result<usize>;
}

/// How much of it is taken now.
pub(super) fn write(outlet: &mut impl Outlet, out: &[u8]) -> io::Result<usize> {
    until_full(out.len(), |sent| outlet.send(&out[sent..]))
}

fn until_full(
    length: usize,
    mut send: impl FnMut(usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut sent = 0;
    while sent < length {
        match send(sent) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => sent += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
