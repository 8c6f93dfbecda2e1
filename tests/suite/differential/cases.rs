//! The register of cases: one line each, named as its directory.

/// A test per case, and the list of all of them.
macro_rules! cases {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                super::case(stringify!($name));
            }
        )*

        const CASES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    bad_framing
    bad_header_control_bytes
    bad_headers
    bad_headers_kept
    bad_request_line
    client_half_close
    client_max_body_size
    client_max_body_size_chunked
    expect_100_continue
    host_bad
    keepalive
    large_headers
    location_caret_tilde
    location_exact
    location_longest_prefix
    location_named_by_error_page
    location_nested
    location_regex_captures
    location_regex_order
    location_slash_redirect
    location_slash_redirect_relative
    merge_slashes
    merge_slashes_default_server
    pipelining
    proxy_connection_header
    proxy_host_default
    proxy_http_version_1_0
    proxy_pass_uri
    proxy_pass_variables
    proxy_request_chunked_buffered
    proxy_request_framing
    proxy_request_headers_pass
    proxy_response_framing
    proxy_response_headers
    proxy_set_header_inheritance
    proxy_set_header_values
    redirect_port
    server_default
    server_name_host_forms
    server_name_order
    server_name_variable
    uri_decoding
}

/// A directory that nobody lists would never be run.
#[test]
fn every_directory_is_listed() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/nginx");
    let entries = std::fs::read_dir(directory).expect("fixtures/nginx");
    let mut found: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let mut listed: Vec<_> = CASES.iter().map(|name| (*name).to_owned()).collect();
    found.sort();
    listed.sort();
    assert_eq!(listed, found, "listed in cases.rs, and there");
}
