//! The proxies that are compared, and how each is started. nginx and wsproxy read the same file.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::program::{Served, free_port, start};
use super::upstream;

pub struct Kind {
    /// How it is asked for, and what stands above its column.
    pub name: &'static str,
    pub title: &'static str,
    /// Whether its latencies are measured.
    pub paced: bool,
    start: fn(&Place<'_>) -> Result<Served, String>,
}

impl Kind {
    const fn new(
        name: &'static str,
        title: &'static str,
        start: fn(&Place<'_>) -> Result<Served, String>,
    ) -> Kind {
        Kind { name, title, paced: true, start }
    }

    /// One that differs from another in what messages cost, and in nothing that latencies would show.
    const fn unpaced(self) -> Kind {
        Kind { paced: false, ..self }
    }
}

/// nginx first: all others are compared with it.
pub const KINDS: &[Kind] = &[
    Kind::new("nginx", "nginx", nginx),
    Kind::new("wsproxy", "wsproxy", |place| wsproxy(place, "")),
    Kind::new("frames", "wsproxy, frames followed", |place| wsproxy(place, FRAMES_FOLLOWED)),
    Kind::new("quiet", "wsproxy, close_notify off", |place| wsproxy(place, "websocket_close_notify off;"))
        .unpaced(),
    Kind::new("haproxy", "HAProxy", haproxy),
    Kind::new("alone", "tunnel alone", tunnel_alone).unpaced(),
];

/// Pings, limits and counts: every frame's head is read. None of them is ever reached.
const FRAMES_FOLLOWED: &str = "websocket_ping_interval 30s;
            websocket_max_message_size 128m;
            websocket_max_frame_size 128m;
            websocket_message_rate 1000000/s;";

/// A running proxy.
pub struct Proxy {
    pub kind: &'static Kind,
    served: Served,
}

impl Proxy {
    pub fn start(kind: &'static Kind, place: &Place<'_>) -> Result<Proxy, String> {
        Ok(Proxy { kind, served: (kind.start)(place)? })
    }

    pub fn port(&self) -> u16 {
        self.served.port
    }

    /// Its first process; others are its children.
    pub fn pid(&self) -> u32 {
        self.served.process.id()
    }
}

/// What a proxy needs to know to start.
pub struct Place<'a> {
    pub directory: &'a Path,
    /// The port of the upstream.
    pub upstream: u16,
    /// The program, see [`super::program::build`].
    pub wsproxy: &'a str,
    /// How many workers each has, and the processors they share, as `taskset` reads them.
    pub workers: usize,
    pub processors: &'a str,
}

impl Place<'_> {
    /// A command that runs where proxies run.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", self.processors, program]);
        command
    }
}

/// As many workers as asked for, no access log, connections to the upstream kept: for nginx and for wsproxy. nginx closes
/// connections that wait for a request when less than a sixteenth of `worker_connections` is free, so there
/// are more of them than descriptors.
///
/// `websockets` is what stands in the location of WebSockets besides.
fn configuration(place: &Place<'_>, name: &str, port: u16, websockets: &str) -> String {
    let (directory, upstream, workers) = (place.directory.display(), place.upstream, place.workers);
    format!(
        "daemon off;
worker_processes {workers};
pid {directory}/{name}.pid;
error_log {directory}/{name}.log crit;
events {{ worker_connections 22000; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    upstream echo {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://echo;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
        location /ws {{
            proxy_pass http://echo;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection \"upgrade\";
            {websockets}
        }}
    }}
}}
"
    )
}

fn nginx(place: &Place<'_>) -> Result<Served, String> {
    let port = free_port()?;
    let file = write(place, "nginx.conf", &configuration(place, "nginx", port, ""))?;
    let prefix = place.directory.to_string_lossy();
    start(port, place.command("nginx").args(["-p", &prefix, "-e", "stderr", "-c", &file]))
}

fn wsproxy(place: &Place<'_>, websockets: &str) -> Result<Served, String> {
    let port = free_port()?;
    let name = format!("wsproxy-{port}");
    let file = write(place, &format!("{name}.conf"), &configuration(place, &name, port, websockets))?;
    start(port, place.command(place.wsproxy).args(["-q", "-c", &file]))
}

fn tunnel_alone(place: &Place<'_>) -> Result<Served, String> {
    if place.workers > 1 {
        return Err("it has one worker".to_owned());
    }
    upstream::start_tunnel(place)
}

fn haproxy(place: &Place<'_>) -> Result<Served, String> {
    let port = free_port()?;
    let text = format!(
        "global
    maxconn 9950
    nbthread {}
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
listen echo
    bind 127.0.0.1:{port} backlog 4096
    server echo 127.0.0.1:{}
",
        place.workers, place.upstream
    );
    let file = write(place, "haproxy.cfg", &text)?;
    start(port, place.command("haproxy").args(["-db", "-f", &file]))
}

fn write(place: &Place<'_>, name: &str, text: &str) -> Result<String, String> {
    let path = place.directory.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}
