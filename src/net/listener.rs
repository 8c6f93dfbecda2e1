//! Sockets that listen, as nginx opens them (`ngx_open_listening_sockets`).

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socket2::{Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::{Address, KeepAlive, ListenError, Stream};

/// nginx's `NGX_LISTEN_BACKLOG` on Linux.
pub const DEFAULT_BACKLOG: i32 = 511;

/// Anyone may connect to a Unix socket, as with nginx.
const UNIX_SOCKET_MODE: u32 = 0o666;

/// What the parameters of `listen` say about the socket itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    pub backlog: i32,
    /// Each worker gets a socket of its own on the same port; otherwise they share one. Means nothing for
    /// Unix sockets, which are always shared.
    pub reuseport: bool,
    /// Whether `[::]` leaves IPv4 alone.
    pub ipv6only: bool,
    /// Bytes, for `SO_RCVBUF`.
    pub rcvbuf: Option<usize>,
    /// Bytes, for `SO_SNDBUF`.
    pub sndbuf: Option<usize>,
    /// `so_keepalive`, for TCP only; accepted connections inherit it.
    pub keepalive: Option<KeepAlive>,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            backlog: DEFAULT_BACKLOG,
            reuseport: false,
            ipv6only: true,
            rcvbuf: None,
            sndbuf: None,
            keepalive: None,
        }
    }
}

/// A socket that listens and that no worker accepts from yet. Dropping it closes it; the file of a Unix
/// socket stays until [`Listening::unlink`].
#[derive(Debug)]
pub struct Listening {
    socket: Socket,
    address: Address,
    options: ListenOptions,
}

impl Listening {
    /// Binds and listens. An address that anyone listens on already is an error, whatever the options: with
    /// `SO_REUSEPORT` the system would let two servers share a port in silence.
    pub fn open(address: &Address, options: &ListenOptions) -> Result<Listening, ListenError> {
        open(address, options, Claim::First)
    }

    /// Whether other sockets may listen on the same port.
    pub fn can_have_siblings(&self) -> bool {
        self.options.reuseport && !self.address.is_unix()
    }

    /// One more socket for another worker: of its own with `reuseport`, else the same one once more.
    pub fn sibling(&self) -> Result<Listening, ListenError> {
        match self.can_have_siblings() {
            true => open(&self.address, &self.options, Claim::Shared),
            false => self.share(),
        }
    }

    /// Takes over a socket that listens already, from another process or another worker.
    ///
    /// # Errors
    /// It is no socket, or one that does not listen (`EINVAL`).
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listening> {
        let socket = Socket::from(fd);
        let address = Address::from_socket2(&socket.local_addr()?);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        socket.set_nonblocking(true)?;
        let reuseport = !address.is_unix() && socket.reuse_port()?;
        if !address.is_unix() {
            socket.set_tcp_nodelay(true)?;
        }
        let options = ListenOptions { reuseport, ..ListenOptions::default() };
        Ok(Listening { socket, address, options })
    }

    /// The same socket once more, for whoever is to accept from it too.
    pub fn share(&self) -> Result<Listening, ListenError> {
        let socket = self.socket.try_clone().map_err(|error| self.failed("dup()", error))?;
        Ok(Listening { socket, address: self.address.clone(), options: self.options.clone() })
    }

    /// Where it listens, with the port the system chose if 0 was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Applies what may change while listening: the backlog, buffer sizes, keep-alive.
    pub fn reconfigure(&mut self, options: &ListenOptions) -> Result<(), ListenError> {
        configure(&self.socket, options).map_err(|(call, error)| self.failed(call, error))?;
        self.socket.listen(options.backlog).map_err(|error| self.failed("listen() to", error))?;
        self.options = ListenOptions { reuseport: self.options.reuseport, ..options.clone() };
        Ok(())
    }

    /// Begins to accept on this thread's runtime.
    pub fn listener(self) -> io::Result<Listener> {
        let fd = OwnedFd::from(self.socket);
        if self.address.is_unix() {
            return UnixListener::from_std(fd.into()).map(Listener::Unix);
        }
        TcpListener::from_std(fd.into()).map(Listener::Tcp)
    }

    /// Removes the file of a Unix socket, as nginx does when it quits. Without this the next start fails
    /// with `Address already in use`, as nginx's would.
    pub fn unlink(&self) -> io::Result<()> {
        self.address.path().map_or(Ok(()), fs::remove_file)
    }

    fn failed(&self, call: &'static str, error: io::Error) -> ListenError {
        ListenError { call, address: self.address.clone(), error }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listening socket of one worker.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The next connection and where it comes from. What an error means for the loop around this, says
    /// [`super::accept_trouble`].
    pub async fn accept(&self) -> io::Result<(Stream, Address)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Address::Ip(peer)))
            }
            Listener::Unix(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Unix(stream), Address::from_unix(&peer)))
            }
        }
    }

    /// Stops accepting here and keeps the socket listening, so that connections wait in its backlog.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        match self {
            Listener::Tcp(listener) => listener.into_std().map(OwnedFd::from),
            Listener::Unix(listener) => listener.into_std().map(OwnedFd::from),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Nobody else may listen there.
    First,
    /// Sockets of ours do, with `SO_REUSEPORT`.
    Shared,
}

fn open(address: &Address, options: &ListenOptions, claim: Claim) -> Result<Listening, ListenError> {
    match listen(address, options, claim) {
        Ok((socket, address)) => Ok(Listening { socket, address, options: options.clone() }),
        Err((call, error)) => Err(ListenError { call, address: address.clone(), error }),
    }
}

type Failed = (&'static str, io::Error);

fn listen(address: &Address, options: &ListenOptions, claim: Claim) -> Result<(Socket, Address), Failed> {
    let ip = address.ip();
    let protocol = ip.map(|_| Protocol::TCP);
    let socket = Socket::new(address.domain(), Type::STREAM, protocol).map_err(step("socket()"))?;
    socket.set_nonblocking(true).map_err(step("ioctl(FIONBIO)"))?;
    socket.set_reuse_address(true).map_err(step("setsockopt(SO_REUSEADDR)"))?;
    if ip.is_some() {
        // What is accepted inherits it: small writes go out at once.
        socket.set_tcp_nodelay(true).map_err(step("setsockopt(TCP_NODELAY)"))?;
    }
    if ip.is_some_and(|ip| ip.is_ipv6()) {
        socket.set_only_v6(options.ipv6only).map_err(step("setsockopt(IPV6_V6ONLY)"))?;
    }
    if ip.is_some() && claim == Claim::Shared {
        socket.set_reuse_port(true).map_err(step("setsockopt(SO_REUSEPORT)"))?;
    }
    configure(&socket, options)?;
    bind(&socket, address)?;
    // The first socket is bound without the option, so that one of another server is in its way; with the
    // option set now, siblings of ours are not in each other's.
    if ip.is_some() && options.reuseport && claim == Claim::First {
        socket.set_reuse_port(true).map_err(step("setsockopt(SO_REUSEPORT)"))?;
    }
    socket.listen(options.backlog).map_err(step("listen() to"))?;
    let bound = socket.local_addr().map_err(step("getsockname()"))?;
    Ok((socket, Address::from_socket2(&bound)))
}

fn bind(socket: &Socket, address: &Address) -> Result<(), Failed> {
    let there = address.to_socket2().map_err(step("bind() to"))?;
    socket.bind(&there).map_err(step("bind() to"))?;
    if let Some(path) = address.path() {
        let mode = fs::Permissions::from_mode(UNIX_SOCKET_MODE);
        fs::set_permissions(path, mode).map_err(|error| abandon(path, error))?;
    }
    Ok(())
}

/// Nobody could connect to the socket, so its file should not stay either.
fn abandon(path: &Path, error: io::Error) -> Failed {
    let _ = fs::remove_file(path);
    ("chmod()", error)
}

fn configure(socket: &Socket, options: &ListenOptions) -> Result<(), Failed> {
    if let Some(bytes) = options.rcvbuf {
        socket.set_recv_buffer_size(bytes).map_err(step("setsockopt(SO_RCVBUF)"))?;
    }
    if let Some(bytes) = options.sndbuf {
        socket.set_send_buffer_size(bytes).map_err(step("setsockopt(SO_SNDBUF)"))?;
    }
    if let Some(keepalive) = &options.keepalive {
        socket.set_tcp_keepalive(&keepalive.parameters()).map_err(step("setsockopt(SO_KEEPALIVE)"))?;
    }
    Ok(())
}

fn step(call: &'static str) -> impl FnOnce(io::Error) -> Failed {
    move |error| (call, error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileTypeExt;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

    use super::*;
    use crate::net::{connect, numbered};

    fn any_port(host: &str) -> Address {
        Address::Ip(format!("{host}:0").parse().unwrap())
    }

    async fn greet(listener: &Listener, address: &Address) -> Address {
        let mut client = connect(address, None).await.unwrap();
        let (mut accepted, peer) = listener.accept().await.unwrap();
        accepted.write_all(b"hello").await.unwrap();
        drop(accepted);
        let mut greeting = String::new();
        client.read_to_string(&mut greeting).await.unwrap();
        assert_eq!(greeting, "hello");
        assert_eq!(&client.peer_address().unwrap(), address);
        peer
    }

    #[tokio::test]
    async fn tcp_connections_come_in() {
        let listening = Listening::open(&any_port("127.0.0.1"), &ListenOptions::default()).unwrap();
        let address = listening.address().clone();
        let listener = listening.listener().unwrap();
        assert!(greet(&listener, &address).await.ip().unwrap().ip().is_loopback());
        let _client = connect(&address, None).await.unwrap();
        let (Stream::Tcp(accepted), _) = listener.accept().await.unwrap() else { unreachable!() };
        assert!(accepted.nodelay().unwrap());
    }

    #[tokio::test]
    async fn unix_connections_come_in_and_the_file_goes_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let address = Address::unix(&path);
        let listening = Listening::open(&address, &ListenOptions::default()).unwrap();
        let second = listening.sibling().unwrap();
        let listener = second.listener().unwrap();
        assert_eq!(greet(&listener, &address).await.to_string(), "unix:");
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o666);
        listening.unlink().unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_leftover_socket_file_is_in_the_way_as_in_nginx() {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::unix(dir.path().join("socket"));
        drop(Listening::open(&address, &ListenOptions::default()).unwrap());
        let error = Listening::open(&address, &ListenOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("bind() to {address} failed (98: Address already in use)"));
    }

    #[tokio::test]
    async fn a_port_is_claimed_once_however_it_is_asked_for() {
        for first in [false, true] {
            for second in [false, true] {
                let options = |reuseport| ListenOptions { reuseport, ..ListenOptions::default() };
                let held = Listening::open(&any_port("127.0.0.1"), &options(first)).unwrap();
                let error = Listening::open(held.address(), &options(second)).unwrap_err();
                assert_eq!(error.call, "bind() to");
                assert_eq!(numbered(&error.error).to_string(), "98: Address already in use");
            }
        }
    }

    #[tokio::test]
    async fn siblings_share_a_port() {
        for host in ["127.0.0.1", "[::1]"] {
            for reuseport in [false, true] {
                let options = ListenOptions { reuseport, ..ListenOptions::default() };
                let first = Listening::open(&any_port(host), &options).unwrap();
                let second = first.sibling().unwrap();
                let third = second.sibling().unwrap();
                assert_eq!(first.address(), third.address());
                let address = first.address().clone();
                drop((first, second));
                greet(&third.listener().unwrap(), &address).await;
            }
        }
    }

    #[tokio::test]
    async fn each_sibling_with_reuseport_has_a_backlog_of_its_own() {
        let options = ListenOptions { reuseport: true, ..ListenOptions::default() };
        let first = Listening::open(&any_port("127.0.0.1"), &options).unwrap();
        let listeners = [first.sibling().unwrap().listener().unwrap(), first.listener().unwrap()];
        let Listener::Tcp(tcp) = &listeners[0] else { unreachable!() };
        let address = Address::Ip(tcp.local_addr().unwrap());
        let mut reached = [false; 2];
        let mut clients = Vec::new();
        while reached != [true; 2] {
            clients.push(connect(&address, None).await.unwrap());
            tokio::select! {
                accepted = listeners[0].accept() => { accepted.unwrap(); reached[0] = true; }
                accepted = listeners[1].accept() => { accepted.unwrap(); reached[1] = true; }
            }
        }
    }

    #[tokio::test]
    async fn connecting_from_an_address_of_our_choice() {
        let listening = Listening::open(&any_port("127.0.0.1"), &ListenOptions::default()).unwrap();
        let address = listening.address().clone();
        let listener = listening.listener().unwrap();
        let local = "127.0.0.9:0".parse().unwrap();
        let _client = connect(&address, Some(local)).await.unwrap();
        let (_stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip().unwrap().ip(), local.ip());
    }

    #[tokio::test]
    async fn a_listener_and_a_stream_change_workers() {
        let options = ListenOptions { keepalive: Some(KeepAlive::default()), ..ListenOptions::default() };
        let listening = Listening::open(&any_port("127.0.0.1"), &options).unwrap();
        let address = listening.address().clone();
        let fd = listening.listener().unwrap().into_fd().unwrap();
        let mut moved = Listening::from_fd(fd).unwrap();
        moved.reconfigure(&ListenOptions { backlog: 1, ..options }).unwrap();
        let listener = moved.listener().unwrap();
        let client = connect(&address, None).await.unwrap();
        let client = Stream::from_fd(client.into_fd().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.ready(Interest::WRITABLE).await.unwrap();
        assert_eq!(client.try_write(b"x").unwrap(), 1);
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 2]).unwrap(), 1);
        assert_eq!(stream.try_read(&mut [0; 2]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(client);
        assert!(stream.ready(Interest::READABLE).await.unwrap().is_read_closed());
    }
}
