//! The multivariant playlist, and the bit rates that it promises.

use crate::{
    address::Address,
    finding::Fault,
    parse::{Multivariant, Variant},
    rules::Rule,
};

/// Everything that the playlist by itself shows.
#[must_use]
pub fn check(address: &Address, playlist: &Multivariant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for variant in &playlist.variants {
        let list = &variant.attributes;
        let line = list.line();
        let mut required = vec!["BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS"];
        if has_video(variant) {
            required.extend(["RESOLUTION", "FRAME-RATE"]);
        }
        required.retain(|name| list.raw(name).is_none());
        if !required.is_empty() {
            let seen = format!("`{}` has no {}", variant.uri, required.join(", "));
            faults.push(Fault::new(Rule::BandwidthMissing, seen, "all of them").at(line));
        }
        for (kind, name) in [
            ("AUDIO", "AUDIO"),
            ("VIDEO", "VIDEO"),
            ("SUBTITLES", "SUBTITLES"),
        ] {
            let Some(group) = list.raw(name) else {
                continue;
            };
            let is_there = playlist.renditions.iter().any(|rendition| {
                let list = &rendition.attributes;
                list.raw("TYPE") == Some(kind) && list.raw("GROUP-ID") == Some(group)
            });
            if !is_there {
                let seen = format!("{name}=\"{group}\", and no such group");
                faults.push(
                    Fault::new(Rule::GroupMissing, seen, "EXT-X-MEDIA of that group").at(line),
                );
            }
        }
        host(address, &variant.uri, line, &mut faults);
    }
    for rendition in &playlist.renditions {
        let list = &rendition.attributes;
        let missing: Vec<&str> = ["TYPE", "GROUP-ID", "NAME"]
            .into_iter()
            .filter(|name| list.raw(name).is_none())
            .collect();
        if !missing.is_empty() {
            let seen = format!("EXT-X-MEDIA has no {}", missing.join(", "));
            faults.push(Fault::new(Rule::GroupMissing, seen, "all of them").at(list.line()));
        }
        if list.is_yes("DEFAULT") && list.raw("AUTOSELECT") == Some("NO") {
            let seen = "DEFAULT=YES and AUTOSELECT=NO";
            faults.push(Fault::new(Rule::GroupMissing, seen, "AUTOSELECT=YES").at(list.line()));
        }
        if let Some(uri) = list.raw("URI") {
            host(address, uri, list.line(), &mut faults);
        }
    }
    faults
}

fn host(address: &Address, uri: &str, line: usize, faults: &mut Vec<Fault>) {
    let Some(found) = address.resolve(uri) else {
        faults.push(
            Fault::new(
                Rule::PlaylistMissing,
                format!("`{uri}` is no address"),
                "a URI",
            )
            .at(line),
        );
        return;
    };
    if found.authority != address.authority {
        let seen = format!("`{uri}` is on another host");
        faults.push(Fault::new(Rule::ManyHosts, seen, address.authority.clone()).at(line));
    }
}

/// Whether a variant has video: its codecs say so, or its resolution.
fn has_video(variant: &Variant) -> bool {
    let codecs = variant.attributes.raw("CODECS").unwrap_or_default();
    let is_video = |codec: &str| {
        ["avc", "hvc", "hev", "av01", "vp0", "dvh", "vvc"]
            .iter()
            .any(|name| codec.trim().starts_with(name))
    };
    variant.attributes.raw("RESOLUTION").is_some() || codecs.split(',').any(is_video)
}

/// Compares a variant's BANDWIDTH with what its segments needed at most, bits per second.
#[must_use]
pub fn bandwidth(uri: &str, line: usize, announced: u64, measured: u64) -> Option<Fault> {
    let most = announced.saturating_mul(5) / 4;
    (measured > most).then(|| {
        let seen = format!("`{uri}` needs {measured} b/s, BANDWIDTH={announced}");
        Fault::new(Rule::BandwidthExceeded, seen, format!("at most {most} b/s")).at(line)
    })
}
