//! The cases that every engine passes, each one promise of the [`Engine`] contract.
//!
//! An adapter implements [`Harness`] over its real server or file, and [`conformance_cases!`](crate::conformance_cases)
//! makes a test of each case. A case panics with what was promised and not kept. None of them sleeps: they wait for
//! events, with a deadline.

mod deletion;
mod duplicates;
mod faults;
mod nodes;
mod reading;
mod recorder;
mod writing;

use std::{future::Future, sync::Arc};

use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Offset, Publication, Role, Sender, Text, UserId,
};

pub use self::{
    deletion::*, duplicates::*, faults::*, nodes::*, reading::*, recorder::Recorder, writing::*,
};
use crate::{Ack, Engine, EngineError, HistoryQuery};

/// What a case needs of an adapter: engines over one log, and a log that can be made to fail.
pub trait Harness {
    /// Starts an engine on the log; a case runs one at a time.
    fn start(&mut self) -> impl Future<Output = Arc<dyn Engine>>;

    /// Ends the engine that runs without any courtesy beyond what a dying process shows.
    fn end(&mut self, engine: Arc<dyn Engine>) -> impl Future<Output = ()>;

    /// Makes the log refuse to be written, within a thousand messages from now.
    fn break_log(&mut self) -> impl Future<Output = ()>;

    /// Makes the log work again.
    fn mend_log(&mut self) -> impl Future<Output = ()>;
}

/// What the cases of many servers need besides: more engines over the same log, and a broker between them.
///
/// An engine whose log belongs to one process has no such harness, and these cases do not exist for it.
pub trait SharedHarness: Harness {
    /// Starts one more engine on the log, as another server would.
    fn start_another(&mut self) -> impl Future<Output = Arc<dyn Engine>>;

    /// Cuts all engines off from what the broker says; they are to notice it, and help themselves.
    fn interrupt(&mut self) -> impl Future<Output = ()>;

    /// Cuts at least this engine off from what the broker says until [`SharedHarness::resume`].
    fn pause(&mut self, engine: &Arc<dyn Engine>) -> impl Future<Output = ()>;

    /// Ends that.
    fn resume(&mut self, engine: &Arc<dyn Engine>) -> impl Future<Output = ()>;

    /// Ends the broker as a power cut does.
    fn stop_broker(&mut self) -> impl Future<Output = ()>;

    /// Starts it again, with the log as it was.
    fn start_broker(&mut self) -> impl Future<Output = ()>;

    /// Has the broker lose what came after an offset of a channel.
    fn lose_after(&mut self, channel: &Channel, offset: Offset) -> impl Future<Output = ()>;
}

/// Makes a test of each case, for a harness that the expression makes.
///
/// This is the list of the cases. They are in five modules, so that an engine is asked only what it can be asked:
///
/// * `conforms`: any [`Harness`], which is not harmed;
/// * `conforms_when_harmed`: any [`Harness`], whose log is broken and mended;
/// * `conforms_together`: any [`SharedHarness`], which is not harmed;
/// * `conforms_together_when_harmed`: any [`SharedHarness`], whose broker is cut off, ended and started again;
/// * `tells_others`: any [`SharedHarness`] whose broker carries what servers tell each other.
///
/// Each test is one of tokio's, with two threads, which the crate that uses this has to have with its macros.
#[macro_export]
macro_rules! conformance_cases {
    ($harness:expr => $($module:ident),+ $(,)?) => {
        $($crate::conformance_cases!(@ $module, $harness);)+
    };
    (@ conforms, $harness:expr) => {
        $crate::conformance_cases! { @ conforms, $harness =>
            acknowledged_is_held_and_delivered,
            ten_thousand_from_many_senders_arrive_in_order,
            channels_are_apart,
            delivery_begins_and_ends_with_the_subscription,
            a_subscription_in_the_middle_has_no_hole,
            copies_sent_at_once_are_one_message,
            a_copy_after_a_restart_is_one_message,
            a_late_copy_among_others_leaves_no_gap,
            history_is_read_from_anywhere,
            history_says_where_the_channel_stands,
            a_restart_goes_on_where_the_log_stands,
            a_deleted_message_is_never_read_again,
            clearing_a_user_takes_what_they_have_said,
            a_deletion_stays_in_its_room,
            events_are_read_apart,
        }
    };
    (@ conforms_when_harmed, $harness:expr) => {
        $crate::conformance_cases! { @ conforms_when_harmed, $harness =>
            a_broken_log_refuses_and_recovers,
            what_was_acknowledged_outlives_a_broken_log,
        }
    };
    (@ conforms_together, $harness:expr) => {
        $crate::conformance_cases! { @ conforms_together, $harness =>
            two_servers_see_one_order,
            copies_on_two_servers_are_one_message,
            a_deletion_reaches_every_server,
        }
    };
    (@ conforms_together_when_harmed, $harness:expr) => {
        $crate::conformance_cases! { @ conforms_together_when_harmed, $harness =>
            what_was_not_heard_is_read_back,
            a_broker_that_was_gone_is_caught_up_with,
            a_lost_end_begins_a_new_epoch,
            more_than_a_window_is_not_read_back,
        }
    };
    (@ tells_others, $harness:expr) => {
        $crate::conformance_cases! { @ tells_others, $harness =>
            what_a_server_tells_is_heard_by_the_others,
        }
    };
    (@ $module:ident, $harness:expr => $($case:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::$case(&mut $harness).await;
            })+
        }
    };
}

/// Starts an engine with a recorder attached.
async fn started(harness: &mut impl Harness) -> (Arc<dyn Engine>, Arc<Recorder>) {
    let engine = harness.start().await;
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    (engine, recorder)
}

fn channel(name: &str) -> Channel {
    name.parse().expect("a case names its channels well")
}

fn draft(user: &str, id: &str) -> Draft {
    Draft {
        id: ClientMessageId(id.into()),
        sender: Sender {
            user: UserId(user.into()),
            name: "Mina".into(),
            role: Role::Fan,
            badge: None,
        },
        body: Body::Text(Text::plain(format!("message {id} 🎤"))),
    }
}

async fn send(
    engine: &Arc<dyn Engine>,
    channel: &Channel,
    user: &str,
    id: &str,
) -> Result<Ack, EngineError> {
    engine.publish(channel, draft(user, id)).await
}

/// Sends messages `numbers` one after the other, each of which must be taken.
async fn send_all(
    engine: &Arc<dyn Engine>,
    channel: &Channel,
    numbers: impl IntoIterator<Item = u64>,
) {
    for number in numbers {
        let ack = send(engine, channel, "fan", &number.to_string()).await;
        assert!(
            ack.as_ref().is_ok_and(|ack| !ack.duplicate),
            "message {number}: {ack:?}"
        );
    }
}

/// Everything that the log holds, oldest first, page by page.
async fn everything(engine: &Arc<dyn Engine>, channel: &Channel) -> Vec<Arc<Publication>> {
    let mut all: Vec<Arc<Publication>> = Vec::new();
    loop {
        let since = all.last().map(|publication| publication.offset);
        let query = HistoryQuery {
            since,
            limit: usize::MAX,
            reverse: false,
        };
        let page = engine
            .history(channel, query)
            .await
            .expect("history can be read")
            .publications;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn offsets<'a>(publications: impl IntoIterator<Item = &'a Arc<Publication>>) -> Vec<u64> {
    publications
        .into_iter()
        .map(|publication| publication.offset.0)
        .collect()
}

/// The offsets are 1, 2, 3 and so on.
fn assert_gapless(publications: &[Arc<Publication>]) {
    let expected: Vec<u64> = (1..=publications.len() as u64).collect();
    assert_eq!(offsets(publications), expected, "offsets have no gap");
}
