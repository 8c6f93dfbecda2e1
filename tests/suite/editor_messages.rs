//! What a client may do to `wsproxy lsp` that no editor should: nonsense, bursts, silence, leaving early.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// A server and the streams that lead to it.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What came while something else was waited for.
    heard: Vec<Value>,
    /// What was published last.
    last: Value,
}

impl Server {
    fn start() -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let input = child.stdin.take();
        Server { child, input, output, heard: Vec::new(), last: Value::Null }
    }

    /// One that has been told to begin, in a folder.
    fn begun(folder: &str) -> Server {
        let mut server = Server::start();
        server.ask(0, "initialize", json!({ "capabilities": {}, "rootUri": format!("file://{folder}") }));
        server.tell("initialized", json!({}));
        server
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open pipe");
        input.write_all(bytes).and_then(|()| input.flush()).expect("a server that reads");
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn post(&mut self, id: u32, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    /// The answer to a request.
    fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.post(id, method, params);
        self.answer(json!(id))
    }

    fn answer(&mut self, id: Value) -> Value {
        let found = self.heard.iter().position(|heard| heard.get("id") == Some(&id));
        if let Some(found) = found {
            return self.heard.remove(found);
        }
        loop {
            let next = self.next();
            if next.get("id") == Some(&id) {
                return next;
            }
            self.heard.push(next);
        }
    }

    fn next(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("a line");
            assert!(!line.is_empty(), "the server is gone");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().expect("a number"),
                _ => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a message");
        serde_json::from_slice(&body).expect("a message")
    }

    /// The findings that are published of a text once it has this version: their codes.
    fn published(&mut self, version: u32) -> Vec<String> {
        loop {
            let next = self.next();
            let is_it =
                next["method"] == "textDocument/publishDiagnostics" && next["params"]["version"] == version;
            if is_it {
                self.last = next;
                let found = self.last["params"]["diagnostics"].as_array().expect("findings").iter();
                return found.filter_map(|one| one["code"].as_str().map(str::to_owned)).collect();
            }
            self.heard.push(next);
        }
    }

    fn open(&mut self, uri: &str, text: &str) {
        let text = json!({ "uri": uri, "languageId": "nginx", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": text }));
    }

    fn change(&mut self, uri: &str, version: u32, text: &str) {
        let document = json!({ "uri": uri, "version": version });
        let params = json!({ "textDocument": document, "contentChanges": [{ "text": text }] });
        self.tell("textDocument/didChange", params);
    }

    /// What it exits with once nothing more comes.
    fn left(mut self) -> Option<i32> {
        drop(self.input.take());
        let mut rest = Vec::new();
        let _ = self.output.read_to_end(&mut rest);
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

const URI: &str = "untitled:Untitled-1";

#[test]
fn who_leaves_as_agreed_leaves_with_0() {
    let mut server = Server::begun("/nowhere");
    assert_eq!(server.ask(1, "shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(code(&server.ask(2, "textDocument/hover", json!({}))), -32600);
    server.tell("exit", Value::Null);
    assert_eq!(server.left(), Some(0));

    let mut server = Server::begun("/nowhere");
    server.tell("exit", Value::Null);
    assert_eq!(server.left(), Some(1));

    assert_eq!(Server::begun("/nowhere").left(), Some(1));
    assert_eq!(Server::start().left(), Some(1));
}

#[test]
fn nothing_is_answered_before_the_beginning() {
    let mut server = Server::start();
    assert_eq!(code(&server.ask(1, "textDocument/hover", json!({}))), -32002);
    server.tell("textDocument/didOpen", json!({}));
    assert_eq!(code(&server.ask(2, "initialize", json!({ "capabilities": 3 }))), -32602);
    let begun = server.ask(3, "initialize", json!({ "capabilities": {} }));
    assert_eq!(begun["result"]["capabilities"]["positionEncoding"], "utf-16");
    assert_eq!(code(&server.ask(4, "initialize", json!({ "capabilities": {} }))), -32600);
}

#[test]
fn nonsense_costs_no_more_than_itself() {
    let mut server = Server::begun("/nowhere");
    server.raw(b"Content-Length: 5\r\n\r\n{\"a\":");
    assert_eq!(code(&server.answer(Value::Null)), -32700);
    server.raw(b"nonsense\r\n");
    assert_eq!(code(&server.answer(Value::Null)), -32700);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    server.raw(format!("Content-Length: {}\r\n\r\n{deep}", deep.len()).as_bytes());
    assert_eq!(code(&server.answer(Value::Null)), -32700);
    assert_eq!(code(&server.ask(1, "textDocument/hover", json!({ "position": "here" }))), -32602);
    assert_eq!(code(&server.ask(2, "no/such", json!({}))), -32601);
    server.tell("textDocument/didChange", json!({ "textDocument": 1 }));
    server.tell("no/such", json!({}));
    server.change("file:///never/opened", 7, "x");
    let nobody = json!({ "textDocument": { "uri": "file:///never/opened" }, "position": { "line": 9, "character": 9 } });
    assert_eq!(server.ask(3, "textDocument/hover", nobody)["result"], Value::Null);
    server.open(URI, "events { } http { lisen 80; }");
    assert_eq!(server.published(1), ["unknown-directive"]);
}

/// Columns are counted in what the client offers, in UTF-16 if it says nothing.
#[test]
fn columns_are_counted_as_agreed() {
    let text = "events { } http { log_format a 'ż😀'; lisen 80; }";
    for (offered, agreed, column) in [
        (Value::Null, "utf-16", 38),
        (json!(["utf-16", "utf-8"]), "utf-8", 41),
        (json!(["utf-32"]), "utf-32", 37),
    ] {
        let mut server = Server::start();
        let capabilities = json!({ "general": { "positionEncodings": offered } });
        let begun = server.ask(0, "initialize", json!({ "capabilities": capabilities }));
        assert_eq!(begun["result"]["capabilities"]["positionEncoding"], agreed);
        server.open(URI, text);
        server.published(1);
        assert_eq!(
            server.last["params"]["diagnostics"][0]["range"]["start"]["character"], column,
            "{agreed}"
        );
    }
}

#[test]
fn options_that_cannot_be_read_are_told_of() {
    let mut server = Server::start();
    let params = json!({ "capabilities": {}, "initializationOptions": { "main": 3 } });
    server.ask(0, "initialize", params);
    let told = &server.heard[0];
    let message = told["params"]["message"].as_str().unwrap_or_default();
    assert!(told["method"] == "window/showMessage" && message.contains("initializationOptions"), "{told}");
}

/// Whatever is typed in a burst is looked at once, when it is over.
#[test]
fn a_burst_is_looked_at_once() {
    let mut server = Server::begun("/nowhere");
    server.open(URI, "events { }");
    server.published(1);
    for version in 2..=200 {
        server.change(URI, version, &format!("events {{ }}\n# {version}\nlisen;"));
    }
    assert_eq!(server.published(200), ["unknown-directive"]);
    let published = server.heard.iter().filter(|heard| heard["method"] == "textDocument/publishDiagnostics");
    assert!(published.count() < 20, "it was looked at again and again");
}

/// Every request has an answer, one that is taken back too.
#[test]
fn requests_can_be_taken_back() {
    let mut server = Server::begun("/nowhere");
    let blocks = "server { listen 80; location / { return 200; } }\n".repeat(3000);
    server.open(URI, &format!("events {{ }} http {{\n{blocks}}}"));
    let params = json!({ "textDocument": { "uri": URI }, "position": { "line": 1, "character": 11 } });
    for id in 1..=30 {
        server.post(id, "textDocument/hover", params.clone());
    }
    for id in 1..=30 {
        server.tell("$/cancelRequest", json!({ "id": id }));
    }
    let answers: Vec<Value> = (1..=30).map(|id| server.answer(json!(id))).collect();
    let taken_back = answers.iter().filter(|answer| code(answer) == -32800).count();
    let answered = answers.iter().filter(|answer| answer.get("result").is_some()).count();
    assert!(taken_back > 0 && taken_back + answered == 30, "{taken_back} and {answered}");
}

/// A text of any kind costs no more than a moment.
#[test]
fn nasty_texts_do_no_harm() {
    let mut server = Server::begun("/nowhere");
    server.open(URI, "");
    let deep = "a {".repeat(20_000);
    let many = "server_name ".repeat(100_000);
    let large = "# a comment\n".repeat(400_000);
    let mut version = 1;
    for text in [&*deep, &many, &large, "\u{0}\u{feff}{{{}}}'\"", "http { include *; }"] {
        version += 1;
        let begun = Instant::now();
        server.change(URI, version, text);
        server.published(version);
        let position = json!({ "line": 0, "character": 2 });
        let there = json!({ "textDocument": { "uri": URI }, "position": position });
        for (id, method) in
            ["hover", "completion", "definition", "documentSymbol", "formatting"].iter().enumerate()
        {
            let mut params = there.clone();
            params["options"] = json!({ "tabSize": 4, "insertSpaces": true });
            let answer = server.ask(version * 10 + id as u32, &format!("textDocument/{method}"), params);
            assert!(answer.get("result").is_some(), "{method}: {answer}");
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }
}

/// What is gone is cleared: findings of a file that is not included any more.
#[test]
fn findings_of_other_files_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let part = folder.path().join("part.conf");
    fs::write(&part, b"lisen 80;\n# caf\xe9").expect("a file");
    let uri = format!("file://{}/nginx.conf", folder.path().display());
    let mut server = Server::begun(&folder.path().display().to_string());
    server.open(&uri, "events { } http { include part.conf; }");
    server.published(1);
    let of_part = |heard: &[Value]| -> Vec<usize> {
        let all = heard
            .iter()
            .filter(|one| one["params"]["uri"].as_str().is_some_and(|uri| uri.ends_with("part.conf")));
        all.map(|one| one["params"]["diagnostics"].as_array().map_or(0, Vec::len)).collect()
    };
    server.change(&uri, 2, "events { } http { }");
    server.published(2);
    server.change(&uri, 3, "events { } http { } # 3");
    server.published(3);
    assert_eq!(of_part(&server.heard), [1, 0]);
}
