//! Every maximum of the engines, with its bytes worked out.

use std::time::Duration;

use fanwave_wire::limits::HISTORY_PAGE_MAX;

/// Channels that the in-process engine has open.
///
/// Each holds its newest messages and remembers client message ids: 0.2 MB of usual messages, 200 MB for all; 1.5 MB
/// at worst. A channel beyond these takes the place of the one unused for longest, or is refused as busy while all are
/// in use.
pub const CHANNELS_MAX: usize = 1_024;

/// After how long without a subscriber and without a message a channel is closed.
pub const CHANNEL_IDLE_MAX: Duration = Duration::from_secs(300);

/// How often idle channels and overdue answers are looked for.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Batches on their way to the store: one per channel can be.
pub const APPENDS_MAX: usize = CHANNELS_MAX;

/// Events on one page: worst 10 MB, usually 1 MB, and only while a room is being opened.
pub const EVENTS_PAGE_MAX: usize = 5_000;

// The store must never be the one to say that too many appends wait: the sequencers hold them back, one each.
const _: () = assert!(APPENDS_MAX < fanwave_store::limits::WRITE_QUEUE_MAX);
// A sequencer's batch must fit an append of the store.
const _: () = assert!(fanwave_room::limits::APPEND_BATCH_MAX <= fanwave_store::limits::APPEND_MAX);
// Whoever is still waiting for an answer must find the channel open.
const _: () =
    assert!(fanwave_room::limits::APPEND_WAIT_MAX.as_millis() < CHANNEL_IDLE_MAX.as_millis());
// A page of history is one read.
const _: () = assert!(HISTORY_PAGE_MAX <= fanwave_store::limits::READ_MAX);
const _: () = assert!(EVENTS_PAGE_MAX <= fanwave_store::limits::EVENTS_READ_MAX);
