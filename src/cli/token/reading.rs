//! Files with keys in them: PEM, a JWK, a JWK Set.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::jwt::signing::{from_pem, is_pem};
use crate::jwt::{Algorithm, Json, MAX_KEY_SET};

/// The keys of a file; `-` is the standard input.
pub fn keys(path: &Path) -> Result<Vec<Json>, String> {
    let of = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = bytes(path, MAX_KEY_SET).map_err(|error| of(&error))?;
    if is_pem(&text) {
        return from_pem(&text).map(|key| vec![key]).map_err(|why| of(&why));
    }
    let json = Json::object(&text)
        .map_err(|fault| of(&format_args!("expected a PEM, a JWK or a JWK Set; this is {fault}")))?;
    match (json.get("keys").and_then(Json::items), json.get("kty")) {
        (Some([]), _) => Err(of(&"there is no key in it")),
        (Some(keys), _) => Ok(keys.to_vec()),
        (None, Some(_)) => Ok(vec![json]),
        (None, None) => Err(of(&"expected a JWK, which has a \"kty\", or a JWK Set, which has \"keys\"")),
    }
}

/// At most so many bytes of a file; more are an error.
pub fn bytes(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let from: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path)?),
    };
    let mut text = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut text)?;
    match text.len() > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(text),
    }
}

/// For clap: an algorithm by its name.
pub fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::named(name).ok_or_else(|| {
        let names: Vec<_> = Algorithm::all().map(Algorithm::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}
