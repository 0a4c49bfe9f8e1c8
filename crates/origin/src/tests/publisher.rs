//! A publisher that sends what the test says, when it says it.
//!
//! Pictures come 25 times a second with an IDR picture every 2 s, sound in AAC frames of 48 kHz. The pictures are no
//! pictures, but NAL units of the right types: nothing in the origin decodes them.

use std::{net::SocketAddr, time::Instant};

use sapflow_rtmp::client::{ClientError, Publisher as Client, PublisherConfig, PublisherState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::DEADLINE;

/// 1280x720 at 30 pictures per second, High profile level 3.1.
pub(crate) const AVC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
/// AAC-LC, 48 kHz, stereo.
const AAC: &[u8] = &[0x11, 0x90];
const PICTURE_MS: u32 = 40;

/// The same at another level.
fn changed() -> Vec<u8> {
    let mut avc = AVC.to_vec();
    (avc[3], avc[11]) = (0x20, 0x20);
    avc
}

pub(super) struct Publisher {
    client: Client,
    socket: TcpStream,
    started: Instant,
    next_picture_ms: u32,
    next_sound: u32,
    keyframe_ms: u32,
}

impl Publisher {
    /// Connects and asks to publish; the error is the server's refusal.
    pub(super) async fn connect(addr: SocketAddr, key: &str) -> Result<Self, ClientError> {
        Self::connect_with(addr, key, AVC, AAC).await
    }

    /// The same with an encoder set to another level.
    pub(super) async fn connect_changed(addr: SocketAddr, key: &str) -> Result<Self, ClientError> {
        Self::connect_with(addr, key, &changed(), AAC).await
    }

    /// Sets the encoder to another level while it sends.
    pub(super) async fn change(&mut self) {
        self.client
            .send_avc_config_at(self.next_picture_ms, &changed())
            .unwrap();
        self.flush().await;
    }

    async fn connect_with(
        addr: SocketAddr,
        key: &str,
        avc: &[u8],
        aac: &[u8],
    ) -> Result<Self, ClientError> {
        let mut config = PublisherConfig::new(
            "live".to_owned(),
            key.to_owned(),
            format!("rtmp://{addr}/live"),
        );
        // What the test sends at once is minutes of media.
        config.max_output_age_ms = 60_000;
        let client = Client::new(config, 7, 0)?;
        let socket = TcpStream::connect(addr).await.expect("the origin listens");
        let (started, keyframe_ms) = (Instant::now(), 2_000);
        let mut publisher = Self {
            client,
            socket,
            started,
            next_picture_ms: 0,
            next_sound: 0,
            keyframe_ms,
        };
        timeout(DEADLINE, publisher.until_publishing())
            .await
            .expect("an answer in time")?;
        publisher.client.send_avc_config(avc)?;
        publisher.client.send_aac_config(aac)?;
        publisher.flush().await;
        Ok(publisher)
    }

    async fn until_publishing(&mut self) -> Result<(), ClientError> {
        let mut buffer = [0; 4_096];
        while self.client.state() != PublisherState::Publishing {
            self.flush().await;
            let bytes = self
                .socket
                .read(&mut buffer)
                .await
                .map_err(|_| ClientError::Disconnected)?;
            if bytes == 0 {
                return Err(ClientError::Disconnected);
            }
            self.client.feed(&buffer[..bytes], self.now_ms())?;
        }
        Ok(())
    }

    /// Puts the IDR pictures so far apart.
    pub(super) fn set_keyframe_ms(&mut self, ms: u32) {
        self.keyframe_ms = ms;
    }

    /// Sends the media up to this time.
    pub(super) async fn send_until(&mut self, end_ms: u32) {
        while self.next_picture_ms < end_ms {
            let at = self.next_picture_ms;
            let sync = at.is_multiple_of(self.keyframe_ms);
            let nal = [0, 0, 0, 3, if sync { 0x65 } else { 0x41 }, 0x88, 0x80];
            self.client.send_avc(at, 0, sync, &nal).unwrap();
            self.next_picture_ms += PICTURE_MS;
            while self.sound_ms() < self.next_picture_ms {
                self.client
                    .send_aac(self.sound_ms(), &[0x21, 0x10, 0x04])
                    .unwrap();
                self.next_sound += 1;
            }
            self.flush().await;
        }
    }

    /// Sends the next so many milliseconds of media.
    pub(super) async fn send_for(&mut self, ms: u32) {
        self.send_until(self.next_picture_ms + ms).await;
    }

    /// Sends access units that are none.
    pub(super) async fn send_garbage(&mut self, bytes: &[u8]) {
        self.client.send_avc(0, 0, true, bytes).unwrap();
        self.flush().await;
    }

    /// Leaves out the media up to this time.
    pub(super) fn skip_to(&mut self, ms: u32) {
        self.next_picture_ms = ms;
        self.next_sound = ms * 48 / 1_024;
    }

    fn sound_ms(&self) -> u32 {
        self.next_sound * 1_024 / 48
    }

    /// Hangs up as a dead network would: with a reset.
    pub(super) fn vanish(self) {
        self.socket.set_zero_linger().unwrap();
    }

    /// Reads until the server closes; the error is what it said last.
    pub(super) async fn until_dismissed(mut self) -> ClientError {
        let read = async {
            let mut buffer = [0; 4_096];
            loop {
                match self.socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => return ClientError::Disconnected,
                    Ok(bytes) => match self.client.feed(&buffer[..bytes], self.now_ms()) {
                        Ok(()) => {}
                        Err(why) => return why,
                    },
                }
            }
        };
        timeout(DEADLINE, read).await.expect("an end in time")
    }

    async fn flush(&mut self) {
        let output = self.client.take_output();
        // A server that has hung up is noticed by whoever reads.
        self.socket.write_all(&output).await.ok();
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap()
    }
}
