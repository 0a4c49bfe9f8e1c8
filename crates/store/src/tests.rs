//! One suite of cases over every adapter, and what is true of each alone.

mod archive;
#[cfg(feature = "cassandra")]
mod cassandra;
mod catalogue;
mod emotes;
mod forgetting;
#[cfg(feature = "cassandra")]
pub(crate) mod node;
mod postgres;
mod retention;
mod sealed;
pub(crate) mod server;
mod shows;
mod sqlite;
mod suite;
mod webhooks;

use std::sync::Arc;

use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Event, Offset, Publication, Role, Sender, Text,
    UnixMillis, UserId,
};

use crate::{Store, free_port::free_port};

/// Where a log is, which a case begins with none in.
trait Place: Sized {
    /// The module of its tests.
    const MODULE: &'static str;

    /// Whether what people say can be found in it only with their keys.
    const SEALED: bool = false;

    async fn new() -> Self;

    /// The place that another process calls so.
    fn called(name: &str) -> Self;

    fn name(&self) -> String;

    async fn open(&self) -> Store;

    /// Works on the log as another program would, while it is closed.
    async fn tamper(&self, sql: &'static str);

    /// Whether this text is anywhere in the log: in the bytes of its files, or in the rows of a database server's tables.
    async fn has(&self, needle: &'static str) -> bool;

    /// Returns when what a process that was killed has left in the air has come down.
    async fn settle(&self);
}

/// Makes a test of each case of the suite, in a place of this kind.
macro_rules! cases {
    ($place:ty) => {
        cases! {
            $place:
            what_was_appended_is_there_after_the_log_is_opened_again,
            every_role_is_read_as_it_was_written,
            a_page_is_a_stretch_in_either_order,
            channels_have_offsets_and_epochs_of_their_own,
            a_message_that_is_held_is_named_and_nothing_of_its_append_is_written,
            an_append_fits_the_head_or_is_refused_without_disturbing_others,
            many_channels_append_at_once,
            settings_are_bytes_that_last,
            what_is_too_large_is_refused,
            a_closed_store_has_written_what_waited_and_says_that_it_is_closed,
            a_damaged_row_is_found_and_the_rest_stays_readable,
            what_a_moderator_deletes_is_gone_with_the_acknowledgement,
            events_are_read_alone,
            an_epoch_is_the_same_for_all_who_begin_a_channel,
            whoever_is_forgotten_is_nowhere_in_the_log,
            whoever_is_forgotten_stays_in_rooms_under_hold,
            what_was_said_is_found_page_by_page,
            a_channel_is_exported_in_pieces,
            what_was_acknowledged_survives_a_kill,
            texts_go_when_their_time_is_over_and_events_stay,
            a_room_under_hold_keeps_everything_until_it_is_released,
            each_room_has_its_own_time,
            a_longer_time_saves_what_is_there_and_a_shorter_one_ends_it,
            more_than_one_transaction_takes_goes_in_one_sweep,
        }
    };
    ($place:ty: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::tests::suite::$case(crate::tests::suite::place::<$place>().await).await;
            }
        )+
    };
}
use cases;

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

pub(crate) fn message(offset: u64, id: &str) -> Arc<Publication> {
    said(
        offset,
        id,
        Body::Text(Text::plain("최고다! 🎉 '; DROP TABLE messages; --")),
    )
}

fn event(offset: u64, id: &str, event: Event) -> Arc<Publication> {
    said(offset, id, Body::Event(Box::new(event)))
}

fn said(offset: u64, id: &str, body: Body) -> Arc<Publication> {
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(1_800_000_000_000 + offset),
        draft: Draft {
            id: ClientMessageId(id.into()),
            sender: Sender {
                user: UserId("fan-1".into()),
                name: "미나".into(),
                role: Role::Fan,
                badge: None,
            },
            body,
        },
    })
}

/// Messages `from` to `through`, each with an id of its own.
fn run(from: u64, through: u64) -> Vec<Arc<Publication>> {
    (from..=through)
        .map(|offset| message(offset, &format!("m{offset}")))
        .collect()
}

fn offsets(publications: &[Arc<Publication>]) -> Vec<u64> {
    publications
        .iter()
        .map(|publication| publication.offset.0)
        .collect()
}
