//! A name server with one name, for a resolver that has nothing but `/etc/resolv.conf` to go by.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

/// The only name that there is.
pub const KNOWN_NAME: &str = "trust.test";

/// A running name server; it lives as long as the suite.
pub struct NameServer {
    address: Ipv4Addr,
}

impl NameServer {
    /// On the port of name servers, which takes root, at a loopback address of its own.
    pub fn start() -> Self {
        let own = std::process::id();
        let address = Ipv4Addr::new(127, 53, (own >> 8 & 0xff) as u8, (own & 0xff) as u8 | 1);
        let socket = UdpSocket::bind((address, 53)).unwrap_or_else(|error| panic!("{address}:53: {error}"));
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address }
    }

    /// What `/etc/resolv.conf` has to say.
    pub fn resolv_conf(&self) -> String {
        format!("nameserver {}\noptions timeout:2 attempts:1\n", self.address)
    }
}

/// RFC 1035, section 4: [`KNOWN_NAME`] is 127.0.0.1 and has no other address; other names do not exist.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = question.split_at_checked(12)?;
    let end = rest.iter().position(|byte| *byte == 0)? + 5;
    let asked = rest.get(..end)?;
    let (name, kind) = asked.split_at(end - 4);
    let mut known: Vec<u8> = Vec::new();
    for label in KNOWN_NAME.split('.') {
        known.push(u8::try_from(label.len()).expect("a short label"));
        known.extend(label.bytes());
    }
    known.push(0);
    let is_known = name == known;
    let has_address = is_known && kind.starts_with(&[0, 1]);
    let code = if is_known { 0 } else { 3 };
    let mut answer = header[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(asked);
    if has_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
