//! As much of an HLS playlist as a viewer needs who only ever wants what is newest (draft-pantos-hls-rfc8216bis).

/// Renditions that one viewer follows: the pictures, and the sound where it is apart.
const RENDITIONS_MAX: usize = 2;

/// Parts that one look at a playlist asks for; a viewer that fell further behind skips, as players do.
const PARTS_PER_RELOAD_MAX: usize = 8;

/// The playlists of the first variant and of its sound, as paths.
pub(crate) fn renditions(master_path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut variant_next = false;
    for line in text.lines() {
        if line.starts_with("#EXT-X-STREAM-INF:") {
            variant_next = true;
        } else if line.starts_with("#EXT-X-MEDIA:") && line.contains("TYPE=AUDIO") {
            found.extend(attribute(line, "URI").map(|uri| resolve(master_path, uri)));
        } else if variant_next && !line.starts_with('#') && !line.is_empty() {
            found.insert(0, resolve(master_path, line));
            break;
        }
    }
    found.truncate(RENDITIONS_MAX);
    found
}

/// What a media playlist says about its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Segment and part that come next: what a blocking reload asks for.
    pub(crate) next: (u64, u64),
    /// The parts after the one that was read last, oldest first; only the newest when that one is gone.
    pub(crate) new_parts: Vec<String>,
    /// The show is over.
    pub(crate) ended: bool,
}

/// Reads the end of a media playlist.
pub(crate) fn tail(path: &str, text: &str, last_read: Option<&str>) -> Tail {
    let mut segments = 0;
    let mut first = 0;
    let mut parts_open = 0;
    let mut parts = Vec::new();
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            first = number.trim().parse().unwrap_or(0);
        } else if line.starts_with("#EXTINF:") {
            segments += 1;
            parts_open = 0;
        } else if line.starts_with("#EXT-X-PART:") {
            parts_open += 1;
            parts.extend(attribute(line, "URI").map(|uri| resolve(path, uri)));
        }
    }
    let read = last_read.and_then(|last| parts.iter().rposition(|part| part == last));
    let from = read.map_or(parts.len().saturating_sub(1), |index| index + 1);
    let from = from.max(parts.len().saturating_sub(PARTS_PER_RELOAD_MAX));
    Tail {
        next: (first + segments, parts_open),
        new_parts: parts.split_off(from.min(parts.len())),
        ended: text.contains("#EXT-X-ENDLIST"),
    }
}

/// A quoted attribute. A name is one only at the begin of the list or after a comma.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, list) = line.split_once(':')?;
    let mut rest = list;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"')?;
                (value, after.strip_prefix(',').unwrap_or(after))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key == name {
            return Some(value);
        }
        rest = after;
    }
}

/// A URI of a playlist as a path of the same server. One that names a server of its own is not followed there: load
/// goes to the target only.
fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let folder = base
        .split('?')
        .next()
        .and_then(|path| path.rsplit_once('/'));
    let folder = folder.map_or("", |(folder, _)| folder);
    format!("{folder}/{uri}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a, b=c\",URI=\"k/audio.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"audio\"\nk/video.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=0\nk/low.m3u8\n";

    const MEDIA: &str = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:40\n#EXTINF:4,\n40.m4s\n\
        #EXT-X-PART:DURATION=1,URI=\"41.0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=1,URI=\"41.1.m4s\"\n#EXTINF:2,\n\
        41.m4s\n#EXT-X-PART:DURATION=1,URI=\"42.0.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"42.1.m4s\"\n";

    #[test]
    fn the_first_variant_and_its_sound_are_followed() {
        let found = renditions("/live/demo/master.m3u8", MASTER);
        assert_eq!(
            found,
            ["/live/demo/k/video.m3u8", "/live/demo/k/audio.m3u8"]
        );
        assert_eq!(renditions("/x", "#EXTM3U\n"), Vec::<String>::new());
    }

    #[test]
    fn the_next_part_is_what_is_not_there_yet() {
        let first = tail("/v/p.m3u8?_HLS_msn=3", MEDIA, None);
        assert_eq!((first.next, first.ended), ((42, 1), false));
        assert_eq!(first.new_parts, ["/v/42.0.m4s"]);
        let later = tail("/v/p.m3u8", MEDIA, Some("/v/41.0.m4s"));
        assert_eq!(later.new_parts, ["/v/41.1.m4s", "/v/42.0.m4s"]);
        let nothing = tail("/v/p.m3u8", MEDIA, Some("/v/42.0.m4s"));
        assert_eq!(nothing.new_parts, Vec::<String>::new());
        assert!(tail("/p", "#EXT-X-ENDLIST", None).ended);
    }

    #[test]
    fn no_other_server_is_asked() {
        assert_eq!(
            resolve("/a/b.m3u8", "https://elsewhere/x"),
            "/a/https://elsewhere/x"
        );
        assert_eq!(resolve("/a/b.m3u8", "/x"), "/x");
    }
}
