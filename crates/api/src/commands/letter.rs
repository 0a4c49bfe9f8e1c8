//! What is kept of a command that cannot be done.

use fanwave_wire::UnixMillis;
use serde::Serialize;
use serde_json::Value;

use crate::limits::{LETTER_CUT_BYTES, LETTER_TEXT_BYTES_MAX};

/// A dead letter.
#[derive(Debug, Serialize)]
struct Letter<'a> {
    /// When it was given up, milliseconds since 1970.
    at: UnixMillis,
    /// Where the command was in its queue.
    place: &'a str,
    /// Why (RFC 9457). Of several messages, those that were refused are in its member `results`.
    problem: &'a Value,
    /// The command as it was sent, as text: put right, it can be sent again.
    command: &'a str,
    /// It was too large, and this is its beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// A dead letter, as JSON: why a command is given up, and what it was.
#[must_use]
pub fn letter(at: UnixMillis, place: &str, problem: &Value, command: &[u8]) -> Vec<u8> {
    let cut = is_large(command);
    let kept = if cut {
        &command[..LETTER_CUT_BYTES]
    } else {
        command
    };
    let letter = Letter {
        at,
        place,
        problem,
        command: &String::from_utf8_lossy(kept),
        cut,
    };
    // A text and numbers can always be written.
    serde_json::to_vec(&letter).unwrap_or_default()
}

/// Whether it is too large as a text in JSON, where a byte may take six.
fn is_large(command: &[u8]) -> bool {
    if command.len() > LETTER_TEXT_BYTES_MAX {
        return true;
    }
    let text = String::from_utf8_lossy(command);
    let written = serde_json::to_string(&*text).map_or(usize::MAX, |text| text.len());
    written > LETTER_TEXT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use fanwave_wire::limits::COMMAND_BYTES_MAX;
    use serde_json::json;

    use super::*;
    use crate::limits::LETTER_BYTES_MAX;

    #[test]
    fn a_letter_has_the_command_as_it_was_unless_that_is_too_large() {
        let problem = json!({"code": "banned"});
        let read = |command: &[u8]| -> Value {
            let letter = letter(UnixMillis(7), "1-0", &problem, command);
            assert!(letter.len() <= LETTER_BYTES_MAX);
            serde_json::from_slice(&letter).unwrap()
        };
        let command = "{\"id\": \"안녕\"}";
        let expected =
            json!({"at": 7, "place": "1-0", "problem": {"code": "banned"}, "command": command});
        assert_eq!(read(command.as_bytes()), expected);
        for large in [b'\0', b'a', 0xff] {
            let letter = read(&vec![large; 4 * COMMAND_BYTES_MAX]);
            assert_eq!(letter["cut"], true);
            let kept = letter["command"].as_str().unwrap().chars().count();
            assert_eq!(kept, LETTER_CUT_BYTES);
        }
        assert_eq!(read(&[b'\0'; COMMAND_BYTES_MAX])["cut"], true);
        assert!(
            read(&vec![b'"'; COMMAND_BYTES_MAX / 2])
                .get("cut")
                .is_none()
        );
    }
}
