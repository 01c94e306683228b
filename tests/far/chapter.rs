//! The README's chapter on branch offices, word by word: from an empty folder to burned tokens, on the desk's own pages.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use oathburn_oath::{Clock as _, Seed, SystemClock, Totp, TotpParams, UnixTime};
use serde_json::Value;

use crate::app::App;
use crate::clicks::Browser;
use crate::support::{Desk, page};

/// What the page calls so, and is called otherwise here.
const URL: &str = "desk.example.org:8443";
const FINGERPRINT: &str = "4F1C 09AE 77D2 5B60 3E88 A1C4 92D7 0B5F";
const CODES: [(&str, &str); 2] = [("00-1A-2B-3C-4D-01", "697150"), ("00-1A-2B-3C-4D-02", "284013")];

/// A program in the background.
struct Behind {
    command: String,
    expected: String,
    lines: Receiver<String>,
    child: Child,
}

impl Behind {
    fn start(mut shell: Command, command: &str, expected: &str) -> Self {
        let line = command.strip_suffix(" &").unwrap();
        // The program itself: a shell before it would not pass on what ends it.
        let mut child = shell.arg(format!("exec {line} 2>&1")).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { command: command.into(), expected: expected.into(), lines, child }
    }

    /// As many lines as the page shows.
    fn begun(&self) -> String {
        let line = || self.lines.recv().unwrap_or_else(|_| panic!("{} has ended", self.command));
        let printed: String = self.expected.lines().flat_map(|_| [line(), "\n".into()]).collect();
        page::compare(&self.command, &printed, &self.expected);
        printed
    }

    fn finish(mut self) {
        let of_the_page = |line: &String| !line.starts_with("warning: this machine's clock is not synchronised");
        let printed: String = self.lines.iter().filter(of_the_page).flat_map(|line| [line, "\n".into()]).collect();
        page::compare(&self.command, &printed, &self.expected);
        self.child.wait().unwrap();
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that the chapter speaks of.
struct Scene {
    machines: BTreeMap<&'static str, Desk>,
    browsers: BTreeMap<String, (Browser, Option<App>)>,
    /// What the page says, and what it is here.
    names: Vec<(String, String)>,
    copied: String,
    /// Where the desk listens.
    address: String,
    serving: Option<Behind>,
    burning: Option<Behind>,
    hands: Vec<JoinHandle<Value>>,
}

impl Scene {
    fn new() -> Self {
        let machines =
            [("hq", Desk::without_readers()), ("ulm", Desk::without_escrow(1)), ("bern", Desk::without_escrow(1))];
        Self {
            machines: machines.into(),
            browsers: BTreeMap::new(),
            names: vec![("0.0.0.0:8443".into(), "127.0.0.1:0".into()), ("desk.example.org".into(), "127.0.0.1".into())],
            copied: String::new(),
            address: String::new(),
            serving: None,
            burning: None,
            hands: Vec::new(),
        }
    }

    fn here(&self, text: &str) -> String {
        self.names.iter().rev().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    fn shell(&self, name: &str) -> Command {
        let machine = &self.machines[name];
        let programs = Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(machine.home()).env_clear().env("HOME", machine.home()).env("TZ", "UTC");
        shell.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).stdin(Stdio::null());
        if name != "hq" {
            shell.env("PCSCLITE_CSOCK_NAME", machine.lab().socket());
        }
        shell
    }

    fn typed_at(&mut self, name: &str, command: &str, expected: &str) {
        let (command, expected) = (self.here(command), self.here(expected));
        if command.ends_with(" &") {
            let behind = Behind::start(self.shell(name), &command, &expected);
            if command.contains("desk serve") {
                self.serves(&behind.begun());
                self.serving = Some(behind);
            } else {
                self.burning = Some(behind);
            }
            return;
        }
        let printed = page::output(&mut self.shell(name), &command);
        page::compare(&command, &printed, &expected);
        if let Some((_, rest)) = printed.split_once("enrolment code ") {
            rest.lines().next().unwrap().clone_into(&mut self.copied);
        }
        if command == "oathburn station run" {
            self.burning.take().unwrap().finish();
        }
    }

    /// The desk is there, wherever there was room.
    fn serves(&mut self, said: &str) {
        let after = |text: &str| said.split_once(text).unwrap().1.lines().next().unwrap().to_owned();
        self.address = after("https://");
        let fingerprint = after("fingerprint is ").replace(':', "");
        self.names.push((FINGERPRINT.into(), fingerprint));
        self.names.push((URL.into(), self.address.clone()));
    }

    fn clicked_by(&mut self, who: &str, line: &str) {
        let line = self.here(line).replace("[the code]", &self.copied);
        if !self.browsers.contains_key(who) {
            let hq = &self.machines["hq"];
            let browser = Browser::new(&self.address, &hq.folder().join("desk-cert.pem"), hq.home());
            self.browsers.insert(who.into(), (browser, None));
        }
        let (browser, app) = self.browsers.get_mut(who).unwrap();
        match line.as_str() {
            "copy the code" => self.copied = browser.page.code(),
            "scan the picture" => {
                *app = Some(App::scan(&browser.page.code()));
            }
            line if line.contains("[the app's code]") => {
                browser.obey(&line.replace("[the app's code]", &app.as_mut().unwrap().code()));
            }
            line => browser.obey(line),
        }
        if line == "save codes.csv" {
            let codes = std::fs::read_to_string(self.machines["hq"].home().join("codes.csv")).unwrap();
            let of = |mac: &str| codes.lines().find(|row| row.starts_with(mac)).unwrap().split(',').nth(2).unwrap();
            self.names.extend(CODES.map(|(mac, code)| (code.to_owned(), of(mac).to_owned())));
        }
    }

    /// Types a line into the window of the emulated readers of a machine; it is answered at its end.
    fn hands_of(&mut self, line: &str) {
        let (name, line) = line.split_once(' ').unwrap();
        let mut window = UnixStream::connect(self.machines[name].lab().control()).unwrap();
        writeln!(window, "{line}").unwrap();
        self.hands.push(thread::spawn(move || {
            let mut answer = String::new();
            BufReader::new(window).read_line(&mut answer).unwrap();
            serde_json::from_str(&answer).unwrap()
        }));
    }

    /// Each token has the seed that is in the file, and Ann's code was the one that her token shows.
    fn is_burned(&self) {
        let hq = self.machines["hq"].home();
        let mut entra = csv::Reader::from_path(hq.join("entra.csv")).unwrap();
        let rows: Vec<_> = entra.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        for row in &rows {
            let state = |desk: &Desk| desk.lab().command(&format!("state token {} --with-seed", &row[1])).ok();
            let state = state(&self.machines["ulm"]).or_else(|| state(&self.machines["bern"])).unwrap();
            let seed = Seed::from_hex(state["seed"].as_str().unwrap()).unwrap();
            assert_eq!(row[2].to_uppercase(), seed.to_base32().as_str());
            if &row[0] == "ann@example.org" {
                let totp = Totp::new(&seed, TotpParams::default());
                let now = totp.step_at(SystemClock.now());
                let given = self.browsers["bob"].0.page.text();
                let lately = (now - 20..=now).map(|step| totp.code_at(UnixTime::new(step * 30)).to_string());
                assert!(lately.into_iter().any(|code| given.contains(&code)), "{given}");
            }
        }
        // Where seeds are not asked for, they are not.
        for (who, (browser, _)) in &self.browsers {
            assert!(rows.iter().all(|row| !browser.page.text().contains(&row[2])), "{who}");
        }
    }
}

#[test]
fn the_chapter_on_branch_offices_is_true() {
    let mut scene = Scene::new();
    let blocks = page::blocks("README.md", &["console branches", "browser ", "emulate branches"]);
    assert!(blocks.len() > 12, "{blocks:?}");
    for (kind, lines) in &blocks {
        match kind.split_once(' ').unwrap() {
            ("browser", who) => lines.iter().for_each(|line| scene.clicked_by(who, line)),
            ("emulate", _) => lines.iter().for_each(|line| scene.hands_of(line)),
            _ => {
                for (name, command, expected) in page::typed(lines) {
                    scene.typed_at(&name, &command, &expected);
                }
            }
        }
    }
    let hands = std::mem::take(&mut scene.hands);
    assert!(hands.len() == 2 && hands.into_iter().all(|hand| hand.join().unwrap()["ok"] == true));
    scene.is_burned();
}
