//! The audit trail: read, exported, signed, and held against what it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{add, desk};

#[test]
fn events_are_found_and_exported_with_their_signatures() {
    let desk = desk();
    let id = add(&desk, "1001", &[]);
    add(&desk, "1002", &[]);
    desk.run(&["escrow", "assign", &id, "--upn", "bob", "--operator", "carol"]).expect(0);
    let count = |more: &[&str]| desk.json(&[&["escrow", "audit", "list"], more].concat()).as_array().unwrap().len();
    let all = count(&[]);
    assert_eq!((count(&["--kind", "imported"]), count(&["--entry", &id]), count(&["--limit", "2"])), (2, 2, 2));
    assert_eq!((count(&["--by", "carol"]), count(&["--by", "car"])), (1, 0));
    assert_eq!((count(&["--since", "2020-01-01"]), count(&["--until", "2020-01-01"])), (all, 0));
    let listed = desk.json(&["escrow", "audit", "list"]);
    let station = listed.as_array().unwrap().last().unwrap()["writer"].as_str().unwrap().to_owned();
    assert!(count(&["--writer", &station]) >= 3);
    let unknown = desk.run(&["escrow", "audit", "list", "--writer", "nobody", "--json"]).expect(7);
    assert_eq!(unknown.error_code(), "writer-unknown");

    let none = ["escrow", "audit", "list", "--until", "2020-01-01"];
    assert_eq!((desk.json(&none), desk.run(&none).expect(0).stdout), (serde_json::json!([]), String::new()));
    assert_eq!(desk.run(&["escrow", "audit", "list"]).expect(0).stdout.lines().count(), all);

    let lines = desk.run(&["escrow", "audit", "export"]).expect(0).stdout;
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), all);
    for pair in events.windows(2).filter(|pair| pair[0]["key"] == pair[1]["key"]) {
        assert_eq!(
            (&pair[1]["previous"], pair[1]["sequence"].as_u64()),
            (&pair[0]["hash"], pair[0]["sequence"].as_u64().map(|n| n + 1))
        );
    }
    let sealed = events.iter().find(|event| event["kind"] == "imported").unwrap();
    assert_eq!((&sealed["entries"][0]["entry"], &sealed["entries"][0]["revision"]), (&id.as_str().into(), &1.into()));
    assert!(
        sealed["entries"][0]["digest"].as_str().unwrap().len() == 64
            && sealed["signature"].as_str().unwrap().len() == 128
    );
    let file = desk.home().join("trail.jsonl");
    let name = file.display().to_string();
    let written = desk.json(&["escrow", "audit", "export", "--kind", "assigned", "--out", &name]);
    assert_eq!((&written["events"], fs::read_to_string(&file).unwrap().lines().count()), (&1.into(), 1));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.run(&["escrow", "audit", "export", "--out", &name, "--json"]).expect(7).error_code(), "audit-out");
}

#[test]
fn a_checkpoint_shows_what_was_cut_off_since() {
    let desk = desk();
    add(&desk, "1001", &[]);
    let store = desk.folder().join("escrow.db");
    let older = fs::read(&store).unwrap();
    add(&desk, "1002", &[]);
    let file = desk.home().join("checkpoint.json");
    let name = file.display().to_string();
    let signed = desk.json(&["escrow", "audit", "checkpoint", "--out", &name]);
    assert_eq!(signed["entries"], 2);
    assert_eq!(
        desk.run(&["escrow", "audit", "checkpoint", "--out", &name, "--json"]).expect(7).error_code(),
        "audit-out"
    );
    add(&desk, "1003", &[]);
    // The auditor has no officer's file.
    let key = desk.folder().join("officer.key");
    fs::rename(&key, desk.home().join("officer.key")).unwrap();
    let verify = ["escrow", "audit", "verify", "--checkpoint", &name];
    let run = desk.run(&verify).expect(0);
    assert!(run.stdout.contains("events of the checkpoint of"), "{run:?}");
    assert_eq!(desk.json(&verify)["checkpoint"]["entries"], 2);
    assert_eq!(
        desk.run(&["escrow", "audit", "checkpoint", "--out", "/x/y", "--json"]).expect(6).error_code(),
        "key-file-missing"
    );

    fs::write(&store, &older).unwrap();
    let pins = desk.folder().join("pins");
    assert_eq!(desk.run(&[&verify[..], &["--json"]].concat()).expect(6).error_code(), "store-older");
    // Somebody who has never seen the store has only the file to go by.
    fs::remove_dir_all(&pins).unwrap();
    let run = desk.run(&[&verify[..], &["--json"]].concat()).expect(6);
    assert!(run.stderr.contains("first use of") && run.stderr.contains("fingerprint"), "{run:?}");
    let problems = run.json()["problems"].to_string();
    assert!(problems.contains("the checkpoint knew 2") && problems.contains("the chain ends at"), "{problems}");
    assert_eq!(desk.json(&["escrow", "audit", "verify"])["ok"], true, "by itself it is sound");

    let text = fs::read_to_string(&file).unwrap();
    for (changed, code, exit) in [
        (text.replace("\"entries\":2", "\"entries\":1"), "checkpoint-forged", 6),
        (text[..text.len() / 2].to_owned(), "checkpoint-unreadable", 7),
        (String::new(), "checkpoint-unreadable", 7),
    ] {
        fs::write(&file, changed).unwrap();
        assert_eq!(desk.run(&[&verify[..], &["--json"]].concat()).expect(exit).error_code(), code);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(desk.run(&[&verify[..], &["--json"]].concat()).expect(7).error_code(), "checkpoint-file");
}
