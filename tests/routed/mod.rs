//! What `wsproxy route` says to the command lines that a configuration begins with.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs each line `# wsproxy route …` in a shell's way of quoting with `'`.
pub fn routed(case: &Path) -> String {
    let text = fs::read_to_string(case).unwrap();
    let asked = text.lines().filter_map(|line| line.strip_prefix("# wsproxy route "));
    let mut out = String::new();
    for line in asked {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
        let output = command.args(["route", "-c"]).arg(case).args(words(line)).output().unwrap();
        writeln!(out, "$ wsproxy route {line}").unwrap();
        out.push_str(&String::from_utf8_lossy(&output.stdout));
        out.push_str(&String::from_utf8_lossy(&output.stderr));
        writeln!(out, "exit {}\n", output.status.code().unwrap_or(-1)).unwrap();
    }
    out.replace(&format!("{}/", std::env::current_dir().unwrap().display()), "")
}

fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let word = |(at, part): (usize, &str)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    parts.flat_map(word).collect()
}
