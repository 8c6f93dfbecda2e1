//! Whole configurations as people have them: `fixtures/sites/NAME.conf`, with `NAME.http` beside it.
//!
//! They name the places a real one names; the test puts those of its own in.

use std::path::Path;

use super::{Case, compare, read};

/// What a site names, and what stands for it in a test.
const PLACES: &[(&str, &str)] = &[
    ("127.0.0.1:8080", "@PORT@"),
    ("127.0.0.1:3001", "@TCP1@"),
    ("127.0.0.1:3002", "@TCP2@"),
    ("127.0.0.1:3009", "@REFUSED@"),
    ("/var/log/nginx", "@DIR@"),
    ("/var/www", "@CASE@/www"),
    ("/run/nginx.pid", "@DIR@/pid"),
    // Debian's nginx keeps bodies where only root may write.
    (
        "http {\n",
        "http {\nclient_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f;\n\
        uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;\n",
    ),
];

#[test]
fn chat() {
    site("chat");
}

#[test]
fn many_hosts() {
    site("many_hosts");
}

#[test]
fn notebook() {
    site("notebook");
}

fn site(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites");
    let written = read(&directory.join(format!("{name}.conf")));
    let site = PLACES.iter().fold(written, |text, (real, own)| text.replace(real, own));
    let exchange = read(&directory.join(format!("{name}.http")));
    compare(&Case { name, directory: &directory, site, exchange });
}
