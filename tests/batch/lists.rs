//! Lists of users: all that is wrong is said at once, before anything is burned.

use std::fs;

use crate::support::{Desk, RESTRICTED, UNRESTRICTED};

fn list(desk: &Desk, text: &str) -> String {
    let path = desk.home().join("users.csv");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_problem_is_named_with_row_column_and_remedy() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let given = desk.home().join("seed");
    fs::write(&given, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    desk.run(&["burn", "--seed-file", given.to_str().unwrap()]).expect(0);
    desk.lab().remove(0).unwrap();

    let users =
        list(&desk, "upn,serial,time step\nbob@example.com,8.65962E+12,30\nBOB@example.com,8659622000007,ten\n");
    let run = desk.run(&["batch", "run", &users, "--yes", "--json"]).expect(7);
    let problems = run.json()["problems"].clone();
    let found: Vec<_> =
        problems.as_array().unwrap().iter().map(|one| (&one["row"], &one["column"], &one["code"])).collect();
    assert_eq!(
        format!("{found:?}"),
        format!(
            "{:?}",
            [
                (&2.into(), &"serial".into(), &"spreadsheet-number".into()),
                (&3.into(), &"upn".into(), &"users-upn-twice".into()),
                (&3.into(), &"time step".into(), &"time-step-invalid".into()),
            ] as [(&serde_json::Value, &serde_json::Value, &serde_json::Value); 3]
        )
    );
    assert!(problems.as_array().unwrap().iter().all(|one| one["remedy"].is_string()));
    assert_eq!(run.error_code(), "users-refused");
    let text = desk.run(&["batch", "run", &users, "--yes"]).expect(7).stderr;
    assert!(text.contains("row 3, upn: the user stands in row 2, too; remove one of the rows"), "{text}");

    // What only the escrow and the tokens know.
    let text = format!(
        "upn,serial,seed\nann,{RESTRICTED},\nbea,{UNRESTRICTED},GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n\
         cid,,otpauth://totp/cid?secret=GEZDGNBVGY3TQOJQ&digits=9\n"
    );
    let run = desk.run(&["batch", "run", &list(&desk, &text), "--yes", "--json"]).expect(7).json();
    let codes: Vec<_> = run["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["token-in-use", "duplicate-seed", "token-digits"]);
    assert!(desk.json(&["batch", "status"]).as_array().unwrap().is_empty());
    assert_eq!(desk.json(&["escrow", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn nothing_is_burned_unconfirmed() {
    let desk = Desk::new(1);
    let users = list(&desk, "upn\nbob@example.com\n");
    assert_eq!(desk.run(&["batch", "run", &users, "--json"]).expect(2).error_code(), "usage");
    let run = desk.run(&["batch", "run", &users, "--dry-run"]).expect(0);
    assert!(run.stderr.contains("1 tokens, whichever come"), "{run:?}");
    assert_eq!(desk.run(&["batch", "run", "nothing.csv", "--yes", "--json"]).expect(7).error_code(), "users-file");
    assert_eq!(desk.run(&["batch", "results", "--json"]).expect(7).error_code(), "no-batch");
    assert_eq!(desk.run(&["batch", "status", "12", "--json"]).expect(7).error_code(), "batch-unknown");
}

#[test]
fn a_list_with_many_problems_is_told_in_part_and_written_whole() {
    let desk = Desk::new(1);
    let wrong = 1200;
    let rows: Vec<_> = (1..=wrong).map(|number| format!("user{number}@example.com,ten")).collect();
    let users = list(&desk, &format!("upn,time step\n{}\n", rows.join("\n")));
    let run = desk.run(&["batch", "run", &users, "--yes", "--json"]).expect(7).json();
    assert_eq!((run["problems"].as_array().unwrap().len(), &run["problem_count"]), (1000, &wrong.into()));
    let said = desk.run(&["batch", "run", &users, "--yes"]).expect(7).stderr;
    assert_eq!(said.matches("\n  row ").count(), 20, "{said}");
    assert!(said.contains("\n  and 1180 more") && said.contains("--problems FILE"), "{said}");

    let table = desk.home().join("problems.csv");
    let with_table = |expected: &str| {
        let said = desk.run(&["batch", "run", &users, "--yes", "--problems", table.to_str().unwrap()]).expect(7).stderr;
        assert!(said.contains(expected), "{said}");
        let mut reader = csv::Reader::from_path(&table).unwrap();
        assert_eq!(reader.headers().unwrap(), vec!["row", "column", "code", "message", "remedy"]);
        reader.records().map(Result::unwrap).collect::<Vec<_>>()
    };
    let found = with_table(&format!("all {wrong} are in "));
    assert_eq!(found.len(), wrong);
    let last = found.last().unwrap();
    assert_eq!((&last[0], &last[1], &last[2]), ("1201", "time step", "time-step-invalid"));
    // What tokens and escrow find wrong comes into the same table, in place of what was there.
    list(&desk, "upn,serial\nann@example.com,8659623000001\n");
    let found = with_table("row 2, serial: ");
    assert_eq!((found.len(), &found[0][2]), (1, "not-programmable"));

    // A table that cannot be written is said, and the problems all the same.
    let nowhere = desk.home().join("no/problems.csv");
    let said = desk.run(&["batch", "run", &users, "--yes", "--problems", nowhere.to_str().unwrap()]).expect(7).stderr;
    assert!(said.contains("row 2, serial: ") && said.contains("failed to write "), "{said}");
}
