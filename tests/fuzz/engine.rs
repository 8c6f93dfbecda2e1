//! A small fuzzer for the stable toolchain: mutates a corpus and keeps what comes out differently.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs longer than this are cut.
const LONGEST: usize = 4096;
/// How many inputs are kept for mutation beside the corpus.
const MOST_KEPT: usize = 4096;

/// Feeds the corpus in `folders` to `target`, then mutations of it for `FUZZ_SECONDS` (2) seconds, from
/// the seed `FUZZ_SEED` (1). The target panics where a property does not hold, and else says what kind
/// of outcome it had; an input with an outcome of a new kind is mutated further.
#[allow(dead_code, reason = "not every test that mounts this file asks for it")]
pub fn fuzz<Outcome: Hash>(
    folders: &[&str],
    words: &[&[u8]],
    target: impl Fn(&[u8], &mut Random) -> Outcome,
) {
    let (seed, seconds) = (number("FUZZ_SEED", 1), number("FUZZ_SECONDS", 2));
    let mut random = Random(seed);
    let mut kept = corpus(folders);
    let mut kinds = HashSet::new();
    for input in &kept {
        kinds.insert(run(input, &mut random, &target));
    }
    let seeds = kept.len();
    let (end, mut runs) = (Instant::now() + Duration::from_secs(seconds), 0_u64);
    while Instant::now() < end {
        let input = mutate(&kept, words, &mut random);
        if kinds.insert(run(&input, &mut random, &target)) && kept.len() < seeds + MOST_KEPT {
            kept.push(input);
        }
        runs += 1;
    }
    println!("{runs} inputs from {seeds} seeds, {} kinds of outcome, seed {seed}", kinds.len());
}

/// The corpus in `folders`, and `count` mutations of it that are the same every time.
#[allow(dead_code, reason = "not every test that mounts this file asks for it")]
pub fn mutations(folders: &[&str], words: &[&[u8]], seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let seeds = corpus(folders);
    let mutations: Vec<_> = (0..count).map(|_| mutate(&seeds, words, &mut random)).collect();
    seeds.into_iter().chain(mutations).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn corpus(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).expect(folder))
        .map(|entry| entry.expect("an entry of the corpus").path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "tree"))
        .collect();
    paths.sort();
    let mut inputs: Vec<_> = paths.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect();
    inputs.iter_mut().for_each(|input| input.truncate(LONGEST));
    assert!(!inputs.is_empty(), "no corpus in {folders:?}");
    inputs
}

/// Runs one input; where the target panics, shows what to put into the corpus.
fn run<Outcome: Hash>(
    input: &[u8],
    random: &mut Random,
    target: impl Fn(&[u8], &mut Random) -> Outcome,
) -> u64 {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input, random))).unwrap_or_else(|panic| {
        println!("the input that failed, as a Rust byte string:\nb\"{}\"", input.escape_ascii());
        resume_unwind(panic)
    });
    let mut hasher = DefaultHasher::new();
    outcome.hash(&mut hasher);
    hasher.finish()
}

fn mutate(kept: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(kept).clone();
    for _ in 0..=random.below(4) {
        let (from, to) = random.range(input.len());
        match random.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => insert(&mut input, from, &[random.below(256) as u8]),
            2 => insert(&mut input, from, &[*random.pick(b"\0\t\n\r \"#%'./:;?\\{}0\x7f\x80\xff")]),
            3 | 4 => insert(&mut input, from, words[random.below(words.len())]),
            5 => drop(input.drain(from..to)),
            6 => {
                let part = input[from..to].to_vec();
                insert(&mut input, to, &part);
            }
            7 => input.truncate(to),
            _ => {
                let other = random.pick(kept);
                let (start, end) = random.range(other.len());
                insert(&mut input, from, &other[start..end]);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let (a, b) = (self.below(length + 1), self.below(length + 1));
        (a.min(b), a.max(b))
    }
}
