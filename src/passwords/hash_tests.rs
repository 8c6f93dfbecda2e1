use proptest::prelude::*;

use super::*;

/// The passwords of `fixtures/passwords/crypt.tsv` by their names there.
fn password(name: &str) -> Vec<u8> {
    match name {
        "secret" => b"secret".to_vec(),
        "empty" => Vec::new(),
        "odd" => "päss w:rd".into(),
        "x*80" => vec![b'x'; 80],
        "y*511" => vec![b'y'; 511],
        other => panic!("no password {other}"),
    }
}

fn vectors() -> impl Iterator<Item = (Vec<u8>, &'static str)> {
    let lines = include_str!("../../fixtures/passwords/crypt.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).map(|line| {
        let (name, hash) = line.split_once('\t').expect("two columns");
        (password(name), hash)
    })
}

/// How many bytes of a password such a hash is made of.
fn counts(form: Form) -> usize {
    match form {
        Form::Des => 8,
        Form::Bcrypt => 72,
        _ => usize::MAX,
    }
}

#[test]
fn what_crypt_makes_of_a_password_is_of_that_password_and_of_no_other() {
    let mut forms = std::collections::HashSet::new();
    for (password, text) in vectors() {
        let hash = Hash::read(text.as_bytes()).unwrap_or_else(|| panic!("{text} is not known"));
        forms.insert(format!("{}", hash.form));
        assert!(hash.is_of(&password), "{text}");
        // A byte more makes no difference where it does not count, unless there are too many of them then.
        let same = (counts(hash.form)..511).contains(&password.len());
        assert_eq!(hash.is_of(&[&password[..], b"!"].concat()), same, "{text} and one byte more");
        if let Some((_, fewer)) = password.split_last().filter(|_| password.len() <= counts(hash.form)) {
            assert!(!hash.is_of(fewer), "{text} and one byte less");
        }
    }
    assert_eq!(forms.len(), 9, "{forms:?}");
}

#[test]
fn a_password_ends_at_a_zero_as_it_does_to_nginx() {
    for text in ["{PLAIN}a", "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g=", "$1$a$B.ydUVxIdg9ZxREnHIpFW0"] {
        let hash = Hash::read(text.as_bytes()).expect("a form");
        assert_eq!(hash.is_of(b"a\0b"), hash.is_of(b"a"), "{text}");
        assert!(!hash.is_of(b"\0a"), "{text}");
    }
}

#[test]
fn no_password_is_too_long_to_be_wrong() {
    let long = vec![b'y'; 512];
    for text in ["$1$$l6KJBivqKRo3BLD2D6zci0", "$5$$jf2Uw7.6YoCByiZGlhPXKjKeYa11iWH0Gpj3X7BTt0A"] {
        let hash = Hash::read(text.as_bytes()).expect("a form");
        assert!(!hash.is_of(&long) && hash.is_of(&long[1..]), "{text}");
    }
}

/// To these crypt(3) says `*0`, or they are forms that we do not know; no password is right.
#[test]
fn what_crypt_refuses_is_no_hash() {
    for text in [
        "",
        "*0",
        "!",
        "x",
        "plain",
        "$",
        "$1",
        "$3$",
        "$5$rounds=10$abc$x",
        "$6$rounds=01000$abc$x",
        "$6$rounds=1000000000$abc$x",
        "$6$rounds=x$abc$x",
        "$6$rounds=5000",
        "$2b$04$short",
        "$2b$03$......................w74bL5gU7LSJClZClCa.Pkz14aTv/XO",
        "$2b$+4$......................w74bL5gU7LSJClZClCa.Pkz14aTv/XO",
        "$2x$04$......................w74bL5gU7LSJClZClCa.Pkz14aTv/XO",
        "$y$j75$abcdefgh$short",
        "$y$jzz$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01",
        "$y$j$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01",
        "{SSHA}",
        "{SSHA}c2hvcnQ=",
        "{MD5}x",
        "_J9..rasmz0.F/jqjWck",
        "$aNANd1rDfiNc",
    ] {
        assert!(Hash::read(text.as_bytes()).is_none(), "{text}");
    }
}

proptest! {
    /// Whatever a file has in the place of a hash, it is no reason to fall over, nor to let anybody in.
    #[test]
    fn no_text_is_a_hash_by_chance(text in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..9) {
        let start = ["{SHA}", "{SSHA}", "$1$", "$apr1$", "$5$", "$6$", "$2y$04$", "$y$j75$", ""][at];
        let text = [start.as_bytes(), &text].concat();
        if let Some(hash) = Hash::read(&text).filter(|hash| hash.form < Form::ShaCrypt) {
            prop_assert!(!hash.is_of(b"password"));
        }
    }

    /// A hash with one byte changed is none of the password's, as long as that byte is of what was computed.
    #[test]
    fn a_changed_hash_lets_nobody_in(which in 0usize..60, place in 0usize..11, by in 1u8..64) {
        let all: Vec<_> = vectors().collect();
        let (password, text) = &all[which % all.len()];
        let mut text = text.as_bytes().to_vec();
        let quick = Hash::read(&text).is_some_and(|hash| !matches!(hash.form, Form::Yescrypt | Form::ShaCrypt | Form::Plain));
        if quick {
            let at = text.len() - 1 - place;
            text[at] ^= by;
            // The last digit may have bits that stand for nothing.
            let last = place == 0 || text[at] == b'=';
            prop_assert!(last || Hash::read(&text).is_none_or(|hash| !hash.is_of(password)));
        }
    }
}
