//! Two processes on one batch.

use std::collections::BTreeSet;

use crate::hands::{Batch, all_is_right, results};
use crate::support::Desk;

const FIRST: usize = 0;
/// It has a driver of its own: what the other reader waits for does not keep it.
const SECOND: usize = 2;

fn token(number: u32) -> String {
    format!("8659622{number:06}")
}

#[test]
fn two_processes_share_a_list_and_one_finishes_what_the_other_leaves() {
    let desk = Desk::new(3);
    let reader = |place: usize| desk.lab().reader_names()[place].clone();
    let users = desk.home().join("users.csv");
    let list: Vec<_> = (1..=5).map(|number| format!("user{number}@example.com")).collect();
    std::fs::write(&users, format!("upn\n{}\n", list.join("\n"))).unwrap();
    let mut one = Batch::start(&desk, &["run", users.to_str().unwrap(), "--yes", "--reader", &reader(FIRST)]);
    one.wait_for("waiting");
    let mut other = Batch::start(&desk, &["resume", "--reader", &reader(SECOND)]);
    other.wait_for("waiting");
    let mut lines = BTreeSet::new();
    for round in 0..2 {
        let lay_on = |place: usize, number: u32| {
            desk.lab().insert(place, &format!("token2-single serial={}", token(number))).unwrap();
        };
        lay_on(FIRST, 2 * round + 1);
        lay_on(SECOND, 2 * round + 2);
        for batch in [&mut one, &mut other] {
            let line = batch.wait_for("done")["line"].as_u64().unwrap();
            assert!(lines.insert(line), "line {line} was burned twice");
            batch.wait_for("take-off");
        }
    }
    // One is killed in the middle of the last line; its lease ends with it, and its token goes on where the other is.
    desk.lab().remove(FIRST).unwrap();
    desk.lab().command(&format!("log {FIRST} clear")).unwrap();
    desk.lab().fault(FIRST, "slow ms=600000 ins=C5").unwrap();
    desk.lab().insert(FIRST, &format!("token2-single serial={}", token(5))).unwrap();
    let line = one.wait_for("leased")["line"].clone();
    while !desk.lab().log(FIRST).unwrap().iter().any(|(command, _)| command.starts_with("84c5")) {
        std::thread::yield_now();
    }
    // Nobody else gets its line meanwhile.
    desk.lab().insert(SECOND, &format!("token2-single serial={}", token(6))).unwrap();
    assert_eq!(other.wait_for("refused")["error"]["code"], "no-line-open");
    one.kill();
    desk.lab().remove(FIRST).unwrap();
    other.wait_for("take-off");
    desk.lab().insert(SECOND, &format!("token {}", token(5))).unwrap();
    assert_eq!(other.wait_for("done")["line"], line);
    let (code, summary, _) = other.finish();
    assert_eq!((code, &summary["done"], &summary["left"]), (0, &5.into(), &0.into()));
    let batch = summary["batch"].as_str().unwrap();
    let rows = results(&desk, batch);
    let serials: BTreeSet<_> = rows.iter().map(|row| row[2].clone()).collect();
    assert_eq!(serials, (1..=5).map(token).collect());
    assert!(rows.iter().all(|row| row[4] == "done"), "{rows:?}");
    all_is_right(&desk, batch);
}
