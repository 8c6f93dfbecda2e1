//! What a configuration means, where no request is needed to see it.

use std::path::Path;

use wsproxy::directive::Context;
use wsproxy::features::Options;
use wsproxy::model::{self, Model};
use wsproxy::source::Memory;
use wsproxy::syntax::load_text;

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
    let groups: Vec<String> = model(text).http.groups.iter().map(|group| group.name.to_string()).collect();
    assert_eq!(groups, ["127.0.0.1", "127.0.0.1:81", "127.0.0.1", "group"]);
}
