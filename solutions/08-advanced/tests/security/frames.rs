//! A client of HTTP/2 that sends what no library would: frames by hand (RFC 9113, section 4; RFC 7541, section 6.2.2).

use lab::{Stream, patience};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// How one stream ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ending {
    /// With an answer of this status.
    Status(u16),
    /// With RST_STREAM, and this error.
    Reset(u32),
    /// The whole connection ended.
    Closed,
}

pub(crate) struct Frames(Stream);

impl Frames {
    pub(crate) async fn begin(mut stream: Stream) -> Self {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let hello = [preface, frame(SETTINGS, 0, 0, &[])].concat();
        // That it is not taken shows when it is read from.
        _ = stream.write_all(&hello).await;
        Self(stream)
    }

    /// A request with these fields, in this order; `end` says that no body follows.
    pub(crate) async fn request(&mut self, id: u32, fields: &[(&str, &str)], end: bool) {
        let block: Vec<u8> = fields.iter().flat_map(|&field| literal(field)).collect();
        // END_HEADERS is 4, END_STREAM is 1.
        let flags = if end { 5 } else { 4 };
        _ = self.0.write_all(&frame(HEADERS, flags, id, &block)).await;
    }

    pub(crate) async fn data(&mut self, id: u32, body: &[u8], end: bool) {
        _ = self
            .0
            .write_all(&frame(DATA, u8::from(end), id, body))
            .await;
    }

    /// Reads up to the head of an answer on this stream, or what there is instead.
    pub(crate) async fn ending(&mut self, id: u32) -> Ending {
        let read = async {
            loop {
                let Some((kind, stream, payload)) = self.next().await else {
                    return Ending::Closed;
                };
                match kind {
                    GOAWAY => return Ending::Closed,
                    RST_STREAM if stream == id => {
                        let error = payload.try_into().unwrap_or_default();
                        return Ending::Reset(u32::from_be_bytes(error));
                    }
                    HEADERS if stream == id => return Ending::Status(status(&payload)),
                    _ => {}
                }
            }
        };
        timeout(patience(), read)
            .await
            .expect("the stream ends in some way")
    }

    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, _flags, id @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, u32::from_be_bytes(id), payload))
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let [_, a, b, c] = length.to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field that is in no table, without Huffman coding.
fn literal((name, value): (&str, &str)) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // Up to 126 a length is one byte; beyond, more follow.
        match u8::try_from(text.len()) {
            Ok(length @ 0..=126) => bytes.push(length),
            _ => {
                bytes.push(127);
                let mut rest = text.len() - 127;
                while rest >= 128 {
                    bytes.push(u8::try_from(rest % 128).unwrap_or_default() | 128);
                    rest /= 128;
                }
                bytes.push(u8::try_from(rest).unwrap_or_default());
            }
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// `:status` is the first field: an entry of the static table, or that name with a literal value.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        // With or without a place in the table, three digits in Huffman code or as they are.
        [0x48 | 0x08, 0x03, digits @ ..] => {
            let text = digits.get(..3).and_then(|it| std::str::from_utf8(it).ok());
            text.and_then(|it| it.parse().ok()).unwrap_or_default()
        }
        [0x48 | 0x08, length, digits @ ..] if length & 0x80 != 0 => {
            let coded = digits.get(..usize::from(length & 0x7f)).unwrap_or_default();
            huffman_digits(coded)
        }
        _ => 0,
    }
}

/// Digits have codes of five or six bits (RFC 7541, appendix B).
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: String = bytes.iter().map(|it| format!("{it:08b}")).collect();
    let (mut rest, mut number) = (bits.as_str(), 0);
    for _ in 0..3 {
        let short = rest.get(..5).map(|it| u16::from_str_radix(it, 2));
        let digit = match short {
            Some(Ok(digit @ 0..=2)) => {
                rest = rest.get(5..).unwrap_or_default();
                digit
            }
            _ => {
                let long = rest.get(..6).map(|it| u16::from_str_radix(it, 2));
                rest = rest.get(6..).unwrap_or_default();
                // 3 is 011001, and so on to 9.
                long.and_then(Result::ok)
                    .unwrap_or_default()
                    .wrapping_sub(22)
            }
        };
        number = number * 10 + digit;
    }
    number
}
