//! `wsproxy token show`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::jwt::{self, Json, Key, KeySet, MAX_TOKEN, Refusal, Rules, Unverified};

use super::times;
use super::{CANNOT_TELL, NOT_VALID, reading};

/// The arguments of `wsproxy token show`.
#[derive(clap::Args, Debug)]
pub struct Show {
    /// The token; - reads it from the standard input
    #[arg(value_name = "TOKEN")]
    token: String,
    /// Keys to verify it with: a JWK Set, a JWK or a PEM; as often as you like
    #[arg(long, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The moment it is judged at, if not now: a date, seconds since 1970, or +30s
    #[arg(long, value_name = "TIME", value_parser = times::moment, allow_hyphen_values = true)]
    at: Option<Duration>,
    /// How far the clocks may be apart, as auth_jwt_leeway
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    leeway: Duration,
}

/// Claims that are times, and what to call them: ahead, behind.
const TIMES: [(&str, &str, &str); 3] =
    [("exp", "expires", "expired"), ("nbf", "begins", "began"), ("iat", "issued", "issued")];

impl Show {
    /// What there is to say, and the exit code.
    pub fn told(&self) -> Result<(String, u8), String> {
        let token = self.token()?;
        let now = self.at.unwrap_or_else(times::now);
        let mut told = String::new();
        let [header, claims] = jwt::peek(token.as_bytes());
        for (title, part) in [("header", &header), ("claims", &claims)] {
            let _ = writeln!(told, "{title}");
            match part {
                Ok(json) => members(json, now, &mut told),
                Err(why) => drop(writeln!(told, "  not readable: {why}")),
            }
        }
        let _ = writeln!(told, "checks");
        let code = self.judge(&token, claims, now, &mut told)?;
        Ok((told, code))
    }

    fn token(&self) -> Result<String, String> {
        let text = match &*self.token {
            // A line end behind it is not of the token.
            "-" => reading::bytes(Path::new("-"), MAX_TOKEN + 2).map_err(|error| error.to_string())?,
            token => token.as_bytes().to_vec(),
        };
        let text = String::from_utf8(text).map_err(|_| "the token is not text")?;
        Ok(text.trim().to_owned())
    }

    /// A line for each check, in the order in which a token is refused.
    fn judge(
        &self,
        token: &str,
        claims: Result<Json, Refusal>,
        now: Duration,
        told: &mut String,
    ) -> Result<u8, String> {
        let sets = self.sets(told)?;
        let mut wrong = None;
        let mut check = |name: &str, result: Result<String, Refusal>| {
            let (mark, text) = match &result {
                Ok(text) => ("fine", text.clone()),
                Err(why) => ("wrong", why.to_string()),
            };
            let _ = writeln!(told, "  {mark:<6} {name:<10} {text}");
            wrong = wrong.or(result.err());
        };
        let read = Unverified::read(token.as_bytes());
        let form =
            read.as_ref().map(|read| format!("signed with {}, {} bytes", read.algorithm(), token.len()));
        check("form", form.map_err(|why| *why));
        if let (Ok(read), false) = (&read, sets.is_empty()) {
            check("signature", read.signed_by(&sets).map(signer));
        }
        match claims {
            Ok(claims) => {
                let rules = Rules { leeway: self.leeway };
                check("time", jwt::times(&claims, now, &rules).map(until));
            }
            Err(why) => check("claims", Err(why)),
        }
        Ok(conclude(wrong, !sets.is_empty(), told))
    }

    /// The keys, and a line for each that is not used.
    fn sets(&self, told: &mut String) -> Result<Vec<Arc<KeySet>>, String> {
        let mut sets = Vec::new();
        for path in &self.keys {
            let keys = Json::Object(Vec::new()).with("keys", Json::Array(reading::keys(path)?));
            let set = KeySet::parse(keys.to_string().as_bytes());
            let set = set.map_err(|why| format!("{}: {why}", path.display()))?;
            for skipped in set.remarks() {
                let _ = writeln!(told, "  {:<6} {:<10} {}: {skipped}", "note", "keys", path.display());
            }
            sets.push(Arc::new(set));
        }
        Ok(sets)
    }
}

fn signer(key: &Key) -> String {
    match key.kid() {
        Some(kid) => format!("by the key {}", printable(&Json::from(kid))),
        None => "by a key without kid".into(),
    }
}

fn until(expires: Option<Duration>) -> String {
    match expires {
        Some(expires) => {
            format!("valid until {}", times::date(expires).unwrap_or_else(|| "the end of time".into()))
        }
        None => "it never expires: there is no exp".into(),
    }
}

fn conclude(wrong: Option<Refusal>, verified: bool, told: &mut String) -> u8 {
    let (code, text) = match (wrong, verified) {
        (Some(why), _) => (NOT_VALID, format!("not valid: {why}")),
        (None, true) => (0, "valid".into()),
        (None, false) => {
            (CANNOT_TELL, "nothing wrong so far, but who signed it is not known: give --keys".into())
        }
    };
    let _ = writeln!(told, "=> {text}");
    code
}

fn members(json: &Json, now: Duration, told: &mut String) {
    let Json::Object(members) = json else { return };
    let width = members.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(16);
    for (name, value) in members {
        let name = escaped(name);
        let words = TIMES.iter().find(|(time, ..)| *time == name).and_then(|row| in_words(row, json, now));
        let _ = writeln!(told, "  {name:<width$}  {}{}", printable(value), words.unwrap_or_default());
    }
}

/// `  expires in 28s, 2026-01-31T12:00:00Z`
fn in_words(
    (claim, ahead, behind): &(&'static str, &str, &str),
    claims: &Json,
    now: Duration,
) -> Option<String> {
    let then = jwt::time(claims, claim).ok().flatten()?;
    let verb = if then > now { ahead } else { behind };
    let date = times::date(then).map(|date| format!(", {date}")).unwrap_or_default();
    Some(format!("  {verb} {}{date}", times::away(now, then)))
}

fn printable(value: &Json) -> String {
    escaped(&value.to_string())
}

/// Without anything that a terminal takes for a command.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            _ if letter.is_control() => drop(write!(out, "\\u{:04x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out
}
