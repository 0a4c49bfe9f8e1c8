//! A reactor's compressors: a few for all its connections, since no message refers to an earlier one.
//!
//! Each is made when it is first needed: a reactor whose clients never compress has none.

use fanwave_wire::ws::{Deflater, Inflater, WindowBits};

use crate::{format::Format, metrics::Metrics};

/// How many sizes of window there are.
const WINDOWS: usize = (WindowBits::MAX.get() - WindowBits::MIN.get() + 1) as usize;

/// At most one inflater (50 KB and the longest message) and a compressor per size of window (270 KB each); fans use the
/// largest window only.
#[derive(Debug, Default)]
pub(crate) struct Compression {
    inflater: Option<Box<Inflater>>,
    deflaters: [Option<Box<Deflater>>; WINDOWS],
    /// Where a frame is written.
    frame: Vec<u8>,
    /// Bytes of messages that were compressed for many.
    before: u64,
    /// Bytes of the frames they became.
    after: u64,
}

impl Compression {
    /// Lends the inflater: nobody else reads while a socket is worked on.
    pub(crate) fn lend_inflater(&mut self) -> Box<Inflater> {
        self.inflater.take().unwrap_or_default()
    }

    /// Takes the inflater back.
    pub(crate) fn return_inflater(&mut self, inflater: Box<Inflater>) {
        self.inflater = Some(inflater);
    }

    /// A compressed frame for all who are spoken to in a format.
    pub(crate) fn compress(&mut self, format: Format, message: &[u8]) -> &[u8] {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        format.append_gathered(message, self.deflater(WindowBits::MAX), &mut frame);
        self.before += message.len() as u64;
        self.after += frame.len() as u64;
        self.frame = frame;
        &self.frame
    }

    /// Adds the turn to the node's metrics.
    pub(crate) fn settle(&mut self, metrics: &Metrics) {
        if self.before > 0 {
            metrics.compressed(
                std::mem::take(&mut self.before),
                std::mem::take(&mut self.after),
            );
        }
    }

    /// The compressor of a window.
    pub(crate) fn deflater(&mut self, window: WindowBits) -> &mut Deflater {
        let place = usize::from(window.get() - WindowBits::MIN.get());
        self.deflaters[place].get_or_insert_with(|| Box::new(Deflater::new(window)))
    }
}
