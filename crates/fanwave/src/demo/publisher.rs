//! Keeps the demo's ffmpeg running: paints its strips, logs what it says, starts it again when it ends.
//!
//! The child has its own process group, so that a Ctrl-C at the terminal reaches the server alone, which then ends the
//! child in order. If the server is killed, the child's input ends and so does the child.

use std::{io, process::Stdio, time::Duration};

use rustix::process::{Pid, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{backoff::Backoff, ffmpeg::Encoder, limits, strip::Strip};
use crate::{clock, secret::Secret};

/// A supervised ffmpeg.
#[derive(Debug)]
pub struct Publisher {
    stop: watch::Sender<bool>,
    supervisor: JoinHandle<()>,
}

impl Publisher {
    /// Starts it. The key is only used to keep it out of what ffmpeg says.
    #[must_use]
    pub fn start(encoder: Encoder, key: Secret) -> Self {
        let (stop, stopped) = watch::channel(false);
        let supervisor = tokio::spawn(supervise(encoder, key, stopped));
        Self { stop, supervisor }
    }

    /// Ends the stream and waits until the child is gone.
    pub async fn stop(self) {
        // Nobody listens when the supervisor has ended already.
        let _ = self.stop.send(true);
        if let Err(error) = self.supervisor.await {
            tracing::warn!(%error, "the demo publisher's supervisor failed");
        }
    }
}

/// How a child's run ended.
enum End {
    /// We wanted it.
    Stopped,
    /// It ended by itself, in words for the log.
    Died(String),
}

async fn supervise(encoder: Encoder, key: Secret, mut stopped: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        let reason = match run(&encoder, &key, &mut stopped).await {
            End::Stopped => break,
            End::Died(reason) => reason,
        };
        let wait = backoff.after(started.elapsed());
        tracing::warn!(
            reason,
            wait_ms = millis(wait),
            "the demo publisher ended and will be started again"
        );
        if timeout(wait, stop_of(&mut stopped)).await.is_ok() {
            break;
        }
    }
    // The file holds a key; it is made anew at the next start.
    if let Err(error) = std::fs::remove_file(&encoder.key_file) {
        tracing::warn!(%error, "the demo's key file could not be removed");
    }
}

async fn run(encoder: &Encoder, key: &Secret, stopped: &mut watch::Receiver<bool>) -> End {
    let mut child = match spawn(encoder) {
        Ok(child) => child,
        Err(error) => return End::Died(format!("it could not be started: {error}")),
    };
    let (Some(input), Some(words)) = (child.stdin.take(), child.stderr.take()) else {
        return End::Died("it has no pipes".to_owned());
    };
    let reader = tokio::spawn(last_words(words, key.clone()));
    let end = tokio::select! {
        () = stop_of(stopped) => None,
        error = paint(input) => Some(format!("it takes no more frames: {error}")),
        status = child.wait() => Some(status.map_or_else(|error| error.to_string(), |status| status.to_string())),
    };
    // Asked to end, it ends its stream in order; one that hangs is killed.
    ask_to_end(&child);
    let ended = timeout(limits::CHILD_EXIT_WAIT, child.wait()).await.is_ok();
    if !ended && let Err(error) = child.kill().await {
        tracing::warn!(%error, "the demo's ffmpeg could not be killed");
    }
    // Its end of the pipe is closed, unless a child of its own holds it.
    let words = timeout(limits::CHILD_EXIT_WAIT, reader)
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    end.map_or(End::Stopped, |reason| {
        End::Died(format!("{reason}; it said: {words}"))
    })
}

fn spawn(encoder: &Encoder) -> io::Result<Child> {
    Command::new(&encoder.ffmpeg)
        .args(encoder.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// A polite signal. The end of its input alone would not do: the tone has no end.
fn ask_to_end(child: &Child) {
    // A child that has been waited for has no id any more.
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, rustix::process::Signal::TERM)
    {
        tracing::warn!(%error, "the demo's ffmpeg could not be asked to end");
    }
}

/// Writes one strip per frame with the wall clock of that moment, until ffmpeg takes no more.
///
/// A late painter catches up by painting faster, each strip with its own moment, so that the stream's time keeps up with
/// the wall clock. Only while ffmpeg is still starting it does not: what the first frames waited is no part of the show.
async fn paint(mut input: ChildStdin) -> io::Error {
    let mut strip = Strip::default();
    let period = Duration::from_secs(1) / limits::FRAMES_PER_SECOND;
    let began = Instant::now();
    let mut due = began;
    loop {
        sleep_until(due).await;
        if let Err(error) = input.write_all(strip.paint(clock::now().0)).await {
            return error;
        }
        due += period;
        let now = Instant::now();
        let starting = now.duration_since(began) < limits::CHILD_START_WAIT;
        let late_max = if starting { period } else { limits::LATE_MAX };
        if due + late_max < now {
            due = now;
        }
    }
}

/// Logs what the child complains of line by line, without the key, and returns the last line.
async fn last_words(words: ChildStderr, key: Secret) -> String {
    let mut reader = BufReader::new(words);
    let mut line = Vec::with_capacity(limits::CHILD_LINE_BYTES_MAX);
    let mut last = String::new();
    let bytes_max = u64::try_from(limits::CHILD_LINE_BYTES_MAX).unwrap_or(u64::MAX);
    loop {
        line.clear();
        match (&mut reader)
            .take(bytes_max)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).replace(key.expose(), "(stream key)");
        if !text.trim().is_empty() {
            tracing::debug!(target: "fanwave::demo::ffmpeg", "{}", text.trim());
            text.trim().clone_into(&mut last);
        }
    }
}

/// Returns when stopping is wanted, or nobody is left who could want it.
async fn stop_of(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody is left who could want anything.
    drop(stopped.wait_for(|stop| *stop).await);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
