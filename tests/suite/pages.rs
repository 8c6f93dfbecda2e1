//! What the pages for newcomers show is so.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::server::Place;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a page")
}

/// What stands in the block of code that begins with `first`.
fn block<'a>(page: &'a str, first: &str) -> &'a str {
    let at = page.find(first).unwrap_or_else(|| panic!("no block that begins with `{first}`"));
    let rest = &page[at + first.len()..];
    rest.split_once("\n```").expect("the end of the block").0.trim_start_matches('\n')
}

#[test]
fn check_says_what_the_readme_shows() {
    let readme = page("README.md");
    let shown = block(&readme, "$ wsproxy check fixtures/chat.conf");
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["check", "fixtures/chat.conf"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), shown);
    assert_eq!(output.status.code(), Some(1));
}

/// Every option is in the table of the page about its command.
#[test]
fn options_are_on_their_pages() {
    let pages = [
        ("check", "docs/check.md"),
        ("fmt", "docs/fmt.md"),
        ("lsp", "docs/editor.md"),
        ("route", "docs/route.md"),
    ];
    for (command, name) in pages {
        let shown = page(name);
        let output = run(&format!("wsproxy {command} --help"), Path::new(env!("CARGO_MANIFEST_DIR")));
        let help = String::from_utf8(output.stdout).expect("text");
        let words =
            help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
        let options: Vec<_> = words.filter(|word| word.starts_with("--") && *word != "--help").collect();
        assert!(!options.is_empty(), "{help}");
        for option in options {
            let option = option.trim_end_matches(',');
            assert!(shown.contains(&format!("`{option}")), "{name}: nothing about {option}");
        }
    }
}

/// The JSON on the page is what is printed of the lines above it.
#[test]
fn check_prints_the_json_that_its_page_shows() {
    let shown = page("docs/check.md");
    let section = shown.split_once("\n## JSON\n").expect("the section").1;
    let place = Place::new();
    place.write("site.conf", &format!("{}\n", block(section, "```nginx")));
    let output = run("wsproxy check --format json site.conf", Path::new(place.value("DIR")));
    let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    assert_eq!(json(&output.stdout), json(block(section, "```json").as_bytes()));
}

#[test]
fn fmt_writes_what_its_page_shows() {
    let page = page("docs/fmt.md");
    let place = Place::new();
    place.write("site.conf", block(&page, "```nginx before"));
    let output = run("wsproxy fmt site.conf", Path::new(place.value("DIR")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.read("site.conf").trim_end(), block(&page, "```nginx after"));
}

#[test]
fn the_readmes_configuration_is_one() {
    let readme = page("README.md");
    let place = Place::new();
    let path = place.write("nginx.conf", block(&readme, "```nginx"));
    for program in ["nginx", env!("CARGO_BIN_EXE_wsproxy")] {
        let mut command = Command::new(program);
        command.args(["-t", "-q", "-e", "stderr", "-g", "pid pid;"]);
        let output =
            command.arg("-p").arg(place.value("DIR")).arg("-c").arg(&path).output().expect("a program");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = run("wsproxy check --deny warnings nginx.conf", Path::new(place.value("DIR")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The lines that stand in the page's blocks of one kind of block.
fn lines_for<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```nginx {kind}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("\n```").next().expect("the end of the block")).collect()
}

/// Every example of the page about WebSockets is a configuration in which `check` finds nothing to say.
#[test]
fn what_the_page_about_websockets_shows_can_be_written() {
    let page = page("docs/websocket.md");
    let mut looked_at = 0;
    for (kind, before, after) in [
        ("http", "", "server { listen 8080; location /ws/ { proxy_pass http://chat; websocket_proxy on; } }"),
        (
            "server",
            "server { listen 8080; location /ws/ { proxy_pass http://chat; websocket_proxy on; }",
            "}",
        ),
        (
            "location",
            "server { listen 8080; location /ws/ { proxy_pass http://chat; websocket_proxy on;",
            "} }",
        ),
    ] {
        for lines in lines_for(&page, kind) {
            can_be_written(&format!(
                "events {{ worker_connections 4096; }}\nhttp {{ upstream chat {{ server 127.0.0.1:3001; }}\n{before}\n{lines}\n{after} }}\n"
            ));
            looked_at += 1;
        }
    }
    assert_eq!(looked_at, page.matches("```nginx").count(), "a block that is of no kind");
}

/// Every example of the page about upstreams is one, too.
#[test]
fn what_the_page_about_upstreams_shows_can_be_written() {
    let page = page("docs/upstreams.md");
    let blocks = lines_for(&page, "http");
    assert_eq!(blocks.len(), page.matches("```nginx").count(), "a block that is of no kind");
    for lines in blocks {
        let server = "server { listen 8080; location / { proxy_pass http://app; } }";
        can_be_written(&format!("events {{ worker_connections 4096; }}\nhttp {{\n{lines}\n{server} }}\n"));
    }
}

/// So is every example of the pages about access and tokens.
#[test]
fn what_the_pages_about_the_door_show_can_be_written() {
    for name in ["docs/access.md", "docs/tokens.md"] {
        let shown = page(name);
        let mut looked_at = 0;
        for (kind, before, after) in [("http", "", ""), ("server", "server { listen 8080;", "}")] {
            for lines in lines_for(&shown, kind) {
                let upstreams = ["admin", "chat", "sessions"]
                    .map(|name| format!("upstream {name} {{ server 127.0.0.1:3001; }}"))
                    .concat();
                can_be_written(&format!(
                    "events {{ worker_connections 4096; }}\nhttp {{ {upstreams}\n{before}\n{lines}\n{after} }}\n"
                ));
                looked_at += 1;
            }
        }
        assert_eq!(looked_at, shown.matches("```nginx").count(), "{name}: a block that is of no kind");
    }
}

/// Every directive about tokens is on their page.
#[test]
fn the_page_about_tokens_leaves_nothing_out() {
    let shown = page("docs/tokens.md");
    let table = page("grammar/directives.tsv");
    let names = table.lines().filter_map(|line| line.split('\t').next());
    for name in names.filter(|name| name.starts_with("auth_jwt") || *name == "auth_require") {
        assert!(shown.contains(&format!("| `{name} ")), "nothing about {name}");
    }
}

/// `check` has nothing to say about this configuration, and all of it is served.
fn can_be_written(text: &str) {
    let place = Place::new();
    // What `auth_jwt_key_file` may name: the public key of RFC 7517, A.1.
    let key = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    place.write("jwks.json", key);
    place.write("users", "ann:$2y$10$6Yxk1ZW3vBPvB1Sg6PvOUuJbH1ZQ9Z6Qk8o7U2v0s1bC3dE4fG5hi\n");
    place.write("offices.geo", "192.0.2.0/24 1;\n");
    let file = place.write("nginx.conf", text);
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["check", "--deny", "warnings"])
        .arg(&file)
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("[not-served]"), "{text}\n{said}");
}

/// Every directive and every variable of ours is explained on the page about WebSockets.
#[test]
fn the_page_about_websockets_leaves_nothing_out() {
    let shown = page("docs/websocket.md");
    for table in ["grammar/directives.tsv", "grammar/variables.tsv"] {
        let table = page(table);
        let names = table.lines().filter_map(|line| line.split('\t').next());
        for name in names.filter(|name| name.starts_with("websocket_") && *name != "websocket_echo") {
            assert!(shown.contains(name), "nothing about {name}");
        }
    }
}

/// Every test that `docs/differences.md` names exists, and every case that differs is named there.
#[test]
fn differences_name_their_tests() {
    let differences = page("docs/differences.md");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx");
    let named =
        differences.split("fixtures/nginx/").skip(1).map(|rest| rest.split('`').next().unwrap_or(rest));
    let named: Vec<_> = named.collect();
    for name in &named {
        assert!(cases.join(name).join("differs.diff").exists(), "fixtures/nginx/{name} does not differ");
    }
    for entry in fs::read_dir(&cases).expect("fixtures/nginx") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let differs = path.join("differs.diff").exists();
        assert!(!differs || named.contains(&name), "docs/differences.md does not say why {name} differs");
    }
}

/// What pages show of `check` and `route` with files of this project can be typed, in the project's folder.
#[test]
fn commands_that_are_shown_can_be_run() {
    for name in ["README.md", "docs/route.md", "docs/mistakes.md"] {
        let shown = page(name);
        let commands: Vec<_> =
            shown.split(['`', '\n']).map(str::trim).filter(|word| can_be_run(word)).collect();
        assert!(!commands.is_empty(), "{name} shows no command");
        for command in commands {
            let output = run(command, Path::new(env!("CARGO_MANIFEST_DIR")));
            assert!(
                output.status.success(),
                "{name}: {command}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

fn can_be_run(word: &str) -> bool {
    word.starts_with("wsproxy route -c fixtures/") || word.starts_with("wsproxy check fixtures/")
}

/// What the page about tokens tells to type, one line after the other: the first token is valid, and the last is let in
/// by the gateway that the page shows.
#[test]
fn tokens_can_be_made_as_their_page_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = page("docs/tokens.md");
    let mut tokens: Vec<String> = Vec::new();
    let lines = shown.lines().filter_map(|line| line.strip_prefix("    "));
    for line in lines.map(|line| line.strip_prefix("$ ").unwrap_or(line)) {
        if !line.starts_with("wsproxy token") && !line.starts_with("openssl ") {
            continue;
        }
        let command = line.replace("eyJhbGciOi...", tokens.first().map_or("", String::as_str));
        let output = run(&command, folder.path());
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        match line.split(' ').nth(2) {
            Some("new") => tokens.push(said.trim().to_owned()),
            Some("show") => assert!(said.ends_with("=> valid\n"), "{said}"),
            _ => {}
        }
    }
    let lines = shown.split("```nginx http\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = lines.expect("an example").lines().map(|line| match line.contains("auth_jwt_key_request") {
        true => "auth_jwt_key_file jwks.json;\n".to_owned(),
        false => format!("{line}\n"),
    });
    let http: String = lines.collect();
    let site = format!("events {{}} http {{ upstream chat {{ server 127.0.0.1:3001; }} {http} }}");
    fs::write(folder.path().join("nginx.conf"), site).expect("a configuration");
    let token = tokens.last().expect("a token");
    let output =
        run(&format!("wsproxy route -c nginx.conf 'ws://localhost:8080/ws/?token={token}'"), folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("auth_jwt lets it in"), "{said}");
}

/// Runs a line in a shell in which `wsproxy` is the binary under test.
fn run(line: &str, folder: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_wsproxy")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env("PATH", format!("{}:{path}", binary.display()));
    command.output().expect("a shell")
}
