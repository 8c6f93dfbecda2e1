//! Certificates, protocols, ciphers.

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[];
