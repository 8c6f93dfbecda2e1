//! `wsproxy token` from outside: what it makes is taken by PyJWT and jwcrypto, what they make by it, and each
//! bad input has its sentence.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::tool;

const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "ES512", "EdDSA",
];

/// What it printed, what it complained of, how it ended.
struct Said {
    out: String,
    err: String,
    code: i32,
}

fn token(arguments: &[&str]) -> Said {
    piped(Command::new(env!("CARGO_BIN_EXE_wsproxy")).arg("token").args(arguments), "")
}

/// What a command that has to succeed printed, without the line's end.
fn made(arguments: &[&str]) -> String {
    let said = token(arguments);
    assert_eq!((said.code, &*said.err), (0, ""), "{arguments:?}: {}", said.out);
    said.out.trim_end().to_owned()
}

fn piped(command: &mut Command, input: &str) -> Said {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("writing");
    let output = child.wait_with_output().expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code().expect("no signal"),
    }
}

/// The other implementations, in the Python that `tests/run` sets up.
fn theirs(mode: &str, input: &Value) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/clients/tokens.py");
    let said = piped(Command::new(tool("venv/bin/python")).arg(script).arg(mode), &input.to_string());
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str::<Value>(&said.out).expect("JSON").as_array().expect("a list").clone()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("a file");
        self.path(name).display().to_string()
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[test]
fn what_others_sign_is_valid_here() {
    let folder = Folder::new();
    let all = theirs("make", &Value::Null);
    assert_eq!(all.iter().map(|case| text(case, "alg")).collect::<Vec<_>>(), ALGORITHMS);
    // One set with the keys of all algorithms, and one without those of the case.
    let set = |keys: Vec<&Value>| json!({ "keys": keys }).to_string();
    let keys = folder.write("jwks.json", &set(all.iter().map(|case| &case["public"]).collect()));
    for case in &all {
        let alg = text(case, "alg");
        let others = all.iter().filter(|other| text(other, "alg") != alg).map(|other| &other["public"]);
        let others = folder.write("others.json", &set(others.collect()));
        for library in ["jwcrypto", "pyjwt"] {
            let signed = text(&case["tokens"], library);
            let said = token(&["show", signed, "--keys", &keys]);
            assert_eq!((said.code, &*said.err), (0, ""), "{library}, {alg}: {}", said.out);
            assert!(said.out.contains(&format!("by the key \"the key for {alg}\"")), "{}", said.out);
            assert!(
                said.out.contains("  name   \"Grüße\"\n") && said.out.ends_with("\n=> valid\n"),
                "{}",
                said.out
            );
            let said = token(&["show", signed, "--keys", &others]);
            assert_eq!(said.code, 1, "{library}, {alg}, other keys: {}", said.out);
            let broken = format!("{}{}", &signed[..signed.len() - 8], "AAAAAAAA");
            let said = token(&["show", &broken, "--keys", &keys]);
            let why = "\n=> not valid: the token's signature is wrong\n";
            assert!(said.code == 1 && said.out.ends_with(why), "{library}, {alg}: {}", said.out);
        }
    }
}

#[test]
fn keys_that_others_wrote_are_read() {
    let folder = Folder::new();
    for case in theirs("make", &Value::Null).iter().filter(|case| !case["pem"].is_null()) {
        let alg = text(case, "alg");
        let mut public = case["public"].clone();
        public["kid"] = case["thumbprint"].clone();
        public["use"] = json!("sig");
        for pem in
            ["private", "public"].into_iter().flat_map(|kind| case["pem"][kind].as_array().expect("PEMs"))
        {
            let file = folder.write("key.pem", pem.as_str().expect("text"));
            let set: Value = serde_json::from_str(&made(&["jwks", "--key", &file])).expect("JSON");
            assert_eq!(set, json!({ "keys": [public] }), "{alg}: {pem}");
            let set: Value =
                serde_json::from_str(&made(&["jwks", "--key", &file, "--kid", "k", "--alg", alg]))
                    .expect("JSON");
            assert_eq!((&set["keys"][0]["kid"], &set["keys"][0]["alg"]), (&json!("k"), &json!(alg)));
        }
        let locked = folder.write("locked.pem", text(&case["pem"], "locked"));
        for command in [["jwks", "--key", &*locked], ["new", "--key", &*locked]] {
            let said = token(&command);
            assert!(said.code == 2 && said.err.contains("it is encrypted: openssl pkey"), "{}", said.err);
        }
    }
}

/// Tokens that we sign with keys of theirs, in every frame, and with keys of ours.
#[test]
fn what_we_sign_is_valid_elsewhere() {
    let folder = Folder::new();
    let mut signed = Vec::new();
    let claims = ["--subject", "alice", "--expires", "1h", "--claim", "n:=[1,2.5]", "--claim", "name=Grüße"];
    let mut sign = |file: &str, alg: &str, key: &Value| {
        let mut arguments = vec!["new", "--key", file, "--alg", alg];
        arguments.extend(claims);
        signed.push(json!({"alg": alg, "key": key, "token": made(&arguments)}));
    };
    for case in theirs("make", &Value::Null) {
        let (alg, public) = (text(&case, "alg"), &case["public"]);
        sign(&folder.write("key.jwk", &case["private"].to_string()), alg, public);
        for pem in case["pem"]["private"].as_array().into_iter().flatten() {
            sign(&folder.write("key.pem", pem.as_str().expect("text")), alg, public);
        }
    }
    let mut arguments = vec!["keys".to_owned(), folder.0.path().display().to_string()];
    arguments.extend(ALGORITHMS.iter().flat_map(|alg| ["--alg".to_owned(), (*alg).to_owned()]));
    made(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let private = folder.path("private.jwks.json").display().to_string();
    let public: Value =
        serde_json::from_slice(&fs::read(folder.path("jwks.json")).expect("a file")).expect("JSON");
    for (alg, key) in ALGORITHMS.iter().zip(public["keys"].as_array().expect("keys")) {
        assert_eq!((text(key, "alg"), text(key, "use"), key.get("d")), (*alg, "sig", None));
        sign(&private, alg, key);
    }
    for (told, case) in theirs("check", &json!(signed)).iter().zip(&signed) {
        assert_eq!(told["same"], true);
        assert_eq!((&told["header"]["alg"], &told["header"]["typ"]), (&case["alg"], &json!("JWT")));
        let claims = &told["claims"];
        assert_eq!(
            (text(claims, "sub"), text(claims, "name"), &claims["n"]),
            ("alice", "Grüße", &json!([1, 2.5]))
        );
        let lasts = claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat");
        assert_eq!(lasts, 3600);
    }
}

/// A secret for the tests that look at words.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_token_in_words() {
    let folder = Folder::new();
    let jwk = json!({"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "kid": "k"});
    let keys = folder.write("jwks.json", &json!({ "keys": [jwk] }).to_string());
    let claims = ["iat:=1767225600", "nbf:=1767225610", "exp:=1767225630.5", "evil=\u{1b}[2J\u{9b}x"];
    let mut arguments = vec!["new", "--key", &keys, "--audience", "a", "--audience", "b", "--issuer", "me"];
    arguments.extend(claims.iter().flat_map(|claim| ["--claim", claim]));
    let signed = made(&arguments);
    let at = |time: &str, more: &[&str]| {
        token(&[&["show", &*signed, "--keys", &*keys, "--at", time], more].concat())
    };
    let said = at("2026-01-01T00:00:15Z", &[]);
    let expected = "\
header
  alg  \"HS256\"
  typ  \"JWT\"
  kid  \"k\"
claims
  iss   \"me\"
  aud   [\"a\",\"b\"]
  iat   1767225600  issued 15s ago, 2026-01-01T00:00:00Z
  nbf   1767225610  began 5s ago, 2026-01-01T00:00:10Z
  exp   1767225630.5  expires in 15s, 2026-01-01T00:00:30Z
  evil  \"\\u001b[2J\\u009bx\"
checks
  fine   form       signed with HS256, 204 bytes
  fine   signature  by the key \"k\"
  fine   time       valid until 2026-01-01T00:00:30Z
=> valid
";
    let length = format!(" {} bytes", signed.len());
    assert_eq!((said.code, &*said.out, &*said.err), (0, &*expected.replace(" 204 bytes", &length), ""));
    let verdicts = [
        ("1767225609", &[][..], 1, "the token is valid in 1s, not yet"),
        ("1767225609", &["--leeway", "1s"], 0, ""),
        ("1767225631", &[], 1, "the token expired 0s ago"),
        ("1767225640", &["--leeway", "5s"], 1, "the token expired 9s ago"),
        ("1767225640", &["--leeway", "1m"], 0, ""),
    ];
    for (time, more, code, why) in verdicts {
        let said = at(time, more);
        assert_eq!(said.code, code, "{time}: {}", said.out);
        assert!(said.out.contains(why), "{time}: {}", said.out);
    }
    // The standard input brings it, with a line's end; without keys nothing is known.
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    let said = piped(command.args(["token", "show", "-", "--at", "1767225620"]), &format!("{signed}\n"));
    assert_eq!(said.code, 2);
    let end = "=> nothing wrong so far, but who signed it is not known: give --keys\n";
    assert!(said.out.ends_with(end), "{}", said.out);
    let weak = folder.write("weak.json", r#"{"keys":[{"kty":"oct","k":"c2hvcnQ","kid":"weak"}]}"#);
    let said = token(&["show", &signed, "--keys", &weak]);
    let note = "key 1 \"weak\" is used, but its secret has 5 bytes, less than the 32 that HS256 wants (RFC 7518, 3.2)";
    assert!(said.code == 1 && said.out.contains(note), "{}", said.out);
    let none = folder.write("none.json", r#"{"keys":[{"kty":"oct","k":"","kid":"none"}]}"#);
    let said = token(&["show", &signed, "--keys", &none]);
    assert!(said.out.contains("key 1 \"none\" is not used: its secret is empty"), "{}", said.out);
    assert!(said.out.ends_with("=> not valid: there is no key to verify the token with\n"), "{}", said.out);
}

#[test]
fn what_is_no_token_is_shown_as_far_as_it_goes() {
    let folder = Folder::new();
    let keys = folder
        .write("jwks.json", r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#);
    let cases = [
        ("", "the token is not three parts with dots between them"),
        ("a.b", "the token is not three parts with dots between them"),
        ("a.b.c.d.e", "the token is encrypted (JWE); only signed ones are read"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "the token is not signed: its algorithm is none"),
        (
            "eyJhbGciOiJIUzI1NiIsImFsZyI6Im5vbmUifQ.e30.",
            "the token's header is JSON in which a member stands twice",
        ),
    ];
    for (text, why) in cases {
        let said = token(&["show", text, "--keys", &keys]);
        assert!(
            said.code == 1 && said.out.ends_with(&format!("=> not valid: {why}\n")),
            "{text}: {}",
            said.out
        );
    }
    assert!(token(&["show", cases[3].0]).out.contains("claims\n  sub  \"a\"\n"));
}

#[test]
fn bad_input_has_its_sentence() {
    let folder = Folder::new();
    let pem = made(&["jwks", "--key", &new_keys(&folder)]);
    let public = folder.write("public.json", &pem);
    let private = folder.path("private.jwks.json").display().to_string();
    let nothing = folder.write("nothing.json", "{}");
    let html = folder.write("page.html", "<html>");
    let large = folder.write("large.json", &" ".repeat(2_000_000));
    let none = folder.path("none.pem").display().to_string();
    let cases: [(&[&str], &str); 19] = [
        (&["new"], "--key <FILE>"),
        (&["new", "--key", &private, "--secret", SECRET], "cannot be used with"),
        (&["new", "--secret", ""], "--secret: its secret is empty"),
        (&["new", "--secret", SECRET, "--alg", "ES256"], "--alg: the key is for HS256, HS384, HS512"),
        (&["new", "--secret", SECRET, "--alg", "none"], "expected one of HS256, HS384"),
        (&["new", "--secret", SECRET, "--expires", "soon"], "expected a time from now such as 30s"),
        (&["new", "--secret", SECRET, "--claim", "x"], "expected name=text, or name:=json"),
        (&["new", "--secret", SECRET, "--claim", "x:={"], "what is behind := is not JSON"),
        (&["new", "--secret", SECRET, "--claim", "x:={\"a\":1,\"a\":2}"], "a member stands twice"),
        (&["new", "--key", &none], "No such file"),
        (
            &["new", "--key", &nothing],
            "expected a JWK, which has a \"kty\", or a JWK Set, which has \"keys\"",
        ),
        (&["new", "--key", &html], "expected a PEM, a JWK or a JWK Set; this is not JSON"),
        (&["new", "--key", &large], "it has more than 1048576 bytes"),
        (&["new", "--key", &public], "the key cannot sign: it is a public key, which cannot sign"),
        (&["new", "--key", &private, "--alg", "RS256"], "--alg: the key is for ES256"),
        (&["jwks", "--key", &public, "--alg", "RS256"], "RS256 is not for a key of this kind"),
        (&["show", "a.b.c", "--keys", &none], "No such file"),
        (&["show", "a.b.c", "--at", "tomorrow"], "expected a date such as 2026-01-31T12:00:00Z"),
        (&["keys", &folder.0.path().display().to_string()], "there is one already, which stays as it is"),
    ];
    for (arguments, why) in cases {
        let said = token(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(why), "{arguments:?}: {}", said.err);
    }
    let short = token(&["new", "--secret", "hunter2-hunter2"]);
    assert_eq!(short.code, 0, "{}", short.err);
    assert!(short.err.contains("its secret has 15 bytes, less than the 32"), "{}", short.err);
    assert!(!short.err.contains("hunter2-hunter2"), "{}", short.err);
}

/// A new key of ES256; the path of the private set.
fn new_keys(folder: &Folder) -> String {
    made(&["keys", &folder.0.path().display().to_string()]);
    folder.path("private.jwks.json").display().to_string()
}

#[test]
fn private_keys_are_for_their_owner_alone() {
    let folder = Folder::new();
    let told = made(&["keys", "--alg", "ES256", "--alg", "HS256", &folder.0.path().display().to_string()]);
    assert!(told.contains("the secrets of HS keys are in it, too"), "{told}");
    let mode = |name: &str| fs::metadata(folder.path(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("private.jwks.json"), mode("jwks.json")), (0o600, 0o600));
    let other = Folder::new();
    let private = new_keys(&other);
    let text = fs::read_to_string(private).expect("the private set");
    let d = serde_json::from_str::<Value>(&text).expect("JSON")["keys"][0]["d"].clone();
    let public = fs::read_to_string(other.path("jwks.json")).expect("the public set");
    assert!(!public.contains(d.as_str().expect("d")));
}

#[test]
fn a_set_has_the_key_that_is_asked_for() {
    let folder = Folder::new();
    made(&[
        "keys",
        "--alg",
        "ES256",
        "--alg",
        "EdDSA",
        "--alg",
        "ES256",
        &folder.0.path().display().to_string(),
    ]);
    let private = folder.path("private.jwks.json").display().to_string();
    let keys: Value = serde_json::from_slice(&fs::read(&private).expect("a file")).expect("JSON");
    let third = text(&keys["keys"][2], "kid");
    let header = |arguments: &[&str]| {
        let signed = made(&[&["new", "--key", &*private], arguments].concat());
        token(&["show", &signed]).out.lines().take(4).collect::<Vec<_>>().join(" ")
    };
    assert!(header(&[]).contains(text(&keys["keys"][0], "kid")));
    assert!(header(&["--alg", "EdDSA"]).contains(text(&keys["keys"][1], "kid")));
    assert!(header(&["--kid", third]).contains(third));
    assert!(header(&["--header", "kid=other", "--header", "x:=1"]).contains("kid  \"other\""));
    // A thumbprint may begin with a hyphen.
    let said = token(&["new", "--key", &private, "--kid", "-nobody"]);
    assert!(said.code == 2 && said.err.contains("none of its keys has the --kid"), "{}", said.err);
}

#[test]
fn the_page_about_tokens_names_every_option() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tokens.md")).expect("the page");
    for command in ["new", "show", "keys", "jwks"] {
        assert!(page.contains(&format!("token {command}")), "{command}");
        let help = made(&[command, "--help"]);
        let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        let unnamed: Vec<_> =
            options.filter(|option| *option != "--help" && !page.contains(*option)).collect();
        assert!(unnamed.is_empty(), "token {command}: {unnamed:?}");
    }
}
