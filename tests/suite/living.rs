//! Backends that die, come back and move while clients go on opening tunnels: what every client saw is counted.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        self, Message,
        handshake::server::{Request, Response},
    },
};

use crate::support::{
    PATIENCE,
    dns::Dns,
    server::{Kind, Place, Server},
    stream::Address,
};

const SITE: &str = "
upstream rooms {
    zone rooms 64k;
    server @UPSTREAM1@ fail_timeout=1s;
    server @UPSTREAM2@ fail_timeout=1s;
    server @UPSTREAM3@ fail_timeout=1s weight=2;
}
server {
    listen @LISTEN@;
    location / { websocket_proxy on; proxy_pass http://rooms; }
}
";

const CLIENTS: usize = 8;

/// How long a client waits that was refused, and one who looks what became of others.
const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn clients_find_a_living_backend_whoever_dies_and_hear_why_a_tunnel_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::new();
    let paths = ["UPSTREAM1", "UPSTREAM2", "UPSTREAM3"].map(|name| path_of(&place.address(name)));
    let mut server = Server::start(Kind::Wsproxy, place, SITE);
    let gateway = path_of(&server.address("LISTEN"));
    let seen = runtime.block_on(async {
        let mut backends = Vec::new();
        for (number, path) in paths.into_iter().enumerate() {
            let mut backend = Backend::new(number, Door::Unix(path));
            backend.revive().await;
            backends.push(backend);
        }
        let seen = Arc::new(Seen::default());
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| tokio::spawn(client(gateway.clone(), seen.clone()))).collect();
        for dying in [&[0][..], &[2], &[0, 1], &[1, 2]] {
            seen.more_tunnels("before anybody dies", &[0, 1, 2], 5).await;
            for at in dying {
                backends[*at].kill().await;
            }
            let living: Vec<usize> = (0..3).filter(|at| !dying.contains(at)).collect();
            seen.more_tunnels("on those that live", &living, 20).await;
            for at in dying {
                backends[*at].revive().await;
            }
        }
        seen.more_tunnels("on those that came back", &[0, 1, 2], 5).await;
        seen.nobody_lives.store(true, Ordering::SeqCst);
        for backend in &mut backends {
            backend.kill().await;
        }
        seen.wait("refusals", |counts| counts.refused_by_nobody.len() >= 20).await;
        for backend in &mut backends {
            backend.revive().await;
        }
        seen.more_tunnels("after nobody lived", &[0, 1, 2], 5).await;
        seen.nobody_lives.store(false, Ordering::SeqCst);
        seen.more_tunnels("at the end", &[0, 1, 2], 5).await;
        seen.done.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.expect("a client does not panic");
        }
        seen
    });
    server.quit().expect("a graceful end");
    let counts = seen.counts.lock().unwrap();
    assert_eq!(counts.refused, Vec::<String>::new(), "while somebody lived, nobody was refused");
    assert_eq!(counts.wrong, Vec::<String>::new());
    assert!(counts.refused_by_nobody.iter().all(|why| why == "502 Bad Gateway"), "{counts:?}");
    // tungstenite does not know 1014 and tells its user 1002 in its place.
    assert!(counts.cut.keys().all(|code| [1002, 1011, 1014].contains(code)), "{counts:?}");
    assert!(counts.cut.values().sum::<usize>() > 0, "{counts:?}");
    let logs = server.logs();
    assert!(logs.contains("no live upstreams while connecting to upstream"), "{logs}");
}

const MOVING: &str = "
resolver @DNS@ ipv6=off;
upstream rooms {
    zone rooms 64k;
    server rooms.test:@ROOMS@ resolve fail_timeout=1s;
}
server {
    listen @LISTEN@;
    location / { websocket_proxy on; proxy_pass http://rooms; }
}
";

#[test]
fn clients_find_a_backend_that_moves_and_keep_the_old_while_it_lives() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dns = Dns::start();
    let port = free_on_three();
    let is_at = |ips: &[&str]| dns.addresses("rooms.test", ips, 1);
    is_at(&["127.0.0.1", "127.0.0.2"]);
    let site = MOVING.replace("@DNS@", &dns.address().to_string()).replace("@ROOMS@", &port.to_string());
    let mut server = Server::start(Kind::Wsproxy, Place::new(), &site);
    let gateway = path_of(&server.address("LISTEN"));
    let moved = async |to: &str| {
        let words = format!("rooms.test has moved from {to}");
        let begun = Instant::now();
        while !server.place.read("error.log").contains(&words) {
            assert!(begun.elapsed() < PATIENCE, "never came: {words}\n{}", server.logs());
            tokio::time::sleep(PAUSE).await;
        }
    };
    let at = |last: u8| format!("127.0.0.{last}:{port}");
    let seen = runtime.block_on(async {
        let door = |last: u8| Door::Tcp(([127, 0, 0, last], port).into());
        let mut backends = [1, 2, 3].map(|last| Backend::new(usize::from(last) - 1, door(last)));
        backends[0].revive().await;
        backends[1].revive().await;
        let seen = Arc::new(Seen::default());
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| tokio::spawn(client(gateway.clone(), seen.clone()))).collect();
        seen.more_tunnels("where the name is", &[0, 1], 20).await;
        let mut stays = long_tunnel(&gateway, 0).await;
        // One more comes, the first goes from the name and lives on.
        backends[2].revive().await;
        is_at(&["127.0.0.2", "127.0.0.3"]);
        moved(&format!("{}, {} to {}, {}", at(1), at(2), at(2), at(3))).await;
        let left = seen.counts.lock().unwrap().opened[0];
        seen.more_tunnels("where the name is now", &[1, 2], 20).await;
        // Handshakes that were under way when the name moved may still have come to it.
        assert!(seen.counts.lock().unwrap().opened[0] <= left + CLIENTS, "it gets no new tunnels");
        say(&mut stays, "to the old address").await;
        // One dies, and its name moves back to the first.
        backends[1].kill().await;
        seen.more_tunnels("on the one that lives", &[2], 20).await;
        is_at(&["127.0.0.1", "127.0.0.3"]);
        moved(&format!("{}, {} to {}, {}", at(2), at(3), at(1), at(3))).await;
        seen.more_tunnels("on it and on the first", &[0, 2], 20).await;
        // It comes back where it was; the name moves there, then the others die.
        backends[1].revive().await;
        is_at(&["127.0.0.2"]);
        moved(&format!("{}, {} to {}", at(1), at(3), at(2))).await;
        backends[2].kill().await;
        seen.more_tunnels("on the one that came back", &[1], 20).await;
        say(&mut stays, "to the old address, twice moved away from").await;
        // It is started anew with another address before the name servers say so: some are refused, and it heals.
        seen.nobody_lives.store(true, Ordering::SeqCst);
        backends[1].kill().await;
        backends[2].revive().await;
        is_at(&["127.0.0.3"]);
        seen.more_tunnels("where it came up", &[2], 20).await;
        seen.nobody_lives.store(false, Ordering::SeqCst);
        seen.more_tunnels("at the end", &[2], 20).await;
        say(&mut stays, "at the end").await;
        seen.done.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.expect("a client does not panic");
        }
        seen
    });
    server.quit().expect("a graceful end");
    let counts = seen.counts.lock().unwrap();
    assert_eq!(counts.refused, Vec::<String>::new(), "while somebody lived, nobody was refused");
    assert_eq!(counts.wrong, Vec::<String>::new());
    assert!(counts.refused_by_nobody.iter().all(|why| why == "502 Bad Gateway"), "{counts:?}");
    assert!(counts.cut.keys().all(|code| [1002, 1011, 1014].contains(code)), "{counts:?}");
}

/// A port that nobody uses on 127.0.0.1 to 127.0.0.3.
fn free_on_three() -> u16 {
    loop {
        let first = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = first.local_addr().expect("an address").port();
        if (2..=3)
            .all(|last| std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, last], port))).is_ok())
        {
            return port;
        }
    }
}

/// A tunnel to this backend, which has to be one of those that get new ones.
async fn long_tunnel(gateway: &PathBuf, backend: usize) -> WebSocketStream<UnixStream> {
    loop {
        let stream = UnixStream::connect(gateway).await.expect("the gateway lives");
        let (socket, response) = client_async("ws://rooms/", stream).await.expect("a tunnel");
        if backend_of(&response) == backend {
            return socket;
        }
    }
}

async fn say(socket: &mut WebSocketStream<UnixStream>, text: &str) {
    socket.send(Message::text(text)).await.expect("it is open");
    assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text(text));
}

fn path_of(address: &Address) -> PathBuf {
    match address {
        Address::Unix(path) => path.clone(),
        other => panic!("{other} is no Unix socket"),
    }
}

/// A WebSocket server that says its number in a header and sends back what comes.
struct Backend {
    number: usize,
    door: Door,
    task: Option<JoinHandle<()>>,
}

/// Where a backend listens.
enum Door {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Listener::Unix(listener) => Box::new(listener.accept().await?.0),
            Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Listens where a backend was before. Somebody's connection may have that port for a moment.
async fn bind(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Backend {
    fn new(number: usize, door: Door) -> Backend {
        Backend { number, door, task: None }
    }

    async fn revive(&mut self) {
        let listener = match &self.door {
            Door::Unix(path) => Listener::Unix(UnixListener::bind(path).expect("the socket's path is free")),
            Door::Tcp(address) => Listener::Tcp(bind(*address).await),
        };
        self.task = Some(tokio::spawn(serve(listener, self.number)));
    }

    /// Everything it had open ends at once, and nothing listens any more.
    async fn kill(&mut self) {
        let task = self.task.take().expect("it lives");
        task.abort();
        assert!(task.await.expect_err("it was aborted").is_cancelled());
        if let Door::Unix(path) = &self.door {
            std::fs::remove_file(path).expect("its socket");
        }
    }
}

async fn serve(listener: Listener, number: usize) {
    let mut tunnels = JoinSet::new();
    while let Ok(stream) = listener.accept().await {
        tunnels.spawn(echo(stream, number));
    }
}

async fn echo(stream: Box<dyn Duplex>, number: usize) -> Result<(), tungstenite::Error> {
    #[expect(clippy::result_large_err, reason = "tungstenite's signature")]
    let name = |_: &Request, mut response: Response| {
        response.headers_mut().insert("X-Backend", number.into());
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, name).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    counts: Mutex<Counts>,
    /// No backend lives, or it is not certain that one does.
    nobody_lives: AtomicBool,
    done: AtomicBool,
}

#[derive(Debug, Default)]
struct Counts {
    /// Tunnels by backend.
    opened: [usize; 3],
    /// Handshakes that failed though a backend lived, and those that failed when none did.
    refused: Vec<String>,
    refused_by_nobody: Vec<String>,
    /// Tunnels that ended under their client, by close code.
    cut: BTreeMap<u16, usize>,
    /// What must not happen at all.
    wrong: Vec<String>,
}

impl Seen {
    async fn wait(&self, what: &str, mut is_there: impl FnMut(&Counts) -> bool) {
        let begun = Instant::now();
        while !is_there(&self.counts.lock().unwrap()) {
            assert!(begun.elapsed() < PATIENCE, "never came: {what}: {:?}", self.counts.lock().unwrap());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until each of these backends has got so many more.
    async fn more_tunnels(&self, what: &str, backends: &[usize], count: usize) {
        let before = self.counts.lock().unwrap().opened;
        let grown = |counts: &Counts| backends.iter().all(|at| counts.opened[*at] >= before[*at] + count);
        self.wait(&format!("tunnels {what}"), grown).await;
    }

    fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
    }
}

/// Opens one tunnel after another, says something through each, and leaves.
async fn client(gateway: PathBuf, seen: Arc<Seen>) {
    for number in 0.. {
        if seen.done.load(Ordering::SeqCst) {
            return;
        }
        let nobody_lived = seen.nobody_lives.load(Ordering::SeqCst);
        let stream = UnixStream::connect(&gateway).await.expect("the gateway lives");
        let (socket, backend) = match client_async("ws://rooms/", stream).await {
            Ok((socket, response)) => (socket, backend_of(&response)),
            Err(error) => {
                let why = match error {
                    tungstenite::Error::Http(response) => response.status().to_string(),
                    error => error.to_string(),
                };
                let nobody_lives = nobody_lived || seen.nobody_lives.load(Ordering::SeqCst);
                seen.note(|counts| match nobody_lives {
                    true => counts.refused_by_nobody.push(why),
                    false => counts.refused.push(why),
                });
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        seen.note(|counts| counts.opened[backend] += 1);
        match talk(socket, number).await {
            Ok(None) => {}
            Ok(Some(code)) => seen.note(|counts| *counts.cut.entry(code).or_default() += 1),
            Err(why) => seen.note(|counts| counts.wrong.push(format!("backend {backend}: {why}"))),
        }
    }
}

fn backend_of(response: &tungstenite::handshake::client::Response) -> usize {
    response.headers()["X-Backend"].to_str().expect("a number").parse().expect("a number")
}

/// A few messages there and back; the close code if it ended before the client wanted it to.
async fn talk(mut socket: WebSocketStream<UnixStream>, number: usize) -> Result<Option<u16>, String> {
    for message in 0..3 {
        let said = format!("{number}.{message}");
        if let Err(error) = socket.send(Message::text(said.clone())).await {
            // What ended it may still be there to be read.
            return close_code(&mut socket).await.ok_or(format!("{error}, and no Close"));
        }
        match socket.next().await {
            Some(Ok(Message::Text(heard))) if *heard == said => {}
            Some(Ok(Message::Close(Some(close)))) => return Ok(Some(close.code.into())),
            other => return Err(format!("{other:?} instead of \"{said}\"")),
        }
    }
    // Half of them say goodbye, the others just go.
    if number.is_multiple_of(2) {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    }
    Ok(None)
}

async fn close_code(socket: &mut WebSocketStream<UnixStream>) -> Option<Option<u16>> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(close)) = message {
            return Some(Some(close.code.into()));
        }
    }
    None
}
