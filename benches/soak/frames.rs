//! WebSocket frames for both ends of a soak. Nothing of wsproxy's own: whoever judges does not lean on the
//! judged.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// No frame of a soak is larger; a head that says so has been made of something else's bytes.
const MOST: u64 = 64 << 20;

pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// The bytes of a frame. A client masks, with a key of zeros: the payload stays as it is.
pub fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ ..126 => bytes.push(mask_bit | short as u8),
        middle @ 126..0x1_0000 => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(if masked { &[0; 4] } else { &[] });
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a frame; `None` where the stream ends between two.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let Ok(first) = stream.read_u8().await else { return Ok(None) };
    let second = stream.read_u8().await?;
    let length = match second & 0x7f {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await?,
        short => short.into(),
    };
    if first & 0xf0 != 0x80 || length > MOST {
        return Err(io::Error::other(format!("no frame that was sent: {first:#x}, {length} bytes")));
    }
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        stream.read_exact(&mut key).await?;
    }
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    if key != [0; 4] {
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    Ok(Some(Frame { opcode: first & 0xf, payload }))
}
