use fanwave_store::Standing;
use fanwave_wire::{ClientMessageId, Offset, Role, Sender, UserId};

use super::*;
use crate::shared::broker::Placed;

const NOW: UnixMillis = UnixMillis(1_000);

fn lane(name: &str) -> Lane {
    Lane::open(name.parse().unwrap(), &Settings::default(), 0)
}

fn draft(id: &str, body: Body) -> Draft {
    let sender = Sender::new(UserId("mod".into()), "Mod", Role::Moderator);
    let id = ClientMessageId(id.into());
    Draft { id, sender, body }
}

fn deletion_of(offset: u64) -> Body {
    let offset = Offset(offset);
    Body::Event(Box::new(Event::Deleted { offset }))
}

fn standing(epoch: &str, head: u64) -> Standing {
    Standing {
        epoch: Epoch(epoch.into()),
        head: Offset(head),
    }
}

fn empty(epoch: &str, head: u64) -> Input {
    Input::Read(Ok(Extract {
        standing: standing(epoch, head),
        publications: Vec::new(),
    }))
}

fn outputs(lane: &mut Lane, input: Input) -> Vec<Output> {
    lane.handle(NOW, input);
    std::iter::from_fn(|| lane.poll_output()).collect()
}

fn submit(ticket: u64, body: Body) -> Input {
    let draft = draft(&ticket.to_string(), body);
    let ticket = Ticket(ticket);
    Input::Submit { ticket, draft }
}

/// An open lane, and what it does with its first message.
fn with_one_out(name: &str, body: Body) -> Lane {
    let mut lane = lane(name);
    assert!(matches!(lane.poll_output(), Some(Output::Read(_))));
    assert_eq!(
        outputs(&mut lane, submit(1, body)),
        [],
        "it is not open yet"
    );
    let opened = outputs(&mut lane, empty("e", 5));
    assert_eq!(opened[0], Output::Opened);
    assert!(matches!(&opened[1], Output::Append { known, records }
            if *known == standing("e", 5) && records.len() == 1));
    lane
}

fn stored(epoch: &str, offset: u64) -> Input {
    let placed = Placed {
        offset: Offset(offset),
        at: NOW,
        repeat: Repeat::First,
    };
    Input::Appended(Ok(Appended::Stored {
        epoch: Epoch(epoch.into()),
        placed: vec![placed],
    }))
}

#[test]
fn what_is_deleted_is_gone_before_anybody_is_told() {
    let mut lane = with_one_out("room:demo", deletion_of(3));
    let done = outputs(&mut lane, stored("e", 6));
    let kinds: Vec<&str> = done
        .iter()
        .map(|output| match output {
            Output::Erase(_) => "erase",
            Output::Deliver(_) => "deliver",
            Output::Answer { answer: Ok(_), .. } => "answer",
            _ => "something else",
        })
        .collect();
    assert_eq!(kinds, ["erase", "erase", "deliver", "answer"]);
    // Only the lossless lane deletes.
    let mut chat = with_one_out("chat:demo", deletion_of(3));
    let done = outputs(&mut chat, stored("e", 6));
    assert!(!done.iter().any(|output| matches!(output, Output::Erase(_))));
}

#[test]
fn a_log_that_has_lost_something_takes_nothing_until_its_new_epoch_is_known() {
    let mut lane = with_one_out("chat:demo", Body::Text(fanwave_wire::Text::plain("hi")));
    let lost = outputs(&mut lane, Input::Appended(Ok(Appended::Lost)));
    assert!(matches!(
        &lost[..],
        [Output::Answer { answer: Err(EngineError::Unavailable { .. }), .. }, Output::Renew(epoch)]
            if *epoch == Epoch("e".into())
    ));
    let text = Body::Text(fanwave_wire::Text::plain("again"));
    assert_eq!(outputs(&mut lane, submit(2, text)), []);
    let renewed = outputs(&mut lane, Input::Renewed(Ok(())));
    assert!(matches!(renewed[..], [Output::Read(_)]));
    lane.handle(UnixMillis(2_000), empty("f", 4));
    let begun: Vec<Output> = std::iter::from_fn(|| lane.poll_output()).collect();
    assert_eq!(begun[0], Output::Restarted);
    assert!(matches!(&begun[1], Output::Append { known, .. } if *known == standing("f", 4)));
}

#[test]
fn a_channel_that_cannot_be_opened_tells_everybody_who_waits() {
    let mut lane = lane("chat:demo");
    assert!(matches!(lane.poll_output(), Some(Output::Read(_))));
    let text = Body::Text(fanwave_wire::Text::plain("hi"));
    assert_eq!(outputs(&mut lane, submit(1, text)), []);
    let gone = BrokerError::unavailable("gone");
    let failed = outputs(&mut lane, Input::Read(Err(gone.clone())));
    let error = EngineError::from(gone);
    let answer = Output::Answer {
        ticket: Ticket(1),
        answer: Err(error.clone()),
    };
    assert_eq!(failed, [answer, Output::Failed(error)]);
}

#[test]
fn what_another_node_deletes_is_gone_though_its_event_waits_for_its_turn() {
    let mut lane = with_one_out("room:demo", deletion_of(1));
    outputs(&mut lane, stored("e", 6));
    let publication = Publication {
        offset: Offset(9),
        at: NOW,
        draft: draft("far", deletion_of(4)),
    };
    let batch = Batch {
        channel: "room:demo".parse().unwrap(),
        epoch: Epoch("e".into()),
        publications: vec![Arc::new(publication)],
    };
    let heard = outputs(&mut lane, Input::Heard(batch));
    assert!(
        matches!(&heard[..], [Output::Erase(_), Output::Read(_)]),
        "{heard:?}"
    );
}
