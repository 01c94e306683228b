//! What scripts do: stations, the audit, people.

use std::net::{IpAddr, Ipv4Addr};

use oathburn_desk::protocol::StationKeys;
use oathburn_desk::scripts::Scope;
use oathburn_desk::stations::{MacId, StationState};
use oathburn_escrow::{EventKind, StationKey};
use serde_json::{Value, json};

use crate::client::Office;
use crate::support::{self, Manned, Server};

const ONE: &str = "00-1A-2B-3C-4D-01";
const OTHER: &str = "00-1A-2B-3C-4D-02";
const STATIONS: &str = "/api/v1/stations";

fn mac(text: &str) -> MacId {
    text.parse().unwrap()
}

/// A machine's keys, as its desk gets to know them.
fn keys(office: &Office, name: &str) -> StationKeys {
    StationKeys::from(&StationKey::create(&office.server.home.path(name)).unwrap().public())
}

#[test]
fn a_script_knows_who_it_is() {
    let office = Office::open();
    let script = office.script("Robot", &[Scope::StationsRead, Scope::AuditRead, Scope::StationsRead]);
    let answer = script.get("/api/v1/whoami", &[]).expect(200);
    assert_eq!((&answer["script"], &answer["operator"]), (&json!("robot"), &json!("script:robot")));
    assert_eq!(answer["scopes"], json!(["stations:read", "audit:read"]));
}

#[test]
fn stations_are_registered_listed_moved_and_removed() {
    let office = Office::open();
    let script = office.script("robot", &[Scope::StationsRead, Scope::StationsWrite]);
    let two =
        json!({ "stations": [{ "mac": "001a.2b3c.4d01", "location": "Ulm" }, { "mac": OTHER, "location": "Bern" }] });
    assert_eq!(script.post(STATIONS, &[], &two).expect(201)["added"], json!([ONE, OTHER]));
    // All or none, and every row by its number.
    let three = json!({ "stations": [
        { "mac": "00-1A-2B-3C-4D-03", "location": "Rom" }, { "mac": "printer", "location": "Ulm" }, { "mac": ONE, "location": "" },
    ] });
    let refused = script.post(STATIONS, &[], &three);
    assert_eq!(refused.refused(400), "stations-not-added");
    let rows: Vec<_> =
        refused.json["error"]["problems"].as_array().unwrap().iter().map(|row| (&row["row"], &row["code"])).collect();
    assert_eq!(rows, [(&json!(2), &json!("mac-id-malformed")), (&json!(3), &json!("location-missing"))]);
    let csv = ("Content-Type", "text/csv; charset=utf-8");
    let list = b"MAC ID,Location\r\n00-1A-2B-3C-4D-04,\"=cmd|' /C calc'!A0\"\r\n00-1A-2B-3C-4D-05,Oslo\r\n";
    let import = "/api/v1/stations/import";
    assert_eq!(script.ask("POST", import, &[], &[csv], list).expect(201)["added"].as_array().unwrap().len(), 2);
    assert_eq!(script.ask("POST", import, &[], &[csv], list).refused(400), "stations-not-added");
    assert_eq!(script.ask("POST", import, &[], &[], list).refused(415), "api-media-type");
    let all = script.get(STATIONS, &[]).expect(200);
    assert_eq!((all["matching"].as_u64(), &all["next"]), (Some(4), &Value::Null));
    // A page at a time, each once.
    let mut seen = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = script.get(STATIONS, &[&query]).expect(200);
        seen.extend(page["stations"].as_array().unwrap().iter().map(|one| one["mac"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={next}");
    }
    assert_eq!(seen, all["stations"].as_array().unwrap().iter().map(|one| one["mac"].clone()).collect::<Vec<_>>());
    let found = script.get(STATIONS, &["?q=ber&state=waiting-on-activation"]).expect(200);
    assert_eq!((found["matching"].as_u64(), &found["stations"][0]["location"]), (Some(1), &json!("Bern")));
    assert_eq!(script.get(STATIONS, &["?state=signed-in"]).expect(200)["stations"], json!([]));
    for wrong in ["?state=on-fire", "?limit=0", "?limit=1001", "?limit=x", "?page=2", "?q=a&q=b"] {
        assert_eq!(script.get(STATIONS, &[wrong]).refused(400), "api-request", "{wrong}");
    }
    let place = "/api/v1/stations/{mac}/location";
    let moved = script.send("PUT", place, &["001a2b3c4d01"], &json!({ "location": "Basel" })).expect(200);
    assert_eq!((&moved["mac"], &moved["location"]), (&json!(ONE), &json!("Basel")));
    assert_eq!(
        script.send("PUT", place, &["00-1A-2B-3C-4D-99"], &json!({ "location": "x" })).refused(404),
        "station-not-registered"
    );
    let one = "/api/v1/stations/{mac}";
    assert_eq!(script.get(one, &[ONE]).expect(200)["location"], "Basel");
    assert_eq!(script.get(one, &["x"]).refused(400), "mac-id-malformed");
    assert_eq!(script.ask("DELETE", one, &[ONE], &[], b"").expect(200)["done"], json!([ONE]));
    assert_eq!(script.ask("DELETE", one, &[ONE], &[], b"").refused(404), "station-not-registered");
    let deeds = office.deeds();
    for what in ["stations-added", "station-moved", "stations-removed"] {
        assert!(deeds.contains(&("script:robot".into(), what.into())), "{deeds:?}");
    }
}

#[test]
fn stations_are_let_in_signed_in_and_out_and_revoked() {
    let office = Office::open();
    let script = office.script("robot", &[Scope::StationsRead, Scope::StationsWrite, Scope::CodesMake]);
    let register = office.desk.register();
    register.add_typed("ada", &[(ONE.into(), "Ulm".into()), (OTHER.into(), "Bern".into())]).unwrap();
    let codes = "/api/v1/stations/codes";
    let made = script.post(codes, &[], &json!({ "stations": [ONE, OTHER], "digits": 8, "minutes": 60 })).expect(200);
    let code = |number: usize| made["codes"][number]["code"].as_str().unwrap();
    assert_eq!((code(0).len(), made["codes"][0]["location"].as_str()), (8, Some("Bern")));
    assert_ne!(code(0), code(1));
    for (wrong, expected) in [
        (json!({ "stations": [ONE], "digits": 5 }), "api-request"),
        (json!({ "stations": [ONE], "minutes": 9 }), "verification-code-life"),
        (json!({ "stations": [ONE], "minutes": 4_294_967_295_u32 }), "verification-code-life"),
        (json!({ "stations": [] }), "stations-none-selected"),
        (json!({ "stations": ["x"] }), "mac-id-malformed"),
        (json!({ "stations": [ONE], "shared": "yes" }), "api-request"),
    ] {
        assert_eq!(script.post(codes, &[], &wrong).refused(400), expected, "{wrong}");
    }
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let machine = keys(&office, "bern");
    register.activate((mac(OTHER), &machine), code(0), here).unwrap();
    let deed = |what: &str, body: &Value| script.post(&format!("/api/v1/stations/{what}"), &[], body);
    let both = json!({ "stations": [ONE, OTHER] });
    // What waits on its activation is skipped, and said so; with it alone the deed has failed.
    let sign_in = |macs: Value| deed("sign-in", &json!({ "stations": macs, "account": "branch" }));
    let done = sign_in(json!([ONE, OTHER])).expect(200);
    assert_eq!((&done["done"], &done["skipped"][0]["code"]), (&json!([OTHER]), &json!("station-not-now")));
    assert_eq!(sign_in(json!([ONE])).refused(409), "station-not-now");
    assert_eq!(script.get("/api/v1/stations/{mac}", &[OTHER]).expect(200)["account"], "branch");
    assert_eq!(deed("sign-out", &both).expect(200)["done"], json!([OTHER]));
    assert_eq!(deed("fetch-login-codes", &both).expect(200)["done"], json!([OTHER]));
    assert!(script.get("/api/v1/stations/{mac}", &[OTHER]).expect(200)["login_code_wanted"].as_bool().unwrap());
    let (station, _) = register.get(mac(OTHER)).unwrap().unwrap();
    let shown = register.offer_own_login(&station, here).unwrap().code.to_string();
    assert_eq!(script.get("/api/v1/stations/{mac}", &[OTHER]).expect(200)["login_code"], shown.as_str());
    assert_eq!(deed("revoke-codes", &both).expect(200)["done"], json!([ONE]));
    assert_eq!(deed("revoke-codes", &both).refused(409), "station-without-code");
    assert_eq!(deed("revoke", &both).expect(200)["done"], json!([ONE, OTHER]));
    assert_eq!(script.get("/api/v1/stations/{mac}", &[OTHER]).expect(200)["state"], "revoked");
    assert_eq!(script.post(codes, &[], &both).refused(409), "station-not-now");
    assert_eq!(deed("provision-again", &both).expect(200)["done"], json!([ONE, OTHER]));
    let shared =
        script.post(codes, &[], &json!({ "stations": [ONE, OTHER, "00-1A-2B-3C-4D-09"], "shared": true })).expect(200);
    assert_eq!(shared["codes"][0]["code"], shared["codes"][1]["code"]);
    assert_eq!(shared["skipped"][0]["code"], "station-not-registered");
    // Codes are in no event.
    let noted = format!("{:?}", office.events(EventKind::DeskDeed));
    assert!(noted.contains("verification-codes-made") && !noted.contains(shared["codes"][0]["code"].as_str().unwrap()));
}

#[test]
fn a_station_that_shows_a_login_code_is_let_in_or_refused() {
    let office = Office::open();
    let script = office.script("robot", &[Scope::StationsWrite]);
    let (register, here) = (office.desk.register(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let shown = register.offer_login(mac(ONE), &keys(&office, "one"), here).unwrap().code.to_string();
    let [find, accept, refuse] = ["find", "accept", "refuse"].map(|what| format!("/api/v1/login-codes/{what}"));
    let found = script.post(&find, &[], &json!({ "code": shown.to_lowercase() })).expect(200);
    assert_eq!((&found["mac"], &found["location"]), (&json!(ONE), &Value::Null));
    assert_eq!(script.post(&find, &[], &json!({ "code": "ACD" })).refused(400), "login-code-malformed");
    assert_eq!(script.post(&accept, &[], &json!({ "code": shown, "account": "ulm" })).refused(400), "location-needed");
    let body = json!({ "code": shown, "account": "ulm", "location": "Ulm" });
    assert_eq!(script.post(&accept, &[], &body).expect(200)["done"], json!([ONE]));
    assert_eq!(register.get(mac(ONE)).unwrap().unwrap().0.state, StationState::SignedIn);
    assert_eq!(script.post(&accept, &[], &body).refused(404), "login-code-unknown");
    let shown = register.offer_login(mac(OTHER), &keys(&office, "other"), here).unwrap().code.to_string();
    assert_eq!(script.post(&refuse, &[], &json!({ "code": shown })).expect(200)["mac"], OTHER);
    assert_eq!(script.post(&refuse, &[], &json!({ "code": shown })).refused(404), "login-code-unknown");
}

#[test]
fn the_audit_is_collected_event_by_event() {
    let office = Office::open();
    let script = office.script("siem", &[Scope::AuditRead]);
    let entry = office.burned("8659622000001", "bob@example.com", crate::client::SEED);
    let events = "/api/v1/audit/events";
    let all = script.get(events, &[]).expect(200);
    let ids = |page: &Value| -> Vec<String> {
        page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut collected = Vec::new();
    let mut after = String::new();
    loop {
        let page = script.get(events, &[&format!("?limit=2{after}")]).expect(200);
        collected.extend(ids(&page));
        after = format!("&after={}", page["next"].as_str().unwrap());
        if !page["more"].as_bool().unwrap() {
            break;
        }
    }
    assert_eq!(collected, ids(&all));
    assert!(collected.len() > 5);
    // What happens later follows, and nothing twice; also where a clock stands still.
    assert_eq!(script.get(events, &[&format!("?limit=2{after}")]).expect(200)["events"], json!([]));
    office.burned("8659622000002", "eve@example.com", b"09876543210987654321");
    let page = script.get(events, &[&format!("?limit=9{after}")]).expect(200);
    let kinds: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session-created", "reserved", "programmed"]);
    let some = script.get(events, &[&format!("?entry={entry}&kind=programmed")]).expect(200);
    assert_eq!((some["events"].as_array().unwrap().len(), &some["events"][0]["entries"]), (1, &json!([entry])));
    assert_eq!(script.get(events, &["?operator=ada"]).expect(200)["events"][0]["facts"]["deed"], "script-added");
    assert_eq!(script.get(events, &["?until=2001-01-01T00:00:00Z"]).expect(200)["events"], json!([]));
    for (wrong, expected) in [
        ("?kind=nonsense", "api-request"),
        ("?since=yesterday", "time-unreadable"),
        ("?after=nonsense", "api-request"),
        ("?limit=100000", "api-request"),
    ] {
        assert_eq!(script.get(events, &[wrong]).refused(400), expected, "{wrong}");
    }
    assert_eq!(script.get(events, &["?entry=00000000"]).refused(404), "entry-unknown");
    assert_eq!(script.ask("POST", "/api/v1/audit/verify", &[], &[], b"").expect(200)["sound"], true);
    let checkpoint = script.ask("POST", "/api/v1/audit/checkpoint", &[], &[], b"");
    let parsed = oathburn_escrow::Checkpoint::parse(&checkpoint.reply.body).unwrap();
    assert_eq!(office.desk.escrow().verify_checkpoint(&parsed).unwrap(), []);
    assert_eq!(office.events(EventKind::Checkpointed)[0].operator.as_deref(), Some("script:siem"));
    // What was changed is found, and not signed.
    let database = rusqlite::Connection::open(office.server.home.path("escrow.db")).unwrap();
    database.execute("UPDATE events SET host = 'elsewhere' WHERE kind = 'programmed'", []).unwrap();
    drop(database);
    let broken = script.ask("POST", "/api/v1/audit/verify", &[], &[], b"").expect(200);
    assert!(broken["sound"] == false && !broken["findings"].as_array().unwrap().is_empty(), "{broken}");
    assert_eq!(script.ask("POST", "/api/v1/audit/checkpoint", &[], &[], b"").refused(409), "trail-broken");
}

#[test]
fn people_are_listed_without_what_they_sign_in_with() {
    let manned = Manned::new();
    manned.somebody("carol", &["helpdesk", "auditor"]);
    let server: &Server = &manned.server;
    let desk = server.home.desk(manned.clock.clone(), oathburn_desk::Settings::default());
    let new = oathburn_desk::scripts::NewScript { name: "hr", scopes: &[Scope::PeopleRead], days: 1 };
    let token = format!("Bearer {}", desk.add_script("ada", &new).unwrap().1.shown());
    let people = server.ask("GET", "/api/v1/people", &[("Authorization", &token)], b"").expect(200);
    let people: Value = serde_json::from_str(&people.body).unwrap();
    let carol = json!({ "name": "carol", "roles": ["helpdesk", "auditor"], "state": "active" });
    assert_eq!(people, json!({ "people": [{ "name": "ada", "roles": ["admin"], "state": "active" }, carol] }));
}

#[test]
fn people_are_invited_changed_and_reset_and_admins_are_left_alone() {
    let office = Office::open();
    let script = office.script("hr", &[Scope::PeopleRead, Scope::PeopleWrite]);
    office.desk.bootstrap("root", "ada", false).unwrap();
    let (people, one) = ("/api/v1/people", "/api/v1/people/{name}");
    let made = script.post(people, &[], &json!({ "name": "Bob@Example.org", "roles": ["helpdesk"] })).expect(201);
    let (name, code) = (made["name"].as_str().unwrap().to_owned(), made["enrolment_code"].as_str().unwrap().to_owned());
    assert_eq!(script.get(one, &[&name]).expect(200)["state"], "invited");
    // The code is one that lets in.
    let (mut browser, _) = support::enrol(&office.server, &office.clock, &name, &code);
    assert!(browser.get("/helpdesk").body.contains("Find"));
    assert_eq!(script.get(one, &[&name]).expect(200)["state"], "active");
    for (wrong, status, expected) in [
        (json!({ "name": name, "roles": ["auditor"] }), 409, "name-taken"),
        (json!({ "name": "", "roles": ["auditor"] }), 400, "person-name"),
        (json!({ "name": "eve", "roles": [] }), 400, "roles-missing"),
        (json!({ "name": "eve", "roles": ["root"] }), 400, "api-request"),
        (json!({ "name": "eve", "roles": ["helpdesk", "admin"] }), 403, "admin-kept"),
        (json!({ "name": "eve" }), 400, "api-request"),
    ] {
        assert_eq!(script.post(people, &[], &wrong).refused(status), expected, "{wrong}");
    }
    let roles = "/api/v1/people/{name}/roles";
    let changed = script.send("PUT", roles, &[&name], &json!({ "roles": ["auditor", "auditor"] })).expect(200);
    assert_eq!(changed["roles"], json!(["auditor"]));
    // Who is signed in feels it at once.
    assert_eq!(browser.get("/helpdesk").status, 403);
    assert_eq!(script.send("PUT", roles, &[&name], &json!({ "roles": ["admin"] })).refused(403), "admin-kept");
    let deed = |what: &str, name: &str| script.post(&format!("{one}/{what}"), &[name], &json!({}));
    assert_eq!(deed("disable", &name).expect(200)["state"], "disabled");
    assert_eq!(browser.get("/audit").status, 303);
    assert_eq!(deed("enable", &name).expect(200)["state"], "active");
    let again = deed("reset", &name).expect(200);
    assert_ne!(again["enrolment_code"], code.as_str());
    assert_eq!(script.get(one, &[&name]).expect(200)["state"], "invited");
    for what in ["disable", "enable", "reset"] {
        assert_eq!(deed(what, "ada").refused(403), "admin-kept", "{what}");
        assert_eq!(deed(what, "nobody").refused(404), "page-unknown", "{what}");
    }
    assert_eq!(script.send("PUT", roles, &["ada"], &json!({ "roles": ["helpdesk"] })).refused(403), "admin-kept");
    let deeds = office.deeds();
    for what in ["person-added", "person-roles", "person-disabled", "person-enabled", "person-reset"] {
        assert!(deeds.contains(&("script:hr".into(), what.into())), "{deeds:?}");
    }
    // Codes are in no event.
    let noted = format!("{:?}", office.events(EventKind::DeskDeed));
    assert!(!noted.contains(&code) && !noted.contains(again["enrolment_code"].as_str().unwrap()));
}
