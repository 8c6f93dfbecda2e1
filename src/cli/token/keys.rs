//! `wsproxy token keys` and `wsproxy token jwks`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::jwt::signing::{new_key, public_part, thumbprint};
use crate::jwt::{Algorithm, Json, KeySet};

use super::reading;

/// The arguments of `wsproxy token keys`.
#[derive(clap::Args, Debug)]
pub struct Keys {
    /// An algorithm to make a key for; as often as you like. ES256 if not given
    #[arg(long, value_name = "NAME", value_parser = reading::algorithm)]
    alg: Vec<Algorithm>,
    /// The name of the key, where there is one; its thumbprint if not given
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Where private.jwks.json and jwks.json are written; what is there stays
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// The arguments of `wsproxy token jwks`.
#[derive(clap::Args, Debug)]
pub struct Jwks {
    /// A key, public or private: a PEM, a JWK or a JWK Set; as often as you like, - is the standard input
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The name of the key, where there is one; if not given its own, or its thumbprint
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    kid: Option<String>,
    /// The only algorithm that the keys are for
    #[arg(long, value_name = "NAME", value_parser = reading::algorithm)]
    alg: Option<Algorithm>,
}

impl Keys {
    /// Writes the files and says what was written.
    pub fn written(&self) -> Result<String, String> {
        let algorithms = if self.alg.is_empty() { &[Algorithm::Es256][..] } else { &self.alg };
        let (private, public) = (self.folder.join("private.jwks.json"), self.folder.join("jwks.json"));
        // Neither is written if the other cannot be.
        if let Some(there) = [&private, &public].into_iter().find(|path| path.exists()) {
            return Err(format!("{}: there is one already, which stays as it is", there.display()));
        }
        let mut keys = Vec::new();
        for algorithm in algorithms {
            let key = new_key(*algorithm).ok_or_else(|| format!("no key for {algorithm} could be made"))?;
            keys.push(named(key, self.kid.as_deref(), algorithms.len())?);
        }
        let verifying: Vec<Json> = keys.iter().map(public_part).collect();
        let shared = verifying.iter().any(|key| key.get("k").is_some());
        write(&private, &set(keys)?, 0o600)?;
        write(&public, &set(verifying)?, if shared { 0o600 } else { 0o644 })?;
        let note = if shared { "; the secrets of HS keys are in it, too" } else { "" };
        Ok(format!(
            "{}: to sign with, for wsproxy token new --key\n{}: to verify with, for auth_jwt_key_file{note}\n",
            private.display(),
            public.display()
        ))
    }
}

impl Jwks {
    pub fn set(&self) -> Result<String, String> {
        let mut keys = Vec::new();
        for path in &self.key {
            for jwk in reading::keys(path)? {
                if jwk.get("kty").and_then(Json::text) == Some("oct") {
                    return Err(format!("{}: a secret has no public key", path.display()));
                }
                keys.push(public_part(&jwk));
            }
        }
        let count = keys.len();
        let mut named_keys = Vec::new();
        for key in keys {
            let key = named(key, self.kid.as_deref(), count)?;
            let key = self.alg.iter().fold(key, |key, alg| key.with("alg", alg.name()));
            named_keys.push(if key.get("use").is_some() { key } else { key.with("use", "sig") });
        }
        let text = set(named_keys)?;
        match KeySet::parse(text.as_bytes()).map_err(|why| why.to_string())?.remarks() {
            [] => Ok(text),
            skipped => Err(skipped.join("\n")),
        }
    }
}

/// With the name that is asked for, else its own, else its thumbprint.
fn named(key: Json, kid: Option<&str>, count: usize) -> Result<Json, String> {
    match (kid, key.get("kid"), count) {
        (Some(kid), _, 1) => Ok(key.with("kid", kid)),
        (Some(_), ..) => Err(format!("--kid names one key, there are {count}")),
        (None, Some(_), _) => Ok(key),
        (None, None, _) => {
            let kid = thumbprint(&key).ok_or("there is a key of an unknown kind")?;
            Ok(key.with("kid", &*kid))
        }
    }
}

fn set(keys: Vec<Json>) -> Result<String, String> {
    let set = Json::Object(Vec::new()).with("keys", Json::Array(keys));
    serde_json::to_string_pretty(&set).map_err(|error| error.to_string())
}

/// A new file: keys that are in use are not written over.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
