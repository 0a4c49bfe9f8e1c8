use fanwave_wire::{Offset, Role, Sender};
use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(20);

fn draft(id: u32) -> Draft {
    let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
    Draft::text(ClientMessageId(id.to_string().into()), sender, "hello")
}

fn placed(first: u64, count: usize) -> Vec<Placed> {
    let offsets = (first..).take(count);
    let placed = offsets.map(|offset| Placed {
        offset: Offset(offset),
        at: UnixMillis(0),
        repeat: Repeat::First,
    });
    placed.collect()
}

fn tickets(sent: &[Sent]) -> Vec<u64> {
    let tickets = sent.iter().flat_map(|sent| &sent.tickets);
    tickets.map(|(ticket, _)| ticket.0).collect()
}

#[test]
fn the_first_message_does_not_wait_and_the_next_ones_go_together() {
    let mut outbox = Outbox::new(TICK);
    let start = UnixMillis(1_000);
    outbox.submit(start, Ticket(1), draft(1));
    assert_eq!(outbox.hand_out(start).map(|batch| batch.len()), Some(1));
    outbox.submit(start, Ticket(2), draft(2));
    assert_eq!(outbox.deadline(start), None, "an append is out");
    assert_eq!(tickets(&outbox.stored(&placed(1, 1))), [1]);
    outbox.submit(start, Ticket(3), draft(3));
    assert_eq!(outbox.deadline(start), Some(UnixMillis(1_020)));
    assert_eq!(outbox.hand_out(UnixMillis(1_019)), None);
    let batch = outbox.hand_out(UnixMillis(1_020));
    assert_eq!(batch.map(|batch| batch.len()), Some(2));
    assert_eq!(tickets(&outbox.stored(&placed(2, 2))), [2, 3]);
    assert!(outbox.is_idle());
}

#[test]
fn a_full_append_does_not_wait_and_a_clock_set_back_does_not_hold_it() {
    let mut outbox = Outbox::new(TICK);
    outbox.submit(UnixMillis(5_000), Ticket(0), draft(0));
    outbox.hand_out(UnixMillis(5_000));
    outbox.stored(&placed(1, 1));
    let now = UnixMillis(1_000);
    outbox.submit(now, Ticket(1), draft(1));
    assert_eq!(outbox.deadline(now), Some(later(now, TICK)));
    for id in 2..=300 {
        outbox.submit(now, Ticket(id.into()), draft(id));
    }
    let batch = outbox.hand_out(now);
    assert_eq!(batch.map(|batch| batch.len()), Some(APPEND_BATCH_MAX));
}

#[test]
fn copies_on_their_way_are_one_and_a_failure_tells_all() {
    let mut outbox = Outbox::new(TICK);
    let now = UnixMillis(0);
    outbox.submit(now, Ticket(1), draft(1));
    outbox.submit(now, Ticket(2), draft(1));
    assert_eq!(outbox.hand_out(now).map(|batch| batch.len()), Some(1));
    outbox.submit(now, Ticket(3), draft(1));
    outbox.submit(now, Ticket(4), draft(4));
    let failed: Vec<u64> = outbox.failed().iter().map(|ticket| ticket.0).collect();
    assert_eq!(failed, [1, 2, 3, 4]);
    assert!(outbox.is_idle());
    outbox.submit(now, Ticket(5), draft(1));
    assert!(outbox.hand_out(UnixMillis(100)).is_some());
}

#[test]
fn it_has_an_end() {
    let mut outbox = Outbox::new(TICK);
    for id in 0..u32::try_from(PENDING_MAX).unwrap() {
        let joined = outbox.submit(UnixMillis(0), Ticket(id.into()), draft(id));
        assert_eq!(joined, Joined::Waits);
    }
    let full = outbox.submit(UnixMillis(0), Ticket(u64::MAX), draft(u32::MAX));
    assert_eq!(full, Joined::Full);
}

proptest! {
    /// Every ticket is answered once, in the order of its message, whatever happens to the appends.
    #[test]
    fn every_sender_is_answered_once(
        steps in prop::collection::vec((0u32..40, 0u8..4), 0..200),
    ) {
        let mut outbox = Outbox::new(TICK);
        let (mut now, mut out, mut next) = (UnixMillis(0), None, 1);
        let mut answered = Vec::new();
        for (ticket, (id, step)) in steps.iter().enumerate() {
            let ticket = ticket as u64;
            outbox.submit(now, Ticket(ticket), draft(*id));
            if let Some(batch) = outbox.hand_out(now) {
                prop_assert!(out.is_none(), "one append at a time");
                out = Some(batch.len());
            }
            match (step, out) {
                (0, Some(count)) => {
                    answered.extend(tickets(&outbox.stored(&placed(next, count))));
                    next += count as u64;
                    out = None;
                }
                (1, Some(_)) => {
                    answered.extend(outbox.failed().iter().map(|ticket| ticket.0));
                    out = None;
                }
                _ => now = later(now, Duration::from_millis(7)),
            }
        }
        answered.extend(outbox.failed().iter().map(|ticket| ticket.0));
        answered.sort_unstable();
        let all: Vec<u64> = (0..steps.len() as u64).collect();
        prop_assert_eq!(answered, all);
    }
}
