//! Tokens that get no line, and why.

use std::fs;

use serde_json::Value;

use crate::hands::{Batch, all_is_right};
use crate::support::Desk;

const ANN: &str = "8659622000001";

fn list(desk: &Desk) -> String {
    let path = desk.home().join("users.csv");
    fs::write(&path, format!("upn,serial\nann@example.com,{ANN}\nbob@example.com,\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(batch: &mut Batch) -> Value {
    batch.wait_for("refused")["error"]["code"].clone()
}

#[test]
fn a_token_that_was_set_aside_stays_aside_and_its_line_ended() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", &list(&desk), "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "fido").unwrap();
    batch.wait_for("take-off");
    desk.lab().fault(0, "status sw=6983 ins=CE").unwrap();
    desk.lab().insert(0, &format!("token2-single serial={ANN}")).unwrap();
    batch.wait_for("line-failed");
    batch.wait_for("take-off");
    desk.lab().power_cycle(0).unwrap();
    assert_eq!(refused(&mut batch), "token-set-aside");
    batch.interrupt();
    assert_eq!(batch.finish().0, 130);
    // Another run does not know the token, but the line it is for.
    desk.lab().remove(0).unwrap();
    let mut batch = Batch::start(&desk, &["resume"]);
    batch.wait_for("waiting");
    desk.lab().press(0).unwrap();
    assert_eq!(refused(&mut batch), "line-ended");
    batch.wait_for("take-off");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    assert_eq!(batch.wait_for("done")["upn"], "bob@example.com");
    assert_eq!(batch.finish().0, 5);
}

#[test]
fn an_unfinished_token_belongs_to_its_batch() {
    let desk = Desk::new(1);
    let mut first = Batch::start(&desk, &["run", &list(&desk), "--yes"]);
    first.wait_for("waiting");
    desk.lab().insert(0, "fido").unwrap();
    first.wait_for("take-off");
    desk.lab().fault(0, "tear-after ins=C5").unwrap();
    desk.lab().insert(0, &format!("token2-single serial={ANN}")).unwrap();
    first.wait_for("broken");
    first.interrupt();
    let (_, summary, _) = first.finish();
    let mut second = Batch::start(&desk, &["run", "--count", "1", "--yes", "--replace"]);
    second.wait_for("waiting");
    desk.lab().press(0).unwrap();
    assert_eq!(refused(&mut second), "token-other-batch");
    second.kill();
    desk.lab().remove(0).unwrap();
    // A burn by hand finishes it for its user, and the batch knows.
    desk.lab().press(0).unwrap();
    desk.run(&["burn"]).expect(0);
    let id = summary["batch"].as_str().unwrap();
    assert_eq!(desk.json(&["batch", "status", id])[0]["done"], 1);
    assert_eq!(desk.newest(ANN)["upn"], "ann@example.com");
    all_is_right(&desk, id);
}

#[test]
fn one_line_is_worked_on_by_one_reader() {
    let desk = Desk::new(2);
    let mut batch = Batch::start(&desk, &["run", &list(&desk), "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "fido").unwrap();
    batch.wait_for("take-off");
    desk.lab().fault(0, "slow ms=2500 ins=4B").unwrap();
    desk.lab().insert(0, &format!("token2-single serial={ANN}")).unwrap();
    batch.wait_for("leased");
    // Another token with the same number: one of them is a copy.
    desk.lab().insert(1, &format!("token2-single serial={ANN}")).unwrap();
    assert_eq!(refused(&mut batch), "line-busy");
    assert_eq!(batch.wait_for("done")["line"], 1);
    batch.kill();
}
