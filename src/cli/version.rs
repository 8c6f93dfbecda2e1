//! `-v` and `-V`, in lines that tools which read nginx's can read.

use std::process::ExitCode;

use crate::directive::catalogue;
use crate::features::variables::NGINX_VERSION;

/// nginx's module names, as `configure` spells them, with a directive that tells whether the module is
/// served.
const MODULES: &[(&str, &str)] = &[
    ("http_access_module", "allow"),
    ("http_auth_basic_module", "auth_basic"),
    ("http_auth_request_module", "auth_request"),
    ("http_autoindex_module", "autoindex"),
    ("http_charset_module", "charset"),
    ("http_fastcgi_module", "fastcgi_pass"),
    ("http_geo_module", "geo"),
    ("http_grpc_module", "grpc_pass"),
    ("http_gzip_module", "gzip"),
    ("http_limit_conn_module", "limit_conn"),
    ("http_limit_req_module", "limit_req"),
    ("http_map_module", "map"),
    ("http_proxy_module", "proxy_pass"),
    ("http_realip_module", "set_real_ip_from"),
    ("http_rewrite_module", "return"),
    ("http_scgi_module", "scgi_pass"),
    ("http_split_clients_module", "split_clients"),
    ("http_ssi_module", "ssi"),
    ("http_ssl_module", "ssl_certificate"),
    ("http_upstream_hash_module", "hash"),
    ("http_upstream_ip_hash_module", "ip_hash"),
    ("http_upstream_keepalive_module", "keepalive"),
    ("http_upstream_least_conn_module", "least_conn"),
    ("http_upstream_least_time_module", "least_time"),
    ("http_upstream_random_module", "random"),
    ("http_uwsgi_module", "uwsgi_pass"),
    ("http_v2_module", "http2"),
    ("http_v3_module", "http3"),
    ("mail", "mail"),
    ("stream", "stream"),
];

pub fn short() -> ExitCode {
    eprintln!("{}", version());
    ExitCode::SUCCESS
}

pub fn details() -> ExitCode {
    eprintln!("{}", version());
    // No TLS library is built in: a listener with `ssl` is not served.
    eprintln!("TLS SNI support disabled");
    eprintln!("configure arguments:{}", arguments());
    ExitCode::SUCCESS
}

fn version() -> String {
    format!("nginx version: nginx/{NGINX_VERSION} (wsproxy/{})", env!("CARGO_PKG_VERSION"))
}

fn arguments() -> String {
    let served = |directive: &str| {
        catalogue::find(directive.as_bytes()).iter().any(|row| row.serve == catalogue::Serve::Served)
    };
    let argument = |(module, directive): &(&str, &str)| {
        let word = if served(directive) { "with" } else { "without" };
        format!(" --{word}-{module}")
    };
    MODULES.iter().map(argument).collect()
}
