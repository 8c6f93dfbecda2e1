//! Who gets requests as servers fall ill, die, come back, and configurations change.

use std::fs;

use super::backend::{ILL, WELL};
use super::*;

#[test]
fn who_fails_gets_no_requests_until_it_passes_and_the_log_says_why() {
    let (place, [one, two_]) = place();
    let mut server = start(place, &two(""));
    only(&server, &["one", "two"]);
    one.is(ILL);
    only(&server, &["two"]);
    let peer = server.address("UPSTREAM1");
    logged(
        &server,
        &format!(
            "[warn] {0}#{0}: peer is unhealthy while checking status code, health check \"\" of peer {peer} in \
             upstream \"app\": it answered 503 Gone Fishing",
            server.pid()
        ),
    );
    one.is(WELL);
    only(&server, &["one", "two"]);
    logged(
        &server,
        &format!(
            "[notice] {0}#{0}: peer is healthy while checking status code, health check \"\" of peer {peer} in \
             upstream \"app\"",
            server.pid()
        ),
    );
    one.is(ILL);
    two_.is(ILL);
    only(&server, &["502"]);
    logged(&server, "no live upstreams while connecting to upstream");
    server.quit().expect("an end, whatever is being asked");
}

#[test]
fn who_dies_is_noticed_and_who_comes_back_is_used_again() {
    let (place, [mut one, _two]) = place();
    let server = start(place, &two(""));
    only(&server, &["one", "two"]);
    one.kill();
    // A check that was under way ends elsewhere than in connecting.
    logged(&server, "peer is unhealthy while ");
    logged(&server, "while connecting to upstream, health check \"\" of peer unix:");
    assert!(server.logs().contains("[error]"));
    assert!(server.logs().contains("while connecting to upstream, health check \"\" of peer unix:"));
    only(&server, &["two"]);
    one.revive();
    only(&server, &["one", "two"]);
}

#[test]
fn so_many_in_a_row_decide() {
    let (place, [one, _two]) = place();
    let server = start(place, &two("fails=3 passes=4"));
    only(&server, &["one", "two"]);
    let before = one.asked().len();
    one.is(ILL);
    logged(&server, "peer is unhealthy");
    // One may have been on its way.
    assert!(one.asked().len() >= before + 3, "{} and {before}", one.asked().len());
    let logs = server.logs();
    let so_far = logs.split("peer is unhealthy").next().unwrap_or_default();
    assert_eq!(so_far.matches("check failed while checking status code").count(), 2, "{logs}");
    let before = one.asked().len();
    one.is(WELL);
    logged(&server, "peer is healthy");
    assert!(one.asked().len() >= before + 4, "{} and {before}", one.asked().len());
}

#[test]
fn who_has_to_pass_first_gets_nothing_before() {
    let (place, [one, two_]) = place();
    one.is(Health::Hangs);
    two_.is(Health::Hangs);
    let server = start(place, &two("mandatory"));
    assert_eq!(who(&server), "502");
    until("a question", || !one.asked().is_empty());
    assert_eq!(who(&server), "502");
    // Whoever hangs is given up with its connection; the next question is answered.
    drop(server);

    let (place, [one, two_]) = self::place();
    one.is(ILL);
    let server = start(place, &two("mandatory"));
    only(&server, &["two"]);
    one.is(WELL);
    only(&server, &["one", "two"]);
    // A reload has all of them pass again, unless the check is persistent.
    two_.is(ILL);
    only(&server, &["one"]);
    one.is(Health::Hangs);
    two_.is(Health::Hangs);
    server.reload(&two("mandatory"), 2);
    assert_eq!(who(&server), "502");
}

#[test]
fn who_was_healthy_before_a_reload_goes_on_with_persistent() {
    let (place, [one, two_]) = place();
    let server = start(place, &two("mandatory persistent"));
    only(&server, &["one", "two"]);
    two_.is(ILL);
    only(&server, &["one"]);
    one.is(Health::Hangs);
    two_.is(Health::Hangs);
    server.reload(&two("mandatory persistent"), 2);
    assert_eq!((0..6).map(|_| who(&server)).collect::<Vec<_>>(), ["one"; 6]);
}

#[test]
fn a_reload_changes_checks_and_takes_them_away() {
    let (place, [one, two_]) = place();
    let server = start(place, &two(""));
    one.is(ILL);
    only(&server, &["two"]);
    // It is not well because a configuration was read.
    one.is(Health::Hangs);
    server.reload(&two("fails=2"), 2);
    assert_eq!((0..6).map(|_| who(&server)).collect::<Vec<_>>(), ["two"; 6]);
    one.is(ILL);
    let other =
        site("server @UPSTREAM1@; server @UPSTREAM2@;", "", "health_check uri=/healthy interval=20ms;");
    server.reload(&other, 3);
    until("a question of the new configuration", || {
        one.asked().iter().any(|(_, message)| message.first_line().starts_with("GET /healthy "))
    });
    only(&server, &["two"]);
    server.reload(&site("server @UPSTREAM1@; server @UPSTREAM2@;", "", ""), 4);
    only(&server, &["one", "two"]);
    let asked = one.asked().len() + two_.asked().len();
    only(&server, &["one", "two"]);
    assert_eq!(one.asked().len() + two_.asked().len(), asked, "nobody asks any more");
}

#[test]
fn backups_are_asked_where_nobody_else_is_well_and_they_are() {
    let (place, [one, two_]) = place();
    let check = format!("health_check uri=/health {OFTEN};");
    let server = start(place, &site("server @UPSTREAM1@; server @UPSTREAM2@ backup;", "", &check));
    only(&server, &["one"]);
    one.is(ILL);
    only(&server, &["two"]);
    two_.is(ILL);
    only(&server, &["502"]);
    one.is(WELL);
    only(&server, &["one"]);
}

#[test]
fn a_server_that_is_the_only_one_is_given_up_too_and_whoever_is_down_is_not_asked() {
    let (place, [one, two_]) = place();
    let check = format!("health_check uri=/health {OFTEN};");
    let server = start(place, &site("server @UPSTREAM1@;", "", &check));
    only(&server, &["one"]);
    one.is(ILL);
    only(&server, &["502"]);
    one.is(WELL);
    only(&server, &["one"]);
    server.reload(&site("server @UPSTREAM1@; server @UPSTREAM2@ down;", "", &check), 2);
    let before = one.asked().len();
    until("questions", || one.asked().len() > before + 3);
    assert_eq!(two_.asked().len(), 0);
}

#[test]
fn one_of_several_checks_is_enough_to_fail() {
    let (place, [one, _two]) = place();
    let strict = "match empty { body !~ ok; }";
    let server = start(
        place,
        &site("server @UPSTREAM1@; server @UPSTREAM2@;", strict, &format!("health_check uri=/health {OFTEN};"))
            .replace(
                "    }\n}\n",
                &format!(
                    "location /other {{ proxy_pass http://app; health_check uri=/health/2 {OFTEN} match=empty; }}\n    }}\n}}\n"
                ),
            ),
    );
    logged(&server, "peer is unhealthy while checking body, health check \"empty\" of peer");
    only(&server, &["502"]);
    one.is(Health::Says("HTTP/1.1 204 No Content\r\n\r\n"));
    only(&server, &["one"]);
}

#[test]
fn a_sick_server_that_hangs_up_or_answers_never_holds_nothing_up() {
    let (place, [one, two_]) = place();
    let limits = format!("proxy_read_timeout 1s; health_check uri=/health {OFTEN};");
    let mut server = start(place, &site("server @UPSTREAM1@; server @UPSTREAM2@;", "", &limits));
    only(&server, &["one", "two"]);
    for (health, words) in [
        (
            Health::Hangs,
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
        ),
        (
            Health::HangsUp,
            "upstream prematurely closed connection while reading response header from upstream",
        ),
        (
            Health::Drips,
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
        ),
        (
            Health::Says("what?\r\n\r\n"),
            "upstream sent no valid HTTP/1.0 header while reading response header",
        ),
        (Health::Says("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"), "upstream sent invalid header"),
    ] {
        fs::write(server.place.path("error.log"), "").expect("an empty log");
        one.is(health);
        only(&server, &["two"]);
        logged(&server, words);
        one.is(WELL);
        only(&server, &["one", "two"]);
    }
    one.is(Health::Hangs);
    two_.is(Health::Hangs);
    server.quit().expect("an end, whatever hangs");
}
