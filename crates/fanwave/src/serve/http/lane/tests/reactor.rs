use std::sync::Mutex;

use tokio::sync::mpsc;

use super::{
    super::reactor::{Host, Reactors, Returned},
    *,
};

/// Asks for what is there once something has changed.
const WAITS: &str = "waits";

/// Whose connections they are.
struct House {
    prepared: Arc<Prepared>,
    header_wait: Duration,
    metrics: HttpMetrics,
    changes: Mutex<Option<watch::Sender<Instant>>>,
    returned: mpsc::Sender<Returned<File, Place>>,
}

/// Ends when the connection does.
type Place = oneshot::Sender<()>;

impl Host for House {
    type Asked = File;
    type Place = Place;

    fn ask(&self, ask: &Ask<'_>) -> Option<File> {
        let name = ask.path.strip_prefix("/live/")?;
        let changes = self.changes.lock().unwrap();
        let changes = changes.as_ref().map(watch::Sender::subscribe);
        (name != "unknown").then(|| File {
            name: name.to_owned(),
            asked: String::new(),
            prepared: Arc::clone(&self.prepared),
            alive: None,
            changes: changes.filter(|_| name == WAITS),
        })
    }

    fn header_wait(&self) -> Duration {
        self.header_wait
    }

    fn metrics(&self) -> &HttpMetrics {
        &self.metrics
    }

    fn take_back(self: Arc<Self>, connection: Returned<File, Place>) {
        self.returned.try_send(connection).unwrap();
    }
}

struct Stand {
    house: Arc<House>,
    reactors: Reactors<Place, usize>,
    returned: mpsc::Receiver<Returned<File, Place>>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.reactors.drain();
    }
}

impl Stand {
    /// With answers of so many bytes.
    fn new(bytes: usize) -> Self {
        Self::patient(bytes, HEADER_WAIT)
    }

    fn patient(bytes: usize, header_wait: Duration) -> Self {
        let body = (0_u32..).flat_map(u32::to_le_bytes).take(bytes).collect();
        let (told, returned) = mpsc::channel(64);
        let house = Arc::new(House {
            prepared: Arc::new(Prepared::new(HeaderMap::new(), body)),
            header_wait,
            metrics: HttpMetrics::default(),
            changes: Mutex::new(Some(watch::Sender::new(Instant::now()))),
            returned: told,
        });
        let reactors = Reactors::new();
        assert!(!reactors.are_there());
        for _ in 0..2 {
            reactors.start(Arc::clone(&house)).unwrap();
        }
        assert!(reactors.are_there());
        Self {
            house,
            reactors,
            returned,
        }
    }

    /// A connection, and what ends with it.
    async fn come(&self) -> (TcpStream, oneshot::Receiver<()>) {
        let (peer, stream) = meet().await;
        let (place, left) = oneshot::channel();
        self.reactors.hand_over(stream.into_std().unwrap(), place);
        (peer, left)
    }

    async fn returned(&mut self) -> Returned<File, Place> {
        let returned = timeout(PATIENCE, self.returned.recv()).await;
        returned.unwrap().unwrap()
    }

    /// What is waited for is there.
    fn change(&self) {
        let changes = self.house.changes.lock().unwrap();
        changes.as_ref().unwrap().send_replace(Instant::now());
    }

    /// When so many listen for changes.
    async fn listened_to(&self, listeners: usize) {
        let now = || {
            let changes = self.house.changes.lock().unwrap();
            changes.as_ref().unwrap().receiver_count()
        };
        let is_so = async {
            while now() != listeners {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_so).await.unwrap();
    }
}

async fn has_left(left: oneshot::Receiver<()>) {
    assert!(timeout(PATIENCE, left).await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_is_given_to_all_as_often_as_they_ask() {
    for bytes in [0, 700, 50_000] {
        let stand = Stand::new(bytes);
        let body = stand.house.prepared.body().clone();
        let mut peers = Vec::new();
        for _ in 0..20 {
            peers.push(stand.come().await);
        }
        for _ in 0..3 {
            for (peer, _) in &mut peers {
                say(peer, &get("prepared")).await;
            }
            for (peer, _) in &mut peers {
                let (head, taken) = hear(peer).await;
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                assert!(taken == body);
            }
        }
        let sent = stand.house.metrics.sent.get();
        assert_eq!(sent, 60 * body.len() as u64);
        for (peer, left) in peers {
            drop(peer);
            has_left(left).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_when_it_changes_and_not_waited_for_once_gone() {
    let stand = Stand::new(700);
    let body = stand.house.prepared.body().clone();
    let (mut one, _left) = stand.come().await;
    let (mut other, _also_left) = stand.come().await;
    let (mut gone, gone_left) = stand.come().await;
    for peer in [&mut one, &mut other, &mut gone] {
        say(peer, &get(WAITS)).await;
    }
    // Each request, and the task of each of both reactors.
    stand.listened_to(3 + 2).await;
    drop(gone);
    has_left(gone_left).await;
    stand.listened_to(2 + 2).await;
    stand.change();
    for peer in [&mut one, &mut other] {
        assert!(hear(peer).await.1 == body);
        say(peer, &get("prepared")).await;
        assert!(hear(peer).await.1 == body);
    }
    // They wait again, as the same group does.
    say(&mut one, &get(WAITS)).await;
    stand.listened_to(1 + 2).await;
    stand.change();
    assert!(hear(&mut one).await.1 == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_comes_is_given_back_with_nothing_of_it_lost() {
    let mut stand = Stand::new(700);
    let two = get("prepared").repeat(2);
    let long = format!("{}\0", "x".repeat(20_000));
    for other in [
        "GET /live/prepared HTTP/1.1\r\nHo",
        "GET /live/unknown HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /live/prepared HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "\x16\x03\x01",
        &two,
        &long,
    ] {
        let (mut peer, left) = stand.come().await;
        say(&mut peer, &get("prepared")).await;
        hear(&mut peer).await;
        say(&mut peer, other).await;
        let returned = stand.returned().await;
        assert!(returned.begun.is_none());
        let mut io = PlainIo::new(TcpStream::from_std(returned.socket).unwrap());
        io.keep(returned.unread);
        peer.shutdown().await.unwrap();
        assert_eq!(rest(&mut TokioIo::new(io)).await, other.as_bytes());
        drop(returned.place);
        has_left(left).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_more_than_a_look_and_what_panics_is_given_back() {
    let mut stand = Stand::new(700);
    for name in ["short", "panics"] {
        let (mut peer, _left) = stand.come().await;
        say(&mut peer, &get(name)).await;
        let returned = stand.returned().await;
        let Some(Begun::Asked(asked)) = returned.begun else {
            panic!("{:?}", returned.begun);
        };
        assert_eq!(asked.name, name);
        assert!(returned.unread.is_empty());
    }
    let too_much = Stand::new(2 * 1024 * 1024);
    let mut stand = too_much;
    let (mut peer, _left) = stand.come().await;
    say(&mut peer, &get("prepared")).await;
    assert!(matches!(
        stand.returned().await.begun,
        Some(Begun::Asked(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_socket_does_not_take_is_sent_on_by_a_task() {
    let mut stand = Stand::new(900_000);
    let body = stand.house.prepared.body().clone();
    // The first of them are sent a copy, and the others the pages of a file.
    for _ in 0..8 {
        let (mut peer, _left) = stand.come().await;
        say(&mut peer, &get("prepared")).await;
        let Returned { socket, begun, .. } = stand.returned().await;
        assert!(matches!(begun, Some(Begun::Sends(_))), "{begun:?}");
        let (_stage, mut staged) = watch::channel(Stage::Open);
        let house = Arc::clone(&stand.house);
        let served = tokio::spawn(async move {
            let mut io = PlainIo::new(TcpStream::from_std(socket).unwrap());
            let manners = Manners {
                header_wait: HEADER_WAIT,
                offer: None,
                metrics: &house.metrics,
                leaves_bare: true,
            };
            let ask = |ask: &Ask<'_>| house.ask(ask);
            keep(&mut io, ask, manners, &mut staged, begun).await
        });
        let (head, taken) = hear(&mut peer).await;
        assert!(head.contains("content-length: 900000\r\n"), "{head}");
        assert!(taken == body);
        say(&mut peer, &get("prepared")).await;
        assert!(hear(&mut peer).await.1 == body);
        assert_eq!(served.await.unwrap(), Left::Bare);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_in_time_is_left_and_who_waits_is_not() {
    let wait = Duration::from_millis(300);
    let stand = Stand::patient(700, wait);
    let began = std::time::Instant::now();
    let (mut silent, left) = stand.come().await;
    let (mut waiting, _left) = stand.come().await;
    say(&mut waiting, &get(WAITS)).await;
    assert_eq!(rest(&mut silent).await, b"");
    has_left(left).await;
    assert!(began.elapsed() >= wait);
    stand.change();
    let body = stand.house.prepared.body().clone();
    assert!(hear(&mut waiting).await.1 == body);
    assert_eq!(rest(&mut waiting).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_given_back_where_the_server_drains_and_when_a_stream_ends() {
    let mut stand = Stand::new(700);
    let (mut waiting, _left) = stand.come().await;
    say(&mut waiting, &get(WAITS)).await;
    stand.listened_to(1 + 1).await;
    drop(stand.house.changes.lock().unwrap().take());
    let returned = stand.returned().await;
    assert!(matches!(returned.begun, Some(Begun::Asked(_))));

    let mut stand = Stand::new(700);
    let (mut waiting, _left) = stand.come().await;
    say(&mut waiting, &get(WAITS)).await;
    stand.listened_to(1 + 1).await;
    let (_idle, _also_left) = stand.come().await;
    stand.reactors.drain();
    let mut begun = [
        stand.returned().await.begun.is_some(),
        stand.returned().await.begun.is_some(),
    ];
    begun.sort_unstable();
    assert_eq!(begun, [false, true]);
    let (mut late, left) = stand.come().await;
    has_left(left).await;
    assert_eq!(rest(&mut late).await, b"");
}
