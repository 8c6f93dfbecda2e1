//! What rules about security say of a configuration, beside what a real nginx does with it: each location that a rule
//! finds fault with does the harm that is told, and the one beside it does not.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::{
    client::Client,
    message::Message,
    origin::Origin,
    server::{Kind, Place, Server, whole},
};

/// A comment at the end of a line names the rule that finds something there.
const SITE: &str = r#"server {
    listen @LISTEN@;
    root @DIR@/www;
    error_log @DIR@/error.log;

    location /static { # alias-traversal
        alias @DIR@/www/static/;
    }
    location /safe/ {
        alias @DIR@/www/static/;
    }
    location ~ ^/img(.*)$ { # alias-traversal
        alias @DIR@/www/static/$1;
    }
    location ~ ^/pic/(.*)$ {
        alias @DIR@/www/static/$1;
    }

    location /moved {
        return 301 http://a$uri; # response-splitting
    }
    location /moved-raw {
        return 301 http://a$request_uri;
    }
    location = /moved-one {
        return 301 http://a$uri;
    }
    location ~ ^/user/([^/]*)$ {
        add_header X-User $1; # response-splitting
        return 204;
    }
    location ~ ^/name/(.*)$ {
        add_header X-User $1;
        return 204;
    }
    location /to {
        proxy_set_header X-User $remote_user; # response-splitting
        proxy_pass http://@UPSTREAM1@;
    }
    location /escaped {
        rewrite ^/escaped/([^/]*)$ http://a/$1 redirect;
    }

    location /list {
        allow 192.0.2.1; # allow-without-deny
        try_files /page =404;
    }
    location /list-and-deny {
        allow 192.0.2.1;
        deny all;
        try_files /page =404;
    }
    location /either {
        satisfy any;
        allow 192.0.2.1;
        auth_basic x;
        auth_basic_user_file /dev/null;
        try_files /page =404;
    }

    location /early {
        deny all;
        return 200 early; # return-bypasses-access
    }
    location /late {
        deny all;
        try_files /page =404;
    }

    location /tried {
        if ($arg_x) { # if-is-evil
            set $seen 1;
        }
        try_files /page =404;
    }
    location /refused {
        if ($arg_x) {
            return 403;
        }
        try_files /page =404;
    }
    location /added {
        if ($arg_x) {
            add_header X-Inner 1; # if-is-evil
        }
        add_header X-Outer 1;
        proxy_pass http://@UPSTREAM1@;
    }
    location /expires {
        if ($arg_x) {
            expires 1h;
        }
        if ($arg_y) { # if-is-evil
            add_header X-Debug 1;
        }
        proxy_pass http://@UPSTREAM1@;
    }
    location /log {
        error_log off; # error-log-off
        return 204;
    }
    location /no-log {
        error_log /dev/null emerg;
        return 204;
    }
}
"#;

#[test]
fn what_rules_say_nginx_does() {
    let place = Place::new();
    for folder in ["www", "www/static"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    place.write("www/page", "page");
    place.write("www/secret", "secret");
    let upstream = Origin::start(&place.address("UPSTREAM1"), Vec::new());
    let nginx = Server::start(Kind::Nginx, place, SITE);
    let ask = |path: &str| ask(&nginx, path, "");
    let injected = |message: &Message| message.header("x-injected").is_some();

    assert_eq!(ask("/static../secret").body_text(), "secret");
    assert_eq!(ask("/safe../secret").status(), 404);
    assert_eq!(ask("/img../secret").body_text(), "secret");
    assert_eq!(ask("/pic/../secret").body_text(), "secret", "the path is /secret, below the root");
    assert_eq!(ask("/pic/..%2fsecret").body_text(), "secret", "and so it is here");

    assert!(injected(&ask("/moved%0d%0aX-Injected:%201")));
    assert!(!injected(&ask("/moved-raw%0d%0aX-Injected:%201")));
    assert!(injected(&ask("/user/a%0d%0aX-Injected:%201")));
    assert!(!injected(&ask("/name/a%0d%0aX-Injected:%201")));
    assert!(!injected(&ask("/escaped/a%0d%0aX-Injected:%201")));
    let user = data_encoding::BASE64.encode(b"a\r\nX-Injected:password");
    let sent = format!("Authorization: Basic {user}\r\n");
    let _ = self::ask(&nginx, "/to", &sent);
    let received = upstream.received();
    let head = received.last().map(|request| request.message.head.join(&b'\n')).unwrap_or_default();
    let head = String::from_utf8_lossy(&head);
    assert!(head.contains("X-Injected"), "{head}");

    assert_eq!(ask("/list").status(), 200);
    assert_eq!(ask("/list-and-deny").status(), 403);
    assert_eq!(ask("/either").status(), 401);
    assert_eq!(ask("/early").body_text(), "early");
    assert_eq!(ask("/late").status(), 403);

    assert_eq!(ask("/tried").status(), 200);
    assert_eq!(ask("/tried?x=1").status(), 404);
    assert_eq!(ask("/refused?x=1").status(), 403);
    let added = ask("/added?x=1");
    assert!(added.header("x-inner").is_some() && added.header("x-outer").is_none());
    assert!(ask("/expires?x=1").header("expires").is_some());
    assert!(ask("/expires?x=1&y=1").header("expires").is_none());
    assert!(nginx.place.path("off").exists());

    assert_eq!(found(&nginx.place), expected());
}

fn ask(nginx: &Server, path: &str, line: &str) -> Message {
    let mut client = Client::connect(&nginx.address("LISTEN"));
    client
        .ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{line}Connection: close\r\n\r\n"))
        .expect("an answer")
}

/// The rules that comments name, and their lines.
fn expected() -> BTreeSet<(u64, String)> {
    let named = |(at, line): (usize, &str)| Some((at as u64 + 1, line.split_once("# ")?.1.to_owned()));
    SITE.lines().enumerate().filter_map(named).collect()
}

/// What rules find in the file, of those that are spoken of here.
fn found(place: &Place) -> BTreeSet<(u64, String)> {
    let rules: BTreeSet<String> = expected().into_iter().map(|(_, rule)| rule).collect();
    let configuration = place.write("checked.conf", &whole(SITE));
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["check", "--format", "json"])
        .arg(configuration)
        .output()
        .expect("the binary");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let all = report["diagnostics"].as_array().expect("a list").iter();
    let all =
        all.map(|one| (one["line"].as_u64().unwrap_or(0), one["code"].as_str().unwrap_or("").to_owned()));
    all.filter(|(_, code)| rules.contains(code)).collect()
}
