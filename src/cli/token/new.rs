//! `wsproxy token new`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::jwt::signing::{SigningKey, secret_key};
use crate::jwt::{Algorithm, Json};

use super::reading;
use super::times::{self, FromNow};

/// The arguments of `wsproxy token new`.
#[derive(clap::Args, Debug)]
pub struct New {
    /// The key to sign with: a PEM, a private JWK or a JWK Set; - is the standard input
    #[arg(long, value_name = "FILE", required_unless_present = "secret", conflicts_with = "secret")]
    key: Option<PathBuf>,
    /// A secret to sign with; it may be seen in the list of processes
    #[arg(long, value_name = "TEXT")]
    secret: Option<String>,
    /// The algorithm; if not given, the first that the key is for
    #[arg(long, value_name = "NAME", value_parser = reading::algorithm)]
    alg: Option<Algorithm>,
    /// Which key of a JWK Set; of another key, the kid that the token names
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    kid: Option<String>,
    /// When it expires: 30s, 1h, -10s for one that has
    #[arg(long, value_name = "FROM NOW", value_parser = times::from_now, allow_hyphen_values = true)]
    expires: Option<FromNow>,
    /// When it begins to be valid
    #[arg(long, value_name = "FROM NOW", value_parser = times::from_now, allow_hyphen_values = true)]
    not_before: Option<FromNow>,
    /// The claim "iss"
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// The claim "aud"; given more than once it is an array
    #[arg(long, value_name = "TEXT")]
    audience: Vec<String>,
    /// The claim "sub"
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// A claim, as a string or as JSON; in place of any above
    #[arg(long = "claim", value_name = "NAME=TEXT|NAME:=JSON", value_parser = member)]
    claims: Vec<Member>,
    /// A member of the header, likewise; it changes what the token says, not how it is signed
    #[arg(long = "header", value_name = "NAME=TEXT|NAME:=JSON", value_parser = member)]
    headers: Vec<Member>,
}

/// A member of the header or of the claims.
#[derive(Clone)]
struct Member(String, Json);

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl New {
    pub fn token(&self) -> Result<String, String> {
        let key = self.signing_key()?;
        if let Some(doubt) = key.doubt() {
            eprintln!("wsproxy: whoever tries long enough can sign such tokens: {doubt}");
        }
        let algorithm = match (self.alg, key.algorithms()) {
            (None, [first, ..]) => *first,
            (Some(wanted), fit) if fit.contains(&wanted) => wanted,
            (_, fit) => {
                let names: Vec<_> = fit.iter().map(|one| one.name()).collect();
                return Err(format!("--alg: the key is for {}", names.join(", ")));
            }
        };
        let kid = self.kid.as_deref().or(key.kid());
        let header = self.header(algorithm, kid).to_string();
        key.token(algorithm, header.as_bytes(), self.payload().to_string().as_bytes())
    }

    fn signing_key(&self) -> Result<SigningKey, String> {
        match (&self.secret, &self.key) {
            (Some(secret), _) => {
                SigningKey::of(&secret_key(secret.as_bytes())).map_err(|why| format!("--secret: {why}"))
            }
            (None, Some(path)) => self.key_of(path),
            (None, None) => Err("--key or --secret is needed".into()),
        }
    }

    /// The key of a file; of several, the first that can do what is asked for.
    fn key_of(&self, path: &Path) -> Result<SigningKey, String> {
        let keys = reading::keys(path)?;
        let of = |why: &str| format!("{}: {why}", path.display());
        if let [only] = &*keys {
            return SigningKey::of(only).map_err(|why| of(&format!("the key cannot sign: {why}")));
        }
        let mut why = Vec::new();
        for (at, jwk) in keys.iter().enumerate() {
            match SigningKey::of(jwk) {
                Ok(key) if self.kid.is_some() && key.kid() != self.kid.as_deref() => {}
                Ok(key) if self.alg.is_some_and(|wanted| !key.algorithms().contains(&wanted)) => {}
                Ok(key) => return Ok(key),
                Err(unfit) => why.push(format!("\n  key {} cannot sign: {unfit}", at + 1)),
            }
        }
        Err(of(&format!("none of its keys has the --kid and the --alg that are asked for{}", why.concat())))
    }

    fn header(&self, algorithm: Algorithm, kid: Option<&str>) -> Json {
        let mut header = Json::Object(Vec::new()).with("alg", algorithm.name()).with("typ", "JWT");
        if let Some(kid) = kid {
            header = header.with("kid", kid);
        }
        self.headers.iter().fold(header, |header, Member(name, value)| header.with(name, value.clone()))
    }

    fn payload(&self) -> Json {
        let now = times::now().as_secs().try_into().unwrap_or(i64::MAX);
        let mut claims = Json::Object(Vec::new());
        for (name, text) in [("iss", &self.issuer), ("sub", &self.subject)] {
            if let Some(text) = text {
                claims = claims.with(name, &**text);
            }
        }
        match &*self.audience {
            [] => {}
            [only] => claims = claims.with("aud", &**only),
            several => {
                claims =
                    claims.with("aud", Json::Array(several.iter().map(|text| (&**text).into()).collect()));
            }
        }
        claims = claims.with("iat", now);
        for (name, away) in [("nbf", self.not_before), ("exp", self.expires)] {
            if let Some(FromNow(seconds)) = away {
                claims = claims.with(name, now.saturating_add(seconds));
            }
        }
        self.claims.iter().fold(claims, |claims, Member(name, value)| claims.with(name, value.clone()))
    }
}

/// For clap: `name=text`, or `name:=` and JSON.
fn member(text: &str) -> Result<Member, String> {
    let (name, value) = text.split_once('=').ok_or("expected name=text, or name:=json")?;
    match name.strip_suffix(':') {
        Some(name) => {
            let json =
                Json::value(value.as_bytes()).map_err(|fault| format!("what is behind := is {fault}"))?;
            Ok(Member(name.into(), json))
        }
        None => Ok(Member(name.into(), value.into())),
    }
}
