//! What viewers see while the encoder of a show is away: a picture or a film of the operator's, over and over, in place of a
//! gap.
//!
//! A child process publishes it like an encoder: same size, same tracks, silence for sound, as a transport stream over its
//! standard output. It is shown behind a discontinuity once the encoder has been away for [`SLATE_AFTER`], makes way for any
//! encoder that comes, and ends with the show: it does not make the show wait for longer. A show that it cannot follow
//! (several pictures, high dynamic range, several tracks of sound, numbers from the clock) goes on as gap.

use std::{io, path::Path, process::Stdio, sync::Arc};

use fanwave_live::Numbering;
use fanwave_media::AudioConfig;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    sync::watch,
    time::sleep,
};

use crate::{
    channel::{Away, Channel, Claim, PublisherStatus},
    ladder,
    limits::{READ_BYTES, SLATE_AFTER, SLATE_KILOBITS_MAX, SLATE_KILOBITS_MIN, SLATE_RETRY},
    packager::{PackError, Packager},
    shared::stopped,
};

/// Why a slate is not shown any more, though the encoder is away.
#[derive(Debug, Error)]
enum Failed {
    #[error("it cannot be started: {0}: install ffmpeg, or set ladder.program")]
    Start(io::Error),
    #[error("it ended: is ladder.slate a picture or a film?")]
    Ended,
    #[error("its pipe broke: {0}")]
    Pipe(#[from] io::Error),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("the show's tracks are none that it can follow")]
    Tracks,
}

/// Shows the slate of one channel whenever it is due, until the origin stops.
pub(crate) async fn keep(channel: Arc<Channel>, parts: Counter, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = show(&channel, &parts) => {}
    }
}

async fn show(channel: &Arc<Channel>, parts: &Counter) {
    let mut status = channel.status();
    loop {
        let lost = status.wait_for(|now| now.live && now.publisher == PublisherStatus::Lost);
        if lost.await.is_err() {
            return;
        }
        sleep(SLATE_AFTER).await;
        // Taken only while nobody publishes: an encoder that has come back meanwhile keeps its place.
        let Some((claim, away)) = channel.claim_for_slate() else {
            continue;
        };
        tracing::info!(channel = %channel.id(), "the encoder is away: the slate is shown");
        if let Err(why) = publish(claim, &away, parts).await {
            tracing::warn!(channel = %channel.id(), %why, "the slate is not shown");
            sleep(SLATE_RETRY).await;
        }
    }
}

/// Publishes until somebody else has the place, or the show is over.
async fn publish(claim: Claim, away: &Away, parts: &Counter) -> Result<(), Failed> {
    let channel = Arc::clone(claim.channel());
    let replacement = claim.replacement();
    let Some((file, program)) = channel.ladder().slate() else {
        return Ok(());
    };
    let mut command = command(program, file, away).ok_or(Failed::Tracks)?;
    if channel.numbering() == Numbering::Clock {
        return Err(Failed::Tracks);
    }
    let mut child = command.spawn().map_err(Failed::Start)?;
    let mut packager = Packager::transport(claim, parts.clone());
    let shown = tokio::select! {
        () = replacement.happened() => Ok(()),
        failed = pack(&mut child, &mut packager) => Err(failed),
    };
    packager.finish();
    if let Err(error) = child.kill().await {
        tracing::debug!(%error, "the slate's encoder could not be ended");
    }
    shown
}

async fn pack(child: &mut Child, packager: &mut Packager) -> Failed {
    let Some(mut stdout) = child.stdout.take() else {
        return Failed::Ended;
    };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match stdout.read(&mut buffer).await {
            Ok(0) => return Failed::Ended,
            Ok(bytes) => packager.handle_transport(buffer.get(..bytes).unwrap_or_default()),
            Err(error) => return error.into(),
        };
        if let Err(error) = read {
            return error.into();
        }
    }
}

/// `None` for tracks that no slate is made for.
fn command(program: &Path, file: &Path, away: &Away) -> Option<Command> {
    let Away {
        tracks,
        bits_per_second,
    } = away;
    let pictures = ladder::source(tracks)?;
    let (width, height) = (pictures.config.width(), pictures.config.height());
    let sound = match &tracks.audio[..] {
        [] => None,
        [only] => Some(&only.config),
        _ => return None,
    };
    let is_still = file
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            ["png", "jpg", "jpeg", "webp"].contains(&extension.to_ascii_lowercase().as_str())
        });
    let words =
        |text: &str| -> Vec<String> { text.split_ascii_whitespace().map(str::to_owned).collect() };
    let mut command = ladder::child(program);
    command.args(words(
        "-hide_banner -nostats -loglevel error -protocol_whitelist file,pipe -re",
    ));
    command.args(words(if is_still {
        "-framerate 30 -loop 1"
    } else {
        "-stream_loop -1"
    }));
    command.arg("-i").arg(file);
    if let Some(sound) = sound {
        let layout = if sound.channels() == 1 {
            "mono"
        } else {
            "stereo"
        };
        let silence = format!(
            "-re -f lavfi -i anullsrc=r={}:cl={layout}",
            sound.timescale()
        );
        command.args(words(&silence));
    }
    command.args(words("-map 0:v:0 -map_metadata -1"));
    // Players were told how much the show takes at most (authoring rule 9.14): at four fifths of its mean, and half a second of
    // that at once, no segment of the slate takes more than that mean.
    let kilobits = (bits_per_second * 4 / 5 / 1_000).clamp(SLATE_KILOBITS_MIN, SLATE_KILOBITS_MAX);
    let burst = kilobits / 2;
    // As large as the show's, with bars where the proportions are others.
    let fit = format!("{width}:{height}:force_original_aspect_ratio=decrease");
    command.args(words(&format!(
        "-vf scale={fit},pad={width}:{height}:-1:-1,setsar=1,fps=30,format=yuv420p \
         -c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 60 -keyint_min 60 \
         -sc_threshold 0 -b:v {kilobits}k -maxrate {kilobits}k -bufsize {burst}k"
    )));
    if let Some(sound) = sound {
        let codec = match sound {
            AudioConfig::Aac(_) => "aac",
            AudioConfig::Opus(_) => "libopus",
        };
        command.args(words(&format!("-map 1:a:0 -c:a {codec} -b:a 64k")));
    }
    command.args(words("-muxdelay 0 -flush_packets 1 -f mpegts pipe:1"));
    command.stdin(Stdio::null()).stderr(Stdio::null());
    Some(command)
}
