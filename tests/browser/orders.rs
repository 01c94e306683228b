//! An order: a list of users, burned at two branch offices by the real `oathburn station run`, with emulated readers.

use std::thread;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use fantoccini::Locator;
use serde_json::Value;

use crate::chrome::Browser;
use crate::hands::{Batch, Hands};
use crate::support::Desk;

/// Whose tokens are burned.
const USERS: [&str; 6] = ["amy", "ben", "cleo", "dan", "eva", "finn"];

/// The admin gives an order, and sees it done. The serial number of the last user's token.
pub(crate) fn an_order_is_burned(browser: &mut Browser, ulm: &Desk, bern: &Desk, secrets: &mut Vec<String>) -> String {
    browser.press("Work", "Work");
    browser.says("There is no order yet.");
    browser.press("New order", "New order");
    browser.attach("List of users", &browser.file("bad.csv", "upn,serial\namy@,\nben@example.com,86596\n"));
    browser.press("Give the order", "New order");
    browser.says("nothing was written");
    let rows = USERS.map(|user| format!("{user}@example.com")).join("\n");
    browser.attach("List of users", &browser.file("new-colleagues.csv", &format!("upn\n{rows}\n")));
    browser.fill("Service of lines that name none", "Example AG");
    browser.tick("All at Ulm");
    browser.tick("All at Bern");
    browser.press("Give the order", "new-colleagues.csv");
    assert_eq!(browser.text("[data-cell=progress]"), "0 of 6 done, 0 failed, 6 left");
    progress_is_seen(browser, ulm, bern);
    results_are_fetched(browser, &[ulm, bern], secrets)
}

/// The page that lies open shows what stations do; it is not loaded again.
fn progress_is_seen(browser: &mut Browser, ulm: &Desk, bern: &Desk) {
    browser.script("window.sameness = 'still the same page'", Vec::new());
    assert_eq!(browser.texts("[data-key^='station-'] th"), [""; 0]);
    let (box_of_ulm, box_of_bern) = (tokens(1), tokens(101));
    let mut hands = Hands::new(ulm, box_of_ulm.clone().into_iter().take(2));
    let mut running = run(ulm);
    let mut done = 0;
    while done < 2 {
        let event = running.next().unwrap_or_else(|| panic!("{:#?}", running.heard));
        done += usize::from(event["event"] == "done");
        hands.obey(&event, &mut |_, _| {});
    }
    browser.until("two lines", || browser.text("[data-cell=progress]").starts_with("2 of 6 done").then_some(()));
    // Whoever took lines has a row of its own, which was not there when the page was loaded.
    browser.until("the station", || {
        browser.texts("[data-key^='station-'] td").first().is_some_and(|place| place == "Ulm").then_some(())
    });
    browser.picture("order", 900);
    running.interrupt();
    assert_eq!(running.finish().0, 130);
    for reader in 0..2 {
        // What lay there last may not have been taken off.
        let _ = ulm.lab().remove(reader);
    }
    thread::scope(|scope| {
        let first = scope.spawn(|| play(ulm, box_of_ulm[2..].to_vec()));
        let second = scope.spawn(|| play(bern, box_of_bern));
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (0, 0));
    });
    browser.until("all lines", || browser.text("[data-cell=progress]").starts_with("6 of 6 done").then_some(()));
    browser.until("the end", || (browser.text("[data-cell=state]") == "finished").then_some(()));
    assert_eq!(browser.texts("[data-key^='station-'] th"), [""; 0]);
    assert_eq!(browser.script("return window.sameness", Vec::new()), "still the same page");
    browser.says("There is something new.");
    browser.press("Load this page again", "new-colleagues.csv");
}

/// What became of each line, and the file for Entra: each token has the seed that it says.
fn results_are_fetched(browser: &mut Browser, stations: &[&Desk], secrets: &mut Vec<String>) -> String {
    let id = browser.text("dd code");
    let results = browser.download("Download what became of each line, as CSV", &format!("results-{id}.csv"));
    let results = String::from_utf8(results).unwrap();
    assert_eq!(results.lines().filter(|row| row.contains(",done,")).count(), 6, "{results}");
    browser.fill("Reason", "they start on Monday");
    let entra = browser.download("Make the file for Entra", &format!("entra-{id}.csv"));
    let entra = String::from_utf8(entra).unwrap();
    let mut last = String::new();
    for user in USERS {
        let row: Vec<_> = entra.lines().find(|row| row.contains(&format!("{user}@"))).unwrap().split(',').collect();
        let serial = row[1].trim_matches('"').to_owned();
        let state = |desk: &&Desk| desk.lab().command(&format!("state token {serial} --with-seed")).ok();
        let [state] = stations.iter().filter_map(state).collect::<Vec<Value>>().try_into().unwrap();
        let seed = HEXLOWER.decode(state["seed"].as_str().unwrap().as_bytes()).unwrap();
        let seed = BASE32_NOPAD.encode(&seed);
        assert!(row.iter().any(|cell| cell.trim_matches('"').trim_end_matches('=') == seed), "{user}");
        secrets.extend([state["seed"].as_str().unwrap().to_owned(), seed]);
        last = serial;
    }
    last
}

/// An order that is not wanted any more, in all its states.
pub(crate) fn an_order_is_cancelled(browser: &mut Browser) {
    browser.go("/work", "Work");
    browser.press("New order", "New order");
    // Without a file, and with what Ulm and Bern have nothing to do with.
    let list = browser.find(Locator::Css("textarea"));
    browser.runtime.block_on(list.send_keys("upn\ngus@example.com\n")).unwrap();
    browser.fill("Name of the order", "gus");
    browser.tick("All at Oslo");
    browser.press("Give the order", "gus");
    browser.fill("Reason", "he has one");
    browser.press("Cancel the order", "gus");
    assert_eq!(browser.text("[data-cell=state]"), "cancelled");
    browser.press("Back to all orders", "Work");
    assert_eq!(browser.texts("[data-cell=state]"), ["cancelled", "finished"]);
}

/// Two lines at a time: one for each reader.
fn run(station: &Desk) -> Batch {
    Batch::of(station, &["station", "run", "--json", "--ahead", "2"])
}

/// Runs a station to its end with willing hands; its exit code.
fn play(station: &Desk, tokens: Vec<String>) -> i32 {
    let mut hands = Hands::new(station, tokens);
    let mut running = run(station);
    while let Some(event) = running.next() {
        hands.obey(&event, &mut |_, _| {});
    }
    running.finish().0
}

/// A box of tokens: more than there are lines, for those that come when no line is at hand are put aside.
fn tokens(first: usize) -> Vec<String> {
    (first..first + 20).map(|number| format!("8659622{number:06}")).collect()
}
