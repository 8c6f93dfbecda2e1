//! What `wsproxy check` costs on a large configuration, beside `nginx -t` and gixy.
//!
//! `cargo bench --bench checking` has 10,000 servers in 1,000 files; `-- --servers 1000 --files 100` are fewer,
//! `--wsproxy PATH` is a program that is there already, `--gixy PATH` one to compare with (`pip install gixy-ng`; it
//! may take minutes). Each runs in turn, as often as `--rounds` says; seconds are medians.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is measured, unless said otherwise.
const SERVERS: usize = 10_000;
const FILES: usize = 1_000;
const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value =
        |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
    let number = |name: &str, usual: usize| value(name).map_or(usual, |word| word.parse().expect("a number"));
    let (servers, files) = (number("--servers", SERVERS), number("--files", FILES));
    let wsproxy = value("--wsproxy").unwrap_or_else(|| env!("CARGO_BIN_EXE_wsproxy").to_owned());
    let gixy = value("--gixy").unwrap_or_else(|| "gixy".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = write(folder.path(), servers, files);
    let main = folder.path().join("nginx.conf");
    let main = main.to_str().expect("a name in UTF-8");
    println!(
        "{servers} servers in {files} files, {:.1} MB; seconds by the clock, median",
        bytes as f64 / 1e6
    );
    let everything = "pedantic,security,compat";
    let mut programs: Vec<(&str, Vec<&str>)> = vec![
        ("nginx -t", vec!["nginx", "-t", "-q", "-e", "/dev/null", "-c", main]),
        ("wsproxy -t", vec![&wsproxy, "-t", "-q", "-e", "/dev/null", "-c", main]),
        ("wsproxy check, no rules", vec![&wsproxy, "check", "--rule", "all=off", main]),
        ("wsproxy check", vec![&wsproxy, "check", main]),
        ("wsproxy check, all profiles", vec![&wsproxy, "check", "--profile", everything, main]),
        ("wsproxy check, SARIF", vec![&wsproxy, "check", "--format", "sarif", main]),
    ];
    programs.retain(|(name, words)| {
        let there =
            Command::new(words[0]).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
        if !there {
            println!("{name}: not measured, {} is not there", words[0]);
        }
        there
    });
    let mut taken = vec![Vec::new(); programs.len()];
    for _ in 0..number("--rounds", ROUNDS) {
        for (taken, (_, words)) in taken.iter_mut().zip(&programs) {
            taken.push(run(words));
        }
    }
    for (mut taken, (name, _)) in taken.into_iter().zip(programs) {
        taken.sort_by(f64::total_cmp);
        println!("{name:30} {:8.3}", taken[taken.len() / 2]);
    }
    if Command::new(&gixy).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
        println!("{:30} {:8.3} (once)", "gixy", run(&[&gixy, main]));
    }
}

/// Seconds until a program has ended; what it finds is not looked at.
fn run(words: &[&str]) -> f64 {
    let start = Instant::now();
    let status = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("a program");
    assert!(status.code().is_some(), "{words:?} was killed");
    start.elapsed().as_secs_f64()
}

/// A gateway for many sites, as a tool would write it. Returns how many bytes that is.
fn write(folder: &Path, servers: usize, files: usize) -> usize {
    let main = "worker_processes auto;\nworker_rlimit_nofile 65536;\nevents {\n    worker_connections 16384;\n}\n\nhttp {\n    \
        server_tokens off;\n    server_names_hash_max_size 65536;\n    server_names_hash_bucket_size 128;\n    variables_hash_max_size 4096;\n\n    \
        map $http_upgrade $connection_upgrade {\n        default upgrade;\n        \"\" \"\";\n    }\n\n    include conf.d/*.conf;\n}\n";
    fs::write(folder.join("nginx.conf"), main).expect("a file");
    fs::create_dir(folder.join("conf.d")).expect("a folder");
    let mut bytes = main.len();
    for file in 0..files {
        let mut text = String::new();
        for server in (file..servers).step_by(files) {
            site(&mut text, server);
        }
        bytes += text.len();
        fs::write(folder.join(format!("conf.d/{file:04}.conf")), text).expect("a file");
    }
    bytes
}

/// One site: a page, an interface, a chat; every tenth has the mistakes that people make.
fn site(text: &mut String, number: usize) {
    let careful = !number.is_multiple_of(10);
    let recipe = "proxy_http_version 1.1;\n        proxy_set_header Upgrade $http_upgrade;\n        \
        proxy_set_header Connection $connection_upgrade;\n        proxy_set_header Host $host;\n        \
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let chat = if careful { recipe } else { "proxy_set_header Connection upgrade;" };
    let timeout = if careful { "proxy_read_timeout 1h;" } else { "" };
    let _ = write!(
        text,
        "upstream app{number} {{\n    server 127.0.0.1:9001;\n    server 127.0.0.1:9002;\n    keepalive 16;\n}}\n\n\
         server {{\n    listen 127.0.0.1:8080;\n    server_name site{number}.example.com www.site{number}.example.com;\n    \
         root /srv/www;\n    add_header X-Frame-Options DENY;\n\n    location / {{\n        try_files $uri $uri/ /index.html;\n    }}\n\n    \
         location ~* \\.(css|js|png)$ {{\n        expires 7d;\n    }}\n\n    location /api/ {{\n        proxy_pass http://app{number}/;\n        \
         proxy_set_header Host $host;\n        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    }}\n\n    \
         location ^~ /chat/ {{\n        proxy_pass http://app{number};\n        {chat}\n        {timeout}\n    }}\n\n    \
         location = /old {{\n        return 301 https://site{number}.example.com$request_uri;\n    }}\n}}\n\n"
    );
}
