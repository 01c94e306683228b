//! A batch whose escrow lies on a server that stops.

use std::collections::BTreeSet;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, Stop};

use crate::hands::{Batch, Hands, all_is_right, results, tokens};
use crate::support::Desk;

const LINES: usize = 12;

/// At each moment of a burn, in an orderly way and as if the machine had died. A program without patience says so of the tokens
/// that lie there, which come again later; where it cannot note what it has written it ends, and the next run goes on. One with
/// patience notices nothing.
#[test]
fn a_server_that_stops_in_the_middle_costs_nothing() {
    let server = PrivatePostgres::start_new(PostgresOptions::default()).unwrap();
    server.role("keeper", "a password").unwrap();
    server.database("escrow", "keeper").unwrap();
    let url = server.url("keeper", "escrow");
    let desk = Desk::without_escrow(2).with_store(&url, "*:*:*:keeper:a password\n");
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let users = desk.home().join("users.csv");
    let people: Vec<_> = (1..=LINES).map(|number| format!("user{number}@example.com")).collect();
    std::fs::write(&users, format!("upn\n{}\n", people.join("\n"))).unwrap();
    let mut hands = Hands::new(&desk, tokens(LINES));
    let mut done = BTreeSet::new();

    let moments =
        ["leased", "reserved", "seed-written", "programmed", "done", "identified", "leased", "config-written"];
    let stops: Vec<_> = moments.into_iter().zip([Stop::Fast, Stop::Immediate].into_iter().cycle()).collect();
    let mut stops = stops.into_iter().peekable();
    let hasty = format!("{url}&patience=0");
    let mut arguments = vec!["run", users.to_str().unwrap(), "--yes", "--wait", "60", "--store", &hasty];
    let (mut away, mut noticed) = (false, 0);
    let batch = loop {
        // The last ones are for a program that waits.
        let patient = stops.len() < 3;
        let mut batch = Batch::start(&desk, &arguments);
        while let Some(event) = batch.next() {
            let code = event["error"]["code"].as_str().unwrap_or_default();
            if away && code.starts_with("store-") {
                noticed += 1;
                server.start().unwrap();
                away = false;
            }
            let here = |(moment, _): &(&str, Stop)| event["event"] == *moment || event["step"] == *moment;
            if let Some((_, how)) = stops.next_if(|stop| !away && here(stop)) {
                server.stop(how).unwrap();
                away = !patient;
                if patient {
                    server.start().unwrap();
                }
            }
            match event["event"].as_str().unwrap_or_default() {
                "refused" if code.starts_with("store-") => {
                    hands.tokens.insert(0, event["serial"].as_str().unwrap().to_owned());
                }
                "done" => {
                    let serial = event["serial"].as_str().unwrap().to_owned();
                    assert!(done.insert(serial), "burned twice: {event}");
                }
                _ => {}
            }
            hands.obey(&event, &mut |_, _| {});
            if !patient && !away && stops.len() < 3 {
                // After the conversations that are under way.
                batch.interrupt();
            }
        }
        let (code, last, heard) = batch.finish();
        if away {
            server.start().unwrap();
            away = false;
        }
        match code {
            0 => break last["batch"].as_str().unwrap().to_owned(),
            6 => noticed += 1,
            130 => {}
            _ => panic!("{code}: {heard:#?}"),
        }
        hands.clear(&done);
        // What lay there when a run ended is in the box once.
        let boxed: BTreeSet<_> = std::mem::take(&mut hands.tokens).into_iter().collect();
        hands.tokens.extend(boxed);
        arguments = vec!["resume", "--wait", "60"];
        if stops.len() > 2 {
            arguments.extend(["--store", &hasty]);
        }
    };
    assert_eq!((stops.len(), noticed >= 6), (0, true), "{noticed}");
    let rows = results(&desk, &batch);
    assert!(rows.len() == LINES && rows.iter().all(|row| row[4] == "done"), "{rows:?}");
    let burned: BTreeSet<_> = rows.iter().map(|row| row[2].clone()).collect();
    // What was burned while the server was away, and noted afterwards, was told by nobody.
    assert!(burned.len() == LINES && done.is_subset(&burned), "{done:?} {burned:?}");
    let programmed = desk.json(&["escrow", "list", "--state", "programmed"]);
    assert_eq!(programmed.as_array().unwrap().len(), LINES);
    all_is_right(&desk, &batch);
}
