//! What a configuration means, where no request is needed to see it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wsproxy::directive::Context;
use wsproxy::features::error_log::Level;
use wsproxy::features::{Options, limit_conn, limit_req};
use wsproxy::model::{self, Model};
use wsproxy::source::{Memory, Place};
use wsproxy::syntax::load_text;
use wsproxy::tunnel::{FrameRules, Limit, MaxSize, Over, Ping, Rate, Rules, Sides, Unit};

fn model(text: &str) -> Model {
    let files = Memory::default();
    let (tree, _) = load_text("nginx.conf", text.into(), Path::new("/"), &files);
    let options =
        Options { prefix: "/".into(), conf_prefix: "/".into(), context: Context::MAIN, fragment: false };
    model::read(&tree, &files, &options).0
}

/// Addresses that differ only in their port are groups of their own; a default port is a port.
#[test]
fn an_address_is_a_group_by_its_host_and_port() {
    let text = "events { } http { server {
        location /a { proxy_pass http://127.0.0.1; }
        location /b { proxy_pass http://127.0.0.1:81; }
        location /c { proxy_pass http://127.0.0.1:80; }
        location /d { proxy_pass https://127.0.0.1; }
        location /e { proxy_pass http://GROUP; }
    } upstream group { server 127.0.0.1:82; } }";
    let groups: Vec<String> =
        model(text).http.groups.iter().map(|group| group.spec.name.to_string()).collect();
    assert_eq!(groups, ["127.0.0.1", "127.0.0.1:81", "127.0.0.1", "group"]);
}

/// What tunnels of the location with this name keep to, and the model it stands in.
fn rules_of<'m>(model: &'m Model, name: &str) -> &'m Arc<Rules> {
    let location = model.http.locations.iter().find(|location| *location.name == *name.as_bytes()).unwrap();
    &location.settings.tunnel
}

/// A tunnel keeps to what holds in its location, whichever block said it, and answers for it by line.
#[test]
fn rules_come_from_the_block_that_says_them_and_are_shared_where_they_are_equal() {
    let text = "events { } http { websocket_ping_interval 20s client;
        proxy_read_timeout 1h; server {
        location /a { }
        location /b { websocket_ping_interval 0;
            websocket_ping_timeout 3s; websocket_max_lifetime 1d; location /b/c { send_timeout 7s; } }
        location /d { websocket_max_message_size 1m upstream; websocket_max_frame_size 64k; }
        location /e { websocket_message_rate 64kb/s burst=1m close both; }
        websocket_ping_timeout 5s; } }";
    let model = model(text);
    let place = |line| Some(Place { file: "nginx.conf".into(), line });
    let limit = |seconds, line| Limit { after: Duration::from_secs(seconds), place: place(line) };
    let outer = rules_of(&model, "/a");
    let ping = Ping { to: Sides::Client, interval: limit(20, 1), timeout: limit(5, 8) };
    let frames = FrameRules { close_notify: true, ping: Some(ping), ..FrameRules::default() };
    assert_eq!(outer.frames, Some(frames.clone()));
    assert_eq!(outer.read, limit(3600, 2));
    assert!(Arc::ptr_eq(outer, &model.http.locations[model.http.servers[0].root].settings.tunnel));

    let inner = rules_of(&model, "/b/c");
    assert_eq!(inner.max_lifetime, Some(limit(86400, 5)));
    assert_eq!(inner.send_client, limit(7, 5));
    assert_eq!(inner.frames, Some(FrameRules { close_notify: true, ..FrameRules::default() }));

    let sizes = rules_of(&model, "/d").frames.clone().unwrap();
    assert_eq!(sizes.max_message, Some(MaxSize { bytes: 1 << 20, of: Sides::Upstream, place: place(6) }));
    assert_eq!(sizes.max_frame, Some(MaxSize { bytes: 65536, of: Sides::Both, place: place(6) }));

    let rate = Rate {
        unit: Unit::Bytes,
        count: 65536,
        per: Duration::from_secs(1),
        burst: 1 << 20,
        over: Over::Close,
        of: Sides::Both,
        place: place(7),
    };
    assert_eq!(rules_of(&model, "/e").frames, Some(FrameRules { rate: Some(rate), ..frames }));
}

/// Nobody looks at frames where nobody asked: that is what a tunnel costs in nginx.
#[test]
fn frames_are_looked_at_where_somebody_asks() {
    let text = "events { } http { log_format plain $bytes_sent; log_format counts '$websocket_messages_sent';
        websocket_close_notify off; access_log /dev/null plain; server {
        location /plain { websocket_max_lifetime 1h; }
        location /told { websocket_close_notify on; }
        location /pinged { websocket_ping_interval 1m; }
        location /measured { websocket_max_frame_size 1; }
        location /paced { websocket_message_rate 1/s; location /paced/not { websocket_message_rate off; } }
        location /counted { access_log /dev/null counts; } } }";
    let model = model(text);
    let asked = ["/plain", "/told", "/pinged", "/measured", "/paced", "/paced/not", "/counted"];
    let asked = asked.map(|name| rules_of(&model, name).frames.is_some());
    assert_eq!(asked, [false, true, true, true, true, false, true]);
    assert_eq!(rules_of(&model, "/counted").frames, Some(FrameRules::default()));
}

/// Where nothing is said, the rules are the defaults, and one page of memory for ten thousand locations.
#[test]
fn silence_is_the_default_everywhere() {
    let model = model("events { } http { server { location / { } } server { } }");
    let shared = &model.http.settings.tunnel;
    assert_eq!(**shared, Rules::default());
    assert!(model.http.locations.iter().all(|location| Arc::ptr_eq(&location.settings.tunnel, shared)));
}

/// Rates and bursts in thousandths; lines replace those of the block around, what is beside them does not.
#[test]
fn limits_are_read_as_nginx_reads_them() {
    let text = "events { } http {
        limit_req_zone $uri zone=minutes:32k rate=100r/m; limit_req_zone $uri zone=plain:32k rate=7;
        limit_req_zone $uri zone=synced:32k rate=2r/s sync; limit_conn_zone $uri zone=open:32k;
        limit_req zone=minutes burst=5 delay=2; limit_req zone=plain delay=1 nodelay;
        limit_req_status 429; limit_req_log_level notice; limit_conn open 7;
        server { location /a { limit_req zone=plain; limit_conn_status 430; } location /b { } } }";
    let files = Memory::default();
    let (tree, _) = load_text("nginx.conf", text.into(), Path::new("/"), &files);
    let options =
        Options { prefix: "/".into(), conf_prefix: "/".into(), context: Context::MAIN, fragment: false };
    let (model, found) = model::read(&tree, &files, &options);
    let said: Vec<&str> = found.iter().map(|found| &found.message[..]).collect();
    assert_eq!(said, ["\"sync\" of \"limit_req_zone\" is not served by wsproxy"]);
    let rates: Vec<(&[u8], i64)> =
        model.http.limit_req.iter().map(|zone| (&zone.keyed.name[..], zone.rate)).collect();
    assert_eq!(rates, [(&b"minutes"[..], 1666), (b"plain", 7000), (b"synced", 2000)]);

    let of = |name: &[u8]| {
        let location = model.http.locations.iter().find(|location| *location.name == *name).unwrap();
        (location.settings.limit_req.clone(), location.settings.limit_conn.clone())
    };
    let (outer, outer_open) = of(b"/b");
    let limit = |zone, burst, delay| limit_req::Limit { zone, burst, delay };
    assert_eq!(outer.limits[..], [limit(0, 5000, 2000), limit(1, 0, i64::MAX)]);
    let (inner, inner_open) = of(b"/a");
    assert_eq!(inner.limits[..], [limit(1, 0, 0)]);
    assert_eq!((inner.status, inner.log_level, inner.delay_log_level()), (429, Level::Notice, Level::Info));
    assert_eq!(outer_open.limits[..], [limit_conn::Limit { zone: 0, most: 7 }]);
    assert_eq!(outer_open.limits, inner_open.limits);
    assert_eq!((outer_open.status, inner_open.status), (503, 430));
}

/// A configuration that was written for nginx may call its own variables as ours are called.
#[test]
fn a_name_of_ours_is_free_to_be_taken() {
    let text = "events { } http { map $http_upgrade $websocket_connection { default upgrade; '' close; }
        server { set $websocket_lifetime 5; return 200 $websocket_connection; } }";
    let files = Memory::default();
    let (tree, _) = load_text("nginx.conf", text.into(), Path::new("/"), &files);
    let options =
        Options { prefix: "/".into(), conf_prefix: "/".into(), context: Context::MAIN, fragment: false };
    let found = model::read(&tree, &files, &options).1;
    assert!(found.is_empty(), "{found:?}");
}
