//! A maker of transport streams, as simple as may be.

use std::collections::BTreeMap;

use crate::ts::section::crc;

pub(super) const MAP_PID: u16 = 0x1000;
pub(super) const VIDEO_PID: u16 = 0x100;
pub(super) const AUDIO_PID: u16 = 0x101;

/// 1280x720 at 30 frames per second, High profile level 3.1.
pub(crate) const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
    0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
];
pub(crate) const PPS: &[u8] = &[0x68, 0xef, 0x8f, 0xcb];

pub(super) struct Mux {
    pub(super) bytes: Vec<u8>,
    counters: BTreeMap<u16, u8>,
}

pub(super) fn pid(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

/// A frame of AAC-LC, 48 kHz, stereo.
pub(super) fn adts(frame: &[u8]) -> Vec<u8> {
    let length = frame.len() + 7;
    let byte = |n: usize| u8::try_from(n & 0xff).unwrap();
    let head = [
        0xff,
        0xf1,
        0x4c,
        0x80 | byte(length >> 11),
        byte(length >> 3),
        byte(length << 5) | 0x1f,
        0xfc,
    ];
    [&head, frame].concat()
}

impl Mux {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            counters: BTreeMap::new(),
        }
    }

    /// The two tables, with streams of these types.
    pub(super) fn tables(&mut self, video: u8, audio: Option<u8>) {
        self.tables_with(video, audio.map(|kind| (kind, &[][..])));
    }

    /// The same, where the sound has descriptors.
    pub(super) fn tables_with(&mut self, video: u8, audio: Option<(u8, &[u8])>) {
        let audio = audio.map(|(kind, descriptors)| (kind, AUDIO_PID, descriptors));
        let streams: Vec<_> = std::iter::once((video, VIDEO_PID, &[][..]))
            .chain(audio)
            .collect();
        self.map(&streams);
    }

    /// The two tables, with these streams: type, packet id and descriptors.
    pub(super) fn map(&mut self, streams: &[(u8, u16, &[u8])]) {
        let [map_high, map_low] = MAP_PID.to_be_bytes();
        self.section(0, 0, &[0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | map_high, map_low]);
        let mut map = vec![0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0];
        for (kind, pid, descriptors) in streams {
            let [high, low] = pid.to_be_bytes();
            let bytes = u8::try_from(descriptors.len()).unwrap();
            map.extend([*kind, 0xe0 | high, low, 0xf0, bytes]);
            map.extend(*descriptors);
        }
        self.section(MAP_PID, 2, &map);
    }

    fn section(&mut self, pid: u16, table: u8, body: &[u8]) {
        let length = u8::try_from(body.len() + 4).unwrap();
        let mut section = [&[table, 0xb0, length], body].concat();
        let sum = crc(&section);
        section.extend(sum.to_be_bytes());
        // The pointer says that the section begins at once; what is behind it is filled up.
        let mut payload = [&[0], section.as_slice()].concat();
        payload.resize(184, 0xff);
        let counter = self.count(pid);
        let [high, low] = pid.to_be_bytes();
        self.bytes.extend([0x47, 0x40 | high, low, 0x10 | counter]);
        self.bytes.extend(payload);
    }

    /// A picture that is shown so much after it is decoded.
    pub(super) fn picture(&mut self, at: u64, composition: u64, sync: bool) {
        self.picture_with(at, composition, sync.then_some((SPS, PPS)));
    }

    /// A picture; one with parameter sets is an IDR picture.
    pub(super) fn picture_with(&mut self, at: u64, composition: u64, sets: Option<(&[u8], &[u8])>) {
        let mut unit = vec![0, 0, 0, 1, 9, 0xf0];
        if let Some((sps, pps)) = sets {
            for nal in [sps, pps] {
                unit.extend([0, 0, 0, 1]);
                unit.extend(nal);
            }
        }
        unit.extend([0, 0, 1, if sets.is_some() { 0x65 } else { 0x41 }]);
        unit.extend([0x88; 500]);
        self.pes(VIDEO_PID, 0xe0, (at + composition, Some(at)), &unit);
    }

    /// Frames of sound in one unit.
    pub(super) fn sound(&mut self, at: u64, frames: &[&[u8]]) {
        let unit: Vec<u8> = frames.iter().flat_map(|frame| adts(frame)).collect();
        self.pes(AUDIO_PID, 0xc0, (at, None), &unit);
    }

    pub(super) fn pes(
        &mut self,
        pid: u16,
        stream: u8,
        (presented, decoded): (u64, Option<u64>),
        data: &[u8],
    ) {
        let mut head = timestamp(if decoded.is_some() { 3 } else { 2 }, presented);
        head.extend(decoded.iter().flat_map(|&at| timestamp(1, at)));
        // Pictures do not say how long they are.
        let length = if stream == 0xe0 {
            0
        } else {
            3 + head.len() + data.len()
        };
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let flags = if decoded.is_some() { 0xc0 } else { 0x80 };
        let head_bytes = u8::try_from(head.len()).unwrap();
        let mut unit = vec![0, 0, 1, stream, high, low, 0x80, flags, head_bytes];
        unit.extend(head);
        unit.extend(data);
        for (n, payload) in unit.chunks(184).enumerate() {
            let counter = self.count(pid);
            let [high, low] = pid.to_be_bytes();
            let starts = if n == 0 { 0x40 } else { 0 };
            let stuffing = 184 - payload.len();
            let control = if stuffing > 0 { 0x30 } else { 0x10 };
            self.bytes
                .extend([0x47, starts | high, low, control | counter]);
            if stuffing > 0 {
                self.bytes.push(u8::try_from(stuffing - 1).unwrap());
                if stuffing > 1 {
                    self.bytes.push(0);
                    self.bytes.resize(self.bytes.len() + stuffing - 2, 0xff);
                }
            }
            self.bytes.extend(payload);
        }
    }

    /// The next number of a stream's packets.
    fn count(&mut self, pid: u16) -> u8 {
        let counter = self.counters.entry(pid).or_default();
        let now = *counter;
        *counter = (now + 1) & 15;
        now
    }
}

fn timestamp(mark: u8, at: u64) -> Vec<u8> {
    let at = at & ((1 << 33) - 1);
    let bits = |shift: u32, mask: u64| u8::try_from(at >> shift & mask).unwrap();
    vec![
        mark << 4 | bits(30, 7) << 1 | 1,
        bits(22, 0xff),
        bits(15, 0x7f) << 1 | 1,
        bits(7, 0xff),
        bits(0, 0x7f) << 1 | 1,
    ]
}
