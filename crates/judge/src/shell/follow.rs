//! Follows one rendition as a player does: it asks for the next part, and again as soon as there is an answer.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};

use super::{
    client::{Ask, Line},
    run::Shared,
};
use crate::{
    check::{blocking::Probe, updates::New},
    limits::ANSWER_TIME_MAX,
    observation::{Asked, Outcome},
    parse::Media,
};

/// Answers that are no playlist, one after the other, until a rendition counts as gone.
const MISSES_MAX: u32 = 5;

/// What is asked for next, once this version is there: media sequence number, and part where there are parts.
fn next(media: &Media) -> Option<(u64, Option<u64>)> {
    if !media.can_block() {
        return None;
    }
    if media.part_target.is_none() {
        return media.segments.last().map(|last| (last.msn + 1, None));
    }
    let parts = media.open.parts.len() as u64;
    Some((media.open.msn, Some(parts)))
}

/// Follows rendition `lane` until it ends, and hands what is new to whoever fetches it.
pub(crate) async fn follow(shared: Arc<Shared>, lane: usize, pieces: mpsc::Sender<New>) {
    let mut line = Line::new(shared.client.clone());
    let mut waited = None;
    let mut newest = None;
    let mut misses = 0;
    let Some(address) = shared.address(lane) else {
        return;
    };
    loop {
        let target = shared.bench().context(lane).target;
        let (query, patience) = match waited {
            None => (String::new(), ANSWER_TIME_MAX),
            Some((msn, None)) => (
                format!("_HLS_msn={msn}"),
                target * 4 + Duration::from_secs(1),
            ),
            Some((msn, Some(part))) => (
                format!("_HLS_msn={msn}&_HLS_part={part}"),
                target * 4 + Duration::from_secs(1),
            ),
        };
        let ask = Ask {
            address: address.with(&query),
            is_media: false,
            range: None,
            patience,
        };
        let outcome = line.get(&ask).await;
        match look(&shared, lane, waited, outcome, &ask) {
            Some((media, new)) => {
                misses = 0;
                for piece in new {
                    if pieces.try_send(piece).is_err() {
                        // Media that comes faster than it can be fetched is left out, not queued without end.
                        shared.bench().lose(lane);
                    }
                }
                let (is_ended, position) = (media.is_ended, media.last());
                waited = next(&media);
                let pause = media.part_target().unwrap_or(target / 2);
                shared.publish(lane, media);
                if is_ended {
                    return;
                }
                // A server that answers without anything new is not asked again at once, whatever it promises.
                if waited.is_none() || position <= newest {
                    sleep(pause).await;
                }
                newest = newest.max(position);
            }
            None => {
                misses += 1;
                waited = None;
                if misses >= MISSES_MAX {
                    return;
                }
                sleep(target / 2).await;
            }
        }
    }
}

/// Tells the bench, and says what is new where there is a playlist.
fn look(
    shared: &Shared,
    lane: usize,
    waited: Option<(u64, Option<u64>)>,
    outcome: Outcome,
    ask: &Ask,
) -> Option<(Arc<Media>, Vec<New>)> {
    let now = shared.client.now();
    let url = ask.address.to_string();
    let mut bench = shared.bench();
    let is_first = bench.last(lane).is_none();
    match (outcome, waited) {
        (Outcome::Answered(answer), _) if answer.status == 200 => {
            return bench.playlist(lane, waited, *answer);
        }
        (Outcome::Broken(why), _) => bench.failed(lane, &url, now, &why),
        (outcome, Some((msn, part))) => {
            let probe = part.map_or(Probe::Whole { msn }, |part| Probe::Part { msn, part });
            bench.probe(lane, probe, (&url, now), &outcome);
        }
        (Outcome::Answered(answer), None) => {
            bench.delivered(Some(lane), Asked::Plain, &answer);
            if is_first {
                let seen = format!("status {}", answer.status);
                bench.missing(lane, &url, now, &seen);
            }
        }
        (Outcome::Silent(waited), None) => {
            let why = format!("no answer for {:.1} s", waited.as_secs_f64());
            bench.failed(lane, &url, now, &why);
        }
    }
    bench.silence(lane, now);
    None
}
