//! The HLS viewers of a worker (nobody watches yet).

use mio::{Registry, event::Event};

use crate::exchange::{Assignment, ViewerFigures};

/// All viewers of a worker.
#[derive(Debug)]
pub(super) struct Viewers {}

impl Viewers {
    pub(super) fn new(_task: &Assignment) -> Self {
        Self {}
    }
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        None
    }
    pub(super) fn handle_deadlines(
        &mut self,
        _now: u64,
        _registry: &Registry,
        _figures: &mut ViewerFigures,
    ) {
    }
    pub(super) fn handle_event(
        &mut self,
        _place: usize,
        _event: &Event,
        _registry: &Registry,
        _buffer: &mut [u8],
        _figures: &mut ViewerFigures,
    ) {
    }
}
