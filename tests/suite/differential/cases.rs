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
    access_internal
    access_log_buffer_and_path
    access_log_combined
    access_log_default
    access_log_escapes
    access_log_if_and_variables
    access_rules
    access_rules_mapped
    add_header
    add_header_and_proxy_headers
    alias
    auth_basic_credentials
    auth_basic_error_page
    auth_basic_file
    auth_basic_forms
    auth_basic_prefix
    auth_basic_realms
    auth_basic_websocket
    auth_request
    auth_request_challenges
    auth_request_inside
    auth_request_satisfy
    auth_request_set
    auth_request_upstream
    auth_request_websocket
    bad_framing
    bad_header_control_bytes
    bad_headers
    bad_headers_kept
    bad_request_line
    bytes_sent
    captures_everywhere
    chunk_bare_lf
    client_body_timeout
    client_gives_up
    client_half_close
    client_half_close_upstream
    client_max_body_size
    client_max_body_size_chunked
    client_timeouts
    comments_and_quotes
    conditional_files
    conditional_texts
    connect_method
    default_types
    error_page
    error_page_bad_request
    error_page_upstream
    error_page_variables
    expect_100_continue
    head_everywhere
    headers_multiple
    host_bad
    http_0_9
    if_conditions
    if_inheritance
    include_glob
    injection_by_decoding
    internal
    internal_redirect_proxied
    keepalive
    keepalive_time
    large_headers
    limit_except
    limit_keys
    limit_req
    limit_req_dry_run
    limit_req_phases
    limit_req_several
    listen_addresses
    listen_options
    location_caret_tilde
    location_case_and_regex_modifiers
    location_exact
    location_longest_prefix
    location_named_by_error_page
    location_nested
    location_odd_paths
    location_regex_captures
    location_regex_order
    location_slash_redirect
    location_slash_redirect_relative
    map_forms
    map_in_everything
    merge_slashes
    merge_slashes_default_server
    methods
    nested_inheritance
    pipelining
    proxy_1_0_bodies
    proxy_connection_header
    proxy_defaults
    proxy_host_default
    proxy_http_version_1_0
    proxy_odd_targets
    proxy_pass_named_and_regex
    proxy_pass_uri
    proxy_pass_variables
    proxy_protocol_1
    proxy_protocol_2
    proxy_protocol_broken
    proxy_protocol_realip
    proxy_redirect_default
    proxy_request_chunked_buffered
    proxy_request_framing
    proxy_request_headers_pass
    proxy_response_framing
    proxy_response_headers
    proxy_set_header_inheritance
    proxy_set_header_values
    proxy_unix_and_schemes
    ranges
    realip_access
    realip_headers
    realip_inheritance
    realip_inside
    realip_locations
    realip_recursive
    realip_remembered
    referer_forms
    referer_server_names
    recursive_error_pages
    redirect_port
    request_bodies_unread
    response_many_headers
    response_odd_headers
    return_forms
    return_msie_padding
    rewrite_flags
    satisfy
    sent_connection_in_log
    server_default
    server_name_host_forms
    server_name_order
    server_name_variable
    server_rewrite_and_defaults
    server_tokens
    set_and_order
    set_args
    static_files
    trailers
    upstream_accel
    upstream_bad_answers
    upstream_cut_body
    upstream_early_answer
    upstream_header_size
    upstream_http_0_9
    upstream_keepalive
    upstream_next
    upstream_next_conditions
    upstream_next_when_one_dies
    upstream_old_http
    upstream_round_robin
    upstream_surplus
    upstream_timeout
    upstream_two_groups_and_backup_names
    upstream_two_ways
    uri_decoding
    variables
    variables_cookies_and_args
    variables_shapes
    variables_upstream
    websocket_log
    websocket_no_recipe
    websocket_recipe
    websocket_refused
    websocket_upgrade_filtered
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
