//! Who may not come in is refused in HTTP's own words, before any upgrade.

mod support;

use std::{net::SocketAddr, time::Duration};

use fanwave_gateway::{GatewayConfig, OriginPolicy};
use support::{Node, PATIENCE, config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Sends a handshake with some lines changed, and reads the head of the answer.
async fn answer(door: SocketAddr, request_line: &str, extra: &[(&str, &str)]) -> String {
    let host = door.to_string();
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
    let mut stream = TcpStream::connect(door).await.expect("a connection");
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
    for door in node.doors() {
        let own = format!("http://{door}");
        let allowed = answer(door, GET, &[("Origin", &own)]).await;
        assert!(allowed.starts_with("http/1.1 101"), "{allowed}");
        for origin in [
            "https://evil.example",
            "null",
            &format!("{own}.evil.example"),
            &format!("https://{own}"),
        ] {
            let refused = answer(door, GET, &[("Origin", origin)]).await;
            assert!(refused.starts_with("http/1.1 403"), "{origin}: {refused}");
        }
    }
    assert!(
        node.metrics()
            .contains(r#"fanwave_gateway_refused_upgrades_total{reason="origin"} 8"#)
    );

    let origins = OriginPolicy::Listed(vec!["https://fans.example".to_owned()]);
    let node = Node::start(GatewayConfig {
        origins,
        ..config()
    })
    .await;
    for door in node.doors() {
        let listed = answer(door, GET, &[("Origin", "https://fans.example")]).await;
        assert!(listed.starts_with("http/1.1 101"), "{listed}");
        let own = format!("http://{door}");
        let refused = answer(door, GET, &[("Origin", &own)]).await;
        assert!(refused.starts_with("http/1.1 403"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_in_its_own_words() {
    let node = Node::start(config()).await;
    for door in node.doors() {
        let version = answer(door, GET, &[("Sec-WebSocket-Version", "8")]).await;
        assert!(
            version.starts_with("http/1.1 426") && version.contains("sec-websocket-version: 13"),
            "{version}"
        );
        for (request, headers, status) in [
            (GET, [("Upgrade", "h2c")], 426),
            (GET, [("Sec-WebSocket-Key", "short")], 400),
            ("POST /connection/websocket", [("Accept", "*/*")], 405),
            ("HEAD /connection/websocket", [("Accept", "*/*")], 405),
            ("GET /nowhere", [("Accept", "*/*")], 404),
        ] {
            let refused = answer(door, request, &headers).await;
            let wanted = format!("http/1.1 {status}");
            assert!(refused.starts_with(&wanted), "{request}: {refused}");
        }
        let offered = answer(
            door,
            GET,
            &[("Sec-WebSocket-Protocol", "other, centrifuge-json")],
        )
        .await;
        assert!(
            offered.contains("sec-websocket-protocol: centrifuge-json"),
            "{offered}"
        );
    }
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
    for door in node.doors() {
        let refused = answer(door, GET, &[]).await;
        assert!(
            refused.starts_with("http/1.1 503") && refused.contains("retry-after: "),
            "{refused}"
        );
    }
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
async fn a_hurried_node_gives_everybody_another_time_to_come_again() {
    let node = Node::start(GatewayConfig {
        accepts_per_second: 5,
        ..config()
    })
    .await;
    let mut told = Vec::new();
    for knock in 0..60 {
        let doors = node.doors();
        let answered = answer(doors[knock % doors.len()], GET, &[]).await;
        if answered.starts_with("http/1.1 503") {
            let (_, behind) = answered.split_once("retry-after: ").expect("a time");
            let (seconds, _) = behind.split_once("\r\n").expect("a line");
            told.push(seconds.parse::<u32>().expect("a number"));
        }
    }
    // Ten are let in at once, and now and then one more, by how long the knocking takes.
    assert!(told.len() > 20, "{told:?}");
    assert!(told.iter().all(|seconds| *seconds >= 2), "{told:?}");
    let most = (0..=60)
        .map(|seconds| told.iter().filter(|t| **t == seconds).count())
        .max();
    assert!(
        most <= Some(told.len() / 2),
        "five for each second, give or take: {told:?}"
    );
    let slots = format!("fanwave_gateway_return_slots_total {}", told.len());
    assert!(node.metrics().contains(&slots), "{}", node.metrics());
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
    assert!(
        answer(node.addr, GET, &[])
            .await
            .starts_with("http/1.1 503")
    );
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

/// A request that comes byte by byte is as good as one that comes whole, and what follows it in the same packet counts.
#[tokio::test]
async fn a_request_in_pieces_is_answered_and_its_first_frame_is_heard() {
    let node = Node::start(config()).await;
    let door = node.gateway.addresses()[0];
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {door}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // An empty ping, masked by zeros.
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    let bytes = [request.as_bytes(), &ping].concat();
    for piece in [1, 100, bytes.len()] {
        let mut stream = TcpStream::connect(door).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        for part in bytes.chunks(piece) {
            stream.write_all(part).await.expect("a part");
            tokio::task::yield_now().await;
        }
        let mut heard = Vec::new();
        while !heard.ends_with(&[0x8a, 0]) {
            let byte = timeout(PATIENCE, stream.read_u8()).await.expect("in time");
            heard.push(byte.expect("an answer and a pong"));
        }
        assert!(heard.starts_with(b"HTTP/1.1 101 "), "{piece}");
    }
}

#[tokio::test]
async fn a_request_too_large_or_too_late_goes() {
    let node = Node::start(GatewayConfig {
        handshake_timeout: Duration::from_millis(200),
        ..config()
    })
    .await;
    let door = node.gateway.addresses()[0];
    let mut slow = TcpStream::connect(door).await.expect("a connection");
    slow.write_all(b"GET /conn").await.expect("a part");
    let mut silent = TcpStream::connect(door).await.expect("a connection");
    for dawdler in [&mut slow, &mut silent] {
        let mut heard = Vec::new();
        let read = timeout(PATIENCE, dawdler.read_to_end(&mut heard)).await;
        drop(read.expect("an end in time"));
        assert_eq!(heard, b"");
    }
    let large = format!(
        "GET /connection/websocket HTTP/1.1\r\nA: {}",
        "x".repeat(9_000)
    );
    let mut stream = TcpStream::connect(door).await.expect("a connection");
    stream.write_all(large.as_bytes()).await.expect("a part");
    let mut heard = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut heard))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&heard, b"HTTP/1.1 431");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !node
        .metrics()
        .contains(r#"refused_upgrades_total{reason="too_slow"} 2"#)
    {
        assert!(tokio::time::Instant::now() < deadline, "{}", node.metrics());
        tokio::task::yield_now().await;
    }
}

/// Above the rate the answer is to come later, on either port; fans who are there notice nothing.
#[tokio::test]
async fn a_storm_is_told_to_come_later() {
    let node = Node::start(GatewayConfig {
        accepts_per_second: 1,
        ..config()
    })
    .await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let mut bora = node.follower("bora", "chat:demo").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for door in node.doors() {
        // A slow machine may have earned the next one meanwhile.
        let refused = loop {
            assert!(tokio::time::Instant::now() < deadline, "nobody was refused");
            let answered = answer(door, GET, &[]).await;
            if !answered.starts_with("http/1.1 101") {
                break answered;
            }
        };
        assert!(
            refused.starts_with("http/1.1 503") && refused.contains("retry-after: "),
            "{refused}"
        );
    }
    assert!(
        node.metrics()
            .contains(r#"refused_upgrades_total{reason="hurry"} 2"#)
    );
    anna.say("chat:demo", "still here").await;
    assert_eq!(bora.publication().await.1, "still here");
}

#[tokio::test]
async fn fans_of_both_ports_are_in_one_room() {
    let node = Node::start(config()).await;
    let mut fans = Vec::new();
    for n in 0..8 {
        fans.push(node.follower(&format!("fan-{n}"), "chat:demo").await);
    }
    for n in 0..8 {
        let text = n.to_string();
        fans[n].say("chat:demo", &text).await;
        for fan in &mut fans {
            assert_eq!(fan.publication().await.1, text);
        }
    }
}
