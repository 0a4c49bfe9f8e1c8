//! `GET /api/v1/channels/{id}/ingest/addresses`: where encoders publish to, as they have to be told. For staff alone.
//!
//! Where the operator has said under which address a port is reached, that is told; otherwise the host that this was asked
//! at, with the port that this server listens at. No key is told: it stands where the answer has [`KEY_PLACE`].

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    http::{header, request::Parts, uri::Authority},
};
use fanwave_wire::RoomId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, Staff},
};

/// What stands in an address where the stream key belongs.
const KEY_PLACE: &str = "STREAM-KEY";

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Where encoders connect to; what is `None` is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    /// RTMP.
    pub rtmp: Door,
    /// RTMP over TLS.
    pub rtmps: Option<Door>,
    /// SRT.
    pub srt: Option<SrtDoor>,
    /// WHIP: the origin that it is behind, `https://fans.example`; empty where it is the one that is asked.
    pub whip: Option<Arc<str>>,
}

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Under this address, as the operator says: `rtmp://ingest.example/live`, `srt://ingest.example:9000`.
    At(Arc<str>),
    /// At this port of whatever host is asked.
    Port(u16),
}

/// The way in by SRT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtDoor {
    /// Where it is.
    pub door: Door,
    /// Whether encoders need a passphrase beside their key.
    pub has_passphrase: bool,
}

/// Where encoders publish to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EncoderAddresses)]
pub(crate) struct Addresses {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    addresses: Vec<Address>,
}

/// One way in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EncoderAddress)]
struct Address {
    protocol: Protocol,
    /// What goes into the encoder's field for the server. Of WHIP it may be a path of the address that this was asked at.
    #[schema(example = "rtmp://fans.example:1935/live")]
    server: String,
    key_goes: KeyGoes,
    /// Whether the encoder needs a passphrase beside its key.
    has_passphrase: bool,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EncoderProtocol)]
enum Protocol {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// MPEG-TS over SRT.
    Srt,
    /// WebRTC, begun by WHIP.
    Whip,
}

/// Where the stream key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StreamKeyPlace)]
enum KeyGoes {
    /// Into the encoder's field for it.
    StreamKey,
    /// Into the address, in place of `STREAM-KEY`.
    Server,
    /// Into the encoder's field for a bearer token.
    BearerToken,
}

/// Lists where encoders publish to
///
/// One address for each protocol that is taken, without a key. For staff.
#[utoipa::path(
    get, path = "/channels/{id}/ingest/addresses", tag = "shows", operation_id = "listEncoderAddresses",
    params(ChannelPath), security(("bearer" = [])),
    responses(
        (status = 200, description = "The addresses.", body = Addresses),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    _: Staff,
    Host(host): Host,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Addresses>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    Ok(fresh(Addresses {
        addresses: addresses(&api.doors, &host, &channel),
        channel,
    }))
}

fn addresses(doors: &Doors, host: &str, channel: &RoomId) -> Vec<Address> {
    let rtmp = |door: &Door, scheme: &str| {
        let server = match door {
            Door::At(address) => address.to_string(),
            Door::Port(port) => format!("{scheme}://{host}:{port}/live"),
        };
        let is_secure = server.starts_with("rtmps:");
        Address {
            protocol: if is_secure {
                Protocol::Rtmps
            } else {
                Protocol::Rtmp
            },
            server,
            key_goes: KeyGoes::StreamKey,
            has_passphrase: false,
        }
    };
    let srt = |SrtDoor {
                   door,
                   has_passphrase,
               }: &SrtDoor| {
        let place = match door {
            Door::At(address) => address.to_string(),
            Door::Port(port) => format!("srt://{host}:{port}"),
        };
        Address {
            protocol: Protocol::Srt,
            server: format!("{place}?streamid=publish:{KEY_PLACE}"),
            key_goes: KeyGoes::Server,
            has_passphrase: *has_passphrase,
        }
    };
    let whip = |origin: &Arc<str>| Address {
        protocol: Protocol::Whip,
        server: format!("{origin}/whip/{channel}"),
        key_goes: KeyGoes::BearerToken,
        has_passphrase: false,
    };
    let others = [
        doors.rtmps.as_ref().map(|door| rtmp(door, "rtmps")),
        doors.srt.as_ref().map(srt),
        doors.whip.as_ref().map(whip),
    ];
    let first = rtmp(&doors.rtmp, "rtmp");
    [first]
        .into_iter()
        .chain(others.into_iter().flatten())
        .collect()
}

/// The host that is asked, without its port; of IPv6 in brackets.
struct Host(String);

impl FromRequestParts<Arc<Api>> for Host {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        let said = || {
            let host = parts.headers.get(header::HOST)?.to_str().ok()?;
            host.parse::<Authority>().ok()
        };
        // HTTP/2 and HTTP/3 have it in the request's target, HTTP/1 in a header of its own.
        let host = match parts.uri.host() {
            Some(host) => host.to_owned(),
            None => said().map_or_else(|| "localhost".to_owned(), |said| said.host().to_owned()),
        };
        Ok(Self(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(doors: &Doors, host: &str) -> Vec<(Protocol, String)> {
        let listed = addresses(doors, host, &"demo".parse().unwrap());
        let one = |address: Address| (address.protocol, address.server);
        listed.into_iter().map(one).collect()
    }

    #[test]
    fn what_is_not_said_is_the_port_of_the_host_that_is_asked() {
        let doors = Doors {
            rtmp: Door::Port(1935),
            rtmps: Some(Door::Port(1936)),
            srt: Some(SrtDoor {
                door: Door::Port(9000),
                has_passphrase: true,
            }),
            whip: Some("".into()),
        };
        assert_eq!(
            servers(&doors, "[2001:db8::1]"),
            [
                (Protocol::Rtmp, "rtmp://[2001:db8::1]:1935/live".to_owned()),
                (
                    Protocol::Rtmps,
                    "rtmps://[2001:db8::1]:1936/live".to_owned()
                ),
                (
                    Protocol::Srt,
                    "srt://[2001:db8::1]:9000?streamid=publish:STREAM-KEY".to_owned()
                ),
                (Protocol::Whip, "/whip/demo".to_owned()),
            ]
        );
    }

    #[test]
    fn what_the_operator_says_is_told_whoever_is_asked() {
        let doors = Doors {
            rtmp: Door::At("rtmps://ingest.example/live".into()),
            rtmps: None,
            srt: Some(SrtDoor {
                door: Door::At("srt://ingest.example:7000".into()),
                has_passphrase: false,
            }),
            whip: Some("https://fans.example".into()),
        };
        assert_eq!(
            servers(&doors, "127.0.0.1"),
            [
                (Protocol::Rtmps, "rtmps://ingest.example/live".to_owned()),
                (
                    Protocol::Srt,
                    "srt://ingest.example:7000?streamid=publish:STREAM-KEY".to_owned()
                ),
                (Protocol::Whip, "https://fans.example/whip/demo".to_owned()),
            ]
        );
    }
}
