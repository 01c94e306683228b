//! Pages in the states that a good day does not show: judged as all the others are. Nothing here is a picture of a page: the desk
//! has come into each of these states by what people, stations and strangers did.

use std::process::Command;

use fantoccini::Locator;
use oathburn_desk::work::wire::ReportState;

use crate::chrome::{Browser, there_is_one};
use crate::machine::{Machine, guess};
use crate::office::{ADMIN, Colleague, Office};
use crate::support::files;

/// More stations than are on a page.
const STATIONS: usize = 260;
/// More users than are on a page.
const USERS: usize = 130;

fn mac(number: usize) -> String {
    format!("00-1A-2B-3C-{:02X}-{:02X}", number / 256, number % 256)
}

#[test]
fn a_bad_day_at_headquarters() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(0);
    let mut browser = Browser::open(&office.url);
    browser.judges = true;
    let mut ada = Colleague::begin(&mut browser, ADMIN, &office.enrolment);
    ada.finish(&mut browser, "Stations");
    let codes = many_stations(&mut browser);
    let [ulm, bern] = [1, 2].map(|number| Machine::new(&office, &mac(number), &codes));
    a_station_is_asked_for_a_code(&mut browser, &bern);
    somebody_guesses(&office, &mut browser, &codes);
    let order = an_order_with_trouble(&mut browser, &ulm);
    an_order_is_put_right(&mut browser, &order);
    scripts_come_and_go(&mut browser);
    let [clerk, auditor] = people_come_and_go(&mut browser);
    pages_that_are_not_there(&office, &mut browser);
    browser.go(&format!("/stations/{}", mac(9)), &mac(9));
    moves(&browser, 210);
    browser.press("Sign out", "Sign in");
    Colleague::begin(&mut browser, "helpdesk@example.com", &clerk).finish(&mut browser, "Helpdesk");
    at_the_helpdesk(&office, &mut browser);
    browser.press("Sign out", "Sign in");
    Colleague::begin(&mut browser, "auditor@example.com", &auditor).finish(&mut browser, "Audit");
    at_the_audit(&office, &mut browser);
    browser.press("Sign out", "Sign in");
    nobody_gets_in(&mut browser);
    browser.has_no_finding();
    browser.has_no_complaint();
}

/// More than one page of them, and a code that is the same for several.
fn many_stations(browser: &mut Browser) -> String {
    let row = |number| [format!("{},Hall {}", mac(number), number % 7 + 1), "\n".into()];
    let rows: String = (1..=STATIONS).flat_map(row).collect();
    browser.go("/stations/add", "Add stations");
    browser.attach("File", &browser.file("stations.csv", &format!("MAC ID,Location\n{rows}")));
    browser.press("Upload", "Stations");
    browser.says("260 stations, page 1 of 2");
    browser.press("Next", "Stations");
    assert_eq!(browser.texts("[data-cell=state]").len(), STATIONS - 250);
    browser.go("/stations?q=00-1A-2B-3C-00-0", "Stations");
    browser.tick("All 15 stations of this list");
    browser.tick("The same for all");
    browser.press("Make codes", "Verification codes");
    let codes = browser.texts("td.code");
    assert!(codes.len() == 15 && codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    // As it is when ten minutes are over: the desk does not have them any more.
    browser.script("document.querySelector('[name=issued]').value = '0'.repeat(32)", Vec::new());
    browser.press("Print slips", "Verification codes");
    browser.says("These codes are not shown any more.");
    codes[0].replace(' ', "")
}

/// A station that waits shows a code when it is asked for one.
fn a_station_is_asked_for_a_code(browser: &mut Browser, station: &Machine) {
    browser.go(&format!("/stations/{}", mac(2)), &mac(2));
    browser.press("Fetch login codes", "Stations");
    browser.says("1 station asked for a login code.");
    let shown = station.desk.station().own_login_code().unwrap();
    browser.go(&format!("/stations/{}", mac(2)), &mac(2));
    browser.says(&format!("The station shows {}.", shown.code));
    browser.go(&format!("/stations?q={}", mac(2)), "Stations");
    browser.says(&format!("shows login code {}", shown.code));
    browser.go(&format!("/stations/{}", mac(2)), &mac(2));
    browser.fill("Account that it acts for", "branch-bern");
    browser.press("Sign in with this code", "Stations");
    browser.go(&format!("/stations/{}", mac(1)), &mac(1));
    browser.fill("Account that they act for", "branch-ulm");
    browser.press_in("main", "Sign in", "Stations");
}

fn somebody_guesses(office: &Office, browser: &mut Browser, code: &str) {
    let wrong = (100_000..).map(|number: u32| number.to_string()).filter(|guess| guess != code);
    guess(office, &mac(3), wrong.take(75));
    browser.go("/stations?state=waiting-on-activation&q=Hall+7", "Stations");
    browser.says("Somebody has guessed at verification codes");
}

/// Lines that are done, failed, begun and left; tokens that do not fit; more lines than are on a page.
fn an_order_with_trouble(browser: &mut Browser, ulm: &Machine) -> String {
    let users: String = (1..=USERS).flat_map(|number| [format!("user{number:03}@example.com"), "\n".into()]).collect();
    browser.go("/work/new", "New order");
    browser.attach("List of users", &browser.file("users.csv", &format!("upn\n{users}")));
    browser.tick("Every station that is signed in");
    browser.press("Give the order", "users.csv");
    let order = browser.text("dd code");
    assert_eq!(ulm.lease(8), [1, 2, 3, 4, 5, 6, 7, 8]);
    for (line, told) in [
        (1, (ReportState::Done, "8659622000001")),
        (2, (ReportState::Done, "8659622000002")),
        (3, (ReportState::Failed, "the token does not answer")),
        (4, (ReportState::Failed, "the token is full")),
        (5, (ReportState::Unknown, "8659622000005")),
        // It was given up, and has a token; the other one was somebody else's.
        (3, (ReportState::Done, "8659622000003")),
        (6, (ReportState::Done, "8659622000001")),
    ] {
        ulm.tell(&order, line, told);
    }
    browser.go("/work", "Work");
    assert_eq!(browser.texts("[data-label='To look at'] strong").len(), 1);
    browser.press("users.csv", "users.csv");
    for said in
        ["Look at these", "Begun and not finished", "Who holds lines now", "the token is full", "Take failed lines up"]
    {
        browser.says(said);
    }
    browser.press("More lines", "users.csv");
    assert_eq!(browser.texts("[data-key^='line-'] th").len(), USERS - 100);
    browser.press("First lines", "users.csv");
    order
}

fn an_order_is_put_right(browser: &mut Browser, order: &str) {
    let settle = |browser: &mut Browser, button: &str| {
        let field = browser.find(Locator::XPath(&format!("//form[.//button='{button}']//input[@name='reason']")));
        browser.runtime.block_on(field.send_keys("looked at it")).unwrap();
        browser.press(button, "users.csv");
    };
    settle(browser, "Put the token out of use");
    settle(browser, "I have seen to it");
    settle(browser, "Release the line");
    browser.says("The token was put out of use");
    browser.press("Take failed lines up again", "users.csv");
    let field = browser.find(Locator::Css("#cancel-reason"));
    browser.runtime.block_on(field.send_keys("the list was wrong")).unwrap();
    browser.press("Cancel the order", "users.csv");
    browser.press("Back to all orders", "Work");
    // Nothing of it was exported, and one reason is not enough.
    browser.go(&format!("/work/{order}"), "users.csv");
}

fn scripts_come_and_go(browser: &mut Browser) {
    browser.go("/scripts", "Scripts");
    browser.fill("Name", "backup");
    let scope = browser.find(Locator::Css("input[name=scope]"));
    browser.runtime.block_on(scope.click()).unwrap();
    browser.press("Add", "A script's token");
    browser.press("Back to all scripts", "Scripts");
    browser.press("Revoke", "Revoke a script");
    browser.press("Revoke", "Scripts");
    browser.says("revoked, by ada@example.com");
}

/// Somebody is locked out, let in again, and enrolled anew. The enrolment codes of two others.
fn people_come_and_go(browser: &mut Browser) -> [String; 2] {
    let mut codes = ["helpdesk", "auditor", "admin"].map(|role| {
        browser.go("/people", "People");
        browser.fill("Name", &format!("{role}@example.com"));
        browser.tick(role);
        browser.press("Add", "Enrolment code");
        browser.text("code.code")
    });
    let other = "admin@example.com";
    browser.press("Back to all people", "People");
    browser.press(other, other);
    browser.press("Disable", other);
    browser.says("disabled");
    browser.press("Back to all people", "People");
    browser.says("disabled");
    browser.press(other, other);
    browser.press("Let in again", other);
    browser.press("Reset both", "Enrolment code");
    browser.press("Back to all people", "People");
    // Whoever is the only admin stays one.
    browser.press(ADMIN, "Your account");
    browser.go("/people", "People");
    [0, 1].map(|place| std::mem::take(&mut codes[place]))
}

/// What is not there, what is asked for wrongly, and a desk that cannot read its store.
fn pages_that_are_not_there(office: &Office, browser: &mut Browser) {
    for (path, title) in [
        ("/stations/FF-FF-FF-FF-FF-01", "Not Found"),
        ("/stations?page=last", "Bad Request"),
        ("/stations/codes", "Method Not Allowed"),
        ("/audit", "Forbidden"),
    ] {
        browser.go(path, title);
    }
    in_the_store(office, "ALTER TABLE batches RENAME TO batches_elsewhere");
    browser.go("/work", "Internal Server Error");
    browser.says("The desk cannot do this now.");
    // The browser complains of that, too.
    assert_eq!(
        browser.complaints().iter().filter(|one| one["message"].to_string().contains("a status of 500")).count(),
        1
    );
    in_the_store(office, "ALTER TABLE batches_elsewhere RENAME TO batches");
    browser.go("/work", "Work");
}

/// Somebody who may write to the database does so.
fn in_the_store(office: &Office, sql: &str) {
    let store = files(office.machine.home()).into_iter().find(|file| file.ends_with("escrow.db")).unwrap();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()";
    let done = Command::new("/usr/bin/python3").args(["-c", script]).arg(store).arg(sql).status().unwrap();
    assert!(done.success());
}

/// Events, more than are on a page: a station is carried about.
fn moves(browser: &Browser, times: usize) {
    let script = r"
        const [times, done] = arguments, form = document.querySelector('form[action$=relocate]');
        (async () => {
            for (let time = 0; time < times; time += 1) {
                form.location.value = 'Hall ' + time;
                await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)), redirect: 'manual' });
            }
        })().then(() => done('moved'), (error) => done(String(error)));";
    let script = script.replace("form.location", "form.elements.location");
    assert_eq!(browser.script_to_end(&script, vec![times.into()]), "moved");
}

fn at_the_helpdesk(office: &Office, browser: &mut Browser) {
    browser.go("/helpdesk?q=865962200000", "Helpdesk");
    let token = "Token 8659622000002";
    browser.press("8659622000002", token);
    browser.fill("Code on the display", "000000");
    browser.fill("The next one (may be left out)", "000001");
    browser.press("How far is its clock off?", "The token's clock");
    browser.says("It does not show this within two hours.");
    browser.press("Back to the token", token);
    browser.fill("Code on the display", "000000");
    browser.fill("The next one (may be left out)", "000001");
    browser.press("Why do its codes differ?", "Why the codes differ");
    browser.says("Nothing explains this code");
    browser.press("Whose token shows it?", "Whose token is this?");
    browser.fill("Code on the display", "000000");
    browser.fill("The next one (may be left out)", "000001");
    browser.press("Whose is it?", "Whose token is this?");
    browser.says("shows this.");
    browser.go("/helpdesk?q=user1", "Helpdesk");
    browser.says("no token yet, line 130");
    // A token that is lost, and a user who has called too often.
    office.machine.run(&["escrow", "retire", "--serial", "8659622000002", "--reason", "lost"]).expect(0);
    browser.go("/helpdesk?q=8659622000002", "Helpdesk");
    browser.press("8659622000002", token);
    browser.says("no service should take its codes");
    browser.fill("Reason", "is it the old one?");
    browser.press("Show the code", "Codes");
    browser.says("The entry is retired");
    browser.press("Back to the token", token);
    let script = r"
        const [times, done] = arguments, form = document.querySelector('form[action$=codes]');
        form.elements.reason.value = 'once more';
        (async () => {
            for (let time = 0; time < times; time += 1) {
                await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
            }
        })().then(() => done('asked'), (error) => done(String(error)));";
    assert_eq!(browser.script_to_end(script, vec![20.into()]), "asked");
    browser.press("Show the code", token);
    browser.refused("throttled");
}

/// A trail with more events than are on a page; and one that somebody has changed.
fn at_the_audit(office: &Office, browser: &mut Browser) {
    browser.press("Older events", "Audit");
    browser.press("Newest events", "Audit");
    browser.fill("Who", "nobody@example.com");
    browser.press("Show", "Audit");
    browser.says("There is no such event.");
    browser.fill("Entry", "ffffffff");
    browser.press("Show", "Audit");
    browser.refused("entry-unknown");
    in_the_store(office, "UPDATE events SET host = 'elsewhere' WHERE sequence IN (3, 4)");
    browser.go("/audit", "Audit");
    browser.press("Verify", "Verified");
    browser.says("things are wrong.");
    browser.press("Back to the audit", "Audit");
    browser.press("Download", "Conflict");
    browser.refused("trail-broken");
    browser.press("Go to the start page", "Audit");
}

/// Wrong again and again: nobody is heard for a while.
fn nobody_gets_in(browser: &mut Browser) {
    let mut refused = String::new();
    for _ in 0..7 {
        browser.go("/sign-in", "Sign in");
        browser.fill("Name", "nobody@example.com");
        browser.fill("Password", "a guess at something");
        browser.fill("Code that your app shows", "123456");
        browser.press("Sign in", "Sign in");
        refused = browser.text(".problem code");
        if refused != "sign-in-wrong" {
            break;
        }
    }
    assert_eq!(refused, "throttled");
}
