//! Files of users: whatever is in one, nobody gets in whose password nobody wrote down.

use std::collections::BTreeSet;

use wsproxy::http1::Credentials;
use wsproxy::passwords::{Form, Trouble, UserFile, troubles};

use crate::engine::fuzz;

#[test]
fn users() {
    let words: [&[u8]; 20] = [
        b"ann:",
        b":",
        b"\n",
        b"\r\n",
        b"#",
        b"\0",
        b"{PLAIN}",
        b"{SHA}",
        b"{SSHA}",
        b"$1$",
        b"$apr1$",
        b"$5$rounds=1000$",
        b"$6$",
        b"$2y$04$",
        b"abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        b"$y$j75$abcdefgh$",
        b"uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01",
        b"abNANd1rDfiNc",
        b"====",
        b"rounds=999999999",
    ];
    fuzz(&["fuzz/corpus/users"], &words, |input, _| {
        let file = UserFile::parse(input);
        let found = troubles(input);
        let mut shape = BTreeSet::new();
        for line in input.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0) else {
                continue;
            };
            let Some(entry) = file.find(&line[..colon]) else { continue };
            shape.insert(format!("{:?}", entry.hash.as_ref().map(|hash| hash.form)));
            let Some(hash) = &entry.hash else {
                assert!(found.contains(&(entry.line, Trouble::Unknown)), "line {} is told of", entry.line);
                continue;
            };
            // Slow ones have their share of tries in the tests of each form.
            if hash.form < Form::Md5 {
                assert!(
                    !hash.is_of(b"a password that is in no file")
                        || input.windows(13).any(|part| part == b"a password th")
                );
            }
        }
        assert!(file.find(b"").is_none_or(|entry| found.contains(&(entry.line, Trouble::NoName))));
        let sent = [b"Basic ", input].concat();
        shape.insert(format!("{:?}", Credentials::read(&sent).map(|one| one.user().len().min(4))));
        (shape, found.len().min(8))
    });
}
