//! A server that has no file descriptors left goes on with those it has, and takes new fans when some are free.

mod support;

use std::{net::SocketAddr, pin::pin};

use fanwave_wire::Role;
use support::{Fan, PATIENCE, Process};
use tokio::time::timeout;

/// What the log says when a door could not open.
const WORDS: &str = "could be accepted";

/// Fills the server by one door, and sees that it gets over it.
async fn exhausts(server: &Process, door: SocketAddr) {
    let token = server.token("fan", Role::Fan);
    let mut first = Fan::join(door, &token).await;
    first.follow("chat:demo", None).await;
    let failures = server.log().matches(WORDS).count();
    let mut inside = Vec::new();
    let mut next = Box::pin(Fan::join(door, &token));
    loop {
        let exhausted = pin!(server.logs(WORDS, failures));
        tokio::select! {
            fan = next.as_mut() => {
                inside.push(fan);
                next = Box::pin(Fan::join(door, &token));
            }
            () = exhausted => break,
        }
        assert!(inside.len() < 1_000, "there is a limit");
    }
    // It may still have got the last one: then this one waits.
    let mut speaker = inside.pop().expect("there was room at first");
    let said = format!("still here: {door}");
    let offset = speaker.say("chat:demo", &said, &said).await;
    assert!(matches!(offset, Ok(Some(_))), "{offset:?}");
    first.hear(&said).await;
    drop(inside);
    timeout(PATIENCE, next)
        .await
        .expect("descriptors are free again, and the one who waited comes in");
    let mut late = Fan::join(door, &token).await;
    late.follow("chat:demo", None).await;
    speaker
        .say("chat:demo", &format!("after {said}"), "after")
        .await
        .expect("it is there");
    late.hear("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_the_doors_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let own_port = [("FANWAVE__GATEWAY__LISTEN", "127.0.0.1:0")];
    let server = Process::start_with_files(160, folder.path(), &own_port).await;
    for door in [server.http(), server.chat()] {
        exhausts(&server, door).await;
    }
}
