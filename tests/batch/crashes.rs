//! Chance: faults on the wire, and programs that are killed in the middle of anything.

use std::collections::{BTreeMap, BTreeSet};

use oathburn_emulator::LabOptions;
use oathburn_oath::Seed;
use serde_json::Value;

use crate::hands::{Batch, Hands, all_is_right, results, tokens};
use crate::support::Desk;

/// Numbers that look like chance and come again with the same seed (Steele, Lea and Flood: `SplitMix`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let index = self.below(of.len() as u64);
        of[usize::try_from(index).unwrap()]
    }
}

/// What may happen to a token on the wire.
const FAULTS: [&str; 10] = [
    "tear-before",
    "tear-after",
    "tear-before ins=D4",
    "tear-after ins=D4",
    "tear-before ins=C5",
    "tear-after ins=C5",
    "slow ms=30",
    "status sw=6F00 ins=C5",
    "short len=1 ins=4B",
    "mute ins=C5",
];

/// The seed of the chance can be given to play one story again: `OATHBURN_CHANCE=7 cargo test --test batch chance`.
#[test]
fn chance_costs_no_token_and_no_line() {
    let seed = seed();
    println!("OATHBURN_CHANCE={seed}");
    play(seed, &Desk::new(2), &[], 12, 8);
}

/// One reader of each kind: libnfc has a process of its own, which must end with the one that is killed.
#[test]
fn chance_costs_no_token_and_no_line_on_readers_of_both_kinds() {
    let desk = Desk::with(LabOptions { readers: 1, nfc: 1 });
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let names = [format!("pcsc:{}", desk.lab().reader_names()[0]), format!("libnfc:{}", desk.lab().connstrings()[0])];
    let seed = seed();
    println!("OATHBURN_CHANCE={seed}");
    play(seed, &desk, &["--reader", &names[0], "--reader", &names[1]], 8, 4);
}

fn seed() -> u64 {
    std::env::var("OATHBURN_CHANCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn play(seed: u64, desk: &Desk, readers: &[&str], count: usize, kills: usize) {
    let mut chance = Chance(seed);
    let users: Vec<_> = (1..=count).map(|number| format!("user{number}@example.com")).collect();
    let path = desk.home().join("users.csv");
    std::fs::write(&path, format!("upn\n{}\n", users.join("\n"))).unwrap();
    // A few more tokens than lines: some may be set aside.
    let mut hands = Hands::new(desk, tokens(count + 6));
    let mut done = BTreeSet::new();
    let mut arguments = vec!["run".to_owned(), path.to_str().unwrap().into(), "--yes".into()];
    let mut killed = 0;
    let summary = loop {
        let mut words: Vec<_> = arguments.iter().map(String::as_str).collect();
        words.extend(["--timeout", "1"]);
        words.extend(readers);
        let mut batch = Batch::start(desk, &words);
        let end = if killed < kills { 5 + chance.below(40) } else { u64::MAX };
        let mut heard = 0;
        let mut note = |event: &Value| {
            if event["event"] == "done" {
                done.insert(event["serial"].as_str().unwrap().to_owned());
            }
        };
        let killed_now = loop {
            let Some(event) = batch.next() else { break false };
            heard += 1;
            note(&event);
            if heard >= end {
                break true;
            }
            hands.obey(&event, &mut |reader, _| {
                if chance.below(4) == 0 {
                    let fault = chance.one(&FAULTS);
                    desk.lab().fault(reader, fault).unwrap();
                }
            });
        };
        if !killed_now {
            let (code, summary, heard) = batch.finish();
            assert!(matches!(code, 0 | 5), "{heard:#?}");
            if code == 0 {
                break summary;
            }
            // A token that failed again and again: its line is taken up again, by itself or by another token.
            arguments = vec!["retry-failed".into(), summary["batch"].as_str().unwrap().into()];
            hands.clear(&done);
            continue;
        }
        killed += 1;
        batch.kill().iter().for_each(&mut note);
        hands.clear(&done);
        let status = desk.json(&["batch", "status"]);
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
        let Some(batch) = status[0]["batch"].as_str() else { continue };
        if status[0]["left"] == 0 {
            // It was killed between its last token and its end.
            arguments = vec!["retry-failed".into(), batch.into()];
        } else {
            arguments = vec!["resume".into(), batch.into()];
        }
    };
    let batch = summary["batch"].as_str().unwrap();
    let rows = results(desk, batch);
    let (mut lines, mut serials) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        assert_eq!(row[4], "done", "{row:?}");
        assert!(lines.insert(row[0].clone()) && serials.insert(row[2].clone()), "{row:?}");
    }
    assert_eq!(lines.len(), count);
    assert!(killed * 2 >= kills, "{killed} of {kills} were killed");
    // Whoever was told that a token is done was told the truth.
    assert!(done.iter().all(|serial| serials.contains(serial)), "{done:?} {serials:?}");
    let entries = desk.json(&["escrow", "list", "--state", "programmed"]);
    assert_eq!(entries.as_array().unwrap().len(), count);
    all_is_right(desk, batch);
    exported(desk, batch, &rows);
}

/// The file for Entra has the same rows, with the seeds that the tokens hold.
fn exported(desk: &Desk, batch: &str, rows: &[Vec<String>]) {
    let out = desk.home().join("entra.csv");
    let file = out.to_str().unwrap();
    desk.run(&["export", "--format", "entra", "--batch", batch, "--reason", "chance", "--out", file]).expect(0);
    let mut reader = csv::Reader::from_path(&out).unwrap();
    let mut exported = BTreeMap::new();
    for row in reader.records().map(Result::unwrap) {
        assert!(exported.insert(row[0].to_owned(), row.clone()).is_none(), "{row:?}");
    }
    assert_eq!(exported.len(), rows.len());
    for row in rows {
        let entra = &exported[&row[1]];
        let state = desk.lab().command(&format!("state token {} --with-seed", row[2])).unwrap();
        let seed = Seed::from_hex(state["seed"].as_str().unwrap()).unwrap();
        assert_eq!((&entra[1], Seed::from_base32(&entra[2]).unwrap(), &entra[3]), (row[2].as_str(), seed, "30"));
        assert_eq!((&entra[4], &entra[5]), ("Token2", row[3].as_str()));
    }
}
