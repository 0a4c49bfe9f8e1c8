//! Whole servers, in this process: everything on free ports and a data folder of its own, met as strangers meet it.

mod stranger;

use std::{path::Path, time::Duration};

use fanwave::{
    config::{self, plan::Plan},
    serve::assembly::{Server, Show, StartError},
};
use futures_util::StreamExt;
use hyper::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use self::stranger::{Answer, DEADLINE, Fan};

fn plan(data: &Path, more: &[(&str, &str)]) -> Plan {
    let data = data.to_str().expect("a temporary folder has a plain name");
    let fixed = [
        ("FANWAVE__HTTP__LISTEN", "127.0.0.1:0"),
        ("FANWAVE__RTMP__LISTEN", "127.0.0.1:0"),
        ("FANWAVE__DATA__DIR", data),
    ];
    let variables = fixed
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    config::parse(None, variables).expect("the test's configuration is fine")
}

async fn start(plan: &Plan) -> Server {
    Box::pin(Server::start(plan, Show::Real))
        .await
        .expect("the server starts")
}

async fn get(server: &Server, path: &str) -> Answer {
    stranger::get(server.http_addr(), path).await
}

#[tokio::test]
async fn one_port_serves_the_page_the_api_and_the_health() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&plan(data.path(), &[])).await;

    for path in ["/", "/watch/demo"] {
        let page = get(&server, path).await;
        assert!(
            page.body.starts_with("<!doctype html>") || page.body.starts_with("<!DOCTYPE html>"),
            "{path}"
        );
        assert!(
            page.header("content-security-policy")
                .contains("script-src 'self';"),
            "{path}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
    }
    let ready = get(&server, "/readyz").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (StatusCode::OK, "ready\n")
    );
    assert_eq!(get(&server, "/livez").await.status, StatusCode::OK);
    let metrics = get(&server, "/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    assert!(
        metrics.body.contains("fanwave_http_connections"),
        "{}",
        metrics.body
    );
    let channel = get(&server, "/api/v1/channels/demo").await.json();
    assert_eq!(
        (&channel["live"], &channel["playlist"]),
        (&json!(false), &json!("/live/demo/master.m3u8"))
    );
    let nothing = get(&server, "/no/such/file.js").await;
    assert_eq!(
        (nothing.status, nothing.header("content-type")),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );

    Box::pin(server.stop(DEADLINE)).await;
}

#[tokio::test]
async fn two_fans_chat_and_a_second_start_shows_it() {
    let data = tempfile::tempdir().unwrap();
    let plan = plan(data.path(), &[]);
    let server = start(&plan).await;

    let mut ana = Fan::connect(server.http_addr(), "Ana").await;
    let mut minji = Fan::connect(server.http_addr(), "민지").await;
    for fan in [&mut ana, &mut minji] {
        fan.ask("subscribe", json!({"channel": "chat:demo"})).await;
    }
    let sent = json!({"method": "send", "data": {"channel": "chat:demo", "id": "m1", "text": "안녕하세요"}});
    let ack = ana.ask("rpc", sent).await;
    assert_eq!(ack["data"]["offset"], 1);
    minji.hear("안녕하세요").await;
    ana.hear("안녕하세요").await;
    drop((ana, minji));
    Box::pin(server.stop(DEADLINE)).await;

    let again = start(&plan).await;
    let page = get(&again, "/api/v1/channels/demo/messages?lane=chat")
        .await
        .json();
    assert_eq!(page["messages"][0]["text"], "안녕하세요");
    assert_eq!(page["messages"][0]["name"], "Ana");
    let mut late = Fan::connect(again.http_addr(), "さくら").await;
    late.ask("subscribe", json!({"channel": "chat:demo"})).await;
    let history = late
        .ask("history", json!({"channel": "chat:demo", "limit": 10}))
        .await;
    assert_eq!(history["publications"][0]["data"]["text"], "안녕하세요");
    drop(late);
    Box::pin(again.stop(DEADLINE)).await;
}

#[tokio::test]
async fn stopping_tells_fans_to_come_back() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&plan(data.path(), &[])).await;
    let mut fan = Fan::connect(server.http_addr(), "Ana").await;
    // The fan hangs up at the end, as every client does; the gateway waits for it.
    let read_to_the_end = async move {
        let mut code = None;
        while let Some(Ok(message)) = fan.socket.next().await {
            if let Message::Close(Some(frame)) = message {
                code = Some(u16::from(frame.code));
            }
        }
        code
    };
    let stopping = Box::pin(server.stop(DEADLINE));
    let (code, ()) = timeout(DEADLINE, async { tokio::join!(read_to_the_end, stopping) })
        .await
        .expect("the end comes in time");
    assert_eq!(code, Some(3001));
}

#[tokio::test]
async fn two_servers_never_share_a_data_folder() {
    let data = tempfile::tempdir().unwrap();
    let plan = plan(data.path(), &[]);
    let server = start(&plan).await;
    let refused = Box::pin(Server::start(&plan, Show::Real))
        .await
        .expect_err("the folder is taken");
    assert!(matches!(refused, StartError::DataDir(_)), "{refused}");
    Box::pin(server.stop(DEADLINE)).await;
    Box::pin(start(&plan).await.stop(DEADLINE)).await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_which_key_changes_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [
        ("FANWAVE__HTTP__LISTEN", "http.listen"),
        ("FANWAVE__RTMP__LISTEN", "rtmp.listen"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let plan = plan(data.path(), &[(variable, &address)]);
        let refused = Box::pin(Server::start(&plan, Show::Real))
            .await
            .expect_err("the port is taken")
            .to_string();
        for part in [key, variable, address.as_str()] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_demo_without_ffmpeg_does_not_start_and_says_how_to_get_it() {
    let data = tempfile::tempdir().unwrap();
    let plan = plan(data.path(), &[("FANWAVE__DEMO__FFMPEG", "/nowhere/ffmpeg")]);
    let refused = Box::pin(Server::start(&plan, Show::Demo))
        .await
        .expect_err("there is no ffmpeg")
        .to_string();
    assert!(
        refused.contains("apt-get install ffmpeg") && refused.contains("demo.ffmpeg"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_header_that_drips_or_never_ends_is_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&plan(data.path(), &[("FANWAVE__HTTP__HEADER_WAIT", "1s")])).await;

    let mut slow = TcpStream::connect(server.http_addr()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    // The end comes by itself, as a close or as a reset.
    let ended = timeout(DEADLINE, slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "a header that does not end is cut off");

    let mut large = TcpStream::connect(server.http_addr()).await.unwrap();
    let header = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(20_000)
    );
    large.write_all(header.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, large.read_exact(&mut answer))
        .await
        .expect("there is an answer")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");

    Box::pin(server.stop(DEADLINE)).await;
}

#[tokio::test]
async fn a_request_that_hangs_does_not_hold_up_stopping() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&plan(data.path(), &[])).await;
    let mut hanging = TcpStream::connect(server.http_addr()).await.unwrap();
    hanging
        .write_all(b"POST /api/v1/guests HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .await
        .unwrap();
    // Another request is answered, so the first one has been accepted.
    assert_eq!(get(&server, "/livez").await.status, StatusCode::OK);
    timeout(DEADLINE, Box::pin(server.stop(Duration::from_secs(3))))
        .await
        .expect("stopping keeps its deadline");
}
