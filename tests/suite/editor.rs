//! `wsproxy lsp` behind the language client of an editor that somebody else wrote, Neovim.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A configuration of two files.
const MAIN: &str = "\
events { worker_connections 4096; }
http {
    error_log logs/error.log;
    log_format times '$request $request_time';
    map $http_upgrade $connection_upgrade {
        default upgrade;
        '' close;
    }
    upstream chat { server 127.0.0.1:3001; server 127.0.0.1:3002; }
    server {
        listen 8080;
        listen 8081;
        server_name www.example.com example.com;
        location /ws/ {
            proxy_pass http://chat;
            proxy_read_timeout 1h;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }
    }
    include conf.d/*.conf;
}
";
const PART: &str = "\
server {
    listen 8082;
    location / {
        proxy_pass http://chat;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_http_version 1.1; proxy_read_timeout 1h;
        error_page 502 504 @sorry;
        access_log logs/access.log times; }
    location @sorry { return 503; }
}
";

/// A mistake that can be mended, and one that a rule finds.
const WRONG: &str = "\
events { worker_connections 4096; }
http {
    server {
        listen 8080
        server_name wrong.example.com;
        location / {
            proxy_pass http://127.0.0.1:3001; websocket_proxy on;
        }
    }
}
";

/// A mistake that a rule mends in two places.
const REMOVED: &str = "\
events { worker_connections 4096; }
http {
    server {
        listen 443;
        server_name shop.example.com;
        ssl on;
        ssl_certificate /etc/ssl/$ssl_server_name.crt;
        ssl_certificate_key /etc/ssl/$ssl_server_name.key;
    }
}
";

#[test]
fn what_is_typed_is_looked_at() {
    play("typing");
}

#[test]
fn parts_are_looked_at_through_their_main_configuration() {
    play("parts");
}

#[test]
fn directives_and_names_are_explained() {
    play("hover");
}

#[test]
fn what_may_be_written_is_offered() {
    play("completion");
}

#[test]
fn names_lead_to_what_they_name() {
    play("definition");
}

#[test]
fn blocks_are_an_outline() {
    play("outline");
}

#[test]
fn findings_are_mended_and_silenced() {
    play("actions");
}

#[test]
fn all_that_is_safe_is_mended_at_once() {
    play("mending");
}

#[test]
fn texts_are_laid_out() {
    play("layout");
}

/// Has Neovim play a scene of `clients/editor.lua`.
fn play(scene: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["conf.d", "logs"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    for (name, text) in
        [("nginx.conf", MAIN), ("conf.d/chat.conf", PART), ("wrong.conf", WRONG), ("tls.conf", REMOVED)]
    {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/clients/editor.lua");
    let output = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"])
        .arg(format!("luafile {}", script.display()))
        .env("WSPROXY", env!("CARGO_BIN_EXE_wsproxy"))
        .env("FOLDER", folder.path())
        .env("SCENE", scene)
        .env("RULE", if scene == "actions" { "ws-idle-timeout" } else { "" })
        .env("WORDS", "location /")
        .env("HOME", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("nvim is missing: `tests/run` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("as it should be"), "{scene}: {said}");
}
