//! Zones that are full: they have room for as many keys as those of nginx.

use super::*;

#[test]
fn a_full_zone_of_limit_req_forgets_who_has_not_come_for_longest() {
    both(|kind| {
        let site = "
limit_req_zone $arg_k zone=one:32k rate=1r/m;
limit_req_zone $arg_long zone=long:32k rate=1r/m;
large_client_header_buffers 4 64k;
server {
    listen @LISTEN@;
    keepalive_requests 10000;
    location / { limit_req zone=one; root @DIR@; }
    location /long { limit_req zone=long; root @DIR@; }
}";
        let scene = Scene::start(kind, site, silence());
        let mut client = scene.client();
        let mut is_new = |target: String| match client.ask(get(&target)).expect("an answer").status() {
            404 => true,
            503 => false,
            status => panic!("{status}"),
        };
        let mut short = |key: u32| is_new(format!("/none?k={key:04}"));
        // Six pages of 32 pieces, of which nginx has one; a seventh has other things in it.
        for key in 0..191 {
            assert!(short(key));
        }
        assert!(!short(0) && !short(1) && !short(190), "all are known");
        assert!(short(191));
        assert!(!short(0) && !short(3), "those who came are known, and those who came later");
        assert!(short(2), "it was the one that had not come for longest");
        // A key with a page of its own, and one that has none.
        let mut long = |length: usize, letter: &str| is_new(format!("/long?long={}", letter.repeat(length)));
        assert!(long(4000, "a") && long(4000, "b") && !long(4000, "a"));
        assert!(!long(30_000, "a"), "there is no room for it");
        let alert = "[alert] could not allocate node in limit_req zone \"long\"";
        assert!(scene.told().contains(&alert.to_owned()), "{:?}", scene.told());
    });
}

#[test]
fn a_full_zone_of_limit_conn_refuses() {
    both(|kind| {
        let site = "
limit_conn_zone $http_key zone=one:32k;
server {
    listen @LISTEN@;
    location / { limit_conn one 9; proxy_pass http://@UPSTREAM1@; }
}";
        let scene = Scene::start(kind, site, silence());
        let request = |number: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\nKey: {number:03}{}\r\n\r\n", "x".repeat(252))
        };
        // Five pages of eight pieces; two have other things in them.
        let held: Vec<Client> = (0..40).map(|number| scene.held(&request(number))).collect();
        assert_eq!(scene.client().ask(request(40)).expect("an answer").status(), 503);
        let _known = scene.held(&request(7));
        let words = "[crit] ngx_slab_alloc() failed: no memory in limit_conn_zone \"one\"";
        assert_eq!(scene.told(), [words]);
        drop(held);
    });
}
