//! The keyboard alone on the pages where somebody does something: orders, the helpdesk, the audit. What the pages say of it is
//! said to those who do not see it, too.

use fantoccini::key::Key;
use oathburn_desk::work::wire::ReportState;

use crate::chrome::{Browser, there_is_one};
use crate::machine::Machine;
use crate::office::{ADMIN, Colleague, Office};
use crate::support::UNRESTRICTED;

const MAC: &str = "00-1A-2B-3C-4D-01";

#[test]
fn a_keyboard_is_enough_for_orders_the_helpdesk_and_the_audit() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(1);
    office.machine.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    office.machine.json(&["burn", "--generate", "--upn", "bob@example.com"]);
    let mut browser = Browser::open(&office.url);
    Colleague::begin(&mut browser, ADMIN, &office.enrolment).finish(&mut browser, "Stations");
    let station = a_station(&office, &mut browser);
    let [clerk, auditor] = ["carl@example.com", "dora@example.com"].map(|name| {
        browser.go("/people", "People");
        browser.goes_round();
        browser.tab_and_type("Name", name);
        browser.tab_to(if name.starts_with('c') { "helpdesk" } else { "auditor" });
        browser.key(Key::Space);
        browser.enter("Add", "Enrolment code");
        assert!(browser.text("[role=status]").contains(name));
        browser.text("code.code")
    });
    for (path, title) in [("/scripts", "Scripts"), ("/account", "Your account"), ("/stations/login-code", "Login code")]
    {
        browser.go(path, title);
        browser.goes_round();
    }
    an_order(&mut browser, &station);
    browser.enter("Sign out", "Sign in");
    Colleague::begin(&mut browser, "carl@example.com", &clerk).finish(&mut browser, "Helpdesk");
    the_helpdesk(&office, &mut browser);
    browser.enter("Sign out", "Sign in");
    Colleague::begin(&mut browser, "dora@example.com", &auditor).finish(&mut browser, "Audit");
    the_audit(&mut browser);
    browser.has_no_complaint();
}

fn a_station(office: &Office, browser: &mut Browser) -> Machine {
    browser.go("/stations/add", "Add stations");
    browser.fill("MAC ID 1", MAC);
    browser.fill("Location 1", "Ulm");
    browser.press("Add", "Stations");
    browser.tick("All 1 station of this list");
    browser.press("Make codes", "Verification codes");
    browser.goes_round();
    let station = Machine::new(office, MAC, &browser.text("td.code").replace(' ', ""));
    browser.go("/stations", "Stations");
    browser.tick("All 1 station of this list");
    browser.fill("Account that they act for", "branch-ulm");
    browser.press_in("main", "Sign in", "Stations");
    station
}

fn an_order(browser: &mut Browser, station: &Machine) {
    browser.go("/work", "Work");
    browser.goes_round();
    browser.enter("New order", "New order");
    browser.goes_round();
    browser
        .tab_and_type("or paste it here", "upn\nann@example.com\nben@example.com\ncleo@example.com\ndan@example.com");
    browser.tab_and_type("Name of the order", "by hand");
    browser.tab_to("Every station that is signed in");
    browser.key(Key::Space);
    browser.enter("Give the order", "by hand");
    let order = browser.text("dd code");
    assert_eq!(station.lease(4), [1, 2, 3, 4]);
    station.tell(&order, 1, (ReportState::Done, "8659622000001"));
    station.tell(&order, 2, (ReportState::Failed, "the token is full"));
    station.tell(&order, 3, (ReportState::Unknown, "8659622000003"));
    station.tell(&order, 2, (ReportState::Done, "8659622000002"));
    // Somebody who looks elsewhere on the page hears that there is more.
    let news = "[role=status][data-cell=news]";
    browser.until("the news", || (browser.text(news) == "There is something new.").then_some(()));
    browser.enter("Load this page again", "by hand");
    browser.goes_round();
    assert!(browser.text("[role=alert]").contains("8659622000002"), "{}", browser.text("main"));
    browser.tab_and_type("Reason", "it is in the shredder");
    browser.enter("Put the token out of use", "by hand");
    browser.tab_and_type("Reason", "it is broken");
    browser.enter("Release the line", "by hand");
    browser.enter("Take failed lines up again", "by hand");
    browser.says("1 of 4 done, 0 failed, 3 left");
    browser.tab_and_type("Reason", "they start on Monday");
    browser.tab_to("Make the file for Entra");
    browser.key(Key::Enter);
    let file = browser.downloaded(&format!("entra-{order}.csv"));
    assert!(String::from_utf8(file).unwrap().contains("ann@example.com"));
    browser.tab_to("Every station that is signed in");
    browser.key(Key::Space);
    browser.tab_to("All at Ulm");
    browser.key(Key::Space);
    browser.enter("Change who may work on it", "by hand");
    browser.says("Ulm");
    browser.tab_to("Change who may work on it");
    browser.tab_and_type("Reason", "enough");
    browser.enter("Cancel the order", "by hand");
    assert_eq!(browser.text("[data-cell=state]"), "cancelled");
    browser.enter("Back to all orders", "Work");
}

fn the_helpdesk(office: &Office, browser: &mut Browser) {
    let shown = || office.machine.lab().command("display 0").unwrap()["code"].as_str().unwrap().to_owned();
    browser.goes_round();
    let token = format!("Token {UNRESTRICTED}");
    browser.tab_and_type("User, serial number, or a part of either", "bob");
    browser.leaving("Helpdesk", |browser| browser.key(Key::Enter));
    browser.goes_round();
    browser.enter(UNRESTRICTED, &token);
    browser.goes_round();
    browser.tab_and_type("Reason", "   ");
    browser.leaving(&token, |browser| browser.key(Key::Enter));
    assert!(browser.text("[role=alert]").contains("reason-missing"));
    browser.tab_and_type("Reason", "left at home");
    browser.tab_and_type("Ticket number", "INC-7");
    browser.tab_to("Other times");
    browser.key(Key::Enter);
    browser.tab_and_type("Codes after it (0 to 10)", "3");
    browser.enter("Show the code", "Codes");
    assert_eq!(browser.texts("td.code").len(), 4);
    browser.goes_round();
    browser.enter("Back to the token", &token);
    browser.tab_to("Other times");
    browser.key(Key::Enter);
    browser.goes_round();
    browser.tab_and_type("Code on the display", &shown());
    browser.enter("How far is its clock off?", "The token's clock");
    browser.goes_round();
    browser.enter("Back to the token", &token);
    browser.tab_and_type("Code on the display", &shown());
    browser.enter("Why do its codes differ?", "Why the codes differ");
    browser.goes_round();
    browser.enter("Helpdesk", "Helpdesk");
    browser.enter("Whose token shows this code?", "Whose token is this?");
    browser.goes_round();
    browser.tab_and_type("Code on the display", "12");
    browser.enter("Whose is it?", "Whose token is this?");
    assert!(browser.text("[role=alert]").contains("displayed-code"));
    browser.tab_and_type("Code on the display", &shown());
    browser.enter("Whose is it?", "Whose token is this?");
    browser.says("bob@example.com");
}

fn the_audit(browser: &mut Browser) {
    browser.goes_round();
    browser.tab_to("What");
    // A list is chosen from by the first letters.
    browser.type_text("code-d");
    browser.tab_and_type("Who", "carl@example.com");
    browser.enter("Show", "Audit");
    browser.says("INC-7");
    assert!(browser.texts("td[data-label=What]").iter().all(|what| what == "code-disclosed"));
    browser.tab_and_type("From (UTC)", "yesterday");
    browser.enter("Show", "Audit");
    assert!(browser.text("[role=alert]").contains("time-unreadable"));
    browser.tab_to("Download");
    browser.key(Key::Enter);
    assert!(browser.downloaded("oathburn-checkpoint.json").starts_with(b"{"));
    browser.enter("Verify", "Verified");
    assert!(browser.text("[role=status]").starts_with("Nothing is wrong"));
    browser.goes_round();
    browser.enter("Back to the audit", "Audit");
}
