//! A day at headquarters: the admin, a clerk of the helpdesk, an auditor. Every page that they come to is judged.

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::chrome::{Browser, there_is_one};
use crate::office::{ADMIN, Colleague, Office};
use crate::orders::{an_order_is_burned, an_order_is_cancelled};
use crate::support::{Desk, UNRESTRICTED};

/// The branch offices, as the admin's list has them.
const BRANCHES: &[(&str, &str)] = &[
    ("00-1A-2B-3C-4D-01", "Ulm"),
    ("00:1a:2b:3c:4d:02", "Bern"),
    ("001a.2b3c.4d03", "Graz"),
    ("00-1A-2B-3C-4D-04", "Lyon"),
    ("00-1A-2B-3C-4D-05", "Oslo"),
    ("00-1A-2B-3C-4D-06", "Turin, second floor"),
];
const ULM: &str = "00-1A-2B-3C-4D-01";
const BERN: &str = "00-1A-2B-3C-4D-02";
const GRAZ: &str = "00-1A-2B-3C-4D-03";

/// What nobody's browser may keep.
type Secrets = Vec<String>;

#[test]
fn a_day_at_headquarters() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(1);
    office.machine.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    office.machine.json(&["burn", "--generate", "--upn", "bob@example.com", "--issuer", "Example AG"]);
    let mut browser = Browser::open(&office.url);
    browser.judges = true;
    let mut secrets = Secrets::new();
    let mut ada = the_first_admin(&office, &mut browser, &mut secrets);
    stations_are_registered(&mut browser);
    let codes = codes_are_made(&mut browser, &mut secrets);
    let (ulm, bern) = (Desk::without_escrow(2), Desk::without_escrow(2));
    stations_are_let_in(&office, &mut browser, &codes, [&ulm, &bern]);
    let station = a_station_shows_a_code(&office, &mut browser, &mut secrets);
    one_station(&mut browser);
    drop(station);
    let burned = an_order_is_burned(&mut browser, &ulm, &bern, &mut secrets);
    an_order_is_cancelled(&mut browser);
    a_script_gets_a_token(&mut browser, &mut secrets);
    let [clerk, auditor] = people_are_let_in(&mut browser, &mut ada);
    at_the_helpdesk(&office, &mut browser, &clerk, &mut secrets);
    an_emergency(&mut browser, &burned, [&ulm, &bern], &mut secrets);
    an_auditor_looks(&office, &mut browser, &auditor, &mut secrets);
    browser.has_no_finding();
    browser.has_no_complaint();
    nothing_is_kept(browser, &secrets);
}

fn the_first_admin(office: &Office, browser: &mut Browser, secrets: &mut Secrets) -> Colleague {
    browser.cdp("Network.enable", &json!({}));
    browser.go("/", "Sign in");
    it_is_our_desk(office, browser);
    browser.cdp("Network.disable", &json!({}));
    browser.fill("Name", "nobody@example.com");
    browser.fill("Password", "not the password");
    browser.fill("Code that your app shows", "123456");
    browser.press("Sign in", "Sign in");
    browser.refused("sign-in-wrong");
    browser.press("Enrol with the code that you were given.", "Enrol");
    browser.fill("Name", ADMIN);
    browser.fill("Enrolment code", "AAAA-BBBB-CCCC-DDDD");
    browser.press("Go on", "Enrol");
    browser.refused("enrolment-wrong");
    let mut ada = Colleague::begin(browser, ADMIN, &office.enrolment);
    secrets.extend([office.enrolment.clone(), ada.key.clone(), ada.password.to_owned()]);
    browser.fill("Password", "short");
    browser.fill("Password once more", "short");
    browser.fill("Code that your app shows", "123456");
    browser.press("Finish", "Enrol");
    browser.says("The picture is not shown again.");
    ada.finish(browser, "Stations");
    ada
}

/// The certificate that the browser was shown is the one whose fingerprint the desk has printed.
fn it_is_our_desk(office: &Office, browser: &Browser) {
    let shown = browser.cdp("Network.getCertificate", &json!({ "origin": office.url }));
    let folder = office.machine.folder();
    let pem = std::fs::read_to_string(folder.join("desk-cert.pem")).unwrap();
    let own: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(shown["tableNames"], json!([own]));
}

fn stations_are_registered(browser: &mut Browser) {
    browser.says("No station is here.");
    browser.press("Add stations", "Add stations");
    let template = browser.download("Template_Provisioning.csv", "Template_Provisioning.csv");
    assert_eq!(template, b"MAC ID,Location\r\n");
    browser.fill("MAC ID 1", "printer");
    browser.fill("Location 1", "Ulm");
    browser.press("Add", "Add stations");
    browser.says("Nothing of the list was taken");
    let list = |rows: &mut dyn Iterator<Item = String>| {
        let rows: String = rows.collect();
        format!("MAC ID,Location\r\n{rows}")
    };
    let row = |(mac, location): &(&str, &str)| format!("{mac},\"{location}\"\r\n");
    let good = list(&mut BRANCHES.iter().map(row));
    let bad = format!("{good}00-1A-2B-3C-4D-0G,Nowhere\r\n{ULM},Ulm again\r\n");
    browser.attach("File", &browser.file("bad.csv", &bad));
    browser.press("Upload", "Add stations");
    browser.says("Nothing of the list was taken");
    assert_eq!(browser.texts(".table:has(caption) tbody th"), ["8", "9"]);
    browser.attach("File", &browser.file("Template_Provisioning.csv", &good));
    browser.press("Upload", "Stations");
    browser.says("6 stations added.");
    let states = browser.texts("[data-cell=state]");
    assert_eq!(states, ["Waiting on activation"; 6]);
    browser.picture("stations", 860);
}

/// The codes by MAC ID, from the list that is downloaded.
fn codes_are_made(browser: &mut Browser, secrets: &mut Secrets) -> Vec<(String, String)> {
    browser.press("Make codes", "Stations");
    browser.refused("stations-none-selected");
    browser.tick("All 6 stations of this list");
    browser.press("Make codes", "Verification codes");
    browser.picture("codes", 620);
    let csv = String::from_utf8(browser.download("Download as CSV", "Verification_Codes.csv")).unwrap();
    let codes: Vec<(String, String)> = csv
        .lines()
        .skip(1)
        .map(|line| {
            let mac = line.split(',').next().unwrap();
            let code = line.split(',').rev().nth(1).unwrap();
            (mac.to_owned(), code.to_owned())
        })
        .collect();
    assert_eq!(codes.len(), 6, "{csv}");
    let shown = browser.texts("td.code");
    assert_eq!(
        shown.iter().map(|code| code.replace(' ', "")).collect::<Vec<_>>(),
        codes.iter().map(|(_, code)| code.clone()).collect::<Vec<_>>()
    );
    browser.press("Print slips", "Slips");
    browser.says("oathburn station provision --desk https://127.0.0.1");
    for (_, code) in &codes {
        // In groups, as they are typed.
        assert!(browser.text("main").replace(' ', "").contains(code));
    }
    secrets.extend(codes.iter().map(|(_, code)| code.clone()));
    secrets.extend(shown);
    // They were shown once: nothing in the browser brings them back.
    browser.go("/stations", "Stations");
    for step in [Browser::back, Browser::back, Browser::back, Browser::forward, Browser::forward] {
        step(browser);
        holds_none_of(browser, secrets);
    }
    browser.go("/stations", "Stations");
    codes
}

/// Neither the page nor its address nor what the browser keeps for the desk.
fn holds_none_of(browser: &Browser, secrets: &Secrets) {
    // Pages of the browser's own, such as the one that asks whether to send a form again, have no cookies and no storage.
    let kept =
        "try { return JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}]) } catch { return '' }";
    let kept = browser.script(kept, Vec::new());
    let seen = [browser.source(), browser.address(), kept.to_string()].concat();
    for secret in secrets {
        let mut places = seen.match_indices(secret.as_str());
        let is_back = places.any(|(at, _)| is_meant(seen.as_bytes(), at, secret.as_bytes(), 1));
        assert!(!is_back, "{} has brought {secret} back", browser.address());
    }
}

/// Whether what stands at a place is this secret, in characters of so many bytes. Six digits also stand within longer
/// numbers and digests, by chance.
fn is_meant(bytes: &[u8], at: usize, secret: &[u8], width: usize) -> bool {
    let is_word = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let is_number = secret.iter().all(|byte| byte.is_ascii_digit() || *byte == 0);
    !is_number || !is_word(at.checked_sub(width)) && !is_word(at.checked_add(secret.len()))
}

fn stations_are_let_in(office: &Office, browser: &mut Browser, codes: &[(String, String)], [ulm, bern]: [&Desk; 2]) {
    let code = |mac: &str| codes.iter().find(|(one, _)| one == mac).unwrap().1.clone();
    let cell = |mac: &str, name: &str| format!("tr[data-mac='{mac}'] [data-cell={name}]");
    // The page that lies open shows each change; it is not loaded again.
    browser.script("window.sameness = 'still the same page'", Vec::new());
    for (station, mac) in [(ulm, ULM), (bern, BERN)] {
        let done = office.provision(station, mac, &code(mac));
        assert_eq!((&done["organisation"], &done["state"]), (&"Example AG".into(), &"waiting-for-sign-in".into()));
        let state = cell(mac, "state");
        browser.until("the new state", || (browser.text(&state) == "Waiting for sign-in").then_some(()));
    }
    assert_eq!(browser.script("return window.sameness", Vec::new()), "still the same page");
    browser.go("/stations?state=waiting-for-sign-in", "Stations");
    browser.tick(&format!("Select {ULM}, Ulm"));
    browser.tick(&format!("Select {BERN}, Bern"));
    browser.press_in("main", "Sign in", "Stations");
    browser.refused("account-refused");
    browser.tick(&format!("Select {ULM}, Ulm"));
    browser.tick(&format!("Select {BERN}, Bern"));
    browser.fill("Account that they act for", "branch-south");
    browser.press_in("main", "Sign in", "Stations");
    browser.says("2 stations signed in.");
    for station in [ulm, bern] {
        let status = station.json(&["station", "status"]);
        assert_eq!((&status["state"], &status["operator"]), (&"signed-in".into(), &"branch-south".into()));
    }
    browser.go("/stations", "Stations");
    browser.tick(&format!("Select {BERN}, Bern"));
    browser.press_in("main", "Sign out", "Stations");
    assert_eq!(browser.text(&cell(BERN, "state")), "Signed out");
    assert_eq!(bern.json(&["station", "status"])["state"], "signed-out");
    browser.tick(&format!("Select {BERN}, Bern"));
    browser.fill("Account that they act for", "branch-south");
    browser.press_in("main", "Sign in", "Stations");
}

/// A station that nobody gave a code to: it shows one.
fn a_station_shows_a_code(office: &Office, browser: &mut Browser, secrets: &mut Secrets) -> Desk {
    browser.press("Type a login code", "Login code");
    browser.fill("Login code", "ACD-EFG-346");
    browser.press("Find the station", "Login code");
    browser.refused("login-code-unknown");
    let station = Desk::without_readers();
    let own = ["--json", "station", "provision", "--desk", &office.url, "--mac", GRAZ, "--login-code"];
    let mut running = station.command(&[&own[..], &["--fingerprint", &office.fingerprint]].concat()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(running.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let shown: Value = serde_json::from_str(&line).unwrap();
    let code = shown["login_code"].as_str().unwrap().to_owned();
    browser.fill("Login code", &code.to_lowercase());
    browser.press("Find the station", "Login code");
    browser.says("Graz");
    browser.fill("Account that it acts for", "branch-graz");
    browser.press_in("main", "Sign in", "Stations");
    browser.says("1 station signed in.");
    secrets.push(code);
    assert!(running.wait().unwrap().success());
    assert_eq!(station.json(&["station", "status"])["operator"], "branch-graz");
    station
}

fn one_station(browser: &mut Browser) {
    browser.press(GRAZ, GRAZ);
    browser.fill("Location", "Graz, ground floor");
    browser.press("Change location", GRAZ);
    browser.says("Graz, ground floor");
    browser.press("Revoke", "Revoke");
    browser.says("1 station");
    browser.press("Leave it", "Stations");
    browser.press(GRAZ, GRAZ);
    browser.press("Revoke", "Revoke");
    browser.press("Revoke", "Stations");
    browser.says("1 station revoked.");
    browser.fill("MAC ID or location", "lyon");
    browser.press("Search", "Stations");
    assert_eq!(browser.texts("[data-cell=state]"), ["Waiting on activation"]);
}

/// The token of a script is shown once.
fn a_script_gets_a_token(browser: &mut Browser, secrets: &mut Secrets) {
    browser.press("Scripts", "Scripts");
    browser.fill("Name", "backup");
    browser.press("Add", "Scripts");
    browser.says("Code:");
    browser.fill("Name", "backup");
    let scope = browser.find(Locator::Css("input[name=scope]"));
    browser.runtime.block_on(scope.click()).unwrap();
    browser.press("Add", "A script's token");
    secrets.push(browser.text("code.code"));
    browser.press("Back to all scripts", "Scripts");
    for step in [Browser::back, Browser::forward] {
        step(browser);
        holds_none_of(browser, secrets);
    }
    browser.go("/scripts", "Scripts");
    browser.press("Revoke", "Revoke a script");
    browser.press("Revoke", "Scripts");
}

/// A clerk and an auditor; their enrolment codes.
fn people_are_let_in(browser: &mut Browser, ada: &mut Colleague) -> [String; 2] {
    browser.press("People", "People");
    browser.fill("Name", "no name");
    browser.tick("helpdesk");
    browser.press("Add", "People");
    browser.refused("person-name");
    let codes = [("carl@example.com", "helpdesk"), ("dora@example.com", "auditor")].map(|(name, role)| {
        browser.go("/people", "People");
        browser.fill("Name", name);
        browser.tick(role);
        browser.press("Add", "Enrolment code");
        browser.text("code.code")
    });
    browser.press("Back to all people", "People");
    browser.press("carl@example.com", "carl@example.com");
    browser.press(ADMIN, "Your account");
    browser.fill("Present password", "something else");
    browser.fill("New password", "four small wooden boats");
    browser.fill("New password once more", "five small wooden boats");
    browser.press("Change", "Your account");
    browser.go("/audit", "Forbidden");
    browser.go("/no/such/page", "Not Found");
    browser.press("Go to the start page", "Stations");
    browser.press("Sign out", "Sign in");
    // What somebody wanted to see comes when they are in.
    browser.go("/people", "Sign in");
    ada.sign_in(browser, "Stations");
    browser.press("Sign out", "Sign in");
    codes
}

fn at_the_helpdesk(office: &Office, browser: &mut Browser, enrolment: &str, secrets: &mut Secrets) {
    let mut carl = Colleague::begin(browser, "carl@example.com", enrolment);
    secrets.extend([enrolment.to_owned(), carl.key.clone(), carl.password.to_owned()]);
    carl.finish(browser, "Helpdesk");
    browser.fill("User, serial number, or a part of either", "zoe");
    browser.press("Find", "Helpdesk");
    browser.says("No token of this escrow.");
    browser.fill("User, serial number, or a part of either", "bob");
    browser.press("Find", "Helpdesk");
    let token = format!("Token {UNRESTRICTED}");
    browser.press(UNRESTRICTED, &token);
    browser.fill("Reason", "   ");
    browser.press("Show the code", &token);
    browser.refused("reason-missing");
    // Whoever lost the token gets what it shows at home.
    let shown = || office.machine.lab().command("display 0").unwrap()["code"].as_str().unwrap().to_owned();
    let code = loop {
        let before = shown();
        browser.fill("Reason", "token left at home, called back");
        browser.fill("Ticket number", "INC-2041");
        browser.press("Show the code", "Codes");
        let given = browser.texts("td.code");
        secrets.extend(given.clone());
        // And the next one, in case that it is too short to dictate.
        if given.len() == 2 && given[0].replace(' ', "") == before {
            break before;
        }
        assert_ne!(shown(), before, "the page shows {given:?}, the token {before}");
        browser.press("Back to the token", &token);
    };
    secrets.push(code);
    browser.picture("helpdesk", 420);
    browser.go("/helpdesk", "Helpdesk");
    for step in [Browser::back, Browser::forward] {
        step(browser);
        holds_none_of(browser, secrets);
    }
    browser.go("/helpdesk?q=bob", "Helpdesk");
    browser.press(UNRESTRICTED, &token);
    browser.press_and_stay("Other times");
    browser.judge();
    browser.fill("Reason", "signs in later today");
    browser.fill("Codes before it (0 to 10)", "2");
    browser.fill("Codes after it (0 to 10)", "3");
    browser.press("Show the code", "Codes");
    let given = browser.texts("td.code");
    assert_eq!(given.len(), 6);
    secrets.extend(given);
    browser.press("Back to the token", &token);
    browser.fill("Code on the display", &shown());
    browser.press("How far is its clock off?", "The token's clock");
    browser.press("Back to the token", &token);
    browser.fill("Code on the display", "12");
    browser.press("How far is its clock off?", &token);
    browser.refused("displayed-code");
    browser.fill("Code on the display", &shown());
    browser.press("Why do its codes differ?", "Why the codes differ");
    browser.go("/helpdesk/identify", "Whose token is this?");
    browser.fill("Code on the display", &shown());
    browser.press("Whose is it?", "Whose token is this?");
    browser.says("bob@example.com");
}

/// Whoever lost a token that was burned at a branch office gets what it shows, wherever it is.
fn an_emergency(browser: &mut Browser, burned: &str, stations: [&Desk; 2], secrets: &mut Secrets) {
    let shown = || {
        let shown = stations.iter().find_map(|desk| desk.lab().command(&format!("display token {burned}")).ok());
        shown.unwrap()["code"].as_str().unwrap().to_owned()
    };
    loop {
        browser.go("/helpdesk?q=finn", "Helpdesk");
        browser.press(burned, &format!("Token {burned}"));
        let before = shown();
        browser.fill("Reason", "lost on the train, called back");
        browser.press("Show the code", "Codes");
        let given = browser.texts("td.code");
        secrets.extend(given.clone());
        if given[0] == before {
            break;
        }
        assert_ne!(shown(), before, "the page shows {given:?}, the token {before}");
    }
    browser.press("Sign out", "Sign in");
}

fn an_auditor_looks(office: &Office, browser: &mut Browser, enrolment: &str, secrets: &mut Secrets) {
    let mut dora = Colleague::begin(browser, "dora@example.com", enrolment);
    secrets.extend([enrolment.to_owned(), dora.key.clone(), dora.password.to_owned()]);
    dora.finish(browser, "Audit");
    browser.fill("Who", "carl@example.com");
    browser.press("Show", "Audit");
    browser.says("INC-2041");
    browser.says("token left at home, called back");
    holds_none_of(browser, secrets);
    browser.picture("audit", 900);
    browser.choose("What", "code-disclosed");
    browser.press("Show", "Audit");
    browser.fill("From (UTC)", "yesterday");
    browser.press("Show", "Audit");
    browser.refused("time-unreadable");
    browser.go("/audit", "Audit");
    let checkpoint = browser.download("Download", "oathburn-checkpoint.json");
    let file = office.machine.home().join("checkpoint.json");
    std::fs::write(&file, checkpoint).unwrap();
    office.machine.run(&["escrow", "audit", "verify", "--checkpoint", file.to_str().unwrap()]).expect(0);
    browser.press("Verify", "Verified");
    browser.says("Nothing is wrong: every signature and every chain holds.");
    browser.press("Sign out", "Sign in");
}

/// What the browser leaves on the disk holds none of what it has shown.
fn nothing_is_kept(browser: Browser, secrets: &Secrets) {
    let wide = |text: &String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let forms: Vec<_> = secrets.iter().flat_map(|text| [(text.clone().into_bytes(), 1), (wide(text), 2)]).collect();
    // A profile is large: most of its places are ruled out by two bytes.
    let mut begins = vec![false; 1 << 16];
    let begin = |bytes: &[u8]| usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    for (form, _) in &forms {
        begins[begin(form)] = true;
    }
    for (file, bytes) in browser.quit() {
        for at in 0..bytes.len().saturating_sub(1) {
            if begins[begin(&bytes[at..])] {
                let is_here = |(form, width): &&(Vec<u8>, usize)| {
                    bytes[at..].starts_with(form) && is_meant(&bytes, at, form, *width)
                };
                let found = forms.iter().find(is_here);
                let around = || String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())]);
                assert!(found.is_none(), "{}: {}", file.display(), around());
            }
        }
    }
}
