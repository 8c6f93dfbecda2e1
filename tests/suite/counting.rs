//! What is open to a server counts: over all workers, and over a reload, whether its upstream changes or not.

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    until,
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const UPSTREAMS: [&str; 3] = ["UPSTREAM1", "UPSTREAM2", "UPSTREAM3"];

/// Two workers and a group of these lines.
fn site(lines: &str) -> String {
    format!(
        "worker_processes 2; pid @DIR@/pid; error_log @DIR@/error.log info;
events {{}}
http {{
    log_format ended $status; access_log @DIR@/access.log ended;
    upstream group {{ zone group 64k; {lines} }}
    server {{
        listen @LISTEN@;
        add_header X-Tried $upstream_addr always;
        location / {{ websocket_proxy on; proxy_pass http://group; }}
    }}
}}
"
    )
}

struct Scene {
    server: Server,
    _origins: [Origin; 3],
    /// Open tunnels, each with the place of its upstream in `UPSTREAMS`.
    open: Vec<(usize, Client)>,
    ended: usize,
}

impl Scene {
    fn start(lines: &str) -> Scene {
        let place = Place::new();
        let origin =
            |name| Origin::start(&place.address(name), vec![Answer::new(SWITCHING).then(Then::Echo)]);
        let origins = UPSTREAMS.map(origin);
        let server = Server::start(Kind::Wsproxy, place, &site(lines));
        Scene { server, _origins: origins, open: Vec::new(), ended: 0 }
    }

    /// Opens so many tunnels; gives back how many were refused.
    fn open(&mut self, count: usize) -> usize {
        let before = self.open.len();
        for _ in 0..count {
            let mut client = Client::connect(&self.server.address("LISTEN"));
            client.send(HANDSHAKE);
            let answer = client.response(false).expect("an answer");
            if answer.status() == 101 {
                let tried = answer.header("X-Tried").expect("an upstream");
                let is_it = |name: &&str| self.server.place.value(name) == tried;
                self.open.push((UPSTREAMS.iter().position(is_it).expect(&tried), client));
            } else {
                assert_eq!(answer.status(), 502);
                self.ended += 1;
            }
        }
        count - (self.open.len() - before)
    }

    /// Closes so many of an upstream's tunnels, and waits until the server has counted that: a line of the log
    /// comes after it.
    fn close(&mut self, upstream: usize, count: usize) {
        for _ in 0..count {
            let at = self.open.iter().position(|(other, _)| *other == upstream).expect("one that is open");
            drop(self.open.remove(at));
        }
        self.ended += count;
        let ended = self.ended;
        let lines = || self.server.place.read("access.log").lines().count();
        until("the ends of tunnels", || lines() >= ended);
        assert_eq!(lines(), ended);
    }

    fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|at| self.open.iter().filter(|(upstream, _)| *upstream == at).count())
    }
}

const FULL: &str = "server @UPSTREAM1@ max_conns=3; server @UPSTREAM2@ max_conns=3;
    server @UPSTREAM3@ max_conns=3;";

#[test]
fn max_conns_holds_over_workers_and_reloads() {
    let changed = "least_conn; server @REFUSED@ down; server @UPSTREAM2@ max_conns=3 weight=2;
        server @UPSTREAM1@ max_conns=3; server @UPSTREAM3@ max_conns=4;";
    let mut scene = Scene::start(FULL);
    assert_eq!(scene.open(20), 11);
    assert_eq!(scene.counts(), [3, 3, 3]);
    scene.server.reload(&site(FULL), 2);
    assert_eq!(scene.open(4), 4, "what was open still is");
    scene.close(1, 2);
    assert_eq!(scene.open(4), 2);
    assert_eq!(scene.counts(), [3, 3, 3]);
    scene.server.reload(&site(changed), 3);
    assert_eq!(scene.open(3), 2, "one has room for one more");
    assert_eq!(scene.counts(), [3, 3, 4]);
    // Of those that go some were opened before both reloads, some between them.
    scene.close(0, 1);
    scene.close(1, 3);
    scene.close(2, 2);
    assert_eq!(scene.open(8), 2);
    assert_eq!(scene.counts(), [3, 3, 4]);
}

#[test]
fn least_conn_counts_over_workers_and_reloads() {
    let unchanged = "least_conn; server @UPSTREAM1@; server @UPSTREAM2@; server @UPSTREAM3@;";
    let changed = "least_conn; server @UPSTREAM3@ weight=2; server @UPSTREAM1@; server @UPSTREAM2@;";
    let mut scene = Scene::start(unchanged);
    assert_eq!(scene.open(21), 0);
    assert_eq!(scene.counts(), [7, 7, 7]);
    scene.close(0, 5);
    scene.server.reload(&site(unchanged), 2);
    assert_eq!(scene.open(5), 0);
    assert_eq!(scene.counts(), [7, 7, 7]);
    scene.close(2, 3);
    scene.server.reload(&site(changed), 3);
    // Twice as many for twice the weight.
    assert_eq!(scene.open(10), 0);
    assert_eq!(scene.counts(), [7, 7, 14]);
    scene.close(1, 6);
    assert_eq!(scene.open(6), 0);
    assert_eq!(scene.counts(), [7, 7, 14]);
}
