//! Every maximum of the demo, with what it costs.

use std::time::Duration;

/// Frames of the demo's picture per second. A strip has 36 KiB: 1.1 MB/s go to ffmpeg.
pub const FRAMES_PER_SECOND: u32 = 30;

/// A painter that is later than this gives up catching up and goes on from now.
pub const LATE_MAX: Duration = Duration::from_secs(2);

/// For so long a new ffmpeg counts as starting: it connects, and takes no frame meanwhile.
pub const CHILD_START_WAIT: Duration = Duration::from_secs(3);

/// Wait before the first restart of a child or connection that ended; it doubles each time.
pub const BACKOFF_MIN: Duration = Duration::from_millis(500);

/// Longest wait before a restart.
pub const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// What ran for so long was healthy: the next restart begins at [`BACKOFF_MIN`] again.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(20);

/// Longest wait for ffmpeg to end by itself once its input has.
pub const CHILD_EXIT_WAIT: Duration = Duration::from_secs(2);

/// Longest line of ffmpeg's that is logged, bytes; the rest of it is dropped.
pub const CHILD_LINE_BYTES_MAX: usize = 512;

/// Lines waiting for one fan; what comes when they are full is not said.
pub const LINES_WAITING_MAX: usize = 4;

/// Shortest and longest pause between two messages of the whole demo: bounded, and never like a machine.
pub const PAUSE_MIN: Duration = Duration::from_millis(900);
/// See [`PAUSE_MIN`].
pub const PAUSE_MAX: Duration = Duration::from_millis(3_200);

/// Lines of the fans between two lines of the artist.
pub const LINES_PER_GREETING: usize = 14;

/// Longest wait for a step of a fan's connection: opening, token, answer.
pub const STEP_WAIT: Duration = Duration::from_secs(10);

/// A connection on which nothing came for so long is dead: the server pings more often than that.
pub const SILENCE_MAX: Duration = Duration::from_secs(90);

/// Largest HTTP answer that a fan reads, bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

const _: () = assert!(BACKOFF_MIN.as_millis() <= BACKOFF_MAX.as_millis());
const _: () = assert!(PAUSE_MIN.as_millis() <= PAUSE_MAX.as_millis());
