//! Adding, finding, noting and retiring entries.

use std::fs;

use crate::support::{Desk, RESTRICTED, Run, Running};
use crate::{SEED, add, desk};

fn serials(desk: &Desk, filters: &[&str]) -> Vec<String> {
    let list = desk.json(&[&["escrow", "list"], filters].concat());
    list.as_array().unwrap().iter().map(|entry| entry["serial"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_seed_that_is_on_a_token_already_is_added_and_found() {
    let desk = desk();
    let run = desk.run_with(&["escrow", "add", "--serial", "1001", "--seed-file", "-", "--json"], SEED).expect(0);
    let added = run.json();
    assert_eq!(
        (&added["state"], &added["digits"], &added["upn"]),
        (&"imported".into(), &6.into(), &serde_json::Value::Null)
    );
    assert!(!run.stdout.contains(SEED) && !run.stderr.contains(SEED));
    let codes = desk.json(&["code", "1001", "--at", "59"]);
    assert_eq!(codes["codes"][0]["code"], "287082");
    // What the text says beside the seed is taken; options come first.
    let uri = "otpauth://totp/ACME:bob@example.com?secret=GEZDGNBVGY3TQOJQ&algorithm=SHA256&digits=8&issuer=ACME";
    let more =
        ["escrow", "add", "--serial", "1002", "--seed-file", "-", "--upn", "carol@example.com", "--model", "C302-i"];
    let added = desk.run_with(
        &[
            &more[..],
            &[
                "--manufacturer",
                "Feitian",
                "--note",
                "spare",
                "--tag",
                "oslo",
                "--tag",
                "2026",
                "--purchase-order",
                "PO-7",
                "--json",
            ],
        ]
        .concat(),
        uri,
    );
    let added = added.expect(0).json();
    assert_eq!((&added["upn"], &added["issuer"]), (&"carol@example.com".into(), &"ACME".into()));
    assert_eq!(
        (&added["algorithm"], &added["digits"], &added["model"]),
        (&"sha256".into(), &8.into(), &"C302-i".into())
    );
    assert_eq!((&added["manufacturer"], &added["family"]), (&"Feitian".into(), &"preprogrammed".into()));
    assert_eq!((&added["note"], &added["tags"]), (&"spare".into(), &serde_json::json!(["2026", "oslo"])));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn no_seed_is_added_twice_and_none_replaced_unasked() {
    let desk = desk();
    let first = add(&desk, "1001", &[]);
    let file = desk.home().join("1001.seed").display().to_string();
    let again = |more: &[&str]| {
        desk.run(&[&["escrow", "add", "--encoding", "hex", "--seed-file", &file, "--json"], more].concat())
    };
    for serial in ["1001", "1002"] {
        let run = again(&["--serial", serial, "--replace"]).expect(7);
        assert_eq!((run.error_code().as_str(), &run.json()["entry"]), ("duplicate-seed", &first.as_str().into()));
    }
    let other = desk.run_with(&["escrow", "add", "--serial", "1001", "--seed-file", "-", "--json"], SEED).expect(8);
    assert_eq!((other.error_code().as_str(), &other.json()["entry"]), ("token-in-use", &first.as_str().into()));
    let arguments = ["escrow", "add", "--serial", "1001", "--seed-file", "-", "--replace", "--json"];
    let replaced = desk.run_with(&arguments, SEED).expect(0).json();
    assert_eq!(replaced["superseded"], serde_json::json!([first]));
    assert_eq!(desk.json(&["escrow", "show", &first])["state"], "superseded");
    // A seed that no longer counts may come again.
    again(&["--serial", "1002"]).expect(0);
    for (text, code) in [("", "not-a-seed"), ("8659622000001", "not-a-seed"), ("ABCDEF23", "seed-ambiguous")] {
        let run = desk.run_with(&["escrow", "add", "--serial", "1003", "--seed-file", "-", "--json"], text);
        assert!(run.code == 7 && (run.error_code() == code || code == "seed-ambiguous"), "{text}: {run:?}");
    }
    assert_eq!(desk.run(&["escrow", "add", "--serial", "1003", "--json"]).expect(2).error_code(), "usage");
    assert_eq!(serials(&desk, &["--serial", "1003"]), [""; 0]);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

/// Real programs, all at the same time: the seed of one token for several, and several seeds for one token.
#[test]
fn of_those_who_add_the_same_at_the_same_time_one_does() {
    let desk = desk();
    let seed = desk.home().join("one.seed");
    fs::write(&seed, SEED).unwrap();
    let seed = seed.display().to_string();
    let add = |serial: &str, file: &str| {
        desk.spawn(&["escrow", "add", "--serial", serial, "--seed-file", file, "--encoding", "base32", "--json"])
    };
    let outcome = |programs: Vec<Running>| {
        let runs: Vec<_> = programs.into_iter().map(Running::finish).collect();
        let codes = runs.iter().filter(|run| run.code != 0).map(Run::error_code).collect::<Vec<_>>();
        assert_eq!(codes.len(), runs.len() - 1, "{runs:?}");
        codes
    };
    let codes = outcome((0..6).map(|number| add(&format!("100{number}"), &seed)).collect());
    assert!(codes.iter().all(|code| code == "duplicate-seed"), "{codes:?}");
    let files: Vec<_> = (0..6).map(|number| desk.home().join(format!("{number}.seed")).display().to_string()).collect();
    for (file, letter) in files.iter().zip(["A", "B", "C", "D", "E", "F"]) {
        fs::write(file, SEED.replace('G', letter)).unwrap();
    }
    let codes = outcome(files.iter().map(|file| add("2001", file)).collect());
    assert!(codes.iter().all(|code| code == "token-in-use"), "{codes:?}");
    assert_eq!(serials(&desk, &[]).len(), 2);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_seed_that_was_added_to_be_burned_is_burned() {
    let desk = Desk::new(1);
    let arguments =
        ["escrow", "add", "--serial", RESTRICTED, "--seed-file", "-", "--to-burn", "--upn", "bob", "--json"];
    let added = desk.run_with(&arguments, SEED).expect(0).json();
    assert_eq!(added["state"], "reserved");
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let burned = desk.json(&["burn"]);
    assert_eq!((&burned["entry"], &burned["state"]), (&added["entry"], &"programmed".into()));
    assert!(desk.shows(0, &burned["entry"]));
    assert_eq!(desk.code_of(&burned["entry"], 59), "287082");
}

/// The same token is the same token, however it came into the escrow.
#[test]
fn added_tokens_have_the_family_that_an_import_gives_them() {
    let desk = desk();
    let header = "upn,serial number,secret key,time interval,manufacturer,model";
    let csv = |serial: &str| format!("{header}\n,{serial},GE3TIMJSGU4DGMRRGE3TIMJSGU4DGMRR,30,,\n");
    for (serial, family) in [(RESTRICTED, "token2-single"), ("2300000000001", "preprogrammed")] {
        let add = ["escrow", "add", "--serial", serial, "--seed-file", "-", "--json"];
        assert_eq!(desk.run_with(&add, SEED).expect(0).json()["family"], family);
        let run = desk.run_with(&["import", "--json", "-"], &csv(serial)).expect(7);
        assert_eq!(run.json()["problems"][0]["code"], "token-known", "{serial}");
        desk.run(&["escrow", "retire", "--serial", serial]).expect(0);
    }
    // Nothing burns a token of unknown make unasked.
    let add = ["escrow", "add", "--serial", "1001", "--seed-file", "-", "--to-burn", "--json"];
    let run = desk.run_with(&add, SEED).expect(2);
    assert!(run.error_code() == "usage" && run.stdout.contains("--family"), "{run:?}");
    let named = [&add[..], &["--family", "token2-single"]].concat();
    assert_eq!(desk.run_with(&named, SEED).expect(0).json()["family"], "token2-single");
}

#[test]
fn filters_narrow_a_list() {
    let desk = desk();
    let first = add(&desk, "1001", &["--upn", "Bob@example.com", "--model", "C302-i", "--issuer", "ACME"]);
    let second = add(&desk, "1002", &["--upn", "carol@example.com", "--tag", "oslo", "--purchase-order", "PO-7"]);
    add(&desk, "2003", &["--note", "for the Branch office"]);
    desk.run(&["escrow", "annotate", &first, "--serial", "1002", "--tag", "both"]).expect(0);
    desk.run(&["escrow", "retire", &second]).expect(0);
    for (filters, expected) in [
        (&["--serial", "1001"][..], &["1001"][..]),
        (&["--upn", "bob@EXAMPLE.com"], &["1001"]),
        (&["--model", "C302-i"], &["1001"]),
        (&["--issuer", "ACME"], &["1001"]),
        (&["--family", "preprogrammed", "--state", "imported"], &["1001", "2003"]),
        (&["--state", "imported,retired"], &["1001", "1002", "2003"]),
        (&["--tag", "oslo"], &["1002"]),
        (&["--tag", "both"], &["1001", "1002"]),
        (&["--tag", "bo"], &[]),
        (&["--purchase-order", "PO-7"], &["1002"]),
        (&["--text", "EXAMPLE.COM"], &["1001", "1002"]),
        (&["--text", "branch OFFICE"], &["2003"]),
        (&["--text", "%"], &[]),
        (&["--text", "100"], &["1001", "1002"]),
        (&["--since", "2020-01-01"], &["1001", "1002", "2003"]),
        (&["--until", "2020-01-01"], &[]),
        (&["--date", "exported", "--since", "2020-01-01"], &[]),
        (&["--not-exported"], &["1001", "1002", "2003"]),
        (&["--exported"], &[]),
        (&["--drift", "30"], &[]),
        (&["--batch", "018f0000-0000-7000-8000-000000000000"], &[]),
    ] {
        assert_eq!(serials(&desk, filters), expected, "{filters:?}");
    }
    for wrong in
        [&["--state", "burnt"][..], &["--tag", "two words"], &["--since", "soon"], &["--batch", "7"], &["--limit", "0"]]
    {
        assert_eq!(
            desk.run(&[&["escrow", "list", "--json"], wrong].concat()).expect(2).error_code(),
            "usage",
            "{wrong:?}"
        );
    }
    let lines = desk.run(&["escrow", "list", "--lines"]).expect(0).stdout;
    let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.len(), 3);
    assert_eq!(serials(&desk, &["--serial", "none"]), [""; 0]);
    assert_eq!(desk.run(&["escrow", "list", "--serial", "none", "--lines"]).expect(0).stdout, "");
}

#[test]
fn a_long_list_is_read_page_by_page() {
    let desk = desk();
    for number in 0..7 {
        add(&desk, &format!("10{number}"), &[]);
    }
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut arguments = vec!["escrow", "list", "--limit", "3", "--json"];
        if let Some(after) = &after {
            arguments.extend(["--after", after]);
        }
        let run = desk.run(&arguments).expect(0);
        let page = run.json();
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last["entry"].as_str().unwrap().to_owned());
        seen.extend(page.iter().map(|entry| entry["serial"].as_str().unwrap().to_owned()));
        assert_eq!(run.stderr.contains("there are more: --after"), seen.len() < 7, "{run:?}");
    }
    assert_eq!(seen, ["100", "101", "102", "103", "104", "105", "106"]);
    assert_eq!(desk.run(&["escrow", "list", "--after", "zz", "--json"]).expect(7).error_code(), "entry-unknown");
}

#[test]
fn what_is_noted_is_shown_with_its_story() {
    let desk = desk();
    let id = add(&desk, "1001", &["--reason", "from the old tool"]);
    desk.run(&["escrow", "assign", &id, "--upn", "bob@example.com", "--issuer", "ACME", "--reason", "new hire"])
        .expect(0);
    let notes = [
        "escrow",
        "annotate",
        &id,
        "--note",
        "in drawer 7",
        "--tag",
        "spare",
        "--purchase-order",
        "PO-7",
        "--activated",
    ];
    desk.run(&notes).expect(0);
    let shown = desk.json(&["escrow", "show", "--serial", "1001"]);
    assert_eq!(
        (&shown["upn"], &shown["note"], &shown["tags"]),
        (&"bob@example.com".into(), &"in drawer 7".into(), &serde_json::json!(["spare"]))
    );
    assert!(shown["activated_at"].is_string() && shown["exported_at"].is_null());
    let story: Vec<_> =
        shown["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(story, ["imported", "assigned", "annotated", "activated"]);
    assert_eq!(shown["events"][0]["reason"], "from the old tool");
    desk.run(&["escrow", "annotate", &id, "--note", "", "--untag", "spare"]).expect(0);
    desk.run(&["escrow", "unassign", "--serial", "1001"]).expect(0);
    let shown = desk.json(&["escrow", "show", &id[..13]]);
    assert_eq!(
        (&shown["upn"], &shown["note"], &shown["tags"]),
        (&serde_json::Value::Null, &serde_json::Value::Null, &serde_json::json!([]))
    );
    assert_eq!(desk.run(&["escrow", "annotate", &id, "--json"]).expect(2).error_code(), "usage");
    assert_eq!(desk.run(&["escrow", "assign", &id, "--upn", "", "--json"]).expect(7).error_code(), "name-refused");
    let long = "x".repeat(5000);
    assert_eq!(
        desk.run(&["escrow", "annotate", &id, "--note", &long, "--json"]).expect(7).error_code(),
        "fact-refused"
    );
    let stats = desk.json(&["escrow", "stats"]);
    assert_eq!(
        (&stats["entries"], &stats["states"]["imported"], &stats["in_use"]["assigned"]),
        (&1.into(), &1.into(), &0.into())
    );
    let text = desk.run(&["escrow", "stats"]).expect(0).stdout;
    assert!(text.contains("imported") && text.contains("officers"), "{text}");
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

/// Not what a terminal obeys: escapes, carriage returns, marks that turn the direction of what follows.
fn is_harmless(run: &Run) -> bool {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    !run.stdout.contains(obeyed) && !run.stderr.contains(obeyed)
}

#[test]
fn hostile_texts_are_kept_and_never_obeyed() {
    let desk = desk();
    let note = "\u{1b}]0;owned\u{7}\u{1b}[31m\r\u{202e}gnp.exe\u{2066}\n'; DROP TABLE entries; -- \u{9b}2J Zoë 日本";
    let id = add(&desk, "1001", &["--note", note, "--model", "\u{202e}i-203C", "--tag", "\u{202e}x"]);
    for arguments in [
        &["escrow", "list"][..],
        &["escrow", "show", &id],
        &["escrow", "list", "--text", "\u{1b}"],
        &["escrow", "audit", "list"],
        &["escrow", "stats"],
        &["escrow", "assign", &id, "--upn", "\u{202e}bob"],
        &["escrow", "assign", &id, "--upn", "\u{1b}[31mbob"],
        &["escrow", "show", "\u{1b}[31m"],
        &["escrow", "audit", "list", "--writer", "\u{1b}[31m"],
    ] {
        let run = desk.run(arguments);
        assert!(is_harmless(&run), "{arguments:?}: {run:?}");
    }
    // A script gets what was given.
    assert_eq!(desk.json(&["escrow", "show", &id])["note"], note);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    // Written straight into the store: a list shows what the rows say, and a check finds it.
    add(&desk, "1002", &["--upn", "zzzzzzzzzzzzzzzz@example.com"]);
    let file = desk.folder().join("escrow.db");
    let mut bytes = fs::read(&file).unwrap();
    let places: Vec<_> = (0..bytes.len() - 16).filter(|&place| bytes[place..].starts_with(&[b'z'; 16])).collect();
    assert!(!places.is_empty(), "the store has no log beside it");
    for place in places {
        bytes[place..place + 16].copy_from_slice(b"\x1b]0;owned\x07\x1b[31m!");
    }
    fs::write(&file, bytes).unwrap();
    for arguments in [&["escrow", "list"][..], &["escrow", "audit", "list"], &["escrow", "check"], &["escrow", "stats"]]
    {
        let run = desk.run(arguments);
        assert!(is_harmless(&run), "{arguments:?}: {run:?}");
    }
    let listed = desk.run(&["escrow", "list", "--serial", "1002"]).expect(0).stdout;
    assert!(listed.contains("owned"), "{listed}");
    assert_eq!(desk.run(&["escrow", "check", "--json"]).expect(6).json()["ok"], false);
}
