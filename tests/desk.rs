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

    /// What it says when it is to read its certificate again.
    fn renew(&mut self) -> Value {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
        let mut line = String::new();
        BufReader::new(self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
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
fn a_renewed_certificate_is_served_to_whoever_comes_next() {
    let desk = with_escrow();
    let certificate = || desk.json(&["desk", "certificate", "--host", "127.0.0.1"]);
    let made = certificate();
    let mut serving = Serving::start(&desk, &[]);
    let url = serving.ready["url"].as_str().unwrap().to_owned();
    // A station that nobody has told which one to expect names the one that it was shown.
    let shown = || {
        let asked =
            ["--json", "station", "provision", "--desk", &url, "--mac", "00-1A-2B-3C-4D-5E", "--code", "697150"];
        let refused = desk.run(&asked).expect(6);
        assert_eq!(refused.error_code(), "desk-certificate-unknown");
        refused.stdout.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    let digits = |made: &Value| made["fingerprint"].as_str().unwrap().replace(':', "")[..32].to_owned();
    assert!(shown().contains(&digits(&made)));
    // Half a renewal changes nothing.
    let file = |name: &str| made[name].as_str().unwrap();
    std::fs::remove_file(file("certificate")).unwrap();
    let kept = serving.renew();
    assert_eq!((&kept["event"], &kept["error"]["code"]), (&"certificate-kept".into(), &"certificate-file".into()));
    assert!(shown().contains(&digits(&made)));
    std::fs::remove_file(file("key")).unwrap();
    let renewed = certificate();
    let line = serving.renew();
    assert_eq!((&line["event"], &line["fingerprint"]), (&"certificate-renewed".into(), &renewed["fingerprint"]));
    assert_ne!(made["fingerprint"], renewed["fingerprint"]);
    assert!(shown().contains(&digits(&renewed)));
    serving.end();
}

#[test]
fn other_machines_are_not_served_without_tls() {
    let desk = with_escrow();
    let refused = desk.run(&["--json", "desk", "serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert_eq!(refused.error_code(), "desk-plain");
    for organisation in ["", " ", "two\nlines", &"x".repeat(101)] {
        desk.run(&["desk", "serve", "--organisation", organisation]).expect(2);
    }
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

/// A browser without a script engine.
#[derive(Clone, Default)]
struct Browser {
    address: String,
    cookie: String,
    token: String,
}

impl Browser {
    /// What is answered; nothing where the answer did not come whole.
    fn try_ask(&mut self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let (cookie, length) = (&self.cookie, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length: usize = header("content-length: ")?.parse().ok()?;
        if let Some(cookie) = header("set-cookie: ") {
            cookie.split(';').next()?.clone_into(&mut self.cookie);
        }
        if let Some((_, rest)) = body.split_once("name=\"form-token\" value=\"") {
            rest.split('"').next()?.clone_into(&mut self.token);
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        (body.len() == length).then(|| (status, body.to_owned()))
    }

    fn get(&mut self, path: &str) -> String {
        self.try_ask("GET", path, "").unwrap().1
    }

    fn post(&mut self, path: &str, fields: &str) -> (u16, String) {
        let body = format!("form-token={}&{fields}", self.token);
        self.try_ask("POST", path, &body).unwrap()
    }

    fn enrol(address: &str, name: &str, given: &str) -> Self {
        let mut browser = Self { address: address.into(), ..Self::default() };
        browser.get("/enrol");
        let (_, shown) = browser.post("/enrol", &format!("name={name}&code={given}"));
        let seed = oathburn_oath::Seed::from_base32(between(&shown)).unwrap();
        let totp = oathburn_oath::Totp::new(&seed, oathburn_oath::TotpParams::default());
        let code = totp.code_at(oathburn_oath::Clock::now(&oathburn_oath::SystemClock));
        let password = "correct+horse+battery";
        let fields = format!("name={name}&password={password}&again={password}&code={code}");
        assert_eq!(browser.post("/enrol/finish", &fields).0, 303);
        browser
    }
}

fn between(page: &str) -> &str {
    page.split_once("<code class=\"code\">").unwrap().1.split_once("</code>").unwrap().0
}

/// Many clerks ask at once, and the desk is killed in the middle: whoever had an answer is on record.
#[test]
fn what_was_answered_is_on_record_when_the_desk_is_killed() {
    const CLERKS: usize = 16;
    let desk = with_escrow();
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";
    let entry = desk.run_with(&["escrow", "add", "--serial", "1234567", "--seed-file", "-", "--json"], seed).expect(0);
    let entry = entry.json()["entry"].as_str().unwrap().to_owned();
    let first = desk.json(&["desk", "bootstrap", "ada"])["enrolment_code"].as_str().unwrap().to_owned();
    let limits = ["--codes-per-clerk", "100000", "--codes-per-token", "100000"];
    let mut serving = Serving::start(&desk, &limits);
    let address = serving.ready["address"].as_str().unwrap().to_owned();
    let mut ada = Browser::enrol(&address, "ada", &first);
    ada.get("/people");
    let (_, invited) = ada.post("/people", "name=carol&helpdesk=yes");
    let mut carol = Browser::enrol(&address, "carol", between(&invited));
    carol.get(&format!("/helpdesk/token/{entry}"));
    let (sender, answered) = std::sync::mpsc::channel();
    let mut told: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        for clerk in 0..CLERKS {
            let (mut browser, sender, path) = (carol.clone(), sender.clone(), format!("/helpdesk/token/{entry}/codes"));
            scope.spawn(move || {
                for number in 0.. {
                    let ticket = format!("T-{clerk}-{number}");
                    let body = format!("form-token={}&reason=in+the+post&ticket={ticket}", browser.token);
                    match browser.try_ask("POST", &path, &body) {
                        Some((200, _)) => sender.send(ticket).unwrap(),
                        Some((status, page)) => panic!("{status}: {page}"),
                        None => break,
                    }
                }
            });
        }
        drop(sender);
        let told = answered.iter().take(150).collect();
        serving.child.kill().unwrap();
        told
    });
    serving.child.wait().unwrap();
    told.extend(answered.iter());
    let noted = desk.json(&["escrow", "audit", "list", "--kind", "code-disclosed"]);
    let noted: Vec<_> =
        noted.as_array().unwrap().iter().map(|event| event["facts"]["ticket"].as_str().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = noted.iter().map(|ticket| (*ticket).to_owned()).collect();
    assert_eq!(unique.len(), noted.len());
    assert!(told.is_subset(&unique), "{:?}", told.difference(&unique));
    // Of each clerk one may have been written whose answer was cut.
    assert!(unique.len() <= told.len() + CLERKS);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
