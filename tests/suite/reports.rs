//! The forms of `wsproxy check` for other programs, read by somebody else's parsers and schemas.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::tool;

/// A folder with files to check in it.
pub struct Folder(TempDir);

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// `wsproxy check` with these arguments, in the folder.
    pub fn check(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
        command.current_dir(self.path()).arg("check").args(arguments).stdin(Stdio::null());
        command.output().expect("the binary")
    }

    /// What it prints in this form about a file.
    pub fn printed(&self, form: &str, file: impl AsRef<OsStr>) -> String {
        let output = self.check(&[OsStr::new("--format"), OsStr::new(form), file.as_ref()]);
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn json(&self, form: &str, file: impl AsRef<OsStr>) -> Value {
        serde_json::from_str(&self.printed(form, file)).expect("JSON")
    }
}

/// A file whose name and content have everything that is special in some form.
fn nasty() -> (Folder, OsString) {
    let folder = Folder::new(&[]);
    let name = OsString::from_vec(b"a \"b\"<&>,:%;\n\x1b\xff.conf".to_vec());
    folder.write(&name, b"events { }\nhttp {\n    \"x\\\"<y>&%0A,:\x1b[31m\nz\xff\" on;\n}\n");
    (folder, name)
}

/// Mistakes stand in a server of their own: rules are silent about blocks that hold some.
const SITE: &str = "\
events { }
http {
    server {
        sever { }
        gzip on;
        gzip off;
    }
    ssl_certificate no.pem;
    ssl_certificate_key no.key;
    include part.conf;
    upstream nobody { }
    server {
        listen 8080;
        location /chat {
            proxy_pass http://127.0.0.1:9000;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
    }
}
";
const PART: &str = "charset utf-8;\nallow 10.0.0.1/8;\n";

fn site() -> Folder {
    Folder::new(&[("a b.conf", SITE), ("part.conf", PART)])
}

/// What a JSON schema that comes with the tools says about files.
pub fn validate(schema: &[&OsStr], files: &[PathBuf]) {
    let mut command = Command::new(tool("venv/bin/check-jsonschema"));
    let output = command.args(schema).args(files).output().expect("check-jsonschema");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().expect("a list")
}

fn rule_of<'l>(log: &'l Value, result: &Value) -> &'l Value {
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], result["ruleId"]);
    rule
}

/// Every bad example of a rule.
fn examples() -> Vec<PathBuf> {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules")).expect("rules");
    let mut files: Vec<PathBuf> =
        folders.map(|folder| folder.expect("an entry").path().join("bad.conf")).collect();
    files.sort();
    files
}

#[test]
fn sarif_is_what_its_schema_says() {
    let logs = Folder::new(&[]);
    let write = |name: &str, text: String| logs.write(name, text);
    let (folder, name) = nasty();
    let mut all = examples();
    assert!(all.len() >= 5);
    let every_rule = ["--format", "sarif", "--profile", "pedantic,security,compat"];
    all.splice(0..0, every_rule.map(PathBuf::from));
    let files = [
        write("site.sarif", site().printed("sarif", "a b.conf")),
        write("nasty.sarif", folder.printed("sarif", &name)),
        write("nothing.sarif", Folder::new(&[("a.conf", "events { }\n")]).printed("sarif", "a.conf")),
        write("rules.sarif", String::from_utf8(site().check(&all).stdout).expect("text")),
    ];
    let schema = tool("node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    // A pattern of the schema is one for JavaScript as it was.
    let words = ["--regex-variant", "nonunicode", "--schemafile"].map(OsStr::new);
    validate(&[&words[..], &[schema.as_os_str()]].concat(), &files);
}

#[test]
fn sarif_has_what_github_asks_for() {
    let folder = site();
    let log = folder.json("sarif", "a b.conf");
    assert!(results(&log).len() >= 6, "{log:#}");
    let (mut uris, mut levels) = (BTreeSet::new(), BTreeSet::new());
    for result in results(&log) {
        let rule = rule_of(&log, result);
        for member in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[member]["text"].as_str().is_some_and(|text| text.len() > 5), "{rule:#}");
        }
        assert!(rule["help"]["markdown"].is_string(), "{rule:#}");
        assert!(rule["properties"]["precision"].is_string(), "{rule:#}");
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(place["uriBaseId"], "%SRCROOT%");
        uris.insert(place["uri"].as_str().expect("a URI"));
        levels.insert(result["level"].as_str().expect("a level"));
    }
    assert_eq!(Vec::from_iter(uris), ["a%20b.conf", "part.conf"]);
    assert_eq!(Vec::from_iter(levels), ["error", "note", "warning"]);
    let idle = results(&log).iter().find(|one| one["ruleId"] == "WS109").expect("a finding of a rule");
    let rule = rule_of(&log, idle);
    assert_eq!(rule["name"], "ws-idle-timeout");
    assert_eq!(rule["properties"]["problem.severity"], "recommendation");
    let help = rule["help"]["markdown"].as_str().unwrap();
    assert!(
        help.contains("```nginx\n") && help.contains("`# wsproxy: allow(ws-idle-timeout) why`"),
        "{help}"
    );
    let typo = results(&log).iter().find(|one| one["ruleId"] == "unknown-directive").expect("a typo");
    assert_eq!(typo["fixes"][0]["properties"]["safe"], false);
    let refused = results(&log).iter().find(|one| one["ruleId"] == "empty-upstream").expect("a refusal");
    assert_eq!(rule_of(&log, refused)["shortDescription"]["text"], "An upstream without servers.");
    let twice = results(&log).iter().find(|one| one["ruleId"] == "duplicate-directive").expect("a duplicate");
    let related = &twice["relatedLocations"][0];
    let link = format!("[{}]({})", related["message"]["text"].as_str().unwrap(), related["id"]);
    assert!(twice["message"]["text"].as_str().unwrap().ends_with(&link), "{twice:#}");
}

#[test]
fn sarif_names_no_root_for_what_lies_elsewhere() {
    let folder = site();
    let elsewhere = Folder::new(&[("x.conf", "events { }\nhttp { sever; }\n")]);
    let log = folder.json("sarif", elsewhere.path().join("x.conf"));
    let place = &results(&log)[0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert!(place["uri"].as_str().unwrap().starts_with("file:///"), "{place}");
    assert!(place["uriBaseId"].is_null());
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let marks = |text: &str| {
        let folder = Folder::new(&[("site.conf", text), ("part.conf", PART)]);
        let log = folder.json("sarif", "site.conf");
        let known = |one: &Value| one["partialFingerprints"].as_object().unwrap().clone();
        let sarif: Vec<_> = results(&log).iter().map(known).collect();
        let gitlab = folder.json("gitlab", "site.conf");
        let gitlab = gitlab.as_array().unwrap().iter().map(|one| one["fingerprint"].to_string());
        (sarif, gitlab.collect::<Vec<String>>())
    };
    let (sarif, gitlab) = marks(SITE);
    assert_eq!((sarif.clone(), gitlab.clone()), marks(&format!("# A new first line.\n\n{SITE}")));
    assert_eq!(sarif[0].len(), 2);
    assert_eq!(BTreeSet::from_iter(&gitlab).len(), gitlab.len());
    // GitHub's hash is of the lines that follow as well; ours is of the line.
    let (edited, _) = marks(&SITE.replace("gzip on", "gzip  off"));
    assert_eq!(edited[0]["wsproxyFinding/v1"], sarif[0]["wsproxyFinding/v1"]);
    assert_ne!(edited[0]["primaryLocationLineHash"], sarif[0]["primaryLocationLineHash"]);
}

#[test]
fn github_is_told_a_line_for_each_finding() {
    let said = site().printed("github", "a b.conf");
    let first = said.lines().next().expect("a line");
    let expected = "::error file=a b.conf,line=4,endLine=4,col=9,endColumn=14,title=unknown-directive::\
                    a b.conf:4:9: unknown directive \"sever\"";
    assert_eq!(first, expected);
    assert!(said.contains(",title=ws-idle-timeout (WS109)::a b.conf:14:9: "), "{said}");
    assert!(said.contains("\n::notice file=a b.conf,"), "{said}");
    let notices = said.lines().filter(|line| line.starts_with("::notice ")).count();
    assert!(said.lines().last().unwrap().ends_with(&format!(" in 2 files; {notices} infos")), "{said}");
}

/// Undoes GitHub's escapes, as its runner does.
fn unescaped(text: &str) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
    text.replace("%25", "%")
}

#[test]
fn no_name_and_no_message_breaks_out_of_a_command() {
    let (folder, name) = nasty();
    let said = folder.printed("github", &name);
    let commands: Vec<&str> = said.lines().collect();
    assert_eq!(commands.len(), 2, "{said}");
    let (command, message) = commands[0].strip_prefix("::").unwrap().split_once("::").unwrap();
    let (level, properties) = command.split_once(' ').unwrap();
    assert_eq!(level, "error");
    let properties: Vec<(&str, &str)> =
        properties.split(',').map(|one| one.split_once('=').unwrap()).collect();
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["file", "line", "endLine", "title"]);
    assert_eq!(unescaped(properties[0].1), "a \"b\"<&>,:%;\n␛\u{fffd}.conf");
    assert!(unescaped(message).contains("unknown directive \"x\"<y>&%0A,:␛[31m\nz"), "{message}");
}

#[test]
fn checkstyle_is_xml_that_says_the_same() {
    const READ: &str = "
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
print(json.dumps([root.tag, [[file.get('name'), [dict(one.attrib) for one in file]] for file in root]]))";
    let read = |text: String| -> Value {
        let input = Folder::new(&[("report.xml", &text)]);
        let file = fs::File::open(input.path().join("report.xml")).expect("the report");
        let mut python = Command::new(tool("venv/bin/python"));
        let output = python.args(["-c", READ]).stdin(file).output().expect("Python");
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let report = read(site().printed("checkstyle", "a b.conf"));
    assert_eq!(report[0], "checkstyle");
    assert_eq!((&report[1][0][0], &report[1][1][0]), (&"a b.conf".into(), &"part.conf".into()));
    let expected = serde_json::json!({
        "line": "4", "column": "9", "severity": "error", "message": "unknown directive \"sever\"",
        "source": "wsproxy.unknown-directive",
    });
    assert_eq!(report[1][0][1][0], expected);
    let (folder, name) = nasty();
    let report = read(folder.printed("checkstyle", &name));
    assert_eq!(report[1][0][0], "a \"b\"<&>,:%;\n␛\u{fffd}.conf");
    let message = report[1][0][1][0]["message"].as_str().unwrap();
    assert!(message.starts_with("unknown directive \"x\"<y>&%0A,:␛[31m\nz"), "{message}");
    assert_eq!(
        read(Folder::new(&[("a.conf", "events { }\n")]).printed("checkstyle", "a.conf"))[1],
        Value::Array(vec![])
    );
}

#[test]
fn gitlab_gets_what_its_reports_need() {
    let twice = format!("{SITE}sever;\nsever;\n");
    let folder = Folder::new(&[("conf/site.conf", &twice), ("conf/part.conf", PART)]);
    // However the file is named, its path is that from the current directory.
    let report = folder.json("gitlab", folder.path().join("conf/../conf/site.conf"));
    let issues = report.as_array().expect("a list");
    for issue in issues {
        assert!(!issue["description"].as_str().unwrap().is_empty());
        assert!(["major", "minor", "info"].contains(&issue["severity"].as_str().unwrap()));
        assert!(["conf/site.conf", "conf/part.conf"].contains(&issue["location"]["path"].as_str().unwrap()));
        assert!(issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line > 0));
    }
    assert_eq!(issues[0]["check_name"], "unknown-directive");
    let marks: BTreeSet<&str> = issues.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(marks.len(), issues.len());
    let (folder, name) = nasty();
    let report = folder.json("gitlab", &name);
    assert_eq!(report[0]["location"]["path"], "a \"b\"<&>,:%;\n\u{1b}\u{fffd}.conf");
    assert_eq!(Folder::new(&[("a.conf", "events { }\n")]).json("gitlab", "a.conf"), Value::Array(vec![]));
}

/// That wsproxy would not serve a directive is not for who reviews a change.
#[test]
fn reviews_are_not_told_what_is_not_served() {
    for form in ["sarif", "github", "gitlab", "checkstyle"] {
        assert!(!site().printed(form, "a b.conf").contains("not-served"), "{form}");
        let all = site().check(&["--verbose", "--format", form, "a b.conf"]);
        assert!(String::from_utf8_lossy(&all.stdout).contains("not-served"), "{form}");
    }
}

#[test]
fn json_names_the_rule_and_counts_by_severity() {
    let report = site().json("json", "a b.conf");
    let found = report["diagnostics"].as_array().unwrap();
    let of = |code: &str| found.iter().find(|one| one["code"] == code).expect("a finding");
    let rule = serde_json::json!({
        "id": "WS109", "group": "WebSockets", "profile": "default", "docs": "docs/rules.md#ws-idle-timeout",
    });
    assert_eq!(of("ws-idle-timeout")["rule"], rule);
    assert!(of("unknown-directive")["rule"].is_null());
    let counted = |severity: &str| found.iter().filter(|one| one["severity"] == severity).count();
    let summary = serde_json::json!({
        "errors": counted("error"), "warnings": counted("warning"), "infos": counted("info"), "files": 2,
        "in_baseline": 0,
    });
    assert_eq!(report["summary"], summary);
}
