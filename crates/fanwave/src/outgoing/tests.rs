use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Mutex,
};

use hyper::{StatusCode, Uri};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::fetch::{self, Question};

/// Says one list of addresses after the other, and the last one for ever.
struct Script(Mutex<Vec<Vec<SocketAddr>>>, Mutex<usize>);

impl Script {
    fn of(answers: &[&[SocketAddr]]) -> Arc<Self> {
        let answers = answers.iter().rev().map(|answer| answer.to_vec());
        Arc::new(Self(Mutex::new(answers.collect()), Mutex::new(0)))
    }

    fn asked(&self) -> usize {
        *self.1.lock().unwrap()
    }
}

impl Resolve for Script {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        *self.1.lock().unwrap() += 1;
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop()
        } else {
            answers.last().cloned()
        };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

/// Answers each connection once with its own name, for as long as the test runs.
async fn receiver(ip: [u8; 4], answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from((ip, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            if socket.read(&mut asked).await.is_ok() {
                drop(socket.write_all(answer.as_bytes()).await);
            }
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn allowing(networks: &[&str]) -> Guard {
    Guard::allowing(networks.iter().map(|text| text.parse().unwrap()).collect())
}

async fn get(url: &str, outgoing: &Outgoing) -> Result<fetch::Answer, FetchError> {
    let url: Uri = url.parse().unwrap();
    fetch::get(Question {
        url: &url,
        token: None,
        bytes_max: 1024,
        outgoing: Some(outgoing),
    })
    .await
}

#[tokio::test]
async fn a_name_that_points_inside_is_refused_however_it_is_written() {
    let inside = receiver([127, 0, 0, 1], OK).await;
    let port = inside.port();
    let outgoing = Outgoing::new(Guard::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0",
        "[::]",
    ] {
        let answer = get(&format!("http://{host}:{port}/"), &outgoing).await;
        assert!(
            matches!(answer, Err(FetchError::Forbidden(_))),
            "{host}: {answer:?}"
        );
    }
    let url = format!("http://127.0.0.1:{port}/");
    let let_in = Outgoing::new(allowing(&["127.0.0.0/8"]));
    assert_eq!(get(&url, &let_in).await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_judged_is_called() {
    let public = receiver([127, 0, 0, 1], OK).await;
    let inside = receiver([127, 0, 0, 2], OK).await;
    // To the guard of this test, the one is the internet and the other is not.
    let guard = allowing(&["127.0.0.1/32"]);
    let script = Script::of(&[&[public], &[inside]]);
    let outgoing = Outgoing::resolving(guard, script.clone());
    let first = get("http://rebinding.example/", &outgoing).await;
    assert_eq!(first.unwrap().status, StatusCode::OK);
    assert_eq!(script.asked(), 1);
    // The name points inside now: the next call is judged anew.
    let second = get("http://rebinding.example/", &outgoing).await;
    assert!(matches!(
        second,
        Err(FetchError::Forbidden(Forbidden::Loopback))
    ));
    assert_eq!(script.asked(), 2);
}

#[tokio::test]
async fn of_many_addresses_only_those_that_may_be_are_called() {
    let public = receiver([127, 0, 0, 1], OK).await;
    let inside = receiver(
        [127, 0, 0, 2],
        "HTTP/1.1 500 Inside\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let script = Script::of(&[&[inside, public, inside]]);
    let outgoing = Outgoing::resolving(allowing(&["127.0.0.1/32"]), script);
    let answer = get("http://mixed.example/", &outgoing).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let beyond = vec![inside; ADDRESSES_TRIED_MAX];
    let beyond = [beyond, vec![public]].concat();
    let outgoing = Outgoing::resolving(allowing(&["127.0.0.1/32"]), Script::of(&[&beyond]));
    let answer = get("http://many.example/", &outgoing).await;
    assert!(matches!(answer, Err(FetchError::Forbidden(_))));
    let nobody = Outgoing::resolving(Guard::default(), Script::of(&[&[]]));
    let answer = get("http://nobody.example/", &nobody).await;
    assert!(matches!(answer, Err(FetchError::Io(_))), "{answer:?}");
}

#[tokio::test]
async fn a_redirect_inside_is_an_answer_and_not_followed() {
    let outside = receiver(
        [127, 0, 0, 1],
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let outgoing = Outgoing::resolving(allowing(&["127.0.0.1/32"]), Script::of(&[&[outside]]));
    let answer = get("http://redirecting.example/", &outgoing).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
}

#[tokio::test]
async fn why_an_address_is_refused_is_said_without_the_address() {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
    let outgoing = Outgoing::resolving(Guard::default(), Script::of(&[&[address]]));
    let error = get("http://canary.example/latest/meta-data", &outgoing)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("link-local"), "{error}");
    assert!(
        !error.contains("canary") && !error.contains("169.254"),
        "{error}"
    );
}
