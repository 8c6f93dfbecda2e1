//! Who the client is behind proxies, beside nginx: any header, what the error log says, names of proxies.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use crate::support::{
    client::Client,
    server::{Kind, Place, Server},
    until,
};

/// So many headers are asked about.
const HEADERS: usize = 600;

fn both(site: &str) -> [Server; 2] {
    [Kind::Nginx, Kind::Wsproxy].map(|kind| Server::start(kind, Place::new(), site))
}

/// A request with header lines of one name.
fn request(name: &str, values: &[String]) -> String {
    let lines: String = values.iter().map(|value| format!("{name}: {value}\r\n")).collect();
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// What `client` is told, as often as there are `requests`.
fn told(server: &Server, requests: &[String]) -> Vec<String> {
    let mut client = Client::connect(&server.address("LISTEN"));
    let mut ask = |request: &String| {
        let answer = client.ask(request).expect("an answer");
        assert_eq!(answer.status(), 200, "{request}");
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    requests.iter().map(&mut ask).collect()
}

/// Nearly addresses, as lists, in several lines.
fn lists() -> impl Strategy<Value = Vec<String>> {
    let word = "(10\\.0\\.0\\.[1-9]|192\\.0\\.2\\.[0-9]{1,4}|[0-9]{0,4}(\\.[0-9]{0,3}){2,4}|\
                [0-9a-f]{0,5}(:[0-9a-f]{0,4}){1,8}|::ffff:10\\.0\\.0\\.1|(:[0-9a-f]{0,2}){2,6}:[0-9.]{5,9}|\
                \\[[0-9a-f:]{1,9}\\]:[0-9]{1,5}|10\\.0\\.0\\.1:[0-9]{1,6}|[0-9a-f:.,\\[\\] ]{0,9})";
    let list = format!("({word}[, ]{{1,2}}){{0,3}}{word}");
    proptest::collection::vec(proptest::string::string_regex(&list).expect("a pattern"), 1..4)
        .prop_map(|lists| lists.into_iter().map(|list| list.trim().to_owned()).collect())
        // nginx 1.22 does not know an address in brackets without a port.
        .prop_filter("new", |lists: &Vec<String>| !lists.iter().any(|list| bare_brackets(list)))
}

fn bare_brackets(list: &str) -> bool {
    list.split([',', ' ']).any(|word| word.starts_with('[') && word.ends_with(']'))
}

fn as_nginx(name: &str, lines: &str) {
    let site = format!(
        "set_real_ip_from unix:; set_real_ip_from 10.0.0.0/8; set_real_ip_from ::/12;
        server {{ listen @LISTEN@; keepalive_requests 1000; {lines} return 200 $remote_addr|$remote_port; }}"
    );
    let mut runner = TestRunner::deterministic();
    let lists = lists();
    let mut any = || lists.new_tree(&mut runner).expect("a value").current();
    let requests: Vec<String> = (0..HEADERS).map(|_| request(name, &any())).collect();
    let [nginx, wsproxy] = both(&site).map(|server| told(&server, &requests));
    let changed = nginx.iter().filter(|told| !told.starts_with("unix:")).count();
    assert!(changed > HEADERS / 8, "only {changed} of them name anybody");
    for ((request, nginx), wsproxy) in requests.iter().zip(nginx).zip(wsproxy) {
        assert_eq!(wsproxy, nginx, "{request}");
    }
}

#[test]
fn any_forwarded_header_names_whom_it_names_to_nginx() {
    as_nginx("X-Forwarded-For", "real_ip_header X-Forwarded-For; real_ip_recursive on;");
    as_nginx("X-Forwarded-For", "real_ip_header X-Forwarded-For;");
    as_nginx("X-Client", "real_ip_header X-Client; real_ip_recursive on;");
}

/// The lines of the error log that are about clients, without times, processes and connections.
fn complaints(server: &Server) -> Vec<String> {
    // nginx 1.22 shows the line ends of a broken header, too.
    let log = server.place.unfill(&server.place.read("error.log")).replace("\r\n", "");
    let lines = log.lines().filter(|line| line.contains("client: ") && line.contains("[error]"));
    let told = lines.filter_map(|line| line.split_once('*')?.1.split_once(' '));
    told.map(|(_, line)| line.to_owned()).collect()
}

const BROKEN: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
    b"PROXY UDP4 192.0.2.7 192.0.2.1 1 1\r\n",
    b"\x16\x03\x01\x02",
    b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0",
];

#[test]
fn a_broken_header_is_told_in_nginx_s_words() {
    let [nginx, wsproxy] = both("server { listen @LISTEN@ proxy_protocol; return 200; }").map(|server| {
        for (at, header) in BROKEN.iter().enumerate() {
            let mut client = Client::connect(&server.address("LISTEN"));
            client.send(header);
            assert_eq!(client.read_to_end().unwrap_or_default(), b"");
            until("a line for each", || complaints(&server).len() == at + 1);
        }
        complaints(&server)
    });
    // What a client wrote is escaped in our logs.
    let nginx: Vec<_> =
        nginx.iter().map(|line| line.replace("\x16\x03\x01\x02", "\\x16\\x03\\x01\\x02")).collect();
    assert_eq!(wsproxy, nginx);
    assert_eq!(
        wsproxy[0],
        "broken header: \"GET / HTTP/1.1\" while reading PROXY protocol, client: unix:, server: @LISTEN@"
    );
}

#[test]
fn the_error_log_names_the_client_that_the_proxy_names() {
    let site = "set_real_ip_from unix:;
        server { listen @LISTEN@; location / { deny 192.0.2.0/24; } location /inner { set_real_ip_from unix:;
            deny all; } }
        server { listen @LISTEN2@ proxy_protocol; real_ip_header proxy_protocol; deny all; }";
    let [nginx, wsproxy] = both(site).map(|server| {
        let mut client = Client::connect(&server.address("LISTEN"));
        for (path, value) in [("/", "192.0.2.7"), ("/inner", "2001:db8::7"), ("/inner", "nobody")] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Real-IP: {value}\r\n\r\n");
            assert_eq!(client.ask(head).expect("an answer").status(), 403);
        }
        let mut client = Client::connect(&server.address("LISTEN2"));
        client.send("PROXY TCP4 192.0.2.9 192.0.2.1 1 1\r\n");
        assert_eq!(client.ask(request("X", &[])).expect("an answer").status(), 403);
        until("a line for each", || complaints(&server).len() == 4);
        complaints(&server)
    });
    assert_eq!(wsproxy, nginx);
    assert!(
        wsproxy[0].starts_with("access forbidden by rule, client: 192.0.2.7, server: "),
        "{}",
        wsproxy[0]
    );
    assert!(wsproxy[3].contains("client: 192.0.2.9, "), "{}", wsproxy[3]);
}

#[test]
fn a_proxy_may_have_a_name() {
    let site = "server { listen @PORT@; set_real_ip_from localhost; return 200 $remote_addr; }";
    for server in both(site) {
        let mut client = Client::connect(&server.address("PORT"));
        let answer = client.ask(request("X-Real-IP", &["192.0.2.7".to_owned()])).expect("an answer");
        assert_eq!(answer.body, b"192.0.2.7", "{:?}", server.kind);
    }
    let site = "server { listen @LISTEN@; set_real_ip_from nobody.invalid; return 200 $remote_addr; }";
    for kind in [Kind::Nginx, Kind::Wsproxy] {
        let said = Server::refuse(kind, Place::new(), site);
        assert!(said.contains("host not found in set_real_ip_from \"nobody.invalid\" in "), "{said}");
    }
}

#[test]
fn a_header_may_come_in_pieces_and_has_as_long_as_a_head() {
    let site = "server { listen @LISTEN@ proxy_protocol; client_header_timeout 300ms; return 200 $proxy_protocol_addr; }
        server { listen @LISTEN2@ proxy_protocol; return 200 $proxy_protocol_addr; }";
    let server = Server::start(Kind::Wsproxy, Place::new(), site);
    for header in [
        &b"PROXY TCP4 192.0.2.7 192.0.2.1 1 1\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\0\x02\x07\0\0\0\0\0\0\0\0",
    ] {
        let mut client = Client::connect(&server.address("LISTEN2"));
        client.dribble(header);
        let answer = client.ask(request("X", &[])).expect("an answer");
        assert_eq!(answer.body, b"192.0.2.7");
    }
    // Neither one that stops in its middle nor silence behind it is waited for.
    for header in ["PROXY TCP4 192.0.2", "PROXY UNKNOWN\r\n", ""] {
        let mut client = Client::connect(&server.address("LISTEN"));
        client.send(header);
        assert_eq!(client.read_to_end().expect("the end"), b"", "{header}");
    }
    until("it is told", || complaints(&server).len() == 1);
    assert!(complaints(&server)[0].starts_with("broken header: \"PROXY TCP4 192.0.2\" while"));
}

#[test]
fn what_a_proxy_says_of_tls_is_in_variables() {
    let site = "server { listen @LISTEN@ proxy_protocol; return 200 '$proxy_protocol_tlv_authority|\
        $proxy_protocol_tlv_ssl_cn|$proxy_protocol_tlv_ssl_verify|$proxy_protocol_tlv_0xEA|$proxy_protocol_tlv_alpn'; }";
    let server = Server::start(Kind::Wsproxy, Place::new(), site);
    let tls = b"\x20\x00\x0d\x07\0\0\0\0\x22\x00\x05alice";
    let tlvs = [&b"\x02\x00\x04host"[..], tls, b"\xea\x00\x03\x01vp"].concat();
    let length = (12 + tlvs.len() as u16).to_be_bytes();
    let header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &[1; 12], &tlvs].concat();
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send([&header[..], request("X", &[]).as_bytes()].concat());
    assert_eq!(client.response(false).expect("an answer").body, b"host|alice|0|\x01vp|");
    // What is cut off is told once, and what stands before it is there.
    let cut = [&header[..header.len() - 1], request("X", &[]).as_bytes()].concat();
    let cut = [&cut[..15], &[cut[15] - 1], &cut[16..]].concat();
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send(cut);
    assert_eq!(client.response(false).expect("an answer").body, b"host|alice|0||");
    until("it is told", || complaints(&server).len() == 1);
    assert!(
        complaints(&server)[0]
            .starts_with("broken PROXY protocol TLV while reading PROXY protocol, client: ")
    );
}

#[test]
fn a_reload_changes_what_new_connections_begin_with() {
    let plain = "worker_processes 1; pid @DIR@/pid; error_log @DIR@/error.log info; events {}
        http { access_log off; server { listen @LISTEN@; return 200 [$proxy_protocol_addr]; } }";
    let server = Server::start(Kind::Wsproxy, Place::new(), plain);
    let mut kept = Client::connect(&server.address("LISTEN"));
    assert_eq!(kept.ask(request("X", &[])).expect("an answer").body, b"[]");
    server.reload(&plain.replace("@LISTEN@;", "@LISTEN@ proxy_protocol;"), 2);
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 1 1\r\n");
    assert_eq!(client.ask(request("X", &[])).expect("an answer").body, b"[192.0.2.7]");
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send(request("X", &[]));
    assert_eq!(client.read_to_end().unwrap_or_default(), b"");
}
