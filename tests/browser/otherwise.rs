//! The same deeds with a keyboard alone, and in a browser that runs no scripts.

use fantoccini::key::Key;

use crate::chrome::{Browser, there_is_one};
use crate::office::{ADMIN, Colleague, Office};
use crate::support::{Desk, UNRESTRICTED};

const MAC: &str = "00-1A-2B-3C-4D-01";

#[test]
fn a_keyboard_is_enough() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(0);
    let mut browser = Browser::open(&office.url);
    enrol_with_keys(&office, &mut browser);
    // Past the navigation at once.
    browser.tab_to("Skip to content");
    browser.key(Key::Enter);
    browser.tab_to("Add stations");
    browser.leaving("Add stations", |browser| browser.key(Key::Enter));
    browser.goes_round();
    browser.tab_and_type("MAC ID 1", "001a2b3c4d01");
    browser.tab_and_type("Location 1", "Ulm");
    browser.enter("Add", "Stations");
    browser.says("1 station added.");
    browser.goes_round();
    browser.tab_to("Select 00-1A-2B-3C-4D-01, Ulm");
    browser.key(Key::Space);
    browser.tab_to("Another for each station");
    browser.key(Key::Down);
    browser.tab_to("Digits, at least");
    browser.key(Key::Down);
    browser.key(Key::Down);
    browser.enter("Make codes", "Verification codes");
    let code = browser.text("td.code").replace(' ', "");
    assert_eq!(code.len(), 8, "{code}");
    browser.enter("Print slips", "Slips");
    browser.enter("Back to all stations", "Stations");
    let station = Desk::without_readers();
    office.provision(&station, MAC, &code);
    browser.until("the station", || (browser.text("[data-cell=state]") == "Waiting for sign-in").then_some(()));
    browser.tab_to("Select 00-1A-2B-3C-4D-01, Ulm");
    browser.key(Key::Space);
    browser.tab_and_type("Account that they act for", "branch-ulm");
    // Enter in the field is the first button.
    browser.leaving("Stations", |browser| browser.key(Key::Enter));
    browser.says("1 station signed in.");
    assert_eq!(station.json(&["station", "status"])["state"], "signed-in");
    browser.enter(MAC, MAC);
    browser.goes_round();
    browser.enter("Revoke", "Revoke");
    browser.enter("Revoke", "Stations");
    browser.says("1 station revoked.");
    browser.enter("People", "People");
    browser.tab_and_type("Name", "carl@example.com");
    browser.tab_to("helpdesk");
    browser.key(Key::Space);
    browser.enter("Add", "Enrolment code");
    browser.enter("Sign out", "Sign in");
    browser.goes_round();
    browser.has_no_complaint();
}

fn enrol_with_keys(office: &Office, browser: &mut Browser) {
    browser.go("/", "Sign in");
    browser.enter("Enrol with the code that you were given.", "Enrol");
    browser.tab_and_type("Name", ADMIN);
    browser.tab_and_type("Enrolment code", &office.enrolment);
    browser.enter("Go on", "Enrol");
    let mut ada = Colleague::new(ADMIN, &browser.text("code.code"));
    browser.tab_and_type("Name", ada.name);
    browser.tab_and_type("Password", ada.password);
    browser.tab_and_type("Password once more", ada.password);
    browser.tab_and_type("Code that your app shows", &ada.code());
    browser.enter("Finish", "Stations");
}

#[test]
fn no_script_is_needed() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(1);
    office.machine.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    office.machine.json(&["burn", "--generate", "--upn", "bob@example.com"]);
    let mut browser = Browser::without_scripts(&office.url);
    let mut ada = Colleague::begin(&mut browser, ADMIN, &office.enrolment);
    ada.finish(&mut browser, "Stations");
    browser.press("Add stations", "Add stations");
    browser.attach("File", &browser.file("stations.csv", &format!("MAC ID,Location\n{MAC},Ulm\n")));
    browser.press("Upload", "Stations");
    browser.tick("Select 00-1A-2B-3C-4D-01, Ulm");
    browser.press("Make codes", "Verification codes");
    let code = browser.text("td.code").replace(' ', "");
    browser.go("/stations", "Stations");
    let station = Desk::without_readers();
    office.provision(&station, MAC, &code);
    // Nothing moves here by itself; the page is to be loaded again.
    browser.go("/stations", "Stations");
    assert_eq!(browser.text("[data-cell=state]"), "Waiting for sign-in");
    browser.tick("Select 00-1A-2B-3C-4D-01, Ulm");
    browser.fill("Account that they act for", "branch-ulm");
    browser.press_in("main", "Sign in", "Stations");
    assert_eq!(browser.text("[data-cell=state]"), "Signed in");
    browser.press("People", "People");
    browser.fill("Name", "carl@example.com");
    browser.tick("helpdesk");
    browser.tick("auditor");
    browser.press("Add", "Enrolment code");
    let enrolment = browser.text("code.code");
    browser.press("Sign out", "Sign in");
    let mut carl = Colleague::begin(&mut browser, "carl@example.com", &enrolment);
    carl.finish(&mut browser, "Helpdesk");
    browser.fill("User, serial number, or a part of either", "bob");
    browser.press("Find", "Helpdesk");
    browser.press(UNRESTRICTED, &format!("Token {UNRESTRICTED}"));
    browser.fill("Reason", "token left at home");
    browser.press("Show the code", "Codes");
    assert_eq!(browser.texts("td.code").len(), 2);
    browser.press("Audit", "Audit");
    browser.says("token left at home");
    browser.press("Verify", "Verified");
    no_script_runs(&browser);
}

/// What was tested was what was meant.
fn no_script_runs(browser: &Browser) {
    let page = "data:text/html,<title>none</title><script>document.title = 'some'</script>";
    browser.runtime.block_on(browser.client.goto(page)).unwrap();
    assert_eq!(browser.runtime.block_on(browser.client.title()).unwrap(), "none");
}
