//! Fans over TLS, by a client that is not ours: the same chat, whatever the records are cut into.

mod support;

use std::{
    fs, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use fanwave_gateway::{Dialect, GatewayConfig, TlsFiles};
use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion, crypto::aws_lc_rs::kx_group, pki_types::ServerName,
};
use support::{Fan, Node, PATIENCE, config};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::Message;

/// A node whose own port speaks TLS, and what a client needs to trust it.
struct Secured {
    node: Node,
    client: ClientConfig,
    roots: RootCertStore,
    _files: tempfile::TempDir,
}

fn client(roots: &RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // As browsers do: the hybrid first.
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots.clone())
        .with_no_client_auth()
}

/// A connection in which one byte that is sent is another.
struct Broken {
    stream: TcpStream,
    /// How many are sent before it.
    at: usize,
    flip: u8,
}

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = bytes.to_vec();
        let (at, flip) = (self.at, self.flip);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= flip;
        }
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes))?;
        self.at = at.checked_sub(written).unwrap_or(usize::MAX);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Secured {
    async fn start(config: GatewayConfig) -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let tls = TlsFiles {
            certificate: files.path().join("certificate.pem"),
            key: files.path().join("key.pem"),
        };
        fs::write(&tls.certificate, made.cert.pem()).expect("a file");
        fs::write(&tls.key, made.signing_key.serialize_pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let client = client(&roots, rustls::DEFAULT_VERSIONS);
        let node = Node::start(GatewayConfig {
            tls: Some(tls),
            ..config
        })
        .await;
        Self {
            node,
            client,
            roots,
            _files: files,
        }
    }

    fn door(&self) -> SocketAddr {
        self.node.gateway.addresses()[0]
    }

    async fn secure(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(self.client.clone()));
        timeout(PATIENCE, connector.connect(name, stream))
            .await
            .expect("in time")
            .expect("a handshake")
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.door()).await.expect("a connection");
        self.secure(stream).await
    }

    async fn fan(&self, user: &str) -> Fan {
        let mut fan = Fan::upgrade(self.connect().await, self.door()).await;
        fan.log_in(&self.node.token(user)).await;
        fan
    }

    /// Waits until the metrics say something.
    async fn told(&self, line: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.node.metrics().contains(line) {
            let metrics = self.node.metrics();
            assert!(tokio::time::Instant::now() < deadline, "{line}: {metrics}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn fans_with_and_without_tls_are_in_one_room() {
    let secured = Secured::start(config()).await;
    let mut anna = secured.fan("anna").await;
    let mut bora = secured.fan("bora").await;
    let stream = TcpStream::connect(secured.node.addr)
        .await
        .expect("a connection");
    let mut chai = Fan::upgrade(stream, secured.node.addr).await;
    chai.log_in(&secured.node.token("chai")).await;
    for fan in [&mut anna, &mut bora, &mut chai] {
        fan.subscribe("chat:demo").await;
    }
    for n in 1..=50_u64 {
        let text = format!("{n} {}", "달".repeat(100));
        anna.say("chat:demo", &text).await;
        for fan in [&mut anna, &mut bora, &mut chai] {
            assert_eq!(fan.publication().await, (n, text.clone()));
        }
    }
    secured.told("fanwave_gateway_tls_handshakes_total 2").await;
    drop((anna, bora));
    secured.told("fanwave_gateway_connections 1").await;
}

#[tokio::test]
async fn key_exchange_is_hybrid_and_a_second_handshake_is_resumed() {
    let secured = Secured::start(config()).await;
    let first = secured.connect().await;
    let (_, session) = first.get_ref();
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(
        session
            .negotiated_key_exchange_group()
            .map(|group| group.name()),
        Some(NamedGroup::X25519MLKEM768)
    );
    // The ticket comes behind the handshake, before anything that is answered.
    let mut fan = Fan::upgrade(first, secured.door()).await;
    fan.log_in(&secured.node.token("anna")).await;
    let second = secured.connect().await;
    assert_eq!(
        second.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed)
    );
}

#[tokio::test]
async fn an_old_client_speaks_tls_1_2() {
    let mut secured = Secured::start(config()).await;
    secured.client = client(&secured.roots, &[&rustls::version::TLS12]);
    let stream = secured.connect().await;
    assert_eq!(
        stream.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    let mut fan = Fan::upgrade(stream, secured.door()).await;
    fan.log_in(&secured.node.token("anna")).await;
    fan.subscribe("chat:demo").await;
    fan.say("chat:demo", "as of old").await;
    assert_eq!(fan.publication().await.1, "as of old");
}

/// Largest messages, there and back: they span many records, and are cut anywhere by the socket's buffers.
#[tokio::test]
async fn large_messages_come_back_as_they_were() {
    let secured = Secured::start(GatewayConfig {
        dialect: Dialect::Echo,
        socket_send_bytes: 4096,
        ..config()
    })
    .await;
    let stream = secured.secure(support::narrow(secured.door()).await).await;
    let mut fan = Fan::upgrade(stream, secured.door()).await;
    let sizes = [0, 1, 125, 126, 16_383, 16_384, 16_385, 40_000, 65_000];
    let bytes = |size: usize| -> Vec<u8> {
        (0..size)
            .map(|at| u8::try_from(at * 7 % 251).expect("small"))
            .collect()
    };
    // All are sent before any is read, so that both directions are full at times.
    for size in sizes {
        fan.socket
            .feed(Message::binary(bytes(size)))
            .await
            .expect("fed");
    }
    fan.socket.flush().await.expect("sent");
    for size in sizes {
        let message = timeout(PATIENCE, fan.socket.next()).await.expect("in time");
        let message = message.expect("a message").expect("a good one");
        assert_eq!(message.into_data(), bytes(size), "{size}");
    }
}

/// A fan who pauses gets everything; one who pauses longer than the log lasts is told to come back.
#[tokio::test]
async fn a_slow_reader_is_forgiven_or_cut() {
    for (log_bytes, forgiven) in [(1024 * 1024, true), (20_000, false)] {
        let secured = Secured::start(GatewayConfig {
            room_log_bytes: log_bytes,
            socket_send_bytes: 4096,
            close_timeout: Duration::from_secs(60),
            tick: Duration::from_millis(1),
            ..config()
        })
        .await;
        let stream = secured.secure(support::narrow(secured.door()).await).await;
        let mut slow = Fan::upgrade(stream, secured.door()).await;
        slow.log_in(&secured.node.token("slow")).await;
        slow.subscribe("room:demo").await;
        let mut quick = secured.fan("quick").await;
        quick.subscribe("room:demo").await;
        let mut artist = Fan::upgrade(secured.connect().await, secured.door()).await;
        let token =
            secured
                .node
                .token_of("moon", fanwave_wire::Role::Artist, support::now() + 600_000);
        artist.log_in(&token).await;
        for n in 1..=400_u64 {
            let text = format!("{n} {}", "x".repeat(490));
            assert_eq!(artist.say("room:demo", &text).await, n);
            assert_eq!(quick.publication().await, (n, text));
        }
        let mut seen = 0;
        let ended = loop {
            if seen == 400 {
                break None;
            }
            match slow.next().await {
                Ok(said) => {
                    let (offset, _) = support::offset_and_text(&said["push"]["pub"]);
                    assert_eq!(offset, seen + 1, "no hole");
                    seen = offset;
                }
                Err(code) => break Some(code),
            }
        };
        assert_eq!(ended, if forgiven { None } else { Some(3008) });
    }
}

#[tokio::test]
async fn what_is_no_client_hello_is_answered_with_an_alert() {
    let secured = Secured::start(config()).await;
    let garbage: [&[u8]; 3] = [
        b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xff; 600],
        // A handshake record that holds no handshake message.
        &[0x16, 3, 1, 0, 4, 9, 9, 9, 9],
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(secured.door())
            .await
            .expect("a connection");
        stream.write_all(bytes).await.expect("sent");
        let mut heard = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        // Unread bytes may make the end a reset.
        drop(read.expect("an end in time"));
        assert!(heard.is_empty() || heard[0] == 0x15, "{heard:?}");
    }
    secured
        .told(r#"fanwave_gateway_refused_upgrades_total{reason="tls"} 3"#)
        .await;
    secured.fan("anna").await;
}

/// Bytes changed anywhere in a stream that was good end it, or what it carries; never the node.
#[tokio::test]
async fn a_stream_broken_anywhere_ends_alone() {
    let secured = Secured::start(config()).await;
    let mut anna = secured.fan("anna").await;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..120 {
        let stream = TcpStream::connect(secured.door())
            .await
            .expect("a connection");
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round);
        let broken = Broken {
            stream,
            // Of the hello and what follows it, about 1.9 KiB.
            at: usize::try_from(random >> 53).expect("eleven bits"),
            flip: u8::try_from((random >> 20) & 0xff).expect("eight bits") | 1,
        };
        let connector = TlsConnector::from(Arc::new(secured.client.clone()));
        let name = ServerName::try_from("localhost").expect("a name");
        let talk = async {
            if let Ok(mut tls) = connector.connect(name, broken).await {
                let mut heard = Vec::new();
                drop(tls.write_all(b"GET / HTTP/1.1\r\n\r\n").await);
                drop(tls.read_to_end(&mut heard).await);
            }
        };
        timeout(PATIENCE, talk).await.expect("an end in time");
    }
    anna.subscribe("chat:demo").await;
    anna.say("chat:demo", "still here").await;
    assert!(secured.node.gateway.is_alive());
}

#[tokio::test]
async fn half_a_handshake_is_not_waited_for_without_end() {
    let secured = Secured::start(GatewayConfig {
        handshake_timeout: Duration::from_millis(200),
        ..config()
    })
    .await;
    let mut stream = TcpStream::connect(secured.door())
        .await
        .expect("a connection");
    stream
        .write_all(&[0x16, 3, 1, 2, 0, 1])
        .await
        .expect("sent");
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    drop(read.expect("an end in time"));
    assert_eq!(heard, b"");
}

/// Whoever is refused after the handshake hears why under TLS.
#[tokio::test]
async fn refusals_are_said_under_tls() {
    let secured = Secured::start(config()).await;
    let mut stream = secured.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("a request");
    let mut heard = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut heard))
        .await
        .expect("in time")
        .expect("a clean end");
    assert!(heard.starts_with("HTTP/1.1 404 "), "{heard}");
}
