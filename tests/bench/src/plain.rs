//! One plain POST of bytes and its answer: what a link costs at the least. HTTP/1.1 as far as this needs it, for the bench alone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Takes POSTs on a loopback port, each answered when all of it is there. Ends with the program.
pub fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(answer(client))));
    port
}

fn answer(client: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    (&client).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// Posts these bytes and waits for the answer.
pub fn post(port: u16, bytes: &[u8]) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    write!(server, "POST / HTTP/1.1\r\nhost: hq\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len())?;
    server.write_all(bytes)?;
    let mut said = String::new();
    server.read_to_string(&mut said)?;
    if said.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(std::io::Error::other("the answer is not 200")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_answered_when_all_of_it_is_there() {
        post(serve(), &[7; 300_000]).expect("it is answered");
    }
}
