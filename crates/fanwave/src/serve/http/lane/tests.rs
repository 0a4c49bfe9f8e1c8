use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use fanwave_gateway::{PlainIo, TlsAcceptor, TlsFiles};
use fanwave_origin::Prepared;
use futures_util::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls};

use super::*;

mod reactor;

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const HEADER_WAIT: Duration = Duration::from_secs(10);

/// A request, by its file's name.
#[derive(Debug)]
struct File {
    name: String,
    asked: String,
    prepared: Arc<Prepared>,
    /// Dropped with the request.
    alive: Option<oneshot::Sender<()>>,
    /// What one that waits waits for.
    changes: Option<watch::Receiver<Instant>>,
}

const PIECES: usize = 300;
const PIECE: &[u8] = &[7; 10_007];

/// More than a socket takes at once, and no two stretches of it are alike.
fn prepared() -> Arc<Prepared> {
    let mut headers = HeaderMap::new();
    headers.insert("x-prepared", HeaderValue::from_static("once"));
    let body = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    Arc::new(Prepared::new(headers, body))
}

impl Asked for File {
    async fn answer(self) -> (Answered, Option<Woken>) {
        let response = match &*self.name {
            "prepared" => return (Answered::Prepared(self.prepared), None),
            "short" => Response::new(Body::from("short")),
            "none" => Response::new(Body::empty()),
            "fields" => (
                [("x-asked", self.asked)],
                [("date", "never"), ("connection", "upgrade")],
            )
                .into_response(),
            "later" => {
                sleep(Duration::from_millis(50)).await;
                Response::new(Body::from("later"))
            }
            "never" => std::future::pending().await,
            "panics" => panic!("this is what it is there for"),
            "large" | "broken" | "endless" => {
                let piece = |_| Ok::<_, axum::Error>(Bytes::from_static(PIECE));
                let pieces = (0..PIECES).map(piece);
                let mut response = Response::new(Body::from_stream(stream::iter(pieces)));
                let length = match &*self.name {
                    "large" => Some(PIECES * PIECE.len()),
                    "broken" => Some(PIECES * PIECE.len() + 1),
                    _ => None,
                };
                if let Some(length) = length {
                    response
                        .headers_mut()
                        .insert("content-length", HeaderValue::from(length));
                }
                response
            }
            "dripping" => {
                let drops = stream::iter(0..5).then(async |number| {
                    sleep(Duration::from_millis(5)).await;
                    Ok::<_, axum::Error>(Bytes::from(format!("drop {number}")))
                });
                let mut response = Response::new(Body::from_stream(Box::pin(drops)));
                let length = HeaderValue::from(5 * "drop 0".len());
                response.headers_mut().insert("content-length", length);
                response
            }
            other => panic!("{other}"),
        };
        drop(self.alive);
        (Answered::Other(response), None)
    }

    type Awaited = usize;

    fn look(&mut self) -> Look {
        match (&*self.name, &self.changes) {
            ("panics", _) => panic!("this is what it is there for"),
            ("prepared", _) => Look::Ready(Arc::clone(&self.prepared), None),
            (_, Some(changes)) if changes.has_changed().is_err() => Look::Other,
            (_, Some(changes)) if changes.has_changed().unwrap() => {
                Look::Ready(Arc::clone(&self.prepared), None)
            }
            (_, Some(_)) => Look::Waits,
            (_, None) => Look::Other,
        }
    }

    fn awaited(&self) -> usize {
        self.name.len()
    }

    fn changes(&self) -> Option<watch::Receiver<Instant>> {
        self.changes.clone()
    }
}

/// What the lane has become of a connection.
struct Served<I> {
    stage: watch::Sender<Stage>,
    metrics: HttpMetrics,
    ended: JoinHandle<Option<I>>,
    /// Ends when a request does that has begun.
    dropped: oneshot::Receiver<()>,
}

fn serve<I: Road + Send + 'static>(mut io: I, offer: Option<HeaderValue>) -> Served<I> {
    let (stage, mut staged) = watch::channel(Stage::Open);
    let (alive, dropped) = oneshot::channel();
    let metrics = HttpMetrics::default();
    let counted = metrics.clone();
    let ended = tokio::spawn(async move {
        let alive = std::sync::Mutex::new(Some(alive));
        let prepared = prepared();
        let ask = |ask: &Ask<'_>| {
            let name = ask.path.strip_prefix("/live/")?.to_owned();
            let alive = (name == "never").then(|| alive.lock().unwrap().take());
            (name != "unknown").then(|| File {
                name,
                asked: format!("{} {:?}", ask.query, ask.range),
                prepared: Arc::clone(&prepared),
                alive: alive.flatten(),
                changes: None,
            })
        };
        let manners = Manners {
            header_wait: HEADER_WAIT,
            offer: offer.as_ref(),
            metrics: &counted,
            leaves_bare: false,
        };
        let left = keep(&mut io, ask, manners, &mut staged, None).await;
        (left == Left::Other).then_some(io)
    });
    Served {
        stage,
        metrics,
        ended,
        dropped,
    }
}

/// Two ends of a connection, the second in the server's hands.
async fn meet() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let peer = socket
        .connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    // So little that no large answer is taken at once.
    SockRef::from(&stream)
        .set_send_buffer_size(64 * 1024)
        .unwrap();
    (peer, stream)
}

async fn begin() -> (TcpStream, Served<PlainIo>) {
    let (peer, stream) = meet().await;
    (peer, serve(PlainIo::new(stream), None))
}

fn get(file: &str) -> String {
    format!("GET /live/{file} HTTP/1.1\r\nHost: a\r\n\r\n")
}

async fn say(peer: &mut (impl AsyncWrite + Unpin), text: &str) {
    peer.write_all(text.as_bytes()).await.unwrap();
    peer.flush().await.unwrap();
}

/// One answer: its head, and as much as it says that comes behind it.
async fn hear(peer: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let hear = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(peer.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        peer.read_exact(&mut body).await.unwrap();
        (head, body)
    };
    timeout(PATIENCE, hear).await.unwrap()
}

async fn rest(peer: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, peer.read_to_end(&mut rest)).await;
    read.unwrap().unwrap();
    rest
}

async fn end<I>(served: Served<I>) -> Option<I> {
    timeout(PATIENCE, served.ended).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_request_after_the_other_is_answered() {
    let (mut peer, served) = begin().await;
    for file in ["short", "later", "none", "short"] {
        say(&mut peer, &get(file)).await;
        let (head, body) = hear(&mut peer).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\ndate: "), "{head}");
        assert!(!head.contains("connection"), "{head}");
        let expected = if file == "none" { "" } else { file };
        assert_eq!(body, expected.as_bytes());
    }
    assert_eq!(served.metrics.sent.get(), 15);
    drop(peer);
    assert!(end(served).await.is_none());
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_order_and_what_is_no_viewers_is_left_unread() {
    for other in [
        "GET /other HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /live/unknown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /live/short HTTP/1.1\r\nHo",
        "\x16\x03\x01",
    ] {
        let (mut peer, served) = begin().await;
        let files = ["later", "short", "large", "later"];
        let asked = files.map(get).concat();
        say(&mut peer, &format!("{asked}{other}")).await;
        for file in files {
            let (_, body) = hear(&mut peer).await;
            let expected = if file == "large" {
                &*PIECE.repeat(PIECES)
            } else {
                file.as_bytes()
            };
            assert!(body == expected, "{file}");
        }
        let mut io = TokioIo::new(end(served).await.unwrap());
        peer.shutdown().await.unwrap();
        assert_eq!(rest(&mut io).await, other.as_bytes());
    }
}

#[tokio::test]
async fn an_answer_depends_on_what_was_asked_for_and_says_one_thing_once() {
    let (mut peer, _served) = begin().await;
    let asked = "GET /live/fields?a=b HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\nX: y\r\n\r\n";
    say(&mut peer, asked).await;
    let (head, _) = hear(&mut peer).await;
    assert!(
        head.contains("x-asked: a=b Some(\"bytes=1-2\")\r\n"),
        "{head}"
    );
    assert_eq!(head.matches("date: ").count(), 1, "{head}");
    assert!(
        head.contains(" GMT\r\n") && !head.contains("upgrade"),
        "{head}"
    );
}

/// The first of them are sent a copy, and the others the pages of a file.
#[tokio::test]
async fn what_was_prepared_is_sent_alike_to_all_and_whole_to_who_reads_slowly() {
    let (body, times) = (prepared().body().clone(), 12);
    let (mut peer, served) = begin().await;
    for _ in 0..times {
        say(&mut peer, &get("prepared")).await;
        let (head, taken) = hear(&mut peer).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for field in [
            "x-prepared: once\r\n",
            "date: ",
            "content-length: 400000\r\n",
        ] {
            assert_eq!(head.matches(field).count(), 1, "{head}");
        }
        assert!(taken == body);
    }
    assert_eq!(served.metrics.sent.get(), times * body.len() as u64);
    let (mut others, asked) = (Vec::new(), get("prepared").repeat(2));
    for _ in 0..times {
        let (mut other, served) = begin().await;
        say(&mut other, &asked).await;
        others.push((other, served));
    }
    for (mut other, served) in others {
        for _ in 0..2 {
            assert!(hear(&mut other).await.1 == body);
        }
        say(&mut other, &get("short")).await;
        assert_eq!(hear(&mut other).await.1, b"short");
        drop(other);
        assert!(end(served).await.is_none());
    }
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_all_of_it() {
    let (mut peer, served) = begin().await;
    say(&mut peer, &get("large")).await;
    let mut taken = 0;
    let mut buffer = vec![0; 50_000];
    while taken < PIECES * PIECE.len() {
        let read = timeout(PATIENCE, peer.read(&mut buffer)).await;
        taken += read.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
    say(&mut peer, &get("short")).await;
    drop(peer.shutdown().await);
    let rest = rest(&mut peer).await;
    assert!(rest.ends_with(b"\r\n\r\nshort"));
    assert!(end(served).await.is_none());
}

#[tokio::test]
async fn a_body_that_comes_by_and_by_is_sent_so() {
    let (mut peer, _served) = begin().await;
    say(&mut peer, &get("dripping")).await;
    let (_, body) = hear(&mut peer).await;
    assert_eq!(body, b"drop 0drop 1drop 2drop 3drop 4");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_whose_length_is_not_known_ends_the_connection() {
    let (mut peer, served) = begin().await;
    say(&mut peer, &get("endless")).await;
    let whole = rest(&mut peer).await;
    let head = String::from_utf8_lossy(&whole[..300]).into_owned();
    assert!(
        head.contains("connection: close\r\n") && !head.contains("content-length"),
        "{head}"
    );
    assert!(whole.ends_with(&PIECE.repeat(PIECES)));
    assert!(end(served).await.is_none());

    let (mut peer, served) = begin().await;
    say(&mut peer, &format!("{}{}", get("broken"), get("short"))).await;
    let mut whole = Vec::new();
    // The end may be a reset: there is a request that was not read.
    drop(
        timeout(PATIENCE, peer.read_to_end(&mut whole))
            .await
            .unwrap(),
    );
    assert!(!whole.ends_with(b"short"));
    assert!(end(served).await.is_none());
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_answer() {
    let (mut peer, _served) = begin().await;
    say(&mut peer, &get("panics")).await;
    let (head, _) = hear(&mut peer).await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    say(&mut peer, &get("short")).await;
    assert_eq!(hear(&mut peer).await.1, b"short");
}

#[tokio::test]
async fn a_request_whose_peer_hangs_up_is_not_waited_for() {
    let (mut peer, served) = begin().await;
    say(&mut peer, &get("never")).await;
    sleep(Duration::from_millis(20)).await;
    assert!(!served.ended.is_finished());
    drop(peer);
    assert!(timeout(PATIENCE, served.dropped).await.unwrap().is_err());
    assert!(
        timeout(PATIENCE, served.ended)
            .await
            .unwrap()
            .unwrap()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_left_after_the_header_wait() {
    let (mut peer, served) = begin().await;
    for _ in 0..3 {
        sleep(HEADER_WAIT * 2 / 3).await;
        say(&mut peer, &get("short")).await;
        assert_eq!(hear(&mut peer).await.1, b"short");
    }
    let idle = Instant::now();
    assert_eq!(rest(&mut peer).await, b"");
    let waited = idle.elapsed();
    assert!(
        (HEADER_WAIT..HEADER_WAIT + Duration::from_secs(1)).contains(&waited),
        "{waited:?}"
    );
    assert!(end(served).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_cut() {
    let (mut peer, served) = begin().await;
    say(&mut peer, &get("large")).await;
    let cut = served.metrics.cut.clone();
    let began = Instant::now();
    assert!(served.ended.await.unwrap().is_none());
    assert_eq!(cut.get(), 1);
    let least = super::super::exchanges::time_to_take((PIECES * PIECE.len()) as u64);
    assert!(began.elapsed() >= least);
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_under_way_and_no_more() {
    let (mut idle, idle_served) = begin().await;
    say(&mut idle, &get("short")).await;
    hear(&mut idle).await;
    idle_served.stage.send_replace(Stage::Draining);
    assert_eq!(rest(&mut idle).await, b"");

    let (mut peer, served) = begin().await;
    say(&mut peer, &get("later")).await;
    sleep(Duration::from_millis(10)).await;
    served.stage.send_replace(Stage::Draining);
    let answer = String::from_utf8(rest(&mut peer).await).unwrap();
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("later"), "{answer}");

    let (mut held, held_served) = begin().await;
    say(&mut held, &get("never")).await;
    held_served.stage.send_replace(Stage::Draining);
    sleep(Duration::from_millis(10)).await;
    held_served.stage.send_replace(Stage::Closed);
    assert!(end(held_served).await.is_none());
}

#[tokio::test]
async fn over_tls_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("certificate"),
        key: folder.path().join("key"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let acceptor = TlsAcceptor::new(&files).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (peer, stream) = meet().await;
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(trusting));
    let (peer, io) = tokio::join!(connector.connect(name, peer), acceptor.accept(stream));
    let mut peer = peer.unwrap();
    let offer = HeaderValue::from_static("h3=\":443\"");
    let served = serve(io.unwrap(), Some(offer));
    let files = ["later", "large", "short", "prepared", "prepared"];
    say(&mut peer, &files.map(get).concat()).await;
    for file in files {
        let (head, body) = hear(&mut peer).await;
        assert!(head.contains("alt-svc: h3=\":443\"\r\n"), "{head}");
        let expected = match file {
            "large" => PIECE.repeat(PIECES),
            "prepared" => prepared().body().to_vec(),
            text => text.as_bytes().to_vec(),
        };
        assert!(body == expected, "{file}");
    }
    let other = "GET /other HTTP/1.1\r\nHost: a\r\n\r\n";
    say(&mut peer, other).await;
    let mut io = end(served).await.unwrap();
    let left = poll_fn(|context| io.poll_look(context, |come| (0, come.to_vec()))).await;
    assert_eq!(left.unwrap(), other.as_bytes());
}
