//! The page of `fixtures/gateway.conf` in a real browser: it opens the socket and shows what comes back.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::support::{
    PATIENCE,
    origin::{Answer, Origin},
    server::{Kind, Place, Server},
};
use crate::websocket_clients::{Backend, Peer};

/// The shipped configuration, on ports of the test's own.
fn gateway() -> Server {
    let root = env!("CARGO_MANIFEST_DIR");
    let shipped = fs::read_to_string(Path::new(root).join("fixtures/gateway.conf")).expect("gateway.conf");
    let site = shipped
        .replace("127.0.0.1:8080", "@PORT@")
        .replace("127.0.0.1:8081", "@PORT2@")
        .replace("fixtures/run/gateway.pid", "@DIR@/pid")
        .replace("fixtures/www", &format!("{root}/fixtures/www"));
    Server::start(Kind::Wsproxy, Place::new(), &site)
}

#[test]
fn the_page_echoes_a_message() {
    let server = gateway();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let text = runtime.block_on(async {
        let mut browser = Browser::start().await;
        let url = format!("http://{}/", server.place.value("PORT"));
        let page = browser.open(&url).await;
        browser.shows(&page, "li.received", "Hello from your browser").await;
        browser.run(&page, "text.value = 'a second message'; form.requestSubmit()").await;
        browser.shows(&page, "li.received:last-of-type", "a second message").await;
        browser.run(&page, "document.getElementById('state').className").await
    });
    assert_eq!(text, "open");
}

/// Where a page can put a token, and what it sees of it: `event.code` when it has expired.
#[test]
fn a_page_sends_its_token_as_a_subprotocol() {
    let place = Place::new();
    let _backend = Backend::start(Peer::PyPi, &place);
    let answer = |lines: &str| Answer::new(format!("HTTP/1.1 204 No Content\r\n{lines}\r\n"));
    let _judges = [("UPSTREAM2", ""), ("UPSTREAM3", "X-Token-Expires: 1\r\n")]
        .map(|(name, lines)| Origin::start(&place.address(name), vec![answer(lines)]));
    let site = "server {
        listen @PORT@;
        websocket_proxy on;
        default_type text/html;
        location / { return 200 '<p id=said>ready</p>'; }
        location /ws/ { auth_request /judge; proxy_pass http://@UPSTREAM1@; }
        location /echo { auth_request /judge; websocket_echo; }
        location /plain { proxy_pass http://@UPSTREAM1@; }
        location /expired { auth_request /late; proxy_pass http://@UPSTREAM1@; }
        location /judge {
            proxy_set_header Authorization 'Bearer $websocket_protocol_token';
            proxy_pass http://@UPSTREAM2@;
        }
        location /late { proxy_pass http://@UPSTREAM3@; }
    }";
    let server = Server::start(Kind::Wsproxy, place, site);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut browser = Browser::start().await;
        let page = browser.open(&format!("http://{}/", server.place.value("PORT"))).await;
        browser.shows(&page, "#said", "ready").await;
        for (path, offered, said) in [
            ("/ws/", "['bearer', 'abc.def']", "open bearer"),
            ("/ws/", "['bearer', 'abc.def', 'chat']", "open chat"),
            ("/ws/", "['access_token.abc.def']", "open access_token.abc.def"),
            ("/ws/", "['base64url.bearer.authorization.k8s.io.YWJj', 'chat']", "open chat"),
            ("/echo", "['chat', 'jwt.abc.def']", "open chat"),
            ("/echo", "['Bearer', 'abc.def']", "open Bearer"),
            // Nobody uses the token: the upstream chooses nothing, and that is what browsers do not like.
            ("/plain", "['bearer', 'abc.def']", "1006 "),
            ("/expired", "[]", "4401 token expired (websocket_token_expiry)"),
        ] {
            let script = format!(
                "said.textContent = '';
                socket = new WebSocket('ws://' + location.host + '{path}', {offered});
                socket.onopen = () => {{ if (socket.protocol) said.textContent = 'open ' + socket.protocol; }};
                socket.onclose = (event) => {{ said.textContent = event.code + ' ' + event.reason; }}; ''"
            );
            browser.run(&page, &script).await;
            browser.shows(&page, "#said", said).await;
        }
    });
}

/// A headless Chromium, spoken to over its DevTools protocol.
struct Browser {
    child: Child,
    devtools: WebSocketStream<TcpStream>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Browser {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium: `tests/run` installs it");
        let (port, path) = devtools_address(profile.path());
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the DevTools port");
        let (devtools, _) =
            client_async(format!("ws://127.0.0.1:{port}{path}"), stream).await.expect("DevTools");
        Browser { child, devtools, last_id: 0, _profile: profile }
    }

    /// Opens a page and gives back the session to speak to it by.
    async fn open(&mut self, url: &str) -> String {
        let target = self.call(None, "Target.createTarget", json!({ "url": url })).await;
        let target = target["targetId"].clone();
        let session =
            self.call(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await;
        session["sessionId"].as_str().expect("a session").to_owned()
    }

    /// Waits until an element has a text.
    async fn shows(&mut self, page: &str, selector: &str, text: &str) {
        let begun = Instant::now();
        let script = format!("document.querySelector('{selector}')?.textContent ?? ''");
        loop {
            let shown = self.run(page, &script).await;
            if shown == text {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let body = self.run(page, "document.body.innerText").await;
                panic!("`{selector}` never showed `{text}`; the page is\n{body}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of an expression on a page, as text.
    async fn run(&mut self, page: &str, script: &str) -> String {
        let answer = self.call(Some(page), "Runtime.evaluate", json!({ "expression": script })).await;
        answer["result"]["value"].as_str().unwrap_or_default().to_owned()
    }

    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.devtools.send(Message::text(call.to_string())).await.expect("a call");
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.devtools.next()).await.expect("an answer in time");
            let message = message.expect("the browser is there").expect("a good message");
            let answer: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser writes its port and path into its profile once it listens.
fn devtools_address(profile: &Path) -> (u16, String) {
    let begun = Instant::now();
    // A cold start of a browser on a busy machine takes its time.
    while begun.elapsed() < 4 * PATIENCE {
        let text = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            return (port.parse().expect("a port"), path.to_owned());
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("chromium did not start");
}
