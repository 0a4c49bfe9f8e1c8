//! The one screen that is printed at start: where to watch, what to type into OBS, where things are, how to stop.
//!
//! It shows stream keys, because the person who started the server is the one who needs them; it goes to standard
//! output, never to the log, and is not printed where a machine collects output (`log.format = "json"`).

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use super::{
    assembly::{Server, Show},
    machine::Machine,
};
use crate::config::plan::Plan;

/// Channels that are shown in full; of more, the folder with their keys is named.
const CHANNELS_SHOWN_MAX: usize = 4;

/// The screen.
#[must_use]
pub fn render(plan: &Plan, server: &Server, machine: &Machine) -> String {
    let mut screen = Screen(String::new());
    let url = page_url(plan, server.http_addr());
    let host = host_of(&url);
    let rtmp = format!("rtmp://{host}:{}/live", server.rtmp_addr().port());
    let rtmps = server
        .rtmps_addr()
        .map(|addr| format!("rtmps://{host}:{}/live", addr.port()));
    let srt = server
        .srt_addr()
        .map(|addr| format!("srt://{host}:{}?streamid=publish:STREAM-KEY", addr.port()));
    screen.blank();
    screen.line(&format!("  Fanwave {} is up.", env!("CARGO_PKG_VERSION")));
    screen.blank();
    screen.pair("Watch", &format!("{url}/"));
    if let Some(address) = server.https_addr() {
        screen.pair("Over TLS", &format!("https://{host}:{}/", address.port()));
    }
    for (index, channel) in server
        .channels()
        .iter()
        .take(CHANNELS_SHOWN_MAX)
        .enumerate()
    {
        screen.blank();
        screen.pair(
            "Channel",
            &format!(
                "{} ({})  {url}/watch/{}",
                channel.title, channel.id, channel.id
            ),
        );
        if index == 0 && server.show() == Show::Demo {
            screen.pair("", "the demo show is on: moving picture, wall clock, a tone, and a few fans in the chat");
            screen.pair("", "one publisher at a time: start `fanwave serve` without --demo to use this one in OBS");
        }
        screen.pair("  Server", &rtmp);
        if let Some(rtmps) = &rtmps {
            screen.pair("  or over TLS", rtmps);
        }
        if let Some(srt) = &srt {
            screen.pair("  or by SRT", srt);
        }
        if server.whip_addr().is_some() {
            screen.pair("  or by WHIP", &format!("{url}/whip/{}", channel.id));
        }
        screen.pair("  Stream key", channel.stream_key.expose());
    }
    screen.blank();
    if server.channels().len() > CHANNELS_SHOWN_MAX {
        screen.pair("", "the other channels' keys: `fanwave stream-key CHANNEL`");
    }
    screen.pair(
        "OBS output",
        "encoder x264, keyframe interval 2 s, bitrate 2500 to 6000 kbit/s; audio AAC, 160 kbit/s",
    );
    screen.pair("Data", &server.data_dir().display().to_string());
    for address in server.chat_addrs() {
        screen.pair("Chat port", &address.to_string());
    }
    let wanted = plan.chat.connections_max;
    let fans = machine.fans(wanted);
    screen.pair("Room for", &format!("{fans} fans in the chat"));
    for shortage in machine.shortages(wanted) {
        screen.pair("  To raise", &shortage.to_string());
    }
    screen.pair("Health", &format!("{url}/readyz  {url}/metrics"));
    screen.pair("Stop", "Ctrl-C");
    screen.blank();
    screen.0
}

/// Where fans open the page.
fn page_url(plan: &Plan, http: SocketAddr) -> String {
    if let Some(url) = &plan.http.public_url {
        return url.clone();
    }
    let host = match http.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if http.port() == 80 {
        format!("http://{host}")
    } else {
        format!("http://{host}:{}", http.port())
    }
}

/// The host of an address of the page, without scheme and port.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    match authority.rsplit_once(':') {
        // The last colon of a bare IPv6 address is inside its brackets.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

struct Screen(String);

impl Screen {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn pair(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "  {name:<14}{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_every_kind_of_address() {
        for (url, host) in [
            ("http://localhost:8080", "localhost"),
            ("https://fans.example", "fans.example"),
            ("http://[::1]:8080", "[::1]"),
            ("http://[::1]", "[::1]"),
            ("http://192.0.2.7:80", "192.0.2.7"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
