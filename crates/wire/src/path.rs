//! URL paths that more than one shell, or a shell and the web page, must agree on.

/// The chat's WebSocket, where unmodified Centrifuge clients expect it.
pub const WEBSOCKET: &str = "/connection/websocket";

/// The chat as one long HTTP response, for networks that break a WebSocket: `POST`, with the first command as body.
pub const HTTP_STREAM: &str = "/connection/http_stream";

/// The chat as server-sent events: `GET`, with the first command in the query.
pub const SSE: &str = "/connection/sse";

/// What listeners of a stream or of events have to say: `POST`.
pub const EMULATION: &str = "/emulation";

/// Everything of the broadcast: `/live/{channel}/master.m3u8` and what it names.
pub const LIVE: &str = "/live";

/// The public API, first version.
pub const API_V1: &str = "/api/v1";

/// Guest tokens: `POST`.
pub const GUESTS: &str = "/api/v1/guests";

/// Channels: `GET`, the list, and one with `/{id}` behind it.
pub const CHANNELS: &str = "/api/v1/channels";

/// The servers of these rooms: `GET`, for staff.
pub const NODES: &str = "/api/v1/nodes";

/// Is the process alive?
pub const LIVEZ: &str = "/livez";

/// Is the process ready to serve?
pub const READYZ: &str = "/readyz";

/// The process's metrics in Prometheus' text format.
pub const METRICS: &str = "/metrics";

/// Path of a channel's multivariant playlist.
#[must_use]
pub fn master_playlist(room: &crate::RoomId) -> String {
    format!("{LIVE}/{room}/master.m3u8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_playlist_of_a_room_is_under_live() {
        let room = "demo".parse().unwrap();
        assert_eq!(master_playlist(&room), "/live/demo/master.m3u8");
    }

    #[test]
    fn paths_of_the_api_are_under_its_version() {
        for path in [GUESTS, CHANNELS, NODES] {
            assert!(
                path.strip_prefix(API_V1)
                    .is_some_and(|rest| rest.starts_with('/')),
                "{path}"
            );
        }
    }
}
