//! Fetches the media of one rendition as it is listed: every part, now and then a whole segment, and init sections.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    client::{Ask, Line},
    run::Shared,
};
use crate::{check::updates::New, limits::ANSWER_TIME_MAX, observation::Outcome};

/// One segment in so many is fetched whole, beside its parts.
const SEGMENTS_PER_WHOLE: u64 = 4;

/// Fetches whatever comes, until nothing can come any more.
pub(crate) async fn fetch(shared: Arc<Shared>, lane: usize, mut pieces: mpsc::Receiver<New>) {
    let mut line = Line::new(shared.client.clone());
    let mut map = None;
    let mut segments = 0u64;
    let Some(base) = shared.address(lane) else {
        return;
    };
    while let Some(new) = pieces.recv().await {
        let has_parts = shared
            .bench()
            .last(lane)
            .is_some_and(|media| media.has_parts());
        if new.part.is_none() {
            segments += 1;
            if has_parts && segments % SEGMENTS_PER_WHOLE != 1 {
                continue;
            }
        }
        if new.map != map {
            map.clone_from(&new.map);
            if let Some((uri, range)) = &new.map {
                let Some(ask) = ask(&base, uri, *range) else {
                    continue;
                };
                let outcome = line.get(&ask).await;
                let now = shared.client.now();
                match &outcome {
                    Outcome::Answered(answer) => shared.bench().init(lane, answer),
                    Outcome::Silent(_) | Outcome::Broken(_) => {
                        failed(&shared, lane, &ask, now, &outcome);
                    }
                }
            }
        }
        let Some(ask) = ask(&base, &new.uri, new.range) else {
            continue;
        };
        let outcome = line.get(&ask).await;
        let now = shared.client.now();
        match &outcome {
            Outcome::Answered(answer) => shared.bench().piece(lane, &new, answer),
            Outcome::Silent(_) | Outcome::Broken(_) => {
                failed(&shared, lane, &ask, now, &outcome);
                shared.bench().lose(lane);
            }
        }
    }
}

fn ask(
    base: &crate::address::Address,
    uri: &str,
    range: Option<(u64, Option<u64>)>,
) -> Option<Ask> {
    let range = range
        .filter(|(length, _)| *length > 0)
        .map(|(length, offset)| {
            let first = offset.unwrap_or_default();
            (first, first.saturating_add(length - 1))
        });
    Some(Ask {
        address: base.resolve(uri)?,
        is_media: true,
        range,
        patience: ANSWER_TIME_MAX,
    })
}

fn failed(shared: &Shared, lane: usize, ask: &Ask, now: std::time::Duration, outcome: &Outcome) {
    let why = match outcome {
        Outcome::Silent(waited) => format!("no answer for {:.1} s", waited.as_secs_f64()),
        Outcome::Broken(why) => why.clone(),
        Outcome::Answered(_) => return,
    };
    shared
        .bench()
        .failed(lane, &ask.address.to_string(), now, &why);
}
