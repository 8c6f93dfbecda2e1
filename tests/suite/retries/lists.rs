//! What stands in the lists of `$upstream_` variables, and what ends the tries.

use super::scene::{Scene, get, post};
use crate::support::{
    origin::{Answer, Then},
    server::Kind,
};

fn alike(site: &str, upstreams: Vec<Vec<Answer>>, requests: Vec<Vec<u8>>) {
    Scene { site: site.to_owned(), upstreams, requests, at_once: false }.alike();
}

fn status(line: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")).then(Then::Close)
}

#[test]
fn an_internal_redirect_to_another_upstream_stands_behind_a_colon() {
    let site = "
upstream two { server @REFUSED@; server @TCP1@; }
upstream other { server @TCP2@; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    location /from { proxy_pass http://two; }
    location /to { proxy_pass http://other; }
    location /text { return 200 text; }
    location /page { error_page 502 /to/page; proxy_pass http://@REFUSED@; }
    location /nobody { error_page 502 @nobody; proxy_pass http://@REFUSED@; }
    location @nobody { error_page 502 /to/third; recursive_error_pages on; proxy_pass http://@REFUSED@; }
}";
    let accel = |uri: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nX-Accel-Redirect: {uri}\r\nContent-Length: 0\r\n\r\n");
        Answer::new(head).then(Then::Close)
    };
    let first = vec![accel("/to/there"), accel("/text"), accel("/nowhere")];
    let second = vec![Answer::text("there").then(Then::Close)];
    let requests = ["/from", "/from", "/from", "/page", "/nobody"].map(get).to_vec();
    alike(site, vec![first, second], requests);
}

#[test]
fn where_no_peer_is_left_stands_the_name_of_the_group() {
    let site = "
upstream dead { server @REFUSED@; server @TCP1@; }
upstream busy { server @TCP2@; server @REFUSED@; }
upstream down { server @TCP3@ down; server @TCP3@ down; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    proxy_next_upstream error http_503;
    location /dead { proxy_pass http://dead; }
    location /busy { proxy_pass http://busy; }
    location /down { proxy_pass http://down; }
    location /page { error_page 502 =200 /sorry; proxy_pass http://dead; }
    location /sorry { return 200 'sorry [$upstream_addr] [$upstream_status]'; }
}";
    let requests =
        ["/dead/1", "/dead/2", "/page", "/busy/1", "/busy/2", "/busy/3", "/down"].map(get).to_vec();
    let closes = vec![Answer::new("").then(Then::Close)];
    let busy = vec![status("503 Busy")];
    alike(site, vec![closes, busy, vec![status("200 OK")]], requests);
}

#[test]
fn the_only_peer_is_asked_again_whatever_it_did() {
    let site = "
upstream one { server @TCP1@; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    proxy_next_upstream error http_503 non_idempotent;
    location / { proxy_pass http://one; }
}";
    let answers = vec![Answer::new("").then(Then::Close), status("503 Busy"), status("200 OK")];
    alike(site, vec![answers], vec![get("/1"), post("/2"), get("/3")]);
}

#[test]
fn backups_are_tried_and_those_that_are_down_are_not() {
    let site = "
upstream mixed { server @REFUSED@; server @TCP1@ down; server @TCP2@ backup; server @TCP3@ backup; }
upstream backups { server @REFUSED@; server @REFUSED@ backup; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    location /mixed { proxy_pass http://mixed; }
    location /backups { proxy_pass http://backups; }
}";
    let closes = vec![Answer::new("").then(Then::Close)];
    let requests = ["/mixed/1", "/mixed/2", "/mixed/3", "/backups/1", "/backups/2"].map(get).to_vec();
    alike(site, vec![vec![], closes, vec![Answer::text("good").then(Then::Close)]], requests);
}

#[test]
fn tries_and_their_time_are_limited() {
    let site = "
upstream tries { server @REFUSED@ max_fails=0; server @REFUSED@ max_fails=0; server @TCP1@ max_fails=0; }
upstream time { server @TCP2@ max_fails=0; server @TCP2@ max_fails=0; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    location /one { proxy_next_upstream_tries 1; proxy_pass http://tries; }
    location /two { proxy_next_upstream_tries 2; proxy_pass http://tries; }
    location /three { proxy_next_upstream_tries 3; proxy_pass http://tries; }
    location /many { proxy_next_upstream_tries 30; proxy_pass http://tries; }
    location /time { proxy_next_upstream_timeout 100ms; proxy_read_timeout 700ms; proxy_pass http://time; }
    location /enough { proxy_next_upstream_timeout 100s; proxy_read_timeout 700ms; proxy_pass http://time; }
}";
    let good = vec![Answer::text("good").then(Then::Close)];
    let silent = vec![Answer::new("").then(Then::Silence)];
    let requests = ["/one", "/two", "/three", "/many", "/time", "/enough"].map(get).to_vec();
    alike(site, vec![good, silent], requests);
}

#[test]
fn an_answer_counts_only_if_it_is_the_last() {
    let site = "
upstream two { server @TCP1@ max_fails=0; server @TCP2@ max_fails=0; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    add_header A '$upstream_http_a' always;
    location / { proxy_next_upstream error http_500; proxy_pass http://two; }
    location /page { proxy_next_upstream error http_500; error_page 502 /text; proxy_pass http://two; }
    location /text { return 200 '[$upstream_http_a]'; }
}";
    let first = Answer::new("HTTP/1.1 500 No\r\nA: first\r\nContent-Length: 0\r\n\r\n").then(Then::Close);
    let dies = Answer::new("").then(Then::Close);
    alike(site, vec![vec![first], vec![dies]], ["/1", "/2", "/page", "/4"].map(get).to_vec());
}

/// Debian's nginx does not know the word yet.
#[test]
fn a_condition_that_never_comes_about_leaves_the_others_as_they_are() {
    let site = "
upstream two { server @TCP1@; server @TCP2@; }
server { listen @LISTEN@; location / { proxy_next_upstream http_503 denied; proxy_pass http://two; } }";
    let upstreams = vec![vec![status("503 Busy")], vec![status("200 OK")]];
    let scene = Scene { site: site.to_owned(), upstreams, requests: vec![get("/")], at_once: false };
    assert!(scene.play(Kind::Wsproxy).text.contains("GET / 200 [@TCP1@, @TCP2@] [503, 200]"));
}

/// What breaks off behind its head has answered: nginx releases the peer without a word about a failure
/// (`ngx_http_upstream_finalize_request`).
#[test]
fn one_that_breaks_off_in_its_body_has_not_failed() {
    let site = "
upstream two { server @TCP1@ fail_timeout=1h; server @TCP2@ fail_timeout=1h; }
server {
    listen @LISTEN@; proxy_http_version 1.1; proxy_set_header Connection '';
    location / { proxy_pass http://two; }
}";
    let short = Answer::new("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort").then(Then::Close);
    let whole = Answer::text("whole").then(Then::Close);
    let requests = ["/1", "/2", "/3", "/4"].map(get).to_vec();
    alike(site, vec![vec![short], vec![whole]], requests);
}

/// The error log shows the target that went upstream, not the one that the client sent.
#[test]
fn the_log_shows_what_was_sent() {
    let site = "
server {
    listen @LISTEN@;
    location /from/ { proxy_pass http://@REFUSED@/to/; }
    location /moved { rewrite ^ /else?x=1 break; proxy_pass http://@REFUSED@; }
    location / { proxy_pass http://@REFUSED@; }
}";
    let requests = ["/from/a%20b?c=d", "/moved?y=2", "//as%2fit?is"].map(get).to_vec();
    alike(site, vec![], requests);
}
