//! A server under test, wsproxy or the real nginx, on a configuration with placeholders.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `@LISTEN@`, `@LISTEN2@` | `unix:` sockets to listen on |
//! | `@PORT@`, `@PORT2@` | `127.0.0.1:PORT` to listen on, with ports nobody uses |
//! | `@NUMBER@`, `@NUMBER2@` | the same ports' numbers alone |
//! | `@UPSTREAM1@` … `@UPSTREAM3@` | `unix:` sockets where a test's upstreams answer |
//! | `@TCP1@` … `@TCP3@` | the same upstreams' own loopback ports, for what cannot name a Unix socket |
//! | `@REFUSED@` | `127.0.0.1:PORT` where nothing answers |
//! | `@DIR@` | the directory the server may write in |
//! | `@CASE@` | the directory of the test's fixture |

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    PATIENCE,
    origin::Origin,
    stream::{Address, Stream},
};

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Wsproxy,
}

/// The names a configuration uses for where it listens, and for those places' ports alone.
const LISTENERS: [(&str, &str); 4] =
    [("@LISTEN@", "@LISTEN@"), ("@LISTEN2@", "@LISTEN2@"), ("@PORT@", "@NUMBER@"), ("@PORT2@", "@NUMBER2@")];

/// A directory of its own and the placeholders that hold in it.
#[derive(Debug)]
pub struct Place {
    /// What stands for a placeholder, longest text first, so that putting names back is unambiguous.
    names: Vec<(String, String)>,
    directory: tempfile::TempDir,
    /// Everything written here as it was before placeholders were replaced.
    written: Mutex<String>,
    /// Keeps the port of `@REFUSED@` from being anybody's: bound, never listening.
    _refused: socket2::Socket,
}

impl Place {
    /// A place for a fixture, whose directory `@CASE@` names.
    pub fn beside(case: &Path) -> Place {
        let mut place = Place::new();
        place.name("CASE", case.display().to_string());
        place
    }

    pub fn new() -> Place {
        let directory = tempfile::Builder::new().prefix("wsproxy-").tempdir().expect("a temporary directory");
        let (refused, refused_port) = closed_port();
        let mut place = Place { names: Vec::new(), directory, written: Mutex::default(), _refused: refused };
        place.name("REFUSED", format!("127.0.0.1:{refused_port}"));
        for name in ["LISTEN", "LISTEN2", "UPSTREAM1", "UPSTREAM2", "UPSTREAM3"] {
            let socket = place.path(&name.to_lowercase());
            place.name(name, format!("unix:{}", socket.display()));
        }
        place.choose_ports();
        place.name("DIR", place.directory.path().display().to_string());
        place
    }

    /// Other ports than before, for when somebody else was quicker to take them.
    fn choose_ports(&mut self) {
        for (port, number) in [("PORT", "NUMBER"), ("PORT2", "NUMBER2")] {
            let chosen = free_port();
            self.name(port, chosen.to_string());
            self.name(number, chosen.port().to_string());
        }
    }

    /// Starts the upstream that `@UPSTREAMn@` and, when `tcp`, `@TCPn@` name.
    pub fn name_tcp(&mut self, number: usize, origin: &Origin) {
        self.name(&format!("TCP{number}"), origin.address().to_string());
    }

    fn name(&mut self, name: &str, value: String) {
        let name = format!("@{name}@");
        self.names.retain(|(known, _)| *known != name);
        self.names.push((name, value));
        self.names.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    }

    /// A path in this place's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a placeholder (without its `@`) stands for.
    pub fn value(&self, name: &str) -> &str {
        let name = format!("@{name}@");
        let found = self.names.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no placeholder {name}"))
    }

    pub fn address(&self, name: &str) -> Address {
        let value = self.value(name);
        match value.strip_prefix("unix:") {
            Some(path) => Address::Unix(path.into()),
            None => Address::Tcp(value.parse().expect("an address")),
        }
    }

    /// The text with every placeholder replaced.
    pub fn fill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// The text with every value that a placeholder stands for named again.
    pub fn unfill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, name))
    }

    /// Writes a file, placeholders replaced.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, self.fill(text)).expect("writing into a temporary directory");
        self.written.lock().unwrap().push_str(text);
        path
    }

    /// Where the configuration written here listens.
    fn listeners(&self) -> Vec<Address> {
        let written = self.written.lock().unwrap();
        let used = LISTENERS.iter().filter(|(name, also)| written.contains(name) || written.contains(also));
        used.map(|(name, _)| self.address(name.trim_matches('@'))).collect()
    }

    /// A file's text; empty when there is none.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A configuration of the `http` level as a whole one, so that a test shows only what it is about.
/// What has a block named `http` already is left alone.
pub fn whole(site: &str) -> String {
    if site.lines().any(|line| line.trim_start().starts_with("http {")) {
        return site.to_owned();
    }
    let access_log = if site.contains("access_log") { "" } else { "access_log off;" };
    format!(
        "worker_processes 1; pid @DIR@/pid; error_log @DIR@/error.log info;
events {{ worker_connections 512; }}
http {{
    {access_log}
    client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy; fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi; scgi_temp_path @DIR@/scgi;
    include @DIR@/site.conf;
}}
"
    )
}

/// A running server. When it is dropped it is stopped, and shows its logs if the test is failing.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub place: Place,
    child: Child,
}

impl Server {
    /// Starts a server on `site` and waits until all its listeners accept.
    pub fn start(kind: Kind, mut place: Place, site: &str) -> Server {
        for _ in 0..5 {
            place.write("site.conf", site);
            place.write("nginx.conf", &whole(site));
            match Server::try_start(kind, place) {
                Ok(server) => return server,
                Err((failed, why)) if why.contains("ddress already in use") => {
                    place = failed;
                    place.choose_ports();
                }
                Err((_, why)) => panic!("{kind:?} did not start:\n{why}"),
            }
        }
        panic!("{kind:?} found five times that somebody else had taken its port");
    }

    /// Starts a server that must not come up, and gives back what it says about that.
    pub fn refuse(kind: Kind, place: Place, site: &str) -> String {
        place.write("site.conf", site);
        place.write("nginx.conf", &whole(site));
        let child = command(kind, &place).spawn().unwrap_or_else(|e| panic!("starting {kind:?}: {e}"));
        let mut server = Server { kind, place, child };
        server.wait().expect("a server that cannot serve ends");
        let status = server.child.wait().expect("it has ended");
        assert!(!status.success(), "{kind:?} came up, or ended as if nothing was wrong");
        server.logs()
    }

    fn try_start(kind: Kind, place: Place) -> Result<Server, (Place, String)> {
        let child = command(kind, &place).spawn().unwrap_or_else(|e| panic!("starting {kind:?}: {e}"));
        let mut server = Server { kind, place, child };
        let begun = Instant::now();
        for address in server.place.listeners() {
            while Stream::connect(&address).is_err() {
                let gone = server.child.try_wait().expect("waiting for a child");
                if gone.is_some() || begun.elapsed() > PATIENCE {
                    let why = server.logs();
                    server.end();
                    return Err((server.into_place(), why));
                }
                thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(server)
    }

    /// Takes the place out of a server that has ended.
    fn into_place(mut self) -> Place {
        let spare = Place::new();
        std::mem::replace(&mut self.place, spare)
    }

    pub fn address(&self, name: &str) -> Address {
        self.place.address(name)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).expect("a process id");
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Has it take another configuration, and waits until it has. `generation` counts them from 1.
    pub fn reload(&self, configuration: &str, generation: usize) {
        self.place.write("nginx.conf", configuration);
        self.signal(rustix::process::Signal::HUP);
        let words = format!("configuration {generation} is in force");
        super::until(&words, || self.place.read("error.log").contains(&words));
    }

    /// Lets the server finish what it is doing and end. An error when it does not.
    pub fn quit(&mut self) -> Result<(), String> {
        self.signal(rustix::process::Signal::QUIT);
        self.wait().inspect_err(|_| self.end())
    }

    /// Waits until the server has ended. An error when it does not.
    pub fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.child.try_wait().expect("waiting for a child").is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(format!("{:?} is still running after {PATIENCE:?}", self.kind))
    }

    /// What the server wrote, for whoever has to find out what went wrong.
    pub fn logs(&self) -> String {
        let place = &self.place;
        ["stdout", "stderr", "error.log"].map(|name| format!("-- {name}\n{}", place.read(name))).concat()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        let logs = self.logs();
        if thread::panicking() {
            eprintln!("{:?}\n{logs}", self.kind);
        } else {
            // It cost one connection only, but it is a mistake of ours.
            assert!(!logs.contains("panicked at"), "{logs}");
        }
    }
}

fn command(kind: Kind, place: &Place) -> Command {
    let mut command = match kind {
        Kind::Nginx => Command::new("nginx"),
        Kind::Wsproxy => Command::new(env!("CARGO_BIN_EXE_wsproxy")),
    };
    let output = |name: &str| {
        let file = fs::File::create(place.path(name)).expect("a log file");
        Stdio::from(file)
    };
    command.arg("-p").arg(place.directory.path()).arg("-c").arg(place.path("nginx.conf"));
    command.arg("-e").arg(place.path("error.log"));
    if kind == Kind::Nginx {
        command.args(["-g", "daemon off; master_process off;"]);
    }
    let trusted = place.path("trusted.pem");
    if trusted.exists() {
        command.env("SSL_CERT_FILE", trusted);
    }
    command.stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr"));
    command
}

/// A port that nobody listens on, below those that a system gives to whoever asks for any: an upstream of
/// another test that does so shall not be quicker than the server that the port is for.
fn free_port() -> SocketAddr {
    const PORTS: std::ops::Range<u32> = 10_240..32_768;
    static CHOSEN: AtomicU32 = AtomicU32::new(0);
    // Each process begins elsewhere.
    let begin = std::process::id().wrapping_mul(97);
    (0..PORTS.len())
        .map(|_| begin.wrapping_add(CHOSEN.fetch_add(1, Ordering::Relaxed)))
        .map(|number| {
            SocketAddr::from(([127, 0, 0, 1], (PORTS.start + number % (PORTS.end - PORTS.start)) as u16))
        })
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a loopback port")
}

/// A port that is taken, so that nobody else gets it, and refuses connections.
fn closed_port() -> (socket2::Socket, u16) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("a loopback port");
    let address = socket.local_addr().expect("a bound socket has an address");
    let port = address.as_socket().expect("an internet address").port();
    (socket, port)
}
