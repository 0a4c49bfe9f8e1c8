//! Keeps one rung's encoder: starts it, feeds it, listens to it, and replaces it.
//!
//! One child process to a rung, so that what one picture breaks is one rung's encoder. It ends with its stream: the task
//! that keeps it is aborted with the publisher's, which kills it; and should this process be killed, the pipe that it
//! reads from is closed, at which `ffmpeg` ends by itself.

use std::{convert::Infallible, io, path::PathBuf, sync::Arc};

use fanwave_media::fmp4::{Output, ReadError, Reader};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    command::command,
    config::Encoder,
    metrics::Restart,
    rung::{Feed, Rung},
};
use crate::{
    backoff::Backoff,
    clock::Clock,
    limits::{READ_BYTES, RUNG_BACKOFF_MAX, RUNG_LOG_BYTES, RUNG_START_DEADLINE, RUNG_STEADY},
    metrics::Counted,
};

/// What is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) encoder: Encoder,
}

/// Why an encoder is not listened to any more.
#[derive(Debug, Error)]
enum Failed {
    #[error("the encoder ended")]
    Ended,
    #[error("the encoder's pipe broke: {0}")]
    Io(#[from] io::Error),
    #[error("the encoder gave nothing back within {RUNG_START_DEADLINE:?}")]
    Silent,
    #[error(transparent)]
    Output(#[from] ReadError),
}

/// Keeps the rung until nothing more is fed to it.
pub(super) async fn keep(
    rung: Arc<Rung>,
    program: Program,
    mut fed: mpsc::Receiver<Feed>,
    clock: Clock,
) {
    tokio::select! {
        () = encode(&rung, &program, &mut fed) => {}
        never = keep_time(&rung, clock) => match never {},
    }
}

/// Has gaps made when they are due.
async fn keep_time(rung: &Rung, clock: Clock) -> Infallible {
    loop {
        let due = rung.handle_time().map(|moment| clock.instant(moment));
        let sleep = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rung.due() => {}
            () = sleep => {}
        }
    }
}

/// One encoder after the other.
async fn encode(rung: &Rung, program: &Program, fed: &mut mpsc::Receiver<Feed>) {
    let mut backoff = Backoff::new(RUNG_STEADY, RUNG_BACKOFF_MAX);
    let mut not_before = Instant::now();
    let mut next = None;
    loop {
        let Some(feed) = first(rung, next.take(), fed, not_before).await else {
            return;
        };
        let started = Instant::now();
        next = run(rung, program, feed, fed).await;
        not_before = if rung.runs().borrow().after_failure {
            let random = getrandom::u64().unwrap_or_default();
            Instant::now() + backoff.failed(started.elapsed(), random)
        } else {
            Instant::now()
        };
    }
}

/// The picture with which the present run begins; `None` once nothing more is fed.
async fn first(
    rung: &Rung,
    mut next: Option<Feed>,
    fed: &mut mpsc::Receiver<Feed>,
    not_before: Instant,
) -> Option<Feed> {
    loop {
        let feed = match next.take() {
            Some(feed) => feed,
            None => fed.recv().await?,
        };
        let is_present = feed.run == rung.runs().borrow().number;
        if is_present && feed.sync && Instant::now() >= not_before {
            return Some(feed);
        }
    }
}

/// Runs one encoder, from its first picture to its end; what was fed of the next run is handed back.
async fn run(
    rung: &Rung,
    program: &Program,
    first: Feed,
    fed: &mut mpsc::Receiver<Feed>,
) -> Option<Feed> {
    let number = first.run;
    let mut runs = rung.runs();
    let begins_at = first.begins_at;
    let mut command = command(&program.path, program.encoder, &rung.job, &first);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(
                program = %program.path.display(), %error,
                "cannot start a rung's encoder: install ffmpeg, or set ladder.program"
            );
            rung.handle_failure(number, Restart::Start);
            return None;
        }
    };
    let counted = Counted::new(&rung.metrics().running);
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        rung.handle_failure(number, Restart::Start);
        return None;
    };
    let next = tokio::select! {
        // Ended by the rung: it is too slow, or the source's timeline broke.
        _ = runs.wait_for(|run| run.number != number) => None,
        next = feed(stdin, first, fed) => next.unwrap_or_else(|error| {
            fail(rung, number, &error.into());
            None
        }),
        failed = listen(rung, (number, begins_at), stdout) => {
            fail(rung, number, &failed);
            None
        }
        never = log(rung, stderr) => match never {},
    };
    // Dead or not, it is over, and its process is not left behind.
    if let Err(error) = child.kill().await {
        tracing::debug!(rung = rung.job.name(), %error, "the encoder could not be ended");
    }
    drop(counted);
    next
}

fn fail(rung: &Rung, number: u64, failed: &Failed) {
    tracing::warn!(rung = rung.job.name(), why = %failed, "a rung's encoder failed");
    let why = match failed {
        Failed::Output(_) => Restart::Output,
        Failed::Ended | Failed::Io(_) | Failed::Silent => Restart::Crash,
    };
    rung.handle_failure(number, why);
}

/// Writes a run's pictures, until one of another comes, or none any more.
async fn feed(
    mut stdin: ChildStdin,
    first: Feed,
    fed: &mut mpsc::Receiver<Feed>,
) -> io::Result<Option<Feed>> {
    stdin.write_all(&first.source.bytes).await?;
    stdin.write_all(&first.fragment).await?;
    while let Some(feed) = fed.recv().await {
        if feed.run != first.run {
            return Ok(Some(feed));
        }
        stdin.write_all(&feed.fragment).await?;
    }
    Ok(None)
}

/// Reads what the encoder gives back, to its end.
async fn listen(rung: &Rung, (number, begins_at): (u64, u64), mut stdout: ChildStdout) -> Failed {
    let mut reader = Reader::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut deadline = Some(Instant::now() + RUNG_START_DEADLINE);
    loop {
        let read = stdout.read(&mut buffer);
        // Once it has begun, the rung sees for itself that it is late.
        let read = match deadline.take() {
            Some(deadline) => timeout_at(deadline, read).await.ok(),
            None => Some(read.await),
        };
        let read = match read {
            Some(Ok(0)) => return Failed::Ended,
            Some(Ok(bytes)) => reader.handle(buffer.get(..bytes).unwrap_or_default()),
            Some(Err(error)) => return error.into(),
            None => return Failed::Silent,
        };
        let is_meant = |output: &Output| match output {
            Output::Init(_) => true,
            Output::Sample(sample) => sample.presentation_time() >= begins_at,
        };
        let outputs = std::iter::from_fn(|| reader.poll_output());
        let outputs = outputs.filter(is_meant).collect();
        rung.handle_outputs(number, outputs);
        if let Err(error) = read {
            return error.into();
        }
    }
}

/// Tells what the encoder complains about. It knows no secret: its arguments and pictures are all that it was given.
async fn log(rung: &Rung, mut stderr: ChildStderr) -> Infallible {
    let mut buffer = vec![0; RUNG_LOG_BYTES];
    loop {
        match stderr.read(&mut buffer).await {
            Ok(0) | Err(_) => return std::future::pending().await,
            Ok(bytes) => {
                let said = String::from_utf8_lossy(buffer.get(..bytes).unwrap_or_default());
                for said in said.lines() {
                    tracing::debug!(rung = rung.job.name(), said, "encoder");
                }
            }
        }
    }
}
