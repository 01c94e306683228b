//! The pages for orders, without a script: an admin, two machines that burn, and whoever may not.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use oathburn_desk::client::{Connection, LetIn, OwnStation, StationHome, Trust, WorkDesk, provision};
use oathburn_desk::remote::RemoteDesk as _;
use oathburn_desk::work::wire::{
    LeaseAnswer, LeaseRequest, Outcome, Report, ReportRequest, ReportState, ReportedToken, open_seed,
};
use oathburn_escrow::{BatchId, EntryState, Escrow, EventFilter, EventKind, Filter};
use oathburn_oath::{Clock, SerialNumber};
use support::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

const ULM: &str = "00-1A-2B-3C-4D-01";
const BERN: &str = "00-1A-2B-3C-4D-02";
const EVIL: &str = "<script>alert(1)</script>\"'&";

/// Sends a form as a browser does that has a file field in it.
fn send(browser: &mut Browser<'_>, fields: &[(&str, &str)], file: Option<&str>) -> Reply {
    let part = |head: &str, text: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let mut body = part("name=\"form-token\"", &browser.token);
    for (name, value) in fields {
        body += &part(&format!("name=\"{name}\""), value);
    }
    body += &part(&format!("name=\"file\"; filename=\"{}\"", file.map_or("", |_| "users.csv")), file.unwrap_or(""));
    body += "--x--\r\n";
    browser.ask("POST", "/work/new", &[("Content-Type", "multipart/form-data; boundary=x")], body.as_bytes())
}

/// Gives an order, and says where its page is.
fn order(browser: &mut Browser<'_>, list: &str, fields: &[(&str, &str)]) -> String {
    browser.get("/work/new").expect(200);
    let given = send(browser, &[fields, &[("list", list)]].concat(), None).expect(303);
    given.header("location").unwrap().to_owned()
}

/// A machine that is signed in.
struct Machine {
    _folder: TempDir,
    desk: WorkDesk,
}

impl Machine {
    fn new(manned: &Manned, browser: &mut Browser<'_>, mac: &str, location: &str) -> Self {
        browser.get("/stations/add").expect(200);
        browser.post("/stations/add", &[("mac", mac), ("location", location)]).expect(200);
        let shown = browser.post("/stations/codes", &[("mac", mac), ("life", "24")]).expect(200);
        let code = code_of(mac, &shown.body);
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path());
        let url = format!("http://{}", manned.server.address);
        let connection = Connection::new(url.parse().unwrap(), Trust::System).unwrap();
        provision(&home, &connection, mac.parse().unwrap(), LetIn::Code(Zeroizing::new(code)), &mut |_| {}).unwrap();
        browser.post("/stations/sign-in", &[("mac", mac), ("account", "branch")]).expect(200);
        Self { _folder: folder, desk: WorkDesk::new(OwnStation::open(home).unwrap()) }
    }

    fn lease(&self, lines: usize) -> LeaseAnswer {
        self.desk.lease(&LeaseRequest { lines, ..LeaseRequest::default() }).unwrap()
    }

    fn report(&self, manned: &Manned, place: &str, line: u32, (state, serial): (ReportState, &str)) -> Outcome {
        let token = ReportedToken {
            family: "token2-single".into(),
            serial: serial.into(),
            slot: "0".into(),
            manufacturer: Some("Token2".into()),
            model: Some("OTPC-P2-i".into()),
            drift_seconds: Some(2),
            burned_at: manned.clock.now().seconds(),
        };
        let (token, error) = match state {
            ReportState::Failed => (None, Some("=the token is broken".to_owned())),
            _ => (Some(token), None),
        };
        let order = place.rsplit('/').next().unwrap().to_owned();
        let attempt = format!("{line}-{serial}");
        let reports = vec![Report { order, line, attempt, state, token, error }];
        self.desk.report(&ReportRequest { reports }).unwrap().taken[0].outcome
    }
}

fn escrow(manned: &Manned) -> Escrow {
    let clock: Arc<dyn Clock> = manned.clock.clone();
    manned.server.home.escrow(&clock)
}

fn entry(manned: &Manned, serial: &str) -> oathburn_escrow::Entry {
    let filter = Filter { serial: Some(SerialNumber::new(serial).unwrap()), ..Filter::default() };
    escrow(manned).entries(&filter).unwrap().pop().unwrap()
}

#[test]
fn a_list_becomes_an_order_and_the_order_a_file_for_entra() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let ulm = Machine::new(&manned, &mut browser, ULM, "Ulm");
    assert!(browser.get("/work").expect(200).body.contains("There is no order yet"));
    browser.get("/work/new").expect(200);
    // All that is wrong with a list, by row and column; nothing of it is taken.
    let bad = "upn,serial\nbob@,\nann@example.com,8659622000001\ncid@example.com,8659622000001\n";
    let refused = send(&mut browser, &[("location", "Ulm"), ("name", "Ulm 1")], Some(bad)).expect(422);
    for part in [
        ">2</th><td data-label=\"Column\">upn</td>",
        ">4</th><td data-label=\"Column\">serial</td>",
        "value=\"Ulm 1\"",
        "nothing was written",
    ] {
        assert!(refused.body.contains(part), "{part}: {}", refused.body);
    }
    let impossible = "upn,algorithm\nbob@example.com,sha512\n";
    let refused = send(&mut browser, &[("location", "Ulm"), ("list", impossible)], None).expect(422);
    assert!(refused.body.contains(">2</th><td data-label=\"Column\">algorithm</td>"), "{}", refused.body);
    let list = "upn,label\nbob@example.com,desk 1\nann@example.com,desk 2\ncid@example.com,\n";
    let nobody = send(&mut browser, &[], Some(list)).expect(422);
    assert!(nobody.body.contains("Nothing says which stations may work"), "{}", nobody.body);
    assert!(browser.get("/work").expect(200).body.contains("There is no order yet"));

    let given = send(&mut browser, &[("location", "Ulm"), ("issuer", "ACME")], Some(list)).expect(303);
    let place = given.header("location").unwrap().to_owned();
    let listed = browser.get("/work").expect(200).body;
    assert!(listed.contains("users.csv") && listed.contains("0 of 3 done, 0 failed, 3 left"), "{listed}");
    // There are seeds for all of them, and codes for the helpdesk, before any token.
    assert_eq!(escrow(&manned).entries(&Filter::default()).unwrap().len(), 3);

    let answer = ulm.lease(3);
    let page = browser.get(&place).expect(200).body;
    assert!(page.contains("Who holds lines now") && page.contains(&format!("data-cell=\"station\">{ULM}</td>")));
    assert_eq!(ulm.report(&manned, &place, 1, (ReportState::Done, "8659622000001")), Outcome::Noted);
    assert_eq!(ulm.report(&manned, &place, 2, (ReportState::Failed, "")), Outcome::Noted);
    assert_eq!(ulm.report(&manned, &place, 3, (ReportState::Unknown, "8659622000003")), Outcome::Noted);
    let page = browser.get(&place).expect(200).body;
    for part in ["1 of 3 done, 1 failed, 1 left", "the token is broken", "8659622000001", "Begun and not finished"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let results = browser.get(&format!("{place}/results.csv")).expect(200);
    assert_eq!(results.header("cache-control"), Some("no-store"));
    let rows: Vec<_> = results.body.lines().map(|row| row.split(',').collect::<Vec<_>>()).collect();
    assert_eq!((rows.len(), rows[1][2], rows[1][4], rows[1][8]), (4, "8659622000001", "done", ULM));
    // A spreadsheet computes nothing of what a station said.
    assert_eq!((rows[2][4], rows[2][8], &rows[2][7][..5]), ("failed", ULM, "'=the"));

    // The seeds leave in the answer to a form that says why, and in no other way.
    let export = format!("{place}/export");
    browser.post(&export, &[("reason", " ")]).expect(400);
    browser.get(&export).expect(405);
    let file = browser.post(&export, &[("reason", "import at headquarters")]).expect(200);
    assert_eq!(file.header("cache-control"), Some("no-store"));
    assert!(file.header("content-disposition").unwrap().starts_with("attachment; filename=\"entra-"));
    let order: BatchId = answer.portions[0]
        .order
        .parse::<oathburn_escrow::EntryId>()
        .map(|id| BatchId::from_slice(id.as_bytes()))
        .unwrap()
        .unwrap();
    let seed = open_seed(ulm.desk.station().key(), order, 1, &answer.portions[0].lines[0].sealed).unwrap();
    let base32 = seed.to_base32();
    assert_eq!(
        file.body,
        format!(
            "upn,serial number,secret key,time interval,manufacturer,model\r\n\
             bob@example.com,8659622000001,{},30,Token2,OTPC-P2-i\r\n",
            base32.as_str()
        )
    );
    for path in [place.as_str(), "/work", &format!("{place}/results.csv")] {
        assert!(!browser.get(path).expect(200).body.contains(base32.as_str()), "{path}");
    }
    let events = escrow(&manned).events(&EventFilter::default()).unwrap();
    let about = |kind| events.iter().find(|event| event.kind == kind).unwrap();
    let (left, counted) = (about(EventKind::Exported), about(EventKind::ExportCompleted));
    assert_eq!((left.operator.as_deref(), left.reason.as_deref()), (Some("ada"), Some("import at headquarters")));
    assert_eq!((counted.facts.text("format"), counted.operator.as_deref()), (Some("entra"), Some("ada")));
    let exported = Filter { exported: Some(true), ..Filter::default() };
    assert_eq!(escrow(&manned).entries(&exported).unwrap().len(), 1);

    // What failed is taken up again; what cannot be finished is released, for another token.
    browser.get(&place).expect(200);
    browser.post(&format!("{place}/retry"), &[]).expect(303);
    browser.post(&format!("{place}/release"), &[("line", "3"), ("reason", "")]).expect(400);
    browser.post(&format!("{place}/release"), &[("line", "3"), ("reason", "broken")]).expect(303);
    browser.post(&format!("{place}/release"), &[("line", "3"), ("reason", "broken")]).expect(409);
    assert_eq!(entry(&manned, "8659622000003").state, EntryState::Superseded);
    let page = browser.get(&place).expect(200).body;
    assert!(page.contains("1 of 3 done, 0 failed, 2 left") && !page.contains("Begun and not finished"), "{page}");
    let numbers = |answer: &LeaseAnswer| answer.portions[0].lines.iter().map(|line| line.line).collect::<Vec<_>>();
    assert_eq!(numbers(&ulm.lease(9)), [2, 3]);
}

#[test]
fn what_does_not_fit_is_shown_and_settled() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let (ulm, bern) =
        (Machine::new(&manned, &mut browser, ULM, "Ulm"), Machine::new(&manned, &mut browser, BERN, "Bern"));
    let place = order(&mut browser, "upn\nbob@example.com\nann@example.com\n", &[("station", ULM), ("name", "two")]);
    assert!(bern.lease(1).portions.is_empty());
    assert_eq!(ulm.lease(2).portions[0].lines.len(), 2);
    // Another station may have the lines. What Ulm has burned by then, and tells afterwards, is a second token.
    browser.get(&place).expect(200);
    let nobody = browser.post(&format!("{place}/audience"), &[]).expect(400);
    assert!(is_again(&nobody.body, "audience-missing"), "{}", nobody.body);
    browser.post(&format!("{place}/audience"), &[("location", "Bern")]).expect(303);
    assert!(browser.get(&place).expect(200).body.contains("<dd>Bern</dd>"));
    manned.clock.pass(13 * 3600);
    let mut browser = manned.admin();
    assert_eq!(bern.lease(2).portions[0].lines.len(), 2);
    assert_eq!(bern.report(&manned, &place, 1, (ReportState::Done, "8659622000101")), Outcome::Noted);
    assert_eq!(ulm.report(&manned, &place, 1, (ReportState::Done, "8659622000001")), Outcome::Conflict);
    let page = browser.get(&place).expect(200).body;
    assert!(page.contains("token 8659622000001, station 00-1A-2B-3C-4D-01: a second token has the seed"), "{page}");
    assert!(browser.get("/work").expect(200).body.contains("<strong>1</strong></td>"));
    let conflict = between(&page, "name=\"conflict\" value=\"", "\"");
    let settle = format!("{place}/settle");
    let said = |how, reason| [("conflict", conflict.as_str()), ("how", how), ("reason", reason)];
    browser.get(&place).expect(200);
    assert!(is_again(&browser.post(&settle, &said("retired", "")).expect(400).body, "reason-missing"));
    assert!(is_again(&browser.post(&settle, &said("seen", "looked")).expect(409).body, "Code: "));
    browser.post(&settle, &said("burned", "no such way")).expect(400);
    browser.post(&settle, &said("retired", "it is in the shredder")).expect(303);
    browser.post(&settle, &said("accepted", "no")).expect(409);
    assert_eq!(entry(&manned, "8659622000001").state, EntryState::Retired);
    let page = browser.get(&place).expect(200).body;
    assert!(!page.contains("Look at these") && page.contains("The token was put out of use: ada"), "{page}");
    // The end of an order needs a reason, too; a station hears of it when it asks.
    assert!(is_again(&browser.post(&format!("{place}/cancel"), &[("reason", "")]).expect(400).body, "reason-missing"));
    browser.post(&format!("{place}/cancel"), &[("reason", "wrong list")]).expect(303);
    assert!(browser.get(&place).expect(200).body.contains("<dd data-cell=\"state\">cancelled</dd>"));
    assert!(bern.lease(2).portions.is_empty());
    browser.post(&format!("{place}/cancel"), &[("reason", "once more")]).expect(409);
}

/// Whether this is an order's page with what was wrong, and with the form to be filled in again.
fn is_again(page: &str, what: &str) -> bool {
    page.contains(what) && page.contains("role=\"alert\"") && page.contains("Cancel the order")
}

#[test]
fn nothing_leaves_that_entra_would_not_take() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let ulm = Machine::new(&manned, &mut browser, ULM, "Ulm");
    let list = "upn,algorithm\nbob@example.com,sha256\nann@example.com,sha1\n";
    let place = order(&mut browser, list, &[("everywhere", "yes")]);
    ulm.lease(2);
    browser.get(&place).expect(200);
    let export = format!("{place}/export");
    let none = browser.post(&export, &[("reason", "import")]).expect(409);
    assert!(is_again(&none.body, "nothing-done"), "{}", none.body);
    for (line, serial) in [(1, "8659622000001"), (2, "8659622000002")] {
        assert_eq!(ulm.report(&manned, &place, line, (ReportState::Done, serial)), Outcome::Noted);
    }
    let refused = browser.post(&export, &[("reason", "import")]).expect(409);
    assert!(
        refused.body.contains("8659622000001") && refused.body.contains("order-export-refused"),
        "{}",
        refused.body
    );
    let events = escrow(&manned).events(&EventFilter::default()).unwrap();
    assert!(!events.iter().any(|event| event.kind == EventKind::Exported), "{events:#?}");
    assert!(browser.get(&place).expect(200).body.contains("finished"));
}

#[test]
fn an_open_page_is_told_what_changes() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let ulm = Machine::new(&manned, &mut browser, ULM, "Ulm");
    let place = order(&mut browser, "upn\nbob@example.com\n", &[("everywhere", "yes")]);
    let page = browser.get(&place).expect(200).body;
    let live = between(&page, "data-live=\"", "\"").replace("&amp;", "&");
    let listen = |path: &str| {
        let mut stream = manned.server.connect();
        let cookie = browser.cookie.clone().unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n").unwrap();
        stream
    };
    let (mut one, mut all) = (listen(&live), listen("/work/events"));
    let hear = |stream: &mut std::net::TcpStream, what: &[&str]| {
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while !what.iter().all(|what| heard.contains(what)) {
            let len = stream.read(&mut buffer).unwrap_or(0);
            assert!(len > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
        heard
    };
    let first = hear(&mut one, &["\"key\":\"line-1\"", "\"state\":\"running\"", "\"news\":\"\""]);
    assert!(first.contains("text/event-stream"), "{first}");
    hear(&mut all, &["0 of 1 done"]);
    ulm.lease(1);
    // The station that took it has a row, which the page makes from its template.
    let held = hear(&mut one, &["event: cells", &format!("\"key\":\"station-{ULM}\""), "\"location\":\"Ulm\""]);
    assert!(page.contains("<template data-rows=\"station-\">") && !held.contains("There is something new."), "{held}");
    ulm.report(&manned, &place, 1, (ReportState::Done, "8659622000001"));
    let gone = format!("{{\"cells\":null,\"key\":\"station-{ULM}\"}}");
    let done = ["1 of 1 done, 0 failed, 0 left", "\"line\":\"done\"", "8659622000001", "\"state\":\"finished\""];
    hear(&mut one, &[&done[..], &["There is something new.", &gone]].concat());
    hear(&mut all, &["1 of 1 done", "\"bar\":\"1\""]);
    let script = browser.get("/work.js").expect(200);
    assert!(
        script.header("content-type").unwrap().starts_with("text/javascript") && !script.body.contains("innerHTML")
    );
    browser.get("/account").expect(200);
    browser.post("/sign-out", &[]).expect(303);
    // The end of the chunks: whoever was signed out hears nothing more.
    hear(&mut one, &["0\r\n\r\n"]);
}

#[test]
fn only_admins_get_here_and_what_they_type_is_text() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    browser.get("/stations/add").expect(200);
    browser.post("/stations/add", &[("mac", ULM), ("location", EVIL)]).expect(200);
    browser.get("/work/new").expect(200);
    let fields = [("name", EVIL), ("issuer", EVIL), ("location", EVIL)];
    let bad = send(&mut browser, &fields, Some("upn,<script>alert(1)</script>\nbob@example.com,x\n")).expect(422);
    let place = order(&mut browser, "upn,label\n<script>alert(1)</script>,<script>alert(1)</script>\n", &fields);
    let pages =
        [bad, browser.get("/work/new").expect(200), browser.get("/work").expect(200), browser.get(&place).expect(200)];
    for page in &pages {
        assert!(!page.body.contains("<script>alert") && !page.body.contains("\"'&"), "{}", page.body);
    }
    let (mut clerk, _) = manned.somebody("bob", &["helpdesk", "auditor"]);
    for path in
        ["/work", "/work/new", "/work/events", &place, &format!("{place}/events"), &format!("{place}/results.csv")]
    {
        clerk.get(path).expect(403);
        assert!([303, 401].contains(&Browser::new(&manned.server).get(path).status), "{path}");
    }
    clerk.get("/account").expect(200);
    send(&mut clerk, &[("everywhere", "yes"), ("list", "upn\nann@example.com\n")], None).expect(403);
    for deed in ["cancel", "retry", "release", "audience", "export", "settle"] {
        let path = format!("{place}/{deed}");
        let fields = [("reason", "x"), ("line", "1"), ("everywhere", "yes"), ("conflict", "00"), ("how", "seen")];
        clerk.post(&path, &fields).expect(403);
        // A form from elsewhere, in the admin's browser.
        let mut forged = Browser { token: "0".repeat(64), ..browser.clone() };
        forged.post(&path, &fields).expect(403);
    }
    for path in ["/work/x", "/work/..%2F..%2Fetc%2Fpasswd", &format!("/work/{}", BatchId::new())] {
        browser.get(path).expect(404);
        browser.get(&format!("{path}/events")).expect(404);
    }
    assert!(browser.get("/work").expect(200).body.contains("0 of 1 done"));
}
