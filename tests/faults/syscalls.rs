//! Burns that die at one of their writes: to the store, to what the user has seen, to the reader's service.

use std::fs;

use crate::strace;
use crate::support::{Desk, RESTRICTED};

/// Kills, spread over all writes of a burn.
const KILLS: usize = 10;

#[test]
fn a_burn_that_dies_at_any_write_loses_nothing() {
    let Some(program) = strace::strace() else { return };
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    let burn = desk.command(&["burn", "--generate", "--replace", "--quiet"]);
    let run = |at| strace::run(&program, &burn, &desk.home().join("strace.log"), at);
    let whole = run(None);
    let said = whole.writes.iter().filter(|(call, _)| call == "sendto").count();
    assert!(!whole.killed && said > 10 && whole.writes.len() - said > 10, "{:?}", whole.writes);
    let chosen = strace::some(&whole.writes, KILLS);
    let mut died = 0;
    for at in &chosen {
        died += usize::from(run(Some(at)).killed);
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true, "{at:?}");
        // Whatever is on the token can be opened, by an entry that is not given up.
        desk.lab().power_cycle(0).unwrap();
        let state = desk.lab().command("state 0 --with-seed").unwrap();
        if state["seed"].is_string() {
            let live = desk.json(&["escrow", "list", "--serial", RESTRICTED, "--state", "reserved,unknown,programmed"]);
            let mut live = live.as_array().unwrap().iter();
            assert!(live.any(|entry| desk.shows(0, &entry["entry"])), "{at:?}: the escrow does not know {state}");
        }
        // The next burn finishes or replaces it.
        let burned = desk.json(&["burn", "--replace"]);
        assert!(desk.shows(0, &burned["entry"]), "{at:?}");
    }
    assert!(died * 10 >= chosen.len() * 9, "{died} of {} were killed", chosen.len());
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    let half = fs::read_dir(desk.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(half.into_iter().all(|name| !name.contains(".new")));
}
