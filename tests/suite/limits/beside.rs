//! What the log says of limits, line by line the same as nginx's.

use super::*;

const SITE: &str = r#"
limit_req_zone $arg_k zone=rate:64k rate=1r/m;
limit_req_zone "a $http_long" zone=long:64k rate=1r/m;
limit_conn_zone "$http_long" zone=open:64k;
limit_conn_zone $arg_c zone=held:64k;
large_client_header_buffers 4 128k;
server {
    listen @LISTEN@;
    proxy_http_version 1.1;
    location / { proxy_pass http://@UPSTREAM1@; }
    location /error { limit_req zone=rate; limit_req_log_level error; root @DIR@; }
    location /warn { limit_req zone=rate; limit_req_log_level warn; root @DIR@; }
    location /notice { limit_req zone=rate; limit_req_log_level notice; root @DIR@; }
    location /info { limit_req zone=rate; limit_req_log_level info; root @DIR@; }
    location /dry/error { limit_req_dry_run on; limit_req zone=rate burst=1; root @DIR@; }
    location /dry/warn { limit_req_dry_run on; limit_req_log_level warn; limit_req zone=rate burst=9; root @DIR@; }
    location /dry/info { limit_req_dry_run on; limit_req_log_level info; limit_req zone=rate burst=9; root @DIR@; }
    location /dry/notice { limit_req_dry_run on; limit_req_log_level notice; limit_req zone=rate burst=9; root @DIR@; }
    location /open { limit_conn open 1; proxy_set_header Long ""; proxy_pass http://@UPSTREAM1@; }
    location /long { limit_req zone=long; root @DIR@; }
    location /held/warn { limit_conn held 1; limit_conn_log_level warn; proxy_pass http://@UPSTREAM1@; }
    location /held/dry { limit_conn held 1; limit_conn_dry_run on; limit_conn_log_level info; root @DIR@; }
}
"#;

fn told(kind: Kind) -> Vec<String> {
    let scene = Scene::start(kind, SITE, silence());
    for level in ["error", "error", "warn", "notice", "info"] {
        scene.status(&format!("/{level}?k=a"));
    }
    for level in ["error", "error", "error", "warn", "notice", "info"] {
        scene.status(&format!("/dry/{level}?k=b"));
    }
    let held = scene.held(&get("/held/warn?c=a"));
    scene.status("/held/warn?c=a");
    scene.status("/held/dry?c=a");
    drop(held);
    let long = |target: &str, length: usize| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nLong: {}\r\n\r\n", "b".repeat(length))
    };
    drop(scene.held(&long("/open", 255)));
    drop(scene.held(&long("/open", 300)));
    scene.client().ask(long("/long", 65_534)).expect("an answer");
    let mut told = scene.told();
    told.retain(|line| !line.contains("prematurely"));
    told
}

#[test]
fn the_log_says_the_same_in_the_same_words() {
    let (nginx, ours) = (told(Kind::Nginx), told(Kind::Wsproxy));
    assert_eq!(nginx.len(), 4 + 5 + 2 + 2, "{nginx:#?}");
    let shown = |line: &String| line.split_once("bytes: ").map_or(line.clone(), |(told, _)| told.to_owned());
    let nginx: Vec<String> = nginx.iter().map(shown).collect();
    assert_eq!(ours.iter().map(shown).collect::<Vec<_>>(), nginx);
    // A key may be a token, and nginx shows two kilobytes of it.
    assert!(!ours.concat().contains("bbb"));
    assert!(ours.iter().any(|line| line.ends_with("is more than 255 bytes: 300")), "{ours:#?}");
}
