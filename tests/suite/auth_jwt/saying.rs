//! What a request is answered, by its token and by what is asked of it.

use serde_json::json;

use super::{Scene, bearer, challenge, from_now, good, jwks, token};

const SITE: &str = r#"
log_format told '$status $request "$jwt_claim_sub" "$http_authorization"';
map $jwt_claim_role $is_admin { admin 1; default 0; }
map $jwt_claim_tier $has_paid { gold yes; }
auth_jwt_claim_set $city address city;
auth_jwt_claim_set $groups groups;
auth_jwt_header_set $algorithm alg;
proxy_set_header X-Said "$jwt_claim_sub|$city|$groups|$jwt_claim_userid|$algorithm|$jwt_header_kid|$jwt_payload";
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    auth_jwt "the \"chat\" $host";
    auth_jwt_key_file keys.json;
    location / { proxy_pass http://@UPSTREAM1@; }
    location /off { auth_jwt off; proxy_pass http://@UPSTREAM1@; }
    location /other { auth_jwt other; auth_jwt_key_file other.json; proxy_pass http://@UPSTREAM1@; }
    location /both { auth_jwt_key_file keys.json; auth_jwt_key_file other.json; proxy_pass http://@UPSTREAM1@; }
    location /arg { auth_jwt a token=$arg_jwt; proxy_pass http://@UPSTREAM1@; }
    location /cookie { auth_jwt a token=$cookie_jwt; proxy_pass http://@UPSTREAM1@; }
    location /leeway { auth_jwt_leeway 60s; proxy_pass http://@UPSTREAM1@; }
    location /admin { auth_jwt_require $is_admin error=403; auth_jwt_require $has_paid; proxy_pass http://@UPSTREAM1@; }
    location /admin/not { auth_jwt_require $jwt_claim_sub; proxy_pass http://@UPSTREAM1@; }
    location /paid { auth_require $has_paid error=402; proxy_pass http://@UPSTREAM1@; }
    location /paid/off { auth_require off; proxy_pass http://@UPSTREAM1@; }
    location /paid/admin { auth_require $has_paid $is_admin; proxy_pass http://@UPSTREAM1@; }
    location /issuer { auth_jwt_issuer https://id.test/ https://id2.test/; proxy_pass http://@UPSTREAM1@; }
    location /audience { auth_jwt_audience chat news; proxy_pass http://@UPSTREAM1@; }
    location /nofile { auth_jwt_key_file missing.json; proxy_pass http://@UPSTREAM1@; }
    location /onefile { auth_jwt_key_file keys.json; auth_jwt_key_file missing.json; proxy_pass http://@UPSTREAM1@; }
    location /by/ { auth_jwt_key_file $arg_keys.json; proxy_pass http://@UPSTREAM1@; }
    location /inside { error_page 403 = /off; deny all; proxy_pass http://@UPSTREAM1@; }
    location /inside2 { auth_jwt off; error_page 403 = /; deny all; proxy_pass http://@UPSTREAM1@; }
    location /any { satisfy any; deny all; proxy_pass http://@UPSTREAM1@; }
    location /any/one { satisfy any; allow all; proxy_pass http://@UPSTREAM1@; }
    location /any/ask { satisfy any; auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location /any/500 { satisfy any; auth_jwt_key_file missing.json; auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location /any/admin { satisfy any; auth_jwt_require $is_admin error=403; auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location /any/basic { satisfy any; auth_basic pass; auth_basic_user_file users; proxy_pass http://@UPSTREAM1@; }
    location /all/basic { auth_basic pass; auth_basic_user_file users; auth_jwt a token=$arg_jwt; proxy_pass http://@UPSTREAM1@; }
    location /all/ask { auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location = /judge { internal; if ($jwt_claim_sub = you) { return 403; } if ($http_let) { return 204; } return 401; }
}
"#;

/// What has the judge let a request in.
const LET: &str = "Let: 1\r\n";

fn scene() -> Scene {
    Scene::start(
        SITE,
        &[
            ("keys.json", &jwks(&["one", "two"])),
            ("other.json", &jwks(&["three"])),
            ("users", "ann:{PLAIN}pw\n"),
        ],
    )
}

/// "The specified string is used as a realm. Parameter value can contain variables. The optional token parameter specifies a variable that contains
/// JSON Web Token. By default, JWT is passed in the “Authorization” header as a Bearer Token."
#[test]
fn a_token_is_asked_for() {
    let scene = scene();
    let none = scene.ask("/", "");
    assert_eq!((none.status(), challenge(&none)), (401, vec![r#"Bearer realm="the \"chat\" a""#.into()]));
    assert_eq!(challenge(&scene.ask("/", "Authorization: Basic YTpi\r\n")), challenge(&none));
    assert_eq!(challenge(&scene.ask("/", "Authorization: Bearer\r\n")), challenge(&none));
    assert_eq!(scene.status("/", &good("one")), 200);
    assert_eq!(scene.ask("/", &format!("authorization: bEARER  {} \r\n", good("two"))).status(), 200);
    assert_eq!(scene.ask("/off", "").status(), 200);
    let (one, two) = (bearer(&good("one")), bearer(&good("two")));
    assert_eq!(scene.ask("/", &format!("{one}{two}")).status(), 400);
    assert_eq!(scene.ask(&format!("/arg?jwt={}", good("one")), "").status(), 200);
    assert_eq!(scene.with("/arg", &good("one")).status(), 401);
    assert_eq!(scene.ask("/arg?jwt=", "").status(), 401);
    assert_eq!(scene.ask("/cookie", &format!("Cookie: a=b; jwt={}\r\n", good("one"))).status(), 200);
    assert!(scene.log().contains("JWT: no token was sent, "));
}

#[test]
fn a_bad_token_is_refused_in_words_that_hold_nothing_of_it() {
    let scene = scene();
    let mut wrong = good("one").into_bytes();
    let at = wrong.len() - 10;
    wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
    let wrong = String::from_utf8(wrong).unwrap();
    for (token, why) in [
        (wrong, "the token's signature is wrong"),
        (token("one", json!({ "exp": from_now(-120) })), "the token expired 120s ago"),
        (token("one", json!({ "nbf": from_now(120), "secret": "xyzzy" })), "not yet"),
        (token("one", json!({ "exp": "tomorrow" })), "the token's exp is not a number"),
        (good("three"), "no key has the token's kid"),
        ("xyzzy".into(), "not three parts"),
    ] {
        let answer = scene.with("/", &token);
        let said = challenge(&answer).concat();
        assert_eq!(answer.status(), 401, "{why}");
        assert!(
            said.starts_with(r#"Bearer realm="the \"chat\" a", error="invalid_token", error_description=""#),
            "{said}"
        );
        let description = said.split("error_description=").nth(1).unwrap();
        if !why.contains("120s") {
            assert!(description.contains(why), "{said}");
        }
        assert!(!said.contains(&token) && !description.contains("xyzzy"), "{said}");
        let log = scene.log();
        assert!(log.contains("[info]") && log.contains("JWT: "), "{log}");
        for part in token.split('.').filter(|part| part.len() > 10) {
            assert!(!log.contains(part), "{part}: {log}");
        }
    }
    assert!(scene.upstream.received().is_empty());
}

/// "If none of the directives are specified, JWS signature verification will be skipped", says the guide of NGINX
/// Plus of `auth_jwt_key_file` and `auth_jwt_key_request`. Here nothing is skipped.
#[test]
fn without_keys_nobody_is_let_in() {
    let site = "server { listen @LISTEN@; location / { auth_jwt realm; proxy_pass http://@UPSTREAM1@; } }";
    let scene = Scene::start(site, &[]);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.";
    for token in [good("one"), unsigned.to_owned()] {
        assert_eq!(scene.status("/", &token), 401);
    }
    assert!(scene.server.logs().contains("\"auth_jwt\" is on where no keys are in effect"));
    assert!(scene.log().contains("JWT: there is no key to verify the token with"), "{}", scene.log());
}

/// "auth_jwt_leeway: Sets the maximum allowable leeway to compensate clock skew when verifying the exp and nbf JWT
/// claims."
#[test]
fn clocks_may_differ_by_the_leeway() {
    let scene = scene();
    assert_eq!(scene.status("/", &token("one", json!({ "exp": from_now(-30) }))), 401);
    assert_eq!(scene.status("/leeway", &token("one", json!({ "exp": from_now(-30) }))), 200);
    assert_eq!(scene.status("/leeway", &token("one", json!({ "exp": from_now(-90) }))), 401);
    assert_eq!(scene.status("/leeway", &token("one", json!({ "nbf": from_now(30) }))), 200);
    assert_eq!(scene.status("/leeway", &token("one", json!({ "nbf": from_now(90) }))), 401);
}

/// "Several auth_jwt_key_file directives can be specified on the same level"; "If at least one of the specified
/// keys cannot be loaded or processed, nginx will return the 500 (Internal Server Error) error."
#[test]
fn key_files_of_a_block_replace_the_outer_ones_and_all_have_to_be_there() {
    let scene = scene();
    assert_eq!((scene.status("/other", &good("one")), scene.status("/other", &good("three"))), (401, 200));
    assert_eq!((scene.status("/both", &good("one")), scene.status("/both", &good("three"))), (200, 200));
    assert_eq!((scene.status("/nofile", &good("one")), scene.status("/onefile", &good("one"))), (500, 500));
    assert_eq!(scene.ask("/nofile", "").status(), 401, "without a token nobody looks for keys");
    let log = scene.log();
    assert!(log.contains("[error]") && log.contains("no keys to verify a JWT with: stat() "), "{log}");
    assert!(log.contains("failed (2: No such file or directory), client:"), "{log}");
    assert_eq!(scene.status("/by/?keys=keys", &good("one")), 200);
    assert_eq!(scene.status("/by/?keys=other", &good("one")), 401);
    assert_eq!(scene.status("/by/?keys=no", &good("one")), 500);
}

/// "auth_jwt_require: Specifies additional checks for JWT validation. The value can contain text, variables, and
/// their combination, and must start with a variable. The authentication will succeed only if all the values are
/// not empty and are not equal to “0”. … If any of the checks fails, the 401 error code is returned. The optional
/// error parameter allows redefining the error code to 403."
#[test]
fn what_is_required_has_to_be_there() {
    let scene = scene();
    let says = |claims| token("one", claims);
    assert_eq!(scene.status("/admin", &says(json!({ "role": "admin", "tier": "gold" }))), 200);
    let poor = scene.with("/admin", &says(json!({ "role": "admin" })));
    assert_eq!(poor.status(), 401);
    assert!(challenge(&poor).concat().contains("error=\"invalid_token\""));
    let lowly = scene.with("/admin", &says(json!({ "role": "user", "tier": "gold" })));
    assert_eq!(lowly.status(), 403);
    assert!(challenge(&lowly).concat().contains("error=\"insufficient_scope\""));
    assert_eq!(scene.status("/admin/not", &says(json!({ "sub": "me" }))), 200);
    assert_eq!(scene.status("/admin/not", &says(json!({ "sub": "0" }))), 401);
    assert_eq!(scene.status("/admin/not", &says(json!({ "sub": 0 }))), 401);
}

/// "auth_require: … The authorization will succeed only if all values are not empty and not equal to “0”. … By
/// default, the 403 error code is returned."
#[test]
fn auth_require_is_for_any_variable() {
    let scene = scene();
    let says = |claims| token("one", claims);
    assert_eq!(scene.status("/paid", &says(json!({ "tier": "gold" }))), 200);
    assert_eq!(scene.status("/paid", &says(json!({ "tier": "tin" }))), 402);
    assert_eq!(scene.status("/paid/off", &says(json!({}))), 200);
    assert_eq!(scene.status("/paid/admin", &says(json!({ "tier": "gold" }))), 403);
    assert_eq!(scene.status("/paid/admin", &says(json!({ "tier": "gold", "role": "admin" }))), 200);
    assert_eq!(scene.ask("/paid", "").status(), 401);
}

#[test]
fn issuer_and_audience_are_compared_exactly() {
    let scene = scene();
    let status = |target: &str, claims| scene.status(target, &token("one", claims));
    assert_eq!(status("/issuer", json!({ "iss": "https://id.test/" })), 200);
    assert_eq!(status("/issuer", json!({ "iss": "https://id2.test/" })), 200);
    for wrong in
        [json!("https://id.test"), json!("https://ID.test/"), json!(["https://id.test/"]), json!(null)]
    {
        assert_eq!(status("/issuer", json!({ "iss": wrong })), 401);
    }
    assert_eq!(status("/issuer", json!({})), 401);
    assert_eq!(status("/audience", json!({ "aud": "chat" })), 200);
    assert_eq!(status("/audience", json!({ "aud": ["x", "news"] })), 200);
    for wrong in
        [json!("x"), json!("chat,news"), json!([]), json!([["chat"]]), json!({ "chat": 1 }), json!(1)]
    {
        assert_eq!(status("/audience", json!({ "aud": wrong })), 401, "{wrong}");
    }
    assert_eq!(status("/audience", json!({})), 401);
}

/// "$jwt_header_name returns the value of a specified JOSE header"; "$jwt_claim_name returns the value of a
/// specified JWT claim. For nested claims and claims including a dot ("."), the value of the variable cannot be
/// evaluated; the auth_jwt_claim_set directive should be used instead"; "For arrays, the variable keeps a list of
/// array elements separated by commas."
#[test]
fn a_token_is_shown_by_variables() {
    let scene = scene();
    let claims = json!({ "sub": "me", "address": { "city": "Bern" }, "groups": ["a", 2], "userId": "u1" });
    let said = |at: usize| {
        let received = scene.upstream.received();
        received[at].message.header("x-said").unwrap_or_default()
    };
    assert_eq!(scene.status("/", &token("one", claims.clone())), 200);
    assert_eq!(said(0), format!("me|Bern|a,2|u1|HS256|one|{claims}"));
    assert_eq!(scene.with("/off", &token("one", claims)).status(), 200);
    assert_eq!(said(1), "||||||");
}

#[test]
fn a_token_is_in_no_log() {
    let scene = scene();
    let token = good("one");
    scene.with("/", &token);
    scene.ask(&format!("/arg?jwt={token}"), "");
    scene.ask(&format!("/arg?jwt={token}x"), "");
    let logs = || scene.server.place.read("access.log") + &scene.log();
    crate::support::until("three lines", || scene.server.place.read("access.log").lines().count() == 3);
    let logs = logs();
    assert!(logs.contains("200 GET / HTTP/1.1 \"me\" \"Bearer ***\""), "{logs}");
    assert!(logs.contains("200 GET /arg?jwt=*** HTTP/1.1 \"me\" "), "{logs}");
    assert!(!logs.contains(&token[..30]) && !logs.contains(&token[60..]), "{logs}");
}

/// Access modules are asked in nginx's order, and `satisfy` weighs them.
#[test]
fn a_password_goes_together_with_it() {
    let scene = scene();
    let (right, wrong) = ("Authorization: Basic YW5uOnB3\r\n", "Authorization: Basic YW5uOm5v\r\n");
    let ask = |path: &str, lines: &str| scene.ask(path, lines).status();
    assert_eq!((ask("/any/basic", right), scene.status("/any/basic", &good("one"))), (200, 200));
    assert_eq!((ask("/any/basic", wrong), ask("/any/basic", "")), (401, 401));
    let ways = challenge(&scene.ask("/any/basic", ""));
    assert_eq!((ways.len(), &ways[0][..]), (2, r#"Basic realm="pass""#));
    assert!(challenge(&scene.ask("/any/basic", right)).is_empty());
    let both = format!("/all/basic?jwt={}", good("one"));
    assert_eq!((ask(&both, right), ask(&both, wrong), ask("/all/basic", right)), (200, 401, 401));
}

#[test]
fn it_goes_together_with_the_others() {
    let scene = scene();
    assert_eq!((scene.ask("/any", "").status(), scene.status("/any", &good("one"))), (401, 200));
    assert_eq!(scene.ask("/any/one", "").status(), 200);
    assert_eq!(scene.ask("/any/ask", "").status(), 401);
    assert_eq!(scene.ask("/any/ask", LET).status(), 200);
    assert_eq!(scene.status("/any/ask", &good("one")), 200);
    assert!(challenge(&scene.ask("/any/ask", LET)).is_empty());
    assert_eq!(scene.ask("/any/500", &format!("{LET}{}", bearer(&good("one")))).status(), 500);
    assert_eq!(scene.ask("/any/admin", &format!("{LET}{}", bearer(&good("one")))).status(), 200);
    let said = scene.upstream.received().pop().and_then(|last| last.message.header("x-said"));
    assert_eq!(said.as_deref(), Some("||||||"), "it is not let in for what its token says");
    assert_eq!(scene.status("/all/ask", &good("one")), 401);
    assert_eq!(scene.ask("/all/ask", &format!("{LET}{}", bearer(&good("one")))).status(), 200);
    assert_eq!(scene.ask("/all/ask", LET).status(), 401);
    let you = token("one", json!({ "sub": "you" }));
    assert_eq!(
        scene.ask("/all/ask", &format!("{LET}{}", bearer(&you))).status(),
        403,
        "the judge sees what the token says"
    );
}

/// An internal redirect clears what modules know of a request, and the access phase runs again.
#[test]
fn a_request_that_goes_on_inside_is_judged_anew() {
    let scene = scene();
    assert_eq!(scene.status("/inside", &good("one")), 200);
    let said = scene.upstream.received()[0].message.header("x-said").unwrap_or_default();
    assert_eq!(said, "||||||");
    assert_eq!(scene.ask("/inside2", "").status(), 401);
    assert_eq!(scene.status("/inside2", &good("one")), 200);
}
