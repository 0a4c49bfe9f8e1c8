//! Who may not come in is refused in HTTP's own words, before any upgrade.

mod support;

use std::time::Duration;

use fanwave_gateway::{GatewayConfig, OriginPolicy};
use support::{Node, PATIENCE, config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Sends a handshake with some lines changed, and reads the head of the answer.
async fn answer(node: &Node, request_line: &str, extra: &[(&str, &str)]) -> String {
    let host = node.addr.to_string();
    let mut headers = vec![
        ("Host", host.as_str()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in extra {
        headers.retain(|(known, _)| known != name);
        headers.push((name, value));
    }
    let mut request = format!("{request_line} HTTP/1.1\r\n");
    for (name, value) in headers {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(node.addr).await.expect("a connection");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            timeout(PATIENCE, stream.read_u8())
                .await
                .expect("in time")
                .expect("an answer"),
        );
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}

const GET: &str = "GET /connection/websocket";

#[tokio::test]
async fn a_foreign_page_is_refused_before_the_upgrade() {
    let node = Node::start(config()).await;
    let own = format!("http://{}", node.addr);
    assert!(
        answer(&node, GET, &[("Origin", &own)])
            .await
            .starts_with("http/1.1 101")
    );
    for origin in [
        "https://evil.example",
        "null",
        &format!("{own}.evil.example"),
        &format!("https://{own}"),
    ] {
        let refused = answer(&node, GET, &[("Origin", origin)]).await;
        assert!(refused.starts_with("http/1.1 403"), "{origin}: {refused}");
    }
    assert!(
        node.metrics()
            .contains(r#"fanwave_gateway_refused_upgrades_total{reason="origin"} 4"#)
    );

    let origins = OriginPolicy::Listed(vec!["https://fans.example".to_owned()]);
    let node = Node::start(GatewayConfig {
        origins,
        ..config()
    })
    .await;
    assert!(
        answer(&node, GET, &[("Origin", "https://fans.example")])
            .await
            .starts_with("http/1.1 101")
    );
    let own = format!("http://{}", node.addr);
    assert!(
        answer(&node, GET, &[("Origin", &own)])
            .await
            .starts_with("http/1.1 403")
    );
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_in_its_own_words() {
    let node = Node::start(config()).await;
    let version = answer(&node, GET, &[("Sec-WebSocket-Version", "8")]).await;
    assert!(
        version.starts_with("http/1.1 426") && version.contains("sec-websocket-version: 13"),
        "{version}"
    );
    assert!(
        answer(&node, GET, &[("Upgrade", "h2c")])
            .await
            .starts_with("http/1.1 426")
    );
    assert!(
        answer(&node, GET, &[("Sec-WebSocket-Key", "short")])
            .await
            .starts_with("http/1.1 400")
    );
    assert!(
        answer(&node, "POST /connection/websocket", &[])
            .await
            .starts_with("http/1.1 405")
    );
    assert!(
        answer(&node, "HEAD /connection/websocket", &[])
            .await
            .starts_with("http/1.1 405")
    );
    let offered = answer(
        &node,
        GET,
        &[("Sec-WebSocket-Protocol", "other, centrifuge-json")],
    )
    .await;
    assert!(
        offered.contains("sec-websocket-protocol: centrifuge-json"),
        "{offered}"
    );
}

#[tokio::test]
async fn a_full_node_says_when_to_come_again() {
    let node = Node::start(GatewayConfig {
        connections_max: 2,
        ..config()
    })
    .await;
    let mut first = node.fan("anna").await;
    let second = node.fan("bora").await;
    let refused = answer(&node, GET, &[]).await;
    assert!(
        refused.starts_with("http/1.1 503") && refused.contains("retry-after: "),
        "{refused}"
    );
    drop(second);
    // The place is free once the reactor has seen the end of the second one's stream.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while node.gateway.connections() > 1 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the place never came free"
        );
        first.say("chat:demo", "meanwhile").await;
    }
    node.fan("bora").await;
}

#[tokio::test]
async fn a_stopping_node_takes_nobody_and_says_good_bye() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let mut fresh = node.socket().await;
    let (stopped, code, fresh_code) = tokio::join!(
        node.gateway.shutdown(Duration::from_secs(10)),
        anna.closed(),
        fresh.closed()
    );
    assert_eq!((stopped, code, fresh_code), (Ok(()), 3001, 3001));
    assert_eq!(node.gateway.connections(), 0);
    assert!(!node.gateway.is_alive());
    assert!(answer(&node, GET, &[]).await.starts_with("http/1.1 503"));
    assert_eq!(
        node.gateway.shutdown(Duration::from_secs(1)).await,
        Ok(()),
        "a second call finds nothing to do"
    );
}

/// A stream that is not hyper's own over a bare socket cannot leave the HTTP server.
#[tokio::test]
async fn a_socket_that_cannot_be_handed_over_is_closed_and_its_place_is_free() {
    let node = Node::start(config()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = hyper_util::service::TowerToHyperService::new(node.gateway.router());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let wrapped = hyper_util::rt::TokioIo::new(tokio::io::BufStream::new(stream));
        hyper::server::conn::http1::Builder::new()
            .serve_connection(wrapped, service)
            .with_upgrades()
            .await
    });
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    server.await.unwrap().unwrap();
    assert!(
        heard.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&heard)
    );
    assert_eq!(node.gateway.connections(), 0);
}
