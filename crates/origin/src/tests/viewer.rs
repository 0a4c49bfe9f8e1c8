//! A viewer: HTTP/1.1, one request per connection, by hand so that nothing is added or hidden.

use std::{collections::BTreeMap, io::Read, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::DEADLINE;

#[derive(Clone, Copy)]
pub(super) struct Viewer {
    addr: SocketAddr,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Viewer {
    pub(super) fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    pub(super) async fn get(self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// `headers` are whole lines, each with its line end.
    pub(super) async fn ask(self, method: &str, path: &str, headers: &str) -> Answer {
        self.send(method, path, headers, b"").await
    }

    /// The same with a body.
    pub(super) async fn send(self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let answer = timeout(DEADLINE, self.exchange(method, path, headers, body)).await;
        Answer::read(&answer.expect("an answer in time"))
    }

    async fn exchange(self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        let length = match body.len() {
            0 => String::new(),
            bytes => format!("Content-Length: {bytes}\r\n"),
        };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: fanwave\r\nConnection: close\r\n{length}");
        let request = [head.as_bytes(), headers.as_bytes(), b"\r\n", body].concat();
        // A body that is too long is not read to its end.
        socket.write_all(&request).await.ok();
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer).await;
        if let Err(reason) = read {
            let answer = String::from_utf8_lossy(&answer);
            panic!("{reason}: {method} {path} was answered {answer:?}");
        }
        answer
    }
}

impl Answer {
    fn read(answer: &[u8]) -> Self {
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let (status, fields) = head.split_once("\r\n").unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: fields.split("\r\n").map(field).collect(),
            body: answer[end + 4..].to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body of a 200 as text, unpacked if it is packed.
    pub(super) fn text(&self) -> String {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        if self.header("content-encoding") == "gzip" {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&self.body[..])
                .read_to_string(&mut text)
                .unwrap();
            text
        } else {
            String::from_utf8(self.body.clone()).unwrap()
        }
    }

    /// The body of a 200.
    pub(super) fn bytes(self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body
    }
}
