//! Whole batches, hands-free.

use std::fs;

use crate::hands::{Batch, Hands, all_is_right, results, tokens};
use crate::support::{Desk, RESTRICTED};

fn users(desk: &Desk, text: &str) -> String {
    let path = desk.home().join("users.csv");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a batch to its end with willing hands.
fn play(desk: &Desk, hands: &mut Hands<'_>, arguments: &[&str]) -> (i32, serde_json::Value, Vec<serde_json::Value>) {
    let mut batch = Batch::start(desk, arguments);
    while let Some(event) = batch.next() {
        hands.obey(&event, &mut |_, _| {});
    }
    batch.finish()
}

#[test]
fn two_readers_burn_a_list_to_its_end() {
    let desk = Desk::new(2);
    let list = "upn,serial,seed,label\n\
        ann@example.com,,,desk 1\n\
        bob@example.com,8659622000003,,\n\
        cid@example.com,,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,\n\
        dan@example.com,,,<b>desk 4</b>\n";
    let told = desk.home().join("told");
    let hook = format!("cat >> {}", told.display());
    let table = desk.home().join("results.csv");
    let mut hands = Hands::new(&desk, tokens(4));
    let list = users(&desk, list);
    let (code, summary, heard) = play(
        &desk,
        &mut hands,
        &["run", &list, "--yes", "--issuer", "ACME", "--on-done", &hook, "--results", table.to_str().unwrap()],
    );
    assert_eq!(code, 0, "{heard:#?}");
    let batch = summary["batch"].as_str().unwrap();
    assert_eq!((&summary["done"], &summary["failed"], &summary["left"]), (&4.into(), &0.into(), &0.into()));
    assert_eq!(summary["hook_failures"], 0);
    all_is_right(&desk, batch);

    let rows = results(&desk, batch);
    assert_eq!(fs::read_to_string(&table).unwrap().lines().count(), 5);
    let users: Vec<_> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(users, ["ann@example.com", "bob@example.com", "cid@example.com", "dan@example.com"]);
    assert!(rows.iter().all(|row| row[3] == "OTPC-P2-i" && row[4] == "done" && row[7].is_empty()), "{rows:?}");
    assert_eq!(rows[1][2], "8659622000003");
    let prescribed = desk.lab().command(&format!("state token {} --with-seed", rows[2][2])).unwrap();
    assert_eq!(prescribed["seed"], "3132333435363738393031323334353637383930");
    let lines = fs::read_to_string(&told).unwrap();
    assert_eq!(lines.lines().count(), 4);
    assert!(lines.contains("\"upn\":\"bob@example.com\"") && lines.contains("\"issuer\":\"ACME\""), "{lines}");

    // What is printed holds no secret and no markup of others.
    let out = desk.home().join("labels.html");
    for (arguments, marker) in [(&["--sheets"][..], "Received on"), (&[], "grid")] {
        let arguments = [&["batch", "labels", "--out", out.to_str().unwrap()], arguments].concat();
        assert_eq!(desk.json(&arguments)["count"], 4);
        let page = fs::read_to_string(&out).unwrap();
        assert!(page.contains(marker) && page.contains("&lt;b&gt;desk 4&lt;/b&gt;") && !page.contains("<b>"), "{page}");
        assert_eq!(page.matches("<svg").count(), 4);
    }
    let status = desk.json(&["batch", "status"]);
    assert_eq!((&status[0]["state"], &status[0]["done"]), (&"finished".into(), &4.into()));
    assert_eq!(desk.run(&["batch", "resume", batch, "--json"]).expect(7).error_code(), "batch-ended");
}

#[test]
fn what_is_wrong_is_refused_and_the_batch_goes_on() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    desk.lab().remove(0).unwrap();
    let mut batch = Batch::start(&desk, &["run", "--count", "2", "--yes"]);
    for (card, error) in [
        ("fido", "foreign-card"),
        (&format!("token {RESTRICTED}"), "token-in-use"),
        ("token2-single serial=8650000000001", "model-unlisted"),
        ("token2-single serial=8659623000001", "not-programmable"),
    ] {
        batch.wait_for("waiting");
        desk.lab().insert(0, card).unwrap();
        assert_eq!(batch.wait_for("refused")["error"]["code"], error, "{card}");
        batch.wait_for("take-off");
        desk.lab().remove(0).unwrap();
    }
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    let done = batch.wait_for("done");
    assert_eq!((&done["line"], &done["upn"]), (&1.into(), &serde_json::Value::Null));
    // The same token again.
    batch.wait_for("take-off");
    desk.lab().power_cycle(0).unwrap();
    assert_eq!(batch.wait_for("refused")["error"]["code"], "token-done");
    batch.wait_for("take-off");
    desk.lab().remove(0).unwrap();
    // A token that is torn off goes on with its own line, another one does not get it.
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000003").unwrap();
    desk.lab().command("log 0").unwrap();
    let (code, summary, heard) = batch.finish();
    assert_eq!((code, &summary["end"]), (0, &"finished".into()), "{heard:#?}");
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}

#[test]
fn a_token_put_back_unfinished_is_finished_on_its_own_line() {
    let desk = Desk::new(1);
    let list = users(&desk, "upn\nann@example.com\nbob@example.com\n");
    let mut batch = Batch::start(&desk, &["run", &list, "--yes"]);
    batch.wait_for("waiting");
    // A fault waits for the card that lies there next.
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    batch.wait_for("done");
    batch.wait_for("take-off");
    desk.lab().fault(0, "tear-after ins=D4").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    let broken = batch.wait_for("broken");
    assert_eq!((&broken["line"], &broken["serial"]), (&2.into(), &"8659622000002".into()));
    let id = desk.json(&["batch", "status"])[0]["batch"].as_str().unwrap().to_owned();
    let status = desk.json(&["batch", "status", &id]);
    assert_eq!((&status[0]["waiting"][0]["serial"], &status[0]["left"]), (&"8659622000002".into(), &1.into()));
    // Another token does not get the line of the one that broke.
    desk.lab().insert(0, "token2-single serial=8659622000003").unwrap();
    assert_eq!(batch.wait_for("refused")["error"]["code"], "no-line-open");
    batch.wait_for("take-off");
    desk.lab().insert(0, "token 8659622000002").unwrap();
    let done = batch.wait_for("done");
    assert_eq!((&done["line"], &done["upn"]), (&2.into(), &"bob@example.com".into()));
    assert_eq!(batch.finish().0, 0);
    all_is_right(&desk, &id);
}

#[test]
fn a_line_that_fails_is_reported_and_retried() {
    let desk = Desk::new(1);
    let list = users(&desk, "upn,serial\nann@example.com,8659622000001\nbob@example.com,\n");
    let mut batch = Batch::start(&desk, &["run", &list, "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    batch.wait_for("done");
    batch.wait_for("take-off");
    // The family's key is refused: nobody tries that again on a token that may lock itself.
    desk.lab().fault(0, "status sw=6983 ins=CE").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    let failed = batch.wait_for("line-failed");
    assert_eq!((&failed["line"], &failed["error"]["code"]), (&1.into(), &"token-wrong-key".into()));
    let (code, summary, _) = batch.finish();
    assert_eq!((code, &summary["failed"], &summary["state"]), (5, &1.into(), &"finished".into()));
    let id = summary["batch"].as_str().unwrap();
    let rows = results(&desk, id);
    assert_eq!((rows[0][4].as_str(), rows[1][4].as_str()), ("failed", "done"));
    assert!(rows[0][7].starts_with("token-wrong-key"), "{rows:?}");

    let mut batch = Batch::start(&desk, &["retry-failed", id]);
    batch.wait_for("waiting");
    desk.lab().power_cycle(0).unwrap();
    assert_eq!(batch.wait_for("done")["upn"], "ann@example.com");
    assert_eq!(batch.finish().0, 0);
    assert!(results(&desk, id).iter().all(|row| row[4] == "done" && row[7].is_empty()));
    all_is_right(&desk, id);
}

#[test]
fn displays_are_compared_where_that_is_asked_for() {
    let desk = Desk::new(1);
    let list = users(&desk, "upn\nann@example.com\nbob@example.com\n");
    let mut batch = Batch::start(&desk, &["run", &list, "--yes", "--verify"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    batch.wait_for("code-wanted");
    let code = desk.lab().display(0).unwrap();
    type_line(&mut batch, &code);
    assert_eq!(batch.wait_for("compared")["drift_steps"], 0);
    batch.wait_for("take-off");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    for _ in 0..3 {
        batch.wait_for("code-wanted");
        type_line(&mut batch, "12345");
    }
    assert_eq!(batch.wait_for("line-failed")["error"]["code"], "code-differs");
    let (exit, summary, _) = batch.finish();
    assert_eq!((exit, &summary["done"]), (5, &1.into()));
    let entry = desk.newest("8659622000002");
    assert_eq!(entry["state"], "unknown");
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

fn type_line(batch: &mut Batch, text: &str) {
    use std::io::Write as _;
    writeln!(batch.stdin.as_mut().unwrap(), "{text}").unwrap();
}

#[test]
fn a_run_ends_when_it_is_told_to_and_goes_on_later() {
    let desk = Desk::new(1);
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let list = users(&desk, &format!("upn,seed\nann@example.com,\nbob@example.com,{seed}\n"));
    let mut batch = Batch::start(&desk, &["run", &list, "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    batch.wait_for("take-off");
    batch.interrupt();
    let (code, summary, _) = batch.finish();
    assert_eq!((code, &summary["left"], &summary["end"]), (130, &1.into(), &"interrupted".into()));
    let id = summary["batch"].as_str().unwrap();
    desk.lab().remove(0).unwrap();
    // Nobody comes.
    assert_eq!(desk.run(&["batch", "resume", "--wait", "0", "--json"]).expect(3).stdout.lines().count(), 2);
    // A station without an officer is given the list again.
    let officer = desk.folder().join("officer.key");
    let kept = fs::read(&officer).unwrap();
    fs::remove_file(&officer).unwrap();
    assert_eq!(desk.run(&["batch", "resume", "--json"]).expect(6).error_code(), "key-file-missing");
    let other = desk.home().join("other.csv");
    fs::write(&other, "upn,seed\nann@example.com,\nbob@example.com,JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n").unwrap();
    let run = desk.run(&["batch", "resume", "--users", other.to_str().unwrap(), "--json"]).expect(7);
    assert_eq!(run.error_code(), "users-other-list");
    let mut batch = Batch::start(&desk, &["resume", "--users", &list]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    assert_eq!(batch.finish().0, 0);
    fs::write(&officer, kept).unwrap();
    fs::set_permissions(&officer, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let state = desk.lab().state(0).unwrap();
    assert_eq!(state["seed"], "3132333435363738393031323334353637383930");
    all_is_right(&desk, id);
    // No plain seed is anywhere in the store.
    for file in crate::support::files(&desk.folder()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(20).any(|window| window == b"12345678901234567890"), "{}", file.display());
    }
}

#[test]
fn a_batch_can_be_cancelled_from_elsewhere() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", "--count", "3", "--yes"]);
    batch.wait_for("waiting");
    let id = desk.json(&["batch", "status"])[0]["batch"].as_str().unwrap().to_owned();
    desk.run(&["batch", "cancel", &id[..13], "--reason", "wrong box"]).expect(0);
    let (code, summary, _) = batch.finish();
    assert_eq!((code, &summary["state"], &summary["end"]), (130, &"cancelled".into(), &"cancelled".into()));
    assert_eq!(desk.run(&["batch", "retry-failed", &id, "--json"]).expect(7).error_code(), "batch-ended");
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_lost_token_gives_its_line_to_the_next() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", "--count", "1", "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "fido").unwrap();
    batch.wait_for("take-off");
    desk.lab().fault(0, "tear-after ins=C5").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    assert_eq!(batch.wait_for("broken")["line"], 1);
    let id = desk.json(&["batch", "status"])[0]["batch"].as_str().unwrap().to_owned();
    let release = |serial: &str| desk.run(&["batch", "release", &id, "--serial", serial, "--json"]);
    assert_eq!(release("8659622000002").expect(7).error_code(), "no-line-waits");
    release("8659622000001").expect(0);
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    assert_eq!(batch.wait_for("done")["line"], 1);
    assert_eq!(batch.finish().0, 0);
    all_is_right(&desk, &id);
}

#[test]
fn readers_and_their_service_may_go_and_come_back() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", "--count", "2", "--yes"]);
    batch.wait_for("waiting");
    desk.lab().command("pcscd kill").unwrap();
    batch.wait_for("reader-away");
    desk.lab().command("pcscd start").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    batch.wait_for("done");
    batch.wait_for("take-off");
    desk.lab().remove(0).unwrap();
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    let (code, summary, _) = batch.finish();
    assert_eq!(code, 0);
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}

#[test]
fn a_service_that_dies_in_the_middle_of_a_burn_costs_nothing() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", "--count", "1", "--yes"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "fido").unwrap();
    batch.wait_for("take-off");
    desk.lab().remove(0).unwrap();
    // It dies after the seed was written and before that was answered.
    desk.lab().command("log 0 clear").unwrap();
    desk.lab().fault(0, "slow ms=600000 ins=C5").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    while !desk.lab().log(0).unwrap().iter().any(|(command, _)| command.starts_with("84c5")) {
        std::thread::yield_now();
    }
    desk.lab().command("pcscd kill").unwrap();
    let broken = batch.wait_for("broken");
    assert_eq!((&broken["line"], &broken["error"]["code"]), (&1.into(), &"reader-lost".into()));
    batch.wait_for("reader-away");
    desk.lab().command("pcscd start").unwrap();
    // The token lies there still, and is finished.
    let done = batch.wait_for("done");
    assert_eq!((&done["line"], &done["serial"]), (&1.into(), &"8659622000001".into()));
    let (code, summary, _) = batch.finish();
    assert_eq!(code, 0);
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}

#[test]
fn a_command_for_each_line_that_fails_is_told_and_changes_nothing() {
    let desk = Desk::new(2);
    let mut hands = Hands::new(&desk, tokens(2));
    let (code, summary, heard) = play(&desk, &mut hands, &["run", "--count", "2", "--yes", "--on-done", "exit 3"]);
    assert_eq!((code, &summary["done"], &summary["hook_failures"]), (0, &2.into(), &2.into()));
    let failed: Vec<_> = heard.iter().filter(|event| event["event"] == "hook-failed").collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[0]["message"], "it ended with exit status: 3");
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}
