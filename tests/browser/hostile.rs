//! Texts that would be programs if a page took them for a part of itself, in every field and from everybody who is asked for one:
//! people, lists, a station that somebody has taken over. Whatever comes back is text: on pages, in JSON, in tables for
//! spreadsheets, on paper.

use std::process::Command;

use fantoccini::Locator;
use oathburn_desk::work::wire::ReportState;
use serde_json::{Value, json};

use crate::chrome::{Browser, there_is_one};
use crate::machine::Machine;
use crate::office::{ADMIN, Colleague, Office};

/// As markup, as the end of an attribute, as a formula.
const EVIL: &str = r#"=1+1"'><img src=x onerror=pwned=1><script>pwned=1</script>{{7*7}}"#;
/// The same for fields that take fewer characters.
const SHORT: &str = "=1'\"><svg onload=pwned=1>";
/// What a page may consist of.
const FOREIGN: &str = r"
    const found = [];
    if (window.pwned) found.push('it ran');
    for (const one of document.querySelectorAll('script')) {
        if (!['/stations.js', '/work.js'].includes(one.getAttribute('src')) || one.textContent) found.push(one.outerHTML);
    }
    for (const one of document.querySelectorAll('*')) {
        if (['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'STYLE', 'AUDIO', 'VIDEO'].includes(one.tagName)) found.push(one.outerHTML);
        for (const { name, value } of one.attributes) {
            if (name.startsWith('on') || name === 'style' || /^(href|src|action|formaction|content)$/.test(name) && /^\s*(javascript|data):/i.test(value)) found.push(one.outerHTML);
        }
    }
    for (const one of document.querySelectorAll('a[href], form[action], button[formaction]')) {
        const place = new URL(one.getAttribute('href') || one.getAttribute('action') || one.getAttribute('formaction') || '', location);
        if (place.origin !== location.origin) found.push('leads elsewhere: ' + one.outerHTML);
    }
    return found;";

const MAC: &str = "00-1A-2B-3C-4D-01";

impl Browser {
    /// Comes to a page that consists of what we have written.
    fn clean(&mut self, path: &str, title: &str) {
        self.go(path, title);
        self.is_clean();
    }

    fn is_clean(&self) {
        assert_eq!(self.script(FOREIGN, Vec::new()), Value::Array(Vec::new()), "{}", self.address());
    }

    /// Presses, and comes to a page that is clean.
    fn press_clean(&mut self, name: &str, title: &str) {
        self.press_in("main", name, title);
        self.is_clean();
    }

    /// Fills a field by its name.
    fn put(&self, name: &str, text: &str) {
        let field = self.find(Locator::Css(&format!("main [name='{name}']")));
        self.runtime.block_on(async {
            field.clear().await.unwrap();
            field.send_keys(text).await.unwrap();
        });
    }
}

#[test]
fn what_is_typed_is_text_everywhere() {
    if !there_is_one() {
        return;
    }
    let office = Office::of(EVIL, 0);
    let mut browser = Browser::open(&office.url);
    nobody_is_signed_in(&mut browser);
    Colleague::begin(&mut browser, ADMIN, &office.enrolment).finish(&mut browser, "Stations");
    let station = stations(&office, &mut browser);
    let [clerk, auditor] = people_and_scripts(&mut browser);
    let order = orders(&office, &mut browser, &station);
    let token = a_script(&mut browser);
    as_json(&office, &token, &order);
    tables_compute_nothing(&office, &mut browser, &order);
    browser.press("Sign out", "Sign in");
    Colleague::begin(&mut browser, "carl@example.com", &clerk).finish(&mut browser, "Helpdesk");
    the_helpdesk(&mut browser);
    browser.press("Sign out", "Sign in");
    Colleague::begin(&mut browser, "dora@example.com", &auditor).finish(&mut browser, "Audit");
    the_audit(&mut browser);
    browser.has_no_complaint();
}

fn nobody_is_signed_in(browser: &mut Browser) {
    let to = "/sign-in?to=javascript:alert(1)//%22%3E%3Cimg%20src=x%20onerror=pwned=1%3E";
    browser.go(to, "Sign in");
    browser.put("name", EVIL);
    browser.put("password", EVIL);
    browser.put("code", "123456");
    browser.press_clean("Sign in", "Sign in");
    browser.go("/enrol", "Enrol");
    browser.put("name", EVIL);
    browser.put("code", EVIL);
    browser.press_clean("Go on", "Enrol");
    browser.clean(&format!("/{}", "%3Cscript%3Epwned=1%3C/script%3E"), "Not Found");
}

fn stations(office: &Office, browser: &mut Browser) -> Machine {
    browser.go("/stations/add", "Add stations");
    browser.fill("MAC ID 1", EVIL);
    browser.fill("Location 1", EVIL);
    browser.press_clean("Add", "Add stations");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let bad = format!("MAC ID,Location,{}\n{},{}\n", quoted(EVIL), quoted(EVIL), quoted(EVIL));
    browser.attach("File", &browser.file("evil<img src=x onerror=pwned=1>.csv", &bad));
    browser.press_clean("Upload", "Add stations");
    let good = format!("MAC ID,Location\n{MAC},{}\n00-1A-2B-3C-4D-02,@SUM(1)\n", quoted(EVIL));
    browser.attach("File", &browser.file("good.csv", &good));
    browser.press_clean("Upload", "Stations");
    browser.says(EVIL);
    browser.put("q", EVIL);
    browser.press_clean("Search", "Stations");
    browser.clean(&format!("/stations?state={}&q=1", "%22%3E%3Cimg%20src=x%20onerror=pwned=1%3E"), "Stations");
    browser.clean(&format!("/stations/{MAC}"), MAC);
    browser.put("location", &format!("{EVIL} again"));
    browser.press_clean("Change location", MAC);
    browser.go("/stations", "Stations");
    browser.tick("All 2 stations of this list");
    browser.press_clean("Make codes", "Verification codes");
    browser.says(EVIL);
    let codes = browser.texts("td.code");
    let macs = browser.texts("tbody th");
    let of_ours = macs.iter().position(|mac| mac == MAC).unwrap();
    let csv = String::from_utf8(browser.download("Download as CSV", "Verification_Codes.csv")).unwrap();
    computes_nothing(&csv);
    browser.press_clean("Print slips", "Slips");
    browser.says(EVIL);
    let pdf = browser.cdp("Page.printToPDF", &json!({}));
    let file = browser.file("slips.pdf", "");
    std::fs::write(&file, data_encoding::BASE64.decode(pdf["data"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
    let text = Command::new("pdftotext").args([&file, "-"]).output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().contains("<script>pwned=1</script>"));
    let machine = Machine::new(office, MAC, &codes[of_ours].replace(' ', ""));
    browser.clean(&format!("/stations/{MAC}"), MAC);
    browser.put("account", SHORT);
    browser.press_clean("Sign in", "Stations");
    machine
}

/// Names of people are plain; whoever tries others sees them as they were typed.
fn people_and_scripts(browser: &mut Browser) -> [String; 2] {
    browser.go("/people", "People");
    browser.put("name", EVIL);
    browser.tick("helpdesk");
    browser.press_clean("Add", "People");
    browser.clean("/people/%3Cscript%3E", "Not Found");
    browser.go("/scripts", "Scripts");
    browser.put("name", SHORT);
    browser.press_clean("Add", "Scripts");
    browser.go("/stations/login-code", "Login code");
    browser.put("code", SHORT);
    browser.press_clean("Find the station", "Login code");
    [("carl@example.com", "helpdesk"), ("dora@example.com", "auditor")].map(|(name, role)| {
        browser.go("/people", "People");
        browser.fill("Name", name);
        browser.tick(role);
        browser.press_clean("Add", "Enrolment code");
        browser.text("code.code")
    })
}

fn orders(office: &Office, browser: &mut Browser, station: &Machine) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    browser.go("/work/new", "New order");
    let bad = format!("upn,{}\n{},{}\n", quoted(EVIL), quoted(EVIL), quoted(EVIL));
    browser.attach("List of users", &browser.file("bad.csv", &bad));
    browser.put("name", EVIL);
    browser.put("issuer", EVIL);
    browser.tick("Every station that is signed in");
    browser.press_clean("Give the order", "New order");
    let row = |number: usize| format!("<svg/onload=pwned=1>{number}@example.com,<b>{number}\n");
    let rows = (1..=5).map(row).collect::<Vec<_>>().concat();
    browser.attach("List of users", &browser.file("good.csv", &format!("upn,label\n{rows}")));
    browser.put("name", EVIL);
    browser.put("issuer", "<b>Bank</b>");
    browser.press_clean("Give the order", EVIL);
    let order = browser.text("dd code");
    assert_eq!(station.lease(5), [1, 2, 3, 4, 5]);
    // A station that somebody has taken over says what it likes.
    station.tell(&order, 1, (ReportState::Done, "8659622000001"));
    station.tell(&order, 2, (ReportState::Failed, EVIL));
    station.tell(&order, 3, (ReportState::Unknown, "8659622000003"));
    station.tell(&order, 2, (ReportState::Done, "8659622000002"));
    // The page that lies open shows it, too.
    browser.until("the station's text", || browser.text("tr[data-key=line-3]").contains("8659622000003").then_some(()));
    browser.is_clean();
    browser.clean("/work", "Work");
    browser.clean(&format!("/work/{order}"), EVIL);
    browser.put("reason", EVIL);
    browser.press_clean("Put the token out of use", EVIL);
    browser.put("reason", EVIL);
    browser.press_clean("Release the line", EVIL);
    office
        .machine
        .run(&["escrow", "annotate", "--serial", "8659622000001", "--note", EVIL, "--tag", "plain"])
        .expect(0);
    order
}

fn a_script(browser: &mut Browser) -> String {
    browser.go("/scripts", "Scripts");
    browser.put("name", "robot");
    for scope in ["audit:read", "stations:read", "orders:read", "tokens:read"] {
        let place = format!("input[value='{scope}']");
        if let Some(field) = browser.try_find(Locator::Css(&place)) {
            browser.runtime.block_on(field.click()).unwrap();
        }
    }
    browser.press_clean("Add", "A script's token");
    browser.text("code.code")
}

/// Programs get JSON that nobody takes for a page.
fn as_json(office: &Office, token: &str, order: &str) {
    let mut seen = String::new();
    for path in
        ["/stations", "/orders", &format!("/orders/{order}"), &format!("/orders/{order}/lines"), "/audit/events"]
    {
        let url = format!("{}/api/v1{path}", office.url);
        let header = format!("Authorization: Bearer {token}");
        let answer =
            Command::new("curl").args(["--silent", "--insecure", "--include", "--header", &header, &url]).output();
        let answer = String::from_utf8(answer.unwrap().stdout).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        let _: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        seen += body;
    }
    assert!(seen.contains("<script>pwned=1</script>"), "{seen}");
}

/// No cell of a table begins as formulas do; numbers below zero are numbers.
fn computes_nothing(table: &str) {
    let mut reader = csv::Reader::from_reader(table.trim_start_matches('\u{feff}').as_bytes());
    let mut cells = 0;
    for row in reader.records() {
        for cell in &row.unwrap() {
            cells += 1;
            assert!(!cell.starts_with(['=', '+', '@', '\t', '\r']), "{cell:?} in {table}");
            assert!(!cell.starts_with('-') || cell.parse::<i64>().is_ok(), "{cell:?} in {table}");
        }
    }
    assert!(cells > 4, "{table}");
}

fn tables_compute_nothing(office: &Office, browser: &mut Browser, order: &str) {
    browser.go(&format!("/work/{order}"), EVIL);
    let results = browser.download("Download what became of each line, as CSV", &format!("results-{order}.csv"));
    let results = String::from_utf8(results).unwrap();
    assert!(results.contains(",-2,") && results.contains("'=1+1"), "{results}");
    computes_nothing(&results);
    let own = office.machine.run(&["batch", "results", order]).expect(0);
    assert!(own.stdout.contains("'=1+1"), "{}", own.stdout);
    computes_nothing(&own.stdout);
    // Users whose names a spreadsheet would compute do not come into an order; what goes to Entra is what came in.
    browser.put("reason", EVIL);
    let field = browser.find(Locator::Css("#export-reason"));
    browser.runtime.block_on(field.send_keys(EVIL)).unwrap();
    computes_nothing(
        &String::from_utf8(browser.download("Make the file for Entra", &format!("entra-{order}.csv"))).unwrap(),
    );
    let field = browser.find(Locator::Css("#cancel-reason"));
    browser.runtime.block_on(field.send_keys(EVIL)).unwrap();
    browser.press_clean("Cancel the order", EVIL);
    browser.clean("/work", "Work");
}

fn the_helpdesk(browser: &mut Browser) {
    browser.put("q", EVIL);
    browser.press_clean("Find", "Helpdesk");
    browser.put("q", "8659622000001");
    browser.press_clean("Find", "Helpdesk");
    let token = "Token 8659622000001";
    browser.press_clean("8659622000001", token);
    browser.says("<script>pwned=1</script>");
    browser.put("reason", EVIL);
    browser.put("ticket", EVIL);
    browser.press_clean("Show the code", "Codes");
    browser.press_clean("Back to the token", token);
    browser.says(EVIL);
    browser.put("code", SHORT);
    browser.press_clean("How far is its clock off?", token);
    browser.go("/helpdesk/identify", "Whose token is this?");
    browser.put("code", SHORT);
    browser.press_clean("Whose is it?", "Whose token is this?");
    browser.clean("/helpdesk/token/%3Cscript%3E", "Not Found");
    browser.press("Go to the start page", "Helpdesk");
}

fn the_audit(browser: &mut Browser) {
    browser.clean("/audit", "Audit");
    browser.says(EVIL);
    for field in ["operator", "entry", "since", "until"] {
        browser.go("/audit", "Audit");
        browser.put(field, EVIL);
        browser.press_clean("Show", "Audit");
    }
    browser.clean(&format!("/audit?kind={}&before=1", "%22%3E%3Csvg%20onload=pwned=1%3E"), "Audit");
    browser.go("/audit", "Audit");
    browser.press_clean("Verify", "Verified");
}
