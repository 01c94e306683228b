//! The pages for stations, without a script: an admin, a machine, and whoever may not.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use oathburn_desk::client::{Connection, LetIn, OwnStation, StationHome, Trust, provision};
use oathburn_desk::protocol::StationStatus;
use oathburn_desk::stations::{LoginCode, StationState};
use support::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

const MAC: &str = "00-1A-2B-3C-4D-01";
const OTHER: &str = "00-1A-2B-3C-4D-02";
const EVIL: &str = "<script>alert(1)</script>\"'&";

fn manned() -> Manned {
    Manned::at(Arc::new(Home::new()), true)
}

fn connection(manned: &Manned) -> Connection {
    let pin = manned.server.fingerprint.unwrap().to_string().parse().unwrap();
    Connection::new(format!("https://{}", manned.server.address).parse().unwrap(), Trust::Pinned(pin)).unwrap()
}

fn let_in(manned: &Manned, folder: &TempDir, code: &str) -> StationStatus {
    let (home, how) = (StationHome::new(folder.path()), LetIn::Code(Zeroizing::new(code.into())));
    provision(&home, &connection(manned), MAC.parse().unwrap(), how, &mut |_| {}).unwrap()
}

/// Sends a file as a form with a file field does.
fn upload(browser: &mut Browser<'_>, file: &str) -> Reply {
    let part = |head: &str, text: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let token = part("name=\"form-token\"", &browser.token);
    let body = token + &part("name=\"file\"; filename=\"list.csv\"", file) + "--x--\r\n";
    browser.ask("POST", "/stations/upload", &[("Content-Type", "multipart/form-data; boundary=x")], body.as_bytes())
}

#[test]
fn a_list_is_uploaded_codes_are_handed_out_and_stations_signed_in() {
    let manned = manned();
    let mut browser = manned.admin();
    assert!(browser.get("/stations").expect(200).body.contains("No station is here."));
    let template = browser.get("/stations/Template_Provisioning.csv").expect(200);
    assert_eq!(
        (template.body.as_str(), template.header("content-disposition").unwrap().contains("Template")),
        ("MAC ID,Location\r\n", true)
    );
    browser.get("/stations/add").expect(200);
    let bad = upload(&mut browser, &format!("{}{MAC},Ulm\r\nprinter,Bern\r\n", template.body)).expect(400);
    assert!(bad.body.contains("This is no MAC ID.") && bad.body.contains(">3</th>"), "{}", bad.body);
    let list = upload(&mut browser, &format!("{}{MAC},Ulm\r\n{OTHER},Bern\r\n", template.body)).expect(200);
    assert!(
        list.body.contains("2 stations added.") && list.body.contains("Waiting on activation (2)"),
        "{}",
        list.body
    );
    // Codes for all of the list, without a tick at each.
    let order = [("all", "yes"), ("state", "waiting-on-activation"), ("shared", "no"), ("digits", "8"), ("life", "24")];
    let shown = browser.post("/stations/codes", &order).expect(200);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let code = &code_of(MAC, &shown.body);
    let issued = between(&shown.body, "name=\"issued\" value=\"", "\"");
    // What the form sends back, and a browser may write to its disk, is no code.
    assert!(!shown.body.contains(code.as_str()), "{}", shown.body);
    let fields = [("issued", issued.as_str())];
    let csv = browser.post("/stations/codes.csv", &fields).expect(200);
    assert!(csv.body.contains(&format!("{MAC},Ulm,{code},20")), "{}", csv.body);
    let slips = browser.post("/stations/slips", &fields).expect(200);
    let pin = manned.server.fingerprint.unwrap().to_string().replace(':', "");
    assert!(slips.body.contains(&format!("{} {}", &pin[..4], &pin[4..8])), "{}", slips.body);
    assert!(slips.body.contains("oathburn station provision --desk https://localhost --fingerprint"));
    // Nowhere else, and not again.
    for path in ["/stations", &format!("/stations/{MAC}")] {
        assert!(!browser.get(path).expect(200).body.contains(code.as_str()));
    }
    let machine = tempfile::tempdir().unwrap();
    assert_eq!(let_in(&manned, &machine, code).state, StationState::WaitingForSignIn);
    let waiting = browser.get("/stations?state=waiting-for-sign-in").expect(200);
    assert!(waiting.body.contains(MAC) && !waiting.body.contains(OTHER));
    let both = browser.post("/stations/sign-in", &[("mac", MAC), ("mac", OTHER), ("account", "branches")]).expect(200);
    assert!(
        both.body.contains("1 station signed in.") && both.body.contains("Not done with 1 station"),
        "{}",
        both.body
    );
    let station = OwnStation::open(StationHome::new(machine.path())).unwrap();
    assert_eq!(station.status(None, 0).unwrap().operator.as_deref(), Some("branches"));
    // What cannot be undone is asked once more.
    let question = browser.post("/stations/revoke", &[("mac", MAC)]).expect(200);
    assert!(question.body.contains("cannot be made good again"));
    assert_eq!(station.status(None, 0).unwrap().state, StationState::SignedIn);
    browser.post("/stations/revoke", &[("mac", MAC), ("sure", "yes")]).expect(200);
    assert!(station.status(None, 0).is_err());
    browser.post(&format!("/stations/{MAC}/relocate"), &[("location", "Neu-Ulm")]).expect(303);
    assert!(browser.get(&format!("/stations/{MAC}")).expect(200).body.contains("Neu-Ulm"));
    browser.post("/stations/remove", &[("all", "yes"), ("q", "neu-ulm"), ("sure", "yes")]).expect(200);
    browser.get(&format!("/stations/{MAC}")).expect(404);
}

#[test]
fn what_was_just_made_is_shown_to_whoever_made_it_for_a_while() {
    let manned = manned();
    let mut browser = manned.admin();
    browser.get("/stations/add").expect(200);
    upload(&mut browser, &format!("MAC ID,Location\r\n{MAC},Ulm\r\n")).expect(200);
    let order = [("all", "yes"), ("state", "waiting-on-activation"), ("shared", "no"), ("digits", "6"), ("life", "24")];
    let shown = browser.post("/stations/codes", &order).expect(200);
    let code = code_of(MAC, &shown.body);
    let issued = between(&shown.body, "name=\"issued\" value=\"", "\"");
    let fields = [("issued", issued.as_str())];
    let (mut other, _) = manned.somebody("bob@example.com", &["admin"]);
    other.get("/stations").expect(200);
    for path in ["/stations/codes.csv", "/stations/slips"] {
        assert!(!other.post(path, &fields).expect(410).body.contains(&code));
        browser.post(path, &fields).expect(200);
    }
    manned.clock.pass(601);
    for path in ["/stations/codes.csv", "/stations/slips"] {
        assert!(!browser.post(path, &fields).expect(410).body.contains(&code));
    }
}

#[test]
fn a_login_code_is_typed_looked_at_and_accepted() {
    let manned = manned();
    let mut browser = manned.admin();
    let machine = tempfile::tempdir().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<LoginCode>();
    std::thread::scope(|scope| {
        let (connection, home) = (connection(&manned), StationHome::new(machine.path()));
        let running = scope.spawn(move || {
            provision(&home, &connection, MAC.parse().unwrap(), LetIn::LoginCode, &mut |progress| {
                if let oathburn_desk::client::Progress::Show(shown) = progress {
                    sender.send(shown.code).unwrap();
                }
            })
        });
        let code = receiver.recv().unwrap().to_string().to_lowercase();
        browser.get("/stations/login-code").expect(200);
        let wrong = browser.post("/stations/login-code", &[("code", "ACD-EFG-340")]).expect(400);
        assert!(wrong.body.contains("login-code-malformed"));
        browser.post("/stations/login-code", &[("code", "ACD-EFG-346")]).expect(404);
        let found = browser.post("/stations/login-code", &[("code", &code)]).expect(200);
        assert!(found.body.contains(MAC) && found.body.contains("127.0.0.1") && found.body.contains("not registered"));
        let unsaid = browser.post("/stations/login-code/accept", &[("code", &code), ("account", "ulm")]).expect(400);
        assert!(unsaid.body.contains("location-needed") && unsaid.body.contains("name=\"location\""));
        let fields = [("code", code.as_str()), ("account", "ulm"), ("location", "Ulm")];
        browser.post("/stations/login-code/accept", &fields).expect(200);
        assert_eq!(running.join().unwrap().unwrap().state, StationState::SignedIn);
        browser.post("/stations/login-code/accept", &fields).expect(404);
    });
}

#[test]
fn only_admins_get_here_and_only_with_their_own_forms() {
    let manned = manned();
    let mut admin = manned.admin();
    admin.get("/stations/add").expect(200);
    admin.post("/stations/add", &[("mac", MAC), ("location", "Ulm")]).expect(200);
    let (mut clerk, _) = manned.somebody("bob", &["helpdesk"]);
    let mut nobody = Browser::new(&manned.server);
    let paths = [
        "/stations",
        "/stations/add",
        "/stations/login-code",
        "/stations/events",
        &format!("/stations/{MAC}"),
        "/stations/Template_Provisioning.csv",
    ];
    for path in paths {
        clerk.get(path).expect(403);
        assert!([303, 401].contains(&nobody.get(path).status), "{path}");
    }
    clerk.get("/account").expect(200);
    for deed in [
        "sign-in",
        "sign-out",
        "fetch",
        "codes",
        "revoke-codes",
        "revoke",
        "begin-anew",
        "remove",
        "codes.csv",
        "slips",
        "add",
        "login-code",
        "login-code/accept",
        "login-code/refuse",
    ] {
        let path = format!("/stations/{deed}");
        clerk.post(&path, &[("mac", MAC), ("sure", "yes")]).expect(403);
        // A form from elsewhere, in the admin's browser.
        let mut forged = Browser { token: "0".repeat(64), ..admin.clone() };
        forged.post(&path, &[("mac", MAC), ("sure", "yes")]).expect(403);
    }
    assert!(admin.get("/stations").expect(200).body.contains(MAC));
}

#[test]
fn what_people_type_is_text_on_every_page() {
    let manned = manned();
    let mut browser = manned.admin();
    browser.get("/stations/add").expect(200);
    let bad = browser.post("/stations/add", &[("mac", EVIL), ("location", EVIL)]).expect(400);
    let list = browser.post("/stations/add", &[("mac", MAC), ("location", EVIL)]).expect(200);
    let found = browser.get(&format!("/stations?q={}", encoded(EVIL))).expect(200);
    let nothing = browser.get(&format!("/stations?q={0}&state={0}", encoded("\"><script>"))).expect(200);
    let one = browser.get(&format!("/stations/{MAC}")).expect(200);
    let codes = browser.post("/stations/codes", &[("mac", MAC), ("life", "24")]).expect(200);
    let issued = between(&codes.body, "name=\"issued\" value=\"", "\"");
    let slips = browser.post("/stations/slips", &[("issued", &issued)]).expect(200);
    let machine = tempfile::tempdir().unwrap();
    let status = let_in(&manned, &machine, &code_of(MAC, &codes.body));
    assert_eq!(status.location, EVIL, "it is kept as it was typed");
    let signed = browser.post("/stations/sign-in", &[("mac", MAC), ("account", EVIL)]).expect(200);
    for page in [&bad, &list, &found, &nothing, &one, &codes, &slips, &signed] {
        assert!(!page.body.contains("<script>alert") && !page.body.contains("\"><script>"), "{}", page.body);
        let csp = page.header("content-security-policy").unwrap();
        assert!(csp.contains("script-src 'self'") && !csp.contains("unsafe"));
    }
    assert!(found.body.contains("&lt;script&gt;alert(1)"));
    // A spreadsheet computes nothing of what somebody typed.
    browser.post(&format!("/stations/{MAC}/relocate"), &[("location", "=cmd|' /C calc'!A0")]).expect(303);
    let csv = browser.post("/stations/codes.csv", &[("issued", &issued)]).expect(200);
    assert!(csv.body.contains(",'=cmd|"), "{}", csv.body);
    for wrong in ["x", "00-1A-2B-3C-4D-01 123456 9"] {
        browser.post("/stations/codes.csv", &[("issued", wrong)]).expect(400);
    }
    for other in ["", "00", &"0".repeat(32)] {
        let gone = browser.post("/stations/slips", &[("issued", other)]).expect(410);
        assert!(gone.body.contains("not shown any more"), "{}", gone.body);
    }
    for path in ["/stations/..%2F..%2Fetc%2Fpasswd", "/stations/%00", "/stations/printer"] {
        browser.get(path).expect(404);
    }
}

#[test]
fn an_open_page_is_told_what_changes_until_the_session_ends() {
    let manned = manned();
    let mut browser = manned.admin();
    browser.get("/stations/add").expect(200);
    browser.post("/stations/add", &[("mac", MAC), ("location", "Ulm")]).expect(200);
    let code = code_of(MAC, &browser.post("/stations/codes", &[("mac", MAC), ("life", "24")]).expect(200).body);
    let mut stream = manned.server.connect_tls(manned.server.client_config(&[&rustls::version::TLS13]));
    let cookie = browser.cookie.clone().unwrap();
    write!(stream, "GET /stations/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n").unwrap();
    let mut heard = String::new();
    let mut hear = |what: &str| {
        let mut buffer = [0; 4096];
        while !heard.contains(what) {
            let len = stream.read(&mut buffer).unwrap_or(0);
            if len == 0 {
                break;
            }
            heard.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
        assert!(heard.contains(what), "{heard}");
        std::mem::take(&mut heard)
    };
    let first = hear("Waiting on activation");
    assert!(first.contains("text/event-stream") && !first.contains(&code), "{first}");
    let machine = tempfile::tempdir().unwrap();
    let_in(&manned, &machine, &code);
    hear("Waiting for sign-in");
    browser.post("/stations/sign-in", &[("mac", MAC), ("account", "branch-ulm")]).expect(200);
    assert!(hear("Signed in").contains("for branch-ulm"));
    let script = browser.get("/stations.js").expect(200);
    assert!(
        script.header("content-type").unwrap().starts_with("text/javascript") && !script.body.contains("innerHTML")
    );
    // Whoever was signed out hears nothing of what happens afterwards.
    browser.get("/account").expect(200);
    let mut other = manned.admin();
    other.get("/stations/add").expect(200);
    browser.post("/sign-out", &[]).expect(303);
    other.post("/stations/sign-out", &[("mac", MAC)]).expect(200);
    let mut rest = String::new();
    // The end of the chunks: the stream is over, the connection may stay.
    let mut buffer = [0; 4096];
    while !rest.ends_with("0\r\n\r\n") {
        let len = stream.read(&mut buffer).unwrap_or(0);
        assert!(len > 0, "{rest}");
        rest.push_str(&String::from_utf8_lossy(&buffer[..len]));
    }
    assert!(!rest.contains("Signed out"), "{rest}");
}
