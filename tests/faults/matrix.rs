//! Every fault at every command of a burn, and what comes of it. `docs/faults.md` shows the same table.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::{Desk, RESTRICTED, Run, UNRESTRICTED};

/// The commands of a burn, in order. The first one is sent before anything is reserved.
const COMMANDS: [&str; 8] = [
    "GET INFO (identify)",
    "GET INFO",
    "GET CHALLENGE",
    "ANSWER CHALLENGE",
    "GET INFO",
    "WRITE CONFIG",
    "WRITE SEED",
    "GET INFO (read back)",
];

/// Another token, which is swapped in.
const OTHER: &str = "8659622777777";

/// What comes of a fault at one command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The burn ends well all the same.
    Programmed,
    /// It fails with this error before anything was reserved.
    Nothing(&'static str),
    /// It fails before the first write.
    Reserved(&'static str),
    /// It fails when a write had been sent.
    Unknown(&'static str),
    /// The fault cannot happen at this command.
    Impossible,
}

use Outcome::{Impossible, Nothing, Programmed, Reserved, Unknown};

/// How the fault is brought about.
#[derive(Clone, Copy)]
enum Means {
    /// Armed beforehand, `at=N` added.
    Armed(&'static str),
    /// The command hangs, and meanwhile this is done.
    Meanwhile(&'static str),
}

/// What the operator does before burning again.
#[derive(Clone, Copy)]
enum Remedy {
    /// Nothing.
    BurnAgain,
    /// This.
    First(&'static str),
}

/// Over which stack it can happen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Both,
    PcSc,
    Libnfc,
}

struct Fault {
    name: &'static str,
    over: Over,
    means: Means,
    remedy: Remedy,
    outcomes: [Outcome; 8],
}

use Means::{Armed, Meanwhile};
use Over::{Both, Libnfc, PcSc};
use Remedy::{BurnAgain, First};

/// A fault that ends the conversation wherever it happens.
const fn ends(error: &'static str) -> [Outcome; 8] {
    let (before, after) = (Reserved(error), Unknown(error));
    [Nothing(error), before, before, before, before, after, after, after]
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "the token leaves the field before it executes the command",
        over: Both,
        means: Armed("tear-before"),
        remedy: First("press 0"),
        outcomes: ends("token-removed"),
    },
    Fault {
        name: "the token executes the command and leaves the field before it answers",
        over: Both,
        means: Armed("tear-after"),
        remedy: First("press 0"),
        outcomes: ends("token-removed"),
    },
    Fault {
        name: "the field is lost between clock and store",
        over: Both,
        means: Armed("tear-config"),
        remedy: First("press 0"),
        outcomes: [
            Impossible,
            Impossible,
            Impossible,
            Impossible,
            Impossible,
            Unknown("token-removed"),
            Impossible,
            Impossible,
        ],
    },
    Fault {
        name: "the field is lost inside the store",
        over: Both,
        means: Armed("tear-store"),
        remedy: First("press 0"),
        outcomes: [
            Impossible,
            Impossible,
            Impossible,
            Impossible,
            Impossible,
            Unknown("token-removed"),
            Unknown("token-removed"),
            Impossible,
        ],
    },
    Fault {
        name: "somebody takes the token off while it works",
        over: Both,
        means: Meanwhile("remove 0"),
        remedy: First("press 0"),
        outcomes: ends("token-removed"),
    },
    Fault {
        name: "the PC/SC service dies",
        over: PcSc,
        means: Meanwhile("pcscd kill"),
        remedy: First("pcscd start"),
        outcomes: ends("reader-lost"),
    },
    Fault {
        name: "a reader of libnfc is unplugged",
        over: Libnfc,
        means: Meanwhile("chip 0 unplug"),
        remedy: First("chip 0 plug"),
        outcomes: ends("reader-lost"),
    },
    Fault {
        name: "the token says nothing any more",
        over: Both,
        means: Armed("mute"),
        remedy: First("power-cycle 0"),
        outcomes: ends("token-timeout"),
    },
    Fault {
        name: "the token takes longer than --timeout",
        over: Both,
        means: Armed("slow ms=600000"),
        remedy: First("power-cycle 0"),
        outcomes: ends("token-timeout"),
    },
    Fault {
        name: "the token takes its time",
        over: Both,
        means: Armed("slow ms=50"),
        remedy: BurnAgain,
        outcomes: [Programmed; 8],
    },
    Fault {
        name: "only one byte of the answer arrives",
        over: Both,
        means: Armed("short len=1"),
        remedy: First("power-cycle 0"),
        outcomes: ends("token-removed"),
    },
    Fault {
        name: "the end of the info is cut off",
        over: Both,
        means: Armed("short len=20"),
        remedy: BurnAgain,
        outcomes: [
            Nothing("foreign-card"),
            Reserved("token-refused"),
            Programmed,
            Programmed,
            Reserved("token-refused"),
            Programmed,
            Programmed,
            Unknown("token-refused"),
        ],
    },
    Fault {
        name: "one bit of the status word flips",
        over: Both,
        // The first bit of the status word in answers of 25, of 10 and of 2 bytes.
        means: Armed("flip bit=384"),
        remedy: BurnAgain,
        outcomes: [
            Nothing("foreign-card"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Unknown("token-refused"),
            Unknown("token-refused"),
            Unknown("token-refused"),
        ],
    },
    Fault {
        name: "one bit of serial number, challenge or status word flips",
        over: Both,
        means: Armed("flip bit=135"),
        remedy: BurnAgain,
        outcomes: [
            // The burn is for a token that does not exist: told apart in a test of its own.
            Impossible,
            Reserved("other-token"),
            Reserved("token-wrong-key"),
            Reserved("token-refused"),
            Reserved("other-token"),
            Unknown("token-refused"),
            Unknown("token-refused"),
            Unknown("other-token"),
        ],
    },
    Fault {
        name: "one bit of clock or status word flips",
        over: Both,
        means: Armed("flip bit=152"),
        remedy: BurnAgain,
        outcomes: [
            Programmed,
            Programmed,
            Reserved("token-refused"),
            Reserved("token-refused"),
            Programmed,
            Unknown("token-refused"),
            Unknown("token-refused"),
            Unknown("clock-not-set"),
        ],
    },
    Fault {
        name: "the token answers `6983` in place of executing",
        over: Both,
        means: Armed("status sw=6983"),
        remedy: BurnAgain,
        outcomes: [
            Nothing("foreign-card"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Reserved("token-wrong-key"),
            Reserved("token-refused"),
            Programmed,
            Programmed,
            Unknown("token-refused"),
        ],
    },
    Fault {
        name: "the token answers `6F00` in place of executing",
        over: Both,
        means: Armed("status sw=6F00"),
        remedy: BurnAgain,
        outcomes: [
            Nothing("foreign-card"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Reserved("token-refused"),
            Unknown("token-refused"),
            Unknown("token-refused"),
            Unknown("token-refused"),
        ],
    },
    Fault {
        name: "after the command the token loses its session, unseen",
        over: Both,
        means: Armed("lapse"),
        remedy: BurnAgain,
        outcomes: [
            Programmed,
            Programmed,
            Reserved("token-refused"),
            Programmed,
            Programmed,
            Programmed,
            Programmed,
            Programmed,
        ],
    },
    Fault {
        name: "after the command another token lies there, unseen",
        over: PcSc,
        means: Armed("swap"),
        remedy: First("insert 0 token SERIAL"),
        outcomes: [
            Reserved("other-token"),
            Reserved("other-token"),
            Reserved("token-refused"),
            Reserved("other-token"),
            Unknown("other-token"),
            Unknown("other-token"),
            Unknown("other-token"),
            Programmed,
        ],
    },
    Fault {
        // The chip knows the token that it found from any other.
        name: "after the command another token lies there, on a reader of libnfc",
        over: Libnfc,
        means: Armed("swap"),
        remedy: First("insert 0 token SERIAL"),
        outcomes: [
            Reserved("token-removed"),
            Reserved("token-removed"),
            Reserved("token-removed"),
            Reserved("token-removed"),
            Unknown("token-removed"),
            Unknown("token-removed"),
            Unknown("token-removed"),
            Programmed,
        ],
    },
];

fn exit_of(error: &str) -> i32 {
    match error {
        "token-removed" | "token-timeout" | "reader-lost" => 3,
        _ => 4,
    }
}

/// One fault at one command, on a token that may hold a seed already.
struct Case<'a> {
    desk: &'a Desk,
    reader: &'a str,
    serial: &'a str,
    fault: &'a Fault,
    at: usize,
}

impl Case<'_> {
    fn name(&self) -> String {
        let Self { reader, serial, fault, at, .. } = self;
        format!("{} at {at} {} ({serial} on {reader})", fault.name, COMMANDS[at - 1])
    }

    /// A command for this reader: in the table it is 0.
    fn command(&self, line: &str) -> String {
        let words = line.split(' ').map(|word| if word == "0" { self.reader } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    fn play(&self) {
        let (lab, outcome) = (self.desk.lab(), self.fault.outcomes[self.at - 1]);
        let entries = self.desk.count(self.serial);
        let before = lab.command(&self.command("display 0")).unwrap();
        lab.command(&self.command("log 0 clear")).unwrap();
        if self.reader != "0" {
            lab.command(&self.command("chip 0 log clear")).unwrap();
        }
        let run = self.burn();
        let log = lab.log(self.reader).unwrap();
        let written = log.iter().any(|(command, _)| command.starts_with("84"));
        let wrong_answers = log.iter().filter(|(c, a)| c.starts_with("80ce") && a.as_deref() == Some("6983")).count();
        assert!(wrong_answers <= 1, "{}: {log:?}", self.name());
        match outcome {
            Impossible => unreachable!(),
            Programmed => {
                let run = run.expect(0);
                assert_eq!(run.json()["state"], "programmed", "{}", self.name());
                self.mend();
                assert!(self.desk.shows(self.reader, &run.json()["entry"]), "{}", self.name());
            }
            Nothing(error) => {
                self.judge(&run, error, None);
                assert!(!written, "{}: {log:?}", self.name());
                assert_eq!(self.desk.count(self.serial), entries, "{}", self.name());
                self.mend();
                self.is_untouched(&before);
                let run = self.desk.run(&["burn", "--replace", "--json"]).expect(0);
                assert!(self.desk.shows(self.reader, &run.json()["entry"]), "{}", self.name());
            }
            Reserved(error) => {
                self.judge(&run, error, Some("reserved"));
                assert!(!written, "{}: {log:?}", self.name());
                self.mend();
                self.is_untouched(&before);
                self.burn_again(&run.json()["entry"]);
            }
            Unknown(error) => {
                self.judge(&run, error, Some("unknown"));
                // What was sent may have been lost between a chip and its token.
                assert!(written || self.was_sent_to_the_chip(), "{}: {log:?}", self.name());
                self.mend();
                self.burn_again(&run.json()["entry"]);
            }
        }
        let check = self.desk.json(&["escrow", "check"]);
        assert_eq!(check["ok"], true, "{}: {check}", self.name());
    }

    fn was_sent_to_the_chip(&self) -> bool {
        let log = if self.reader == "0" { vec![] } else { self.desk.lab().chip_log(self.reader).unwrap() };
        log.iter().any(|(command, _)| command.starts_with("400184"))
    }

    /// Burns, and lets the fault happen.
    fn burn(&self) -> Run {
        // Long enough for a token that answers on a busy machine, short enough to wait for one that does not.
        let arguments = ["burn", "--replace", "--json", "--timeout", "1.5"];
        let (lab, at) = (self.desk.lab(), self.at);
        match self.fault.means {
            Armed("swap") => lab.fault(self.reader, &format!("swap at={at} token2-single serial={OTHER}")).unwrap(),
            Armed(fault) => lab.fault(self.reader, &format!("{fault} at={at}")).unwrap(),
            Meanwhile(deed) => {
                lab.fault(self.reader, &format!("slow ms=600000 at={at}")).unwrap();
                let burn = self.desk.spawn(&["burn", "--replace", "--json", "--timeout", "600"]);
                lab.command(&self.command(&format!("await 0 at={at}"))).unwrap();
                lab.command(&self.command(deed)).unwrap();
                return burn.finish();
            }
        }
        self.desk.run(&arguments)
    }

    /// The error as a script and as a technician see it.
    fn judge(&self, run: &Run, error: &str, state: Option<&str>) {
        let (name, json) = (self.name(), run.json());
        assert_eq!((run.code, run.error_code().as_str()), (exit_of(error), error), "{name}: {run:#?}");
        assert_eq!(json["state"].as_str(), state, "{name}: {json}");
        assert_eq!(json["entry"].is_string(), state.is_some(), "{name}: {json}");
        let (message, remedy) = (json["error"]["message"].as_str().unwrap(), json["error"]["remedy"].as_str().unwrap());
        let said = match state {
            Some("unknown") => "the token may already have been changed",
            Some(_) => "nothing was written to the token",
            None => "",
        };
        assert!(message.contains(said), "{name}: {message}");
        assert!(state != Some("unknown") || remedy.contains("burn the same serial again"), "{name}: {remedy}");
        // A status word comes in brackets behind what it means.
        if let Some((meaning, _)) = message.split_once(" (status ") {
            let meaning = meaning.strip_prefix("the token ").unwrap_or_default();
            let refused = meaning.strip_prefix("refused ").and_then(|rest| rest.split_once(": "));
            assert!(refused.map_or(meaning, |(_, why)| why).len() > 20, "{name}: {message}");
        }
        assert!(!run.stderr.contains("(status "), "{name}: {}", run.stderr);
        if let Some(entry) = json["entry"].as_str() {
            let newest = self.desk.newest(self.serial);
            assert_eq!((&newest["entry"], &newest["state"]), (&json["entry"], &json["state"]), "{name}");
            self.desk.json(&["code", "--entry", entry]);
        }
    }

    fn mend(&self) {
        if let First(deed) = self.fault.remedy {
            self.desk.lab().command(&self.command(&deed.replace("SERIAL", self.serial))).unwrap();
        }
        if matches!(self.fault.means, Armed("swap")) {
            // What was swapped in was spared, whatever happened.
            let other = self.desk.lab().command(&format!("state token {OTHER} --with-seed")).unwrap();
            assert_eq!((&other["has_seed"], &other["time_step"]), (&false.into(), &30.into()), "{}", self.name());
        }
    }

    /// The token shows what it showed before.
    fn is_untouched(&self, before: &Value) {
        let now = self.desk.lab().command(&self.command("display 0")).unwrap();
        let ahead = self.desk.lab().state(self.reader).unwrap()["clock_offset"].as_i64().unwrap();
        let step = |shown: &Value| shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap() / 30;
        assert!(step(before) != step(&now) || before["code"] == now["code"], "{}: {before} {now}", self.name());
    }

    /// The second burn of that serial finishes the first one, with its seed, and the token shows it.
    fn burn_again(&self, entry: &Value) {
        let code = self.desk.code_of(entry, 1_000_000_000);
        let run = self.desk.run(&["burn", "--json"]).expect(0);
        assert_eq!((&run.json()["entry"], &run.json()["serial"]), (entry, &self.serial.into()), "{}", self.name());
        assert_eq!(self.desk.code_of(entry, 1_000_000_000), code, "{}", self.name());
        assert!(self.desk.shows(self.reader, entry), "{}", self.name());
    }
}

#[test]
fn every_fault_at_every_command() {
    // A fault on both kinds of tokens: one loses its seed with its config. Each over both stacks.
    let mut jobs = VecDeque::new();
    for fault in FAULTS {
        for (over, reader) in [(PcSc, "0"), (Libnfc, "nfc0")] {
            if fault.over == over || fault.over == Both {
                jobs.extend([RESTRICTED, UNRESTRICTED].map(|serial| (fault, reader, serial)));
            }
        }
    }
    let jobs = Mutex::new(jobs);
    let work = || {
        let next = || jobs.lock().unwrap().pop_front();
        while let Some((fault, reader, serial)) = next() {
            let desk = if reader == "0" { Desk::new(1) } else { Desk::over_libnfc() };
            desk.lab().insert(reader, &format!("token2-single serial={serial}")).unwrap();
            for at in (1..=COMMANDS.len()).filter(|at| fault.outcomes[at - 1] != Impossible) {
                Case { desk: &desk, reader, serial, fault, at }.play();
            }
        }
    };
    // Most of the time is the service's, which looks for cards every 400 ms.
    std::thread::scope(|scope| {
        for worker in [(); 16].map(|()| scope.spawn(work)) {
            worker.join().unwrap();
        }
    });
}

/// The table of `docs/faults.md`.
fn table() -> String {
    let mut text = String::from("| fault |");
    for command in COMMANDS {
        let _ = write!(text, " {command} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(COMMANDS.len()));
    text.push('\n');
    for fault in FAULTS {
        let _ = write!(text, "| {} |", fault.name);
        for outcome in fault.outcomes {
            let _ = match outcome {
                Programmed => write!(text, " programmed |"),
                Nothing(error) => write!(text, " {error} ({}), no entry |", exit_of(error)),
                Reserved(error) => write!(text, " {error} ({}), reserved |", exit_of(error)),
                Unknown(error) => write!(text, " {error} ({}), **unknown** |", exit_of(error)),
                Impossible => write!(text, " – |"),
            };
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_page_shows_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (page.find("| fault |").unwrap(), page.rfind("|\n").unwrap() + 2);
    let expected = format!("{}{}{}", &page[..begin], table(), &page[end..]);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert_eq!(page, expected, "`BLESS=1 cargo test --test faults the_page` writes it anew");
    }
}
