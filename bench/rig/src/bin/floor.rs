//! The floor: what it costs to give the same bytes to so many sockets, and nothing else.
//!
//! A control connection sends a message as a line; the loop frames it once and calls `send` without blocking on every fan's
//! socket. There is no protocol, no poll and no account of fans, so no server that writes once per message and fan can
//! cost less by `send`. Its CPU time is read from outside like every server's, and told on each line of its output for
//! the loop alone.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use clap::Parser;
use fanwave_rig::{clock, frames};
use rustix::net::{SendFlags, send};
use serde_json::json;

/// The floor of sending.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port for the fans, on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// Port for the control connection, on 127.0.0.1.
    #[arg(long)]
    control: u16,
}

type Fans = Arc<Mutex<Vec<TcpStream>>>;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    let control = TcpListener::bind(("127.0.0.1", arguments.control))?;
    let fans = Fans::default();
    let accepted = Arc::clone(&fans);
    std::thread::spawn(move || accept(&listener, &accepted));
    for peer in control.incoming() {
        serve(BufReader::new(peer?), &fans)?;
    }
    Ok(())
}

fn accept(listener: &TcpListener, fans: &Fans) {
    for fan in listener.incoming().flatten() {
        // As the servers do: a small message must not wait for the acknowledgement of the one before.
        if fan.set_nodelay(true).is_ok() && fan.set_nonblocking(true).is_ok() {
            fans.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(fan);
        }
    }
}

fn serve(control: BufReader<TcpStream>, fans: &Fans) -> Result<()> {
    let mut frame = Vec::new();
    for line in control.lines() {
        frame.clear();
        frames::append_server_text(line?.as_bytes(), &mut frame);
        let mut fans = fans.lock().unwrap_or_else(PoisonError::into_inner);
        let began = clock::thread_cpu();
        let mut sent = 0_u64;
        // A fan who is gone is let go; a full socket would mean that the floor is not the floor.
        fans.retain(
            |fan| match send(fan, &frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => {
                    sent += 1;
                    true
                }
                Err(_) => false,
            },
        );
        let cpu = clock::seconds(clock::thread_cpu() - began);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({ "sent": sent, "cpu_s": cpu }))
            .context("nobody reads the figures")?;
        out.flush()?;
    }
    Ok(())
}
