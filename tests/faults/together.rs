//! Two programs at once, on one store.

use std::fs;

use oathburn_oath::Seed;

use crate::support::{Desk, RESTRICTED, UNRESTRICTED};

const READERS: [&str; 2] = ["A 00 00", "A 00 01"];
const TOKENS: [&str; 2] = [RESTRICTED, UNRESTRICTED];
/// Burns of each.
const ROUNDS: usize = 4;

fn desk() -> Desk {
    let desk = Desk::new(2);
    for (reader, serial) in TOKENS.iter().enumerate() {
        desk.lab().insert(reader, &format!("token2-single serial={serial}")).unwrap();
    }
    desk
}

#[test]
fn two_burns_at_once_lose_nothing_and_double_nothing() {
    let desk = desk();
    let mut burned = Vec::new();
    for _ in 0..ROUNDS {
        let running = READERS.map(|reader| desk.spawn(&["burn", "--replace", "--json", "--reader", reader]));
        for (run, serial) in running.map(|running| running.finish().expect(0)).iter().zip(TOKENS) {
            let json = run.json();
            assert_eq!((&json["serial"], &json["state"]), (&serial.into(), &"programmed".into()));
            burned.push(json["entry"].as_str().unwrap().to_owned());
        }
        for (reader, entry) in burned[burned.len() - 2..].iter().enumerate() {
            assert!(desk.shows(reader, &entry.as_str().into()), "what is on the token is what its burn said");
        }
    }
    // As many entries as burns, the last of each token in use and the others superseded.
    let all = desk.json(&["escrow", "list"]);
    let mut ids: Vec<_> = all.as_array().unwrap().iter().map(|one| one["entry"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    let mut expected = burned.clone();
    expected.sort();
    assert_eq!(ids, expected);
    let in_use = desk.json(&["escrow", "list", "--state", "programmed"]);
    let mut in_use: Vec<_> = in_use.as_array().unwrap().iter().map(|one| one["entry"].as_str().unwrap()).collect();
    in_use.sort_unstable();
    let mut last = [burned[burned.len() - 2].as_str(), burned[burned.len() - 1].as_str()];
    last.sort_unstable();
    assert_eq!(in_use, last);
    let check = desk.json(&["escrow", "check"]);
    assert_eq!((&check["ok"], &check["opened"]), (&true.into(), &(2 * ROUNDS).into()));
}

#[test]
fn of_two_who_burn_the_same_seed_at_once_one_is_told() {
    let desk = desk();
    for round in 0..ROUNDS {
        let file = desk.home().join("seed");
        fs::write(&file, Seed::generate(20).unwrap().to_base32().as_str()).unwrap();
        let file = file.display().to_string();
        let burn = |reader| desk.spawn(&["burn", "--replace", "--seed-file", &file, "--json", "--reader", reader]);
        let runs = READERS.map(burn).map(crate::support::Running::finish);
        let (done, refused): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.code == 0);
        assert_eq!((done.len(), refused.len()), (1, 1), "{runs:?}");
        let code = refused[0].error_code();
        assert!(["duplicate-seed", "seed-taken"].contains(&code.as_str()), "{code}");
        let live = desk.json(&["escrow", "list", "--state", "programmed"]);
        assert!((1..=2).contains(&live.as_array().unwrap().len()), "round {round}");
        assert_eq!(desk.json(&["escrow", "list", "--state", "reserved,unknown"]).as_array().unwrap().len(), 0);
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
