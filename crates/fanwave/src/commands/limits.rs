//! Every maximum of the commands that come over a broker, with its bytes.

use std::time::Duration;

use fanwave_api::limits::COMMANDS_AT_ONCE_MAX;
use fanwave_wire::limits::COMMAND_BYTES_MAX;

/// Commands that are here at one time, waiting or being done.
pub const TAKEN_MAX: usize = 256;

/// Bytes of those, beyond which no more are taken: with the last that were, 17 MB at the worst, and usually 100 KB.
pub const TAKEN_BYTES_MAX: usize = 8 << 20;

/// Commands that are taken with one question.
pub const TAKE_MAX: usize = 32;

/// After how long a command is asked again that cannot be done now, at first; doubled each time.
pub const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often that wait is doubled: up to 6.4 s.
pub const RETRY_DOUBLINGS_MAX: u32 = 6;

/// How often a command is asked again because of an error of this server's own, before it is given up.
pub const FAULTS_MAX: u32 = 5;

const _: () = assert!(TAKE_MAX <= COMMANDS_AT_ONCE_MAX && COMMANDS_AT_ONCE_MAX <= TAKEN_MAX);
const _: () = assert!(TAKE_MAX * COMMAND_BYTES_MAX <= 9 << 20);
