//! `websocket_echo`: every message goes back to its sender, with the same type.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, sink};
use tokio::time::{error::Elapsed, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::websocket::close;

/// Bytes of the largest message, whole or in fragments; a larger one is answered with close code 1009.
pub const MAX_MESSAGE: usize = 16 << 20;

/// An idle connection holds this many bytes to read into.
const READ_BUFFER: usize = 4096;

/// What may wait to be written beside one message: pongs.
const SPARE_WRITE_BUFFER: usize = 64 * 1024;

/// How long a client gets to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of an oversized message is listened to. Closing with bytes unread would reset the
/// connection, and the close frame that says why could be lost.
const LINGER: Duration = Duration::from_secs(5);

/// And how much of it.
const LINGER_BYTES: u64 = 64 << 20;

#[derive(Clone, Copy, Debug)]
pub struct EchoLimits {
    /// No message, ping or pong was complete for so long: closed with code 1001.
    pub idle: Duration,
    /// A client that does not take its echo for so long is cut off.
    pub send: Duration,
    /// Bytes.
    pub max_message: usize,
}

/// How an echo ended, and what it carried until then.
#[derive(Debug)]
pub struct Echoed {
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    pub why: Why,
}

#[derive(Debug)]
pub enum Why {
    /// The client closed, with this code if it gave one.
    Closed(Option<u16>),
    /// The connection ended without a close frame.
    Lost(io::Error),
    /// The client broke a rule of RFC 6455 or of [`EchoLimits::max_message`], and was told so.
    Refused(String),
    Idle,
    SendTimeout,
    Drained,
    TokenExpired,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Closed(Some(code)) => write!(f, "client closed with code {code}"),
            Why::Closed(None) => f.write_str("client closed"),
            Why::Lost(error) => write!(f, "connection lost: {error}"),
            Why::Refused(why) => f.write_str(why),
            Why::Idle => f.write_str("idle"),
            Why::SendTimeout => f.write_str("client takes nothing"),
            Why::Drained => f.write_str("drained"),
            Why::TokenExpired => f.write_str("token expired"),
        }
    }
}

/// Echoes until the client closes, breaks a rule, is silent for too long, or `drain` or `expired` is ready.
/// `early` is what was already read behind the request's head. Extensions are not spoken, so the `101` must not
/// grant any.
pub async fn echo<S>(
    stream: S,
    early: Vec<u8>,
    limits: EchoLimits,
    drain: impl Future<Output = ()>,
    expired: impl Future<Output = ()>,
) -> Echoed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits.max_message + SPARE_WRITE_BUFFER)
        .max_message_size(Some(limits.max_message))
        .max_frame_size(Some(limits.max_message));
    let mut socket = WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await;
    let mut echoed = Echoed { messages: 0, bytes: 0, why: Why::Drained };
    let end = {
        let mut drain = pin!(drain);
        let mut expired = pin!(expired);
        let mut conversation = pin!(converse(&mut socket, &limits, &mut echoed));
        tokio::select! {
            biased;
            () = &mut drain => End::Leave { code: CloseCode::Restart, why: Why::Drained },
            () = &mut expired => End::Leave { code: token_expired(), why: Why::TokenExpired },
            end = &mut conversation => end,
        }
    };
    echoed.why = part(socket, end).await;
    echoed
}

fn token_expired() -> CloseCode {
    close::CloseCode::TOKEN_EXPIRED.get().into()
}

/// How a conversation stops.
enum End {
    /// There is nobody to talk to any more.
    Over(Why),
    /// We leave, and the client may answer.
    Leave { code: CloseCode, why: Why },
    /// The client is not to be understood any more.
    Refuse { code: CloseCode, why: Why },
}

async fn converse<S>(socket: &mut WebSocketStream<S>, limits: &EchoLimits, echoed: &mut Echoed) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut close_code = None;
    loop {
        let message = match timeout(limits.idle, socket.next()).await {
            Err(Elapsed { .. }) => return End::Leave { code: CloseCode::Away, why: Why::Idle },
            Ok(None) => return End::Over(Why::Closed(close_code)),
            Ok(Some(Err(error))) => return end(error, close_code),
            Ok(Some(Ok(message))) => message,
        };
        match message {
            Message::Text(_) | Message::Binary(_) => {
                (echoed.messages, echoed.bytes) = (echoed.messages + 1, echoed.bytes + message.len() as u64);
                match timeout(limits.send, socket.send(message)).await {
                    Err(Elapsed { .. }) => return End::Over(Why::SendTimeout),
                    Ok(Err(error)) => return end(error, close_code),
                    Ok(Ok(())) => {}
                }
            }
            // Tungstenite answers with the same code; the next read ends the conversation.
            Message::Close(frame) => close_code = frame.map(|frame| frame.code.into()),
            // Pings have been answered.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

fn end(error: Error, close_code: Option<u16>) -> End {
    let code = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => return End::Over(Why::Closed(close_code)),
        Error::Io(error) => return End::Over(Why::Lost(error)),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            return End::Over(Why::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    };
    End::Refuse { code, why: Why::Refused(error.to_string()) }
}

/// Says goodbye as far as that is possible, and closes the connection.
async fn part<S>(mut socket: WebSocketStream<S>, end: End) -> Why
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (code, why, answers) = match end {
        End::Over(why) => return why,
        End::Leave { code, why } => (code, why, true),
        End::Refuse { code, why } => (code, why, false),
    };
    let reason = match why {
        Why::Idle => Utf8Bytes::from_static("idle"),
        Why::Drained => Utf8Bytes::from_static("the server stops"),
        Why::TokenExpired => Utf8Bytes::from_static("token expired (websocket_token_expiry)"),
        _ => Utf8Bytes::default(),
    };
    let frame = CloseFrame { code, reason };
    let goodbye = async {
        let _ = socket.close(Some(frame)).await;
        // What comes before the answer was sent before the client knew; it is not echoed any more.
        while answers && matches!(socket.next().await, Some(Ok(_))) {}
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    if !answers {
        let _ = timeout(LINGER, linger(socket.get_mut())).await;
    }
    why
}

/// Ends our direction and reads the other one to its end, so that nothing unread turns the close into a
/// reset.
async fn linger<S>(stream: &mut S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if stream.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut sink()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

    const LIMITS: EchoLimits =
        EchoLimits { idle: Duration::from_secs(60), send: Duration::from_secs(30), max_message: 1000 };

    type Client = WebSocketStream<DuplexStream>;

    async fn client_of(limits: EchoLimits) -> (Client, JoinHandle<Echoed>) {
        let (near, far) = duplex(64);
        let echoed = tokio::spawn(async move { echo(near, Vec::new(), limits, pending(), pending()).await });
        (WebSocketStream::from_raw_socket(far, Role::Client, None).await, echoed)
    }

    /// A frame as a client sends it.
    fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        let key = [1, 2, 3, 4];
        let mut head = [0; MAX_HEAD];
        let length = payload.len() as u64;
        let size = Head { fin, ..Head::message(opcode, Some(key), length) }.write(&mut head);
        let mut bytes = [&head[..size], payload].concat();
        mask(&mut bytes[size..], key, 0);
        bytes
    }

    /// The code of the close frame that is all a server sends.
    async fn close_code(mut stream: DuplexStream) -> u16 {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let (head, size) = Head::read(&bytes).unwrap().unwrap();
        assert_eq!(head.opcode, Opcode::CLOSE);
        close::read(&bytes[size..]).unwrap().unwrap().0.get()
    }

    #[tokio::test(start_paused = true)]
    async fn messages_come_back_with_their_type() {
        let (mut client, echoed) = client_of(LIMITS).await;
        for message in [Message::text("grüße"), Message::binary(vec![0, 255, 1]), Message::text("")] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("no close frame") };
        assert_eq!(frame.code, CloseCode::Normal);
        let echoed = echoed.await.unwrap();
        assert_eq!((echoed.messages, echoed.bytes), (3, 10));
        assert!(matches!(echoed.why, Why::Closed(Some(1000))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_message_may_have_come_with_the_head() {
        let (near, far) = duplex(64);
        let mut early = frame(Opcode::TEXT, true, b"hello");
        let rest = early.split_off(4);
        tokio::spawn(async move { echo(near, early, LIMITS, pending(), pending()).await });
        let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        client.get_mut().write_all(&rest).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
    }

    #[tokio::test(start_paused = true)]
    async fn fragments_come_back_as_one_message_and_pings_are_answered_between_them() {
        let (mut client, _echoed) = client_of(LIMITS).await;
        let parts = [
            frame(Opcode::BINARY, false, b"one "),
            frame(Opcode::PING, true, b"p"),
            frame(Opcode::CONTINUATION, true, b"two"),
        ];
        client.get_mut().write_all(&parts.concat()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong(b"p"[..].into()));
        assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(&b"one two"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_breaks_a_rule_is_told_which() {
        let long = vec![b'a'; 1001];
        let cases = [
            (frame(Opcode::BINARY, true, &long), 1009),
            (
                [frame(Opcode::TEXT, false, &long[1..]), frame(Opcode::CONTINUATION, true, b"a")].concat(),
                1009,
            ),
            (frame(Opcode::TEXT, true, b"\xff"), 1007),
            (b"\x81\x01a".to_vec(), 1002),
            (frame(Opcode::CONTINUATION, true, b"a"), 1002),
            (b"\xc1\x80\0\0\0\0".to_vec(), 1002),
        ];
        for (bytes, code) in cases {
            let (near, mut far) = duplex(4096);
            let echoed =
                tokio::spawn(async move { echo(near, Vec::new(), LIMITS, pending(), pending()).await });
            far.write_all(&bytes).await.unwrap();
            assert_eq!(close_code(far).await, code, "{bytes:x?}");
            assert!(matches!(echoed.await.unwrap().why, Why::Refused(_)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_draining_end_it() {
        let (near, far) = duplex(64);
        let start = Instant::now();
        let echoed = tokio::spawn(async move { echo(near, Vec::new(), LIMITS, pending(), pending()).await });
        assert_eq!(close_code(far).await, 1001);
        assert_eq!(start.elapsed().as_secs(), 65);
        assert!(matches!(echoed.await.unwrap().why, Why::Idle));

        let (near, far) = duplex(64);
        let (drain, drained) = oneshot::channel::<()>();
        let drained = async move { drained.await.unwrap() };
        let echoed = tokio::spawn(async move { echo(near, Vec::new(), LIMITS, drained, pending()).await });
        drain.send(()).unwrap();
        assert_eq!(close_code(far).await, 1012);
        assert!(matches!(echoed.await.unwrap().why, Why::Drained));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_token() {
        let (near, far) = duplex(64);
        let expired = sleep(Duration::from_secs(30));
        let echoed = tokio::spawn(async move { echo(near, Vec::new(), LIMITS, pending(), expired).await });
        assert_eq!(close_code(far).await, 4401);
        let why = echoed.await.unwrap().why;
        assert!(matches!(why, Why::TokenExpired), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_is_not_waited_for() {
        let (mut client, echoed) = client_of(LIMITS).await;
        let start = Instant::now();
        while let Some(Ok(_)) = client.next().await {}
        assert_eq!(start.elapsed().as_secs(), 60);
        assert!(matches!(echoed.await.unwrap().why, Why::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (mut client, echoed) = client_of(LIMITS).await;
        let start = Instant::now();
        client.send(Message::binary(vec![0; 1000])).await.unwrap();
        assert!(matches!(echoed.await.unwrap().why, Why::SendTimeout));
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_vanishes_is_told_from_one_that_closes() {
        let (client, echoed) = client_of(LIMITS).await;
        sleep(Duration::from_secs(1)).await;
        drop(client);
        assert!(matches!(echoed.await.unwrap().why, Why::Lost(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_pings_nobody_reads_the_answers_to_is_bounded() {
        let (near, mut far) = duplex(64);
        let echoed = tokio::spawn(async move { echo(near, Vec::new(), LIMITS, pending(), pending()).await });
        for _ in 0..2000 {
            far.write_all(&frame(Opcode::PING, true, &[0; 125])).await.unwrap();
        }
        far.shutdown().await.unwrap();
        let mut pongs = Vec::new();
        far.read_to_end(&mut pongs).await.unwrap();
        assert!(pongs.len() <= LIMITS.max_message + SPARE_WRITE_BUFFER + 64, "{}", pongs.len());
        echoed.await.unwrap();
    }
}
