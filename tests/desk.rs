//! The desk from the command line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use serde_json::Value;
use support::{Desk, finished, page};

/// A desk that serves, and what it said when it began to.
struct Serving {
    child: Child,
    ready: Value,
}

impl Serving {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let all = [&["--json", "desk", "serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = desk.command(&all).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        child.stdout = Some(stdout.into_inner());
        assert!(line.starts_with('{'), "it does not serve: {:?}", finished(child.wait_with_output().unwrap()));
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.ready["address"].as_str().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn end(self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let run = finished(self.child.wait_with_output().unwrap()).expect(0);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("the desk has ended"), "{run:?}");
    }
}

fn with_escrow() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

#[test]
fn it_serves_this_machine_until_it_is_ended() {
    let desk = with_escrow();
    let serving = Serving::start(&desk, &[]);
    assert!(serving.ready["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(serving.ready["fingerprint"], Value::Null);
    assert!(serving.get("/healthz").contains("200 OK"));
    // Another desk of the same escrow answers as well.
    let second = Serving::start(&desk, &[]);
    assert!(second.get("/healthz").contains("200 OK"));
    serving.end();
    second.end();
    let deeds = desk.json(&["escrow", "audit", "list", "--kind", "desk-opened"]);
    assert_eq!(deeds.as_array().map(Vec::len), Some(2), "{deeds}");
}

#[test]
fn a_certificate_is_made_once_and_then_served() {
    let desk = with_escrow();
    let made = desk.json(&["desk", "certificate", "--host", "desk.example.com", "--host", "127.0.0.1"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = desk.run(&["--json", "desk", "certificate", "--host", "desk.example.com"]).expect(8);
    assert_eq!(again.error_code(), "certificate-exists");
    let serving = Serving::start(&desk, &[]);
    assert!(serving.ready["url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    assert_eq!(serving.ready["fingerprint"], made["fingerprint"]);
    serving.end();
    let plain = Serving::start(&desk, &["--plain"]);
    assert!(plain.get("/healthz").contains("200 OK"));
    plain.end();
    let cert = made["certificate"].as_str().unwrap();
    let wrong = desk.run(&["--json", "desk", "serve", "--cert", cert, "--key", cert]).expect(7);
    assert_eq!(wrong.error_code(), "certificate-refused");
    let unwritten = desk.home().join("no/cert.pem");
    let unwritten = unwritten.to_str().unwrap();
    let failed = desk.run(&["--json", "desk", "certificate", "--host", "x", "--cert", unwritten, "--key", unwritten]);
    assert_eq!(failed.expect(7).error_code(), "certificate-unwritten");
}

#[test]
fn other_machines_are_not_served_without_tls() {
    let desk = with_escrow();
    let refused = desk.run(&["--json", "desk", "serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert_eq!(refused.error_code(), "desk-plain");
}

#[test]
fn a_service_manager_hands_the_passphrase_over() {
    let desk = Desk::without_readers();
    let credentials = desk.home().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let file = credentials.join("oathburn-passphrase");
    std::fs::write(&file, "correct horse battery staple\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    desk.run(&["escrow", "init", "--passphrase-file", file.to_str().unwrap()]).expect(0);
    // Nobody can be asked.
    let locked = desk.run(&["--json", "desk", "serve", "--listen", "127.0.0.1:0"]).expect(6);
    assert_eq!(locked.error_code(), "key-file-locked");
    let mut command = desk.command(&["--json", "desk", "serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.env("CREDENTIALS_DIRECTORY", &credentials).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_default();
    Serving { child, ready }.end();
}

#[test]
fn the_first_admin_is_made_by_whoever_has_the_officers_key() {
    let desk = with_escrow();
    let made = desk.json(&["--operator", "root", "desk", "bootstrap", "Ada@example.com"]);
    let code = made["enrolment_code"].as_str().unwrap();
    assert_eq!((made["name"].as_str(), code.len()), (Some("ada@example.com"), 19));
    let refused = desk.run(&["--json", "desk", "bootstrap", "no name"]).expect(7);
    assert_eq!(refused.error_code(), "person-name");
    // Who has not enrolled yet is no admin: a code that was lost is given anew.
    let again = desk.json(&["desk", "bootstrap", "ada@example.com"]);
    assert_ne!(again["enrolment_code"].as_str(), Some(code));
    let deeds = desk.json(&["escrow", "audit", "list", "--kind", "desk-deed"]);
    assert_eq!(deeds[0]["operator"], "root");
    assert!(!deeds.to_string().contains(code), "{deeds}");
}

#[test]
fn a_script_gets_a_token_uses_it_and_loses_it() {
    let desk = with_escrow();
    let serving = Serving::start(&desk, &[]);
    let made = desk.json(&["desk", "token", "add", "Inventory", "--scope", "stations:read,audit:read", "--days", "30"]);
    let token = made["token"].as_str().unwrap();
    assert_eq!((made["name"].as_str(), &made["scopes"][1]), (Some("inventory"), &Value::from("audit:read")));
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(serving.ready["address"].as_str().unwrap()).unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/api/v1/stations").contains("200 OK"));
    assert!(ask("/api/v1/people").contains("script-scope"));
    let listed = desk.json(&["desk", "token", "list"]);
    assert_eq!((listed[0]["state"].as_str(), listed[0]["used_from"].as_str()), (Some("active"), Some("127.0.0.1")));
    assert!(!listed.to_string().contains(token));
    let text = desk.run(&["desk", "token", "list"]).expect(0).stdout;
    assert!(text.contains("inventory") && text.contains("stations:read audit:read") && !text.contains(token), "{text}");
    let refused = desk.run(&["--json", "desk", "token", "add", "inventory", "--scope", "audit:read"]).expect(7);
    assert_eq!(refused.error_code(), "script-taken");
    let unknown = desk.run(&["--json", "desk", "token", "add", "x", "--scope", "admin"]).expect(7);
    assert_eq!(unknown.error_code(), "script-scope-unknown");
    assert_eq!(desk.json(&["desk", "token", "revoke", "inventory"])["state"], "revoked");
    assert!(ask("/api/v1/stations").contains("script-token-revoked"));
    let again = desk.run(&["--json", "desk", "token", "revoke", "inventory"]).expect(7);
    assert_eq!(again.error_code(), "script-unknown");
    // What is printed for a shell is the token alone.
    let printed = desk.run(&["desk", "token", "add", "shell", "--scope", "audit:read"]).expect(0).stdout;
    assert!(printed.starts_with("oathburn_") && printed.trim_end().len() == 52, "{printed}");
    serving.end();
}

/// The page for those who write scripts, word by word, with curl.
#[test]
fn the_page_of_the_api_is_executed() {
    const URL: &str = "https://desk.example.com:8443";
    let desk = with_escrow();
    let serving = Serving::start(&desk, &["--organisation", "Example AG"]);
    let steps = page::steps("docs/api.md");
    assert!(steps.len() >= 12, "{steps:?}");
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
    for (command, expected) in steps {
        let typed = command.replace(URL, serving.ready["url"].as_str().unwrap());
        let mut shell = std::process::Command::new("sh");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        shell.arg("-c").current_dir(desk.home()).env_clear().env("PATH", path).env("HOME", desk.home());
        page::compare(&command, &page::output(&mut shell, &typed), &expected);
    }
    serving.end();
}
