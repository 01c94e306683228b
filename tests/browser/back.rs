//! Pages that the browser keeps for Back.

use std::time::Duration;

use fantoccini::wd::TimeoutConfiguration;

use crate::chrome::{Browser, there_is_one};
use crate::machine::Machine;
use crate::office::{ADMIN, Colleague, Office};

const MAC: &str = "00-1A-2B-3C-4D-01";

/// A browser has six connections for all pages of a desk. Each page that shows what changes has one, as long as somebody looks at
/// it: ten of them in the browser's history must hold none.
#[test]
fn pages_kept_for_back_hold_no_connection() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(0);
    let mut browser = Browser::open(&office.url);
    Colleague::begin(&mut browser, ADMIN, &office.enrolment).finish(&mut browser, "Stations");
    browser.press("Add stations", "Add stations");
    browser.fill("MAC ID 1", MAC);
    browser.fill("Location 1", "Ulm");
    browser.press("Add", "Stations");
    browser.tick("All 1 station of this list");
    browser.press("Make codes", "Verification codes");
    let code = browser.text("td.code").replace(' ', "");
    browser.go("/work/new", "New order");
    browser.attach("List of users", &browser.file("users.csv", "upn\nann@example.com\n"));
    browser.tick("Every station that is signed in");
    browser.press("Give the order", "users.csv");
    let order = format!("/work/{}", browser.text("dd code"));
    // A page that finds no connection waits for ever.
    let most = TimeoutConfiguration::new(None, Some(Duration::from_secs(30)), None);
    browser.runtime.block_on(browser.client.update_timeouts(most)).unwrap();
    let pages = |browser: &mut Browser| {
        for round in 0..5 {
            browser.go(&format!("/stations?q=ulm&page={}", round % 2), "Stations");
            browser.script("window.kept = 'this very page'", Vec::new());
            browser.go(&order, "users.csv");
            browser.script("window.kept = 'this very page'", Vec::new());
        }
    };
    pages(&mut browser);
    browser.go("/people", "People");
    // They were kept, and each listens again when somebody comes back to it.
    browser.back();
    assert_eq!(browser.text("h1"), "users.csv");
    assert_eq!(browser.script("return window.kept", Vec::new()), "this very page");
    browser.back();
    assert_eq!(browser.script("return window.kept", Vec::new()), "this very page");
    Machine::new(&office, MAC, &code);
    let state = "[data-cell=state]";
    browser.until("the new state", || (browser.text(state) == "Waiting for sign-in").then_some(()));
    assert_eq!(browser.text("[role=status]"), format!("{MAC}: Waiting for sign-in"));
    browser.has_no_complaint();
}
