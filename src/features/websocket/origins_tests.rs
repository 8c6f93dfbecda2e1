use super::*;

/// What a line of the configuration allows, without the patterns, which need a configuration.
fn origins(words: &str) -> Origins {
    let allowed = words.split(' ').map(|word| match word {
        "same" => Allowed::Same,
        "null" => Allowed::Null,
        word => site(word.as_bytes()).unwrap_or_else(|(why, _)| panic!("{word}: {why}")),
    });
    Origins { allowed: allowed.collect(), place: Place { file: "test".into(), line: 1 } }
}

fn allows(words: &str, origin: &str, host: &str) -> bool {
    origins(words).allow(origin.as_bytes(), Some(host.as_bytes()), false)
}

#[test]
fn same_is_the_scheme_and_the_host_with_default_ports_made_equal() {
    for (origin, host) in [
        ("http://example.com", "example.com"),
        ("http://example.com", "example.com:80"),
        ("http://example.com:80", "example.com"),
        ("http://example.com:8080", "example.com:8080"),
        ("https://example.com", "example.com"),
        ("https://example.com", "example.com:443"),
        ("HTTP://EXAMPLE.com", "Example.COM"),
        ("http://example.com.", "example.com"),
        ("http://example.com", "example.com."),
        ("http://192.0.2.1:8000", "192.0.2.1:8000"),
        ("http://[2001:db8::1]:8000", "[2001:db8::1]:8000"),
        ("http://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://localhost:3000", "localhost:3000"),
    ] {
        assert!(allows("same", origin, host), "{origin} is {host}'s own");
    }
    for (origin, host) in [
        ("http://evil.example", "example.com"),
        ("http://example.com.evil.example", "example.com"),
        ("http://evilexample.com", "example.com"),
        ("http://www.example.com", "example.com"),
        ("http://example.com", "www.example.com"),
        ("http://example.com:8080", "example.com"),
        ("http://example.com", "example.com:8080"),
        ("http://example.com", "example.com:443"),
        ("ftp://example.com", "example.com"),
        ("ws://example.com", "example.com"),
        ("http://example.com..", "example.com"),
        ("http://", "example.com"),
        ("null", "null"),
        ("", "example.com"),
        ("example.com", "example.com"),
    ] {
        assert!(!allows("same", origin, host), "{origin} is not {host}'s own");
    }
}

#[test]
fn a_page_without_tls_is_a_stranger_to_a_host_with_it() {
    let same = origins("same");
    assert!(same.allow(b"https://example.com", Some(b"example.com"), true));
    assert!(!same.allow(b"http://example.com", Some(b"example.com"), true));
    assert!(!same.allow(b"http://example.com:443", Some(b"example.com"), true));
    assert!(!same.allow(b"https://example.com", None, true));
}

#[test]
fn what_is_no_origin_is_nobodys() {
    for origin in [
        "http://example.com@evil.example",
        "http://user:pass@example.com",
        "http://example.com/",
        "http://example.com/path",
        "http://example.com?",
        "http://example.com#x",
        "http://example.com\\@evil.example",
        "http://example.com http://evil.example",
        "http://evil.example http://example.com",
        "http://example.com, http://evil.example",
        "http://example.com:",
        "http://example.com:080",
        "http://example.com:0",
        "http://example.com:65616",
        "http://example.com:80:80",
        "http:/example.com",
        "http:example.com",
        "//example.com",
        "http://example.com\t",
        " http://example.com",
        "http://example.com%2eevil.example",
        "http://example.com\u{0}",
        "http://ex\u{e4}mple.com",
        "http://\u{435}xample.com",
        "http://[::1",
        "http://[example.com]",
        "1http://example.com",
    ] {
        assert_eq!(Origin::read(origin.as_bytes()), None, "{origin}");
        assert!(!allows("same http://example.com http://*.example.com", origin, "example.com"), "{origin}");
    }
}

#[test]
fn a_site_is_its_scheme_its_name_and_its_port() {
    assert!(allows("https://app.example.com", "https://app.example.com", "api.example.com"));
    assert!(allows("https://app.example.com", "https://app.example.com:443", "api.example.com"));
    assert!(allows("HTTPS://App.Example.com:443", "https://app.example.com", "api.example.com"));
    assert!(allows("https://app.example.com.", "https://app.example.com", "api.example.com"));
    assert!(allows("http://localhost:3000", "http://localhost:3000", "api.example.com"));
    assert!(allows("http://[::1]:3000", "http://[::1]:3000", "api.example.com"));
    assert!(allows("chrome-extension://abcdef", "chrome-extension://abcdef", "api.example.com"));
    assert!(allows("file://", "file://", "api.example.com"));
    assert!(!allows("https://app.example.com", "http://app.example.com", "app.example.com"));
    assert!(!allows("https://app.example.com", "https://app.example.com:8443", "app.example.com"));
    assert!(!allows("https://app.example.com", "https://example.com", "example.com"));
    assert!(!allows("https://example.com:8443", "https://example.com", "example.com"));
    assert!(!allows("file://", "file://host", "host"));
}

#[test]
fn a_star_stands_for_names_below_and_a_dot_for_the_name_too() {
    let below = "https://*.example.com";
    assert!(allows(below, "https://a.example.com", "x") && allows(below, "https://a.b.example.com", "x"));
    assert!(!allows(below, "https://example.com", "x") && !allows(below, "https://.example.com", "x"));
    assert!(
        !allows(below, "https://evilexample.com", "x")
            && !allows(below, "https://a.example.com.evil.example", "x")
    );
    assert!(!allows(below, "http://a.example.com", "x") && !allows(below, "https://a.example.com:8443", "x"));
    let at = "https://.example.com";
    assert!(allows(at, "https://example.com", "x") && allows(at, "https://a.example.com", "x"));
    assert!(!allows(at, "https://evilexample.com", "x"));
}

#[test]
fn null_is_allowed_by_name_alone() {
    assert!(!allows("same https://*.example.com", "null", "example.com"));
    assert!(allows("same null", "null", "example.com"));
    assert!(!allows("null", "NULL", "example.com") && !allows("null", "null null", "example.com"));
}

#[test]
fn what_cannot_be_allowed_is_told_apart() {
    for word in [
        "",
        "example.com",
        "https://",
        "https://*",
        "https://*.*.com",
        "https://a.*",
        "https://a*.example.com",
        "https://example.com/",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:70000",
        "https://user@example.com",
        "https://a b",
        "https://bücher.example",
        "wss://example.com",
        "https://.",
        "https://a..b",
        "*",
        "none",
        "SAME:",
    ] {
        assert!(site(word.as_bytes()).is_err(), "{word}");
    }
}

#[test]
fn what_is_allowed_is_shown_as_it_was_written() {
    let text = "same null https://*.example.com https://.example.org http://localhost:3000 https://a.example";
    assert_eq!(origins(text).to_string(), text);
}
