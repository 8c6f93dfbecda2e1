//! What depends on the version of nginx.

use crate::lint::Rule;

pub const VULNERABILITIES: &[&Rule] = &[];

pub const RULES: &[&Rule] = &[];
