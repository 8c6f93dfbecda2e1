//! Names that are too long for a bucket of the hash table nginx keeps them in (`ngx_hash_init`).

use std::collections::HashMap;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::{Directive, NodeId, Word};

use super::{Build, Whole};

/// The size of a bucket where it is not written: a line of the processor's cache.
const BUCKET: u64 = 64;

/// What an element takes besides its name: a pointer; and a bucket besides its elements.
const POINTER: u64 = 8;

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::HTTP) {
        server_names(whole, block, build);
        maps(whole, block, build);
    }
}

/// Whether a name fits a bucket of this size (`NGX_HASH_ELT_SIZE`).
fn fits(name: &[u8], bucket: u64) -> bool {
    let element = POINTER + (name.len() as u64 + 2).next_multiple_of(POINTER);
    element + POINTER <= bucket.next_multiple_of(BUCKET)
}

fn bucket(whole: &Whole, block: Option<NodeId>, name: &str) -> u64 {
    let line = whole.in_effect(block, name);
    line.and_then(|line| values::size(&line.args.first()?.value)).unwrap_or(BUCKET)
}

fn too_long(word: &Word, table: &str, bucket: u64, build: &mut Build) {
    let message = format!("could not build {table}, you should increase {table}_bucket_size: {bucket}");
    let finding = Diagnostic::error("hash-bucket-size", word.span, message)
        .here(format!("this name has {} bytes", word.value.len()))
        .help(format!("in \"http\": {table}_bucket_size {};", bucket.next_multiple_of(BUCKET) * 2));
    build.diagnostics.push(finding);
}

/// Names are put into a table where an address has several servers.
fn server_names(whole: &Whole, http: Option<NodeId>, build: &mut Build) {
    let size = bucket(whole, http, "server_names_hash_bucket_size");
    let servers: Vec<&Directive> =
        whole.tree.items(http).filter(|directive| directive.is("server")).collect();
    let mut shared: HashMap<Vec<u8>, usize> = HashMap::new();
    let addresses = |server: &Directive| -> Vec<Vec<u8>> {
        let listens = whole.tree.items(Some(server.id)).filter(|directive| directive.is("listen"));
        let words: Vec<Vec<u8>> =
            listens.filter_map(|listen| Some(super::ssl::canonical(&listen.args.first()?.value))).collect();
        if words.is_empty() { vec![b"*:80".to_vec()] } else { words }
    };
    for server in &servers {
        for address in addresses(server) {
            *shared.entry(address).or_default() += 1;
        }
    }
    for server in servers {
        if !addresses(server).iter().any(|address| shared[address] > 1) {
            continue;
        }
        for names in whole.tree.items(Some(server.id)).filter(|directive| directive.is("server_name")) {
            let long = |word: &&Word| !word.value.starts_with(b"~") && !fits(bare(&word.value), size);
            if let Some(word) = names.args.iter().find(long) {
                too_long(word, "server_names_hash", size, build);
            }
        }
    }
}

/// A name without the part that stands for anything; what is left is kept.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"*.").or(name.strip_prefix(b".")).or(name.strip_suffix(b".*")).unwrap_or(name)
}

fn maps(whole: &Whole, http: Option<NodeId>, build: &mut Build) {
    let size = bucket(whole, http, "map_hash_bucket_size");
    for map in whole.tree.items(http).filter(|directive| directive.is("map")) {
        let hostnames = whole.own(Some(map.id), "hostnames").is_some();
        for line in whole.tree.items(Some(map.id)).filter(|line| !line.is("include") && line.args.len() == 1)
        {
            let key = line.name.value.strip_prefix(b"\\").unwrap_or(&line.name.value);
            let key = if hostnames { bare(key) } else { key };
            if !line.name.value.starts_with(b"~") && !fits(key, size) {
                too_long(&line.name, "map_hash", size, build);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_of_64_bytes_holds_46() {
        assert!(fits(&[b'a'; 46], 64));
        assert!(!fits(&[b'a'; 47], 64));
        assert!(fits(&[b'a'; 47], 128));
    }
}
