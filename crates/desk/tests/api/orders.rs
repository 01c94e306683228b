//! Orders through the API: given once, burned by somebody, taken away with a reason.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use oathburn_desk::scripts::Scope;
use oathburn_escrow::{Claim, EventKind, Origin, Programmed};
use oathburn_oath::{Clock, FamilyId, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams};
use serde_json::{Value, json};

use crate::client::{Answer, Office, Script};

const ORDERS: &str = "/api/v1/orders";
const ULM: &str = "00-1A-2B-3C-4D-01";
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const ALL: [Scope; 3] = [Scope::OrdersRead, Scope::OrdersWrite, Scope::ExportWrite];

fn office() -> Office {
    let office = Office::open();
    office.desk.register().add_typed("ada", &[(ULM.into(), "Ulm".into())]).unwrap();
    office
}

fn order(users: &Value) -> Value {
    json!({ "name": "March", "issuer": "ACME", "audience": { "everywhere": true }, "users": users })
}

fn give(script: &Script<'_>, key: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    script.ask("POST", ORDERS, &[], &headers, body.to_string().as_bytes())
}

/// A token is burned for the line of an order whose seed is the one that was prescribed.
fn burn(office: &Office, order: &str, serial: &str) {
    let escrow = office.server.home.escrow(&(office.clock.clone() as Arc<dyn Clock>));
    let batch = escrow.batch(order).unwrap().id;
    let serial = SerialNumber::new(serial).unwrap();
    let Claim::Leased(lease) = escrow.claim(batch, &serial, None, &HashSet::new()).unwrap() else { panic!("no line") };
    let record = TokenRecord {
        identity: TokenIdentity { family: FamilyId::new("token2-single").unwrap(), serial, slot: Slot::SINGLE },
        params: TotpParams::default().into(),
        seed: Seed::from_base32(SEED).unwrap(),
        manufacturer: Some("Token2".into()),
        model: Some("C202".into()),
        upn: lease.line.upn.clone(),
        issuer: lease.line.issuer.clone(),
    };
    let entry = escrow.reserve_line(&lease, &record, Origin::Given).unwrap();
    escrow.mark_programmed(entry, &Programmed::default()).unwrap();
    escrow.release(&lease).unwrap();
}

#[test]
fn an_order_is_given_followed_and_its_seeds_taken_away() {
    let office = office();
    let script = office.script("hr", &ALL);
    let users =
        json!([{ "upn": "bob@example.com", "seed": SEED, "label": "say \"hi\", Bob" }, { "upn": "eve@example.com" }]);
    let wanted = json!({ "name": "March", "issuer": "ACME", "audience": { "locations": ["Ulm"] }, "users": users });
    let given = script.post(ORDERS, &[], &wanted);
    assert!(!given.reply.body.contains(SEED));
    let given = given.expect(201);
    let id = given["order"].as_str().unwrap();
    assert_eq!((given["lines"].as_u64(), &given["by"]), (Some(2), &json!("script:hr")));
    assert_eq!(given["audience"], json!({ "everywhere": false, "locations": ["Ulm"], "stations": [] }));
    let csv = json!({ "name": "April", "audience": { "stations": ["001a2b3c4d01"] }, "csv": "upn\nzoe@example.com\n" });
    let later = script.post(ORDERS, &[], &csv).expect(201);
    assert_eq!(later["audience"]["stations"], json!([ULM]));
    let all = script.get(ORDERS, &["?limit=1"]).expect(200);
    assert_eq!(all["orders"][0]["order"], later["order"]);
    let next = script.get(ORDERS, &[&format!("?after={}", all["next"].as_str().unwrap())]).expect(200);
    assert_eq!((&next["orders"][0]["order"], &next["next"]), (&given["order"], &Value::Null));
    // There are codes before any token is burned.
    let line = script.get("/api/v1/orders/{order}/lines", &[id]).expect(200)["lines"][0].clone();
    assert_eq!((&line["state"], &line["label"]), (&json!("open"), &json!("say \"hi\", Bob")));
    let helpdesk = office.script("chatbot", &[Scope::CodesGive]);
    let why = json!({ "reason": "starts tomorrow", "ticket": "HR-1" });
    helpdesk.post("/api/v1/tokens/{entry}/codes", &[line["codes_of"].as_str().unwrap()], &why).expect(200);
    // Nothing is there to export, then one token is.
    let export = "/api/v1/orders/{order}/export";
    let reason = json!({ "reason": "for the tenant" });
    assert_eq!(script.post(export, &[id], &reason).refused(409), "nothing-done");
    burn(&office, id, "8659622000001");
    let page = script.get("/api/v1/orders/{order}/lines", &[id, "?limit=1"]).expect(200);
    assert_eq!((&page["lines"][0]["serial"], &page["next"]), (&json!("8659622000001"), &json!(1)));
    assert_eq!(script.get("/api/v1/orders/{order}", &[id]).expect(200)["order"]["done"], 1);
    assert_eq!(script.post(export, &[id], &json!({ "reason": " " })).refused(400), "reason-missing");
    assert_eq!(script.post(export, &[id], &json!({})).refused(400), "api-request");
    let target = format!("/api/v1/orders/{id}/export");
    let headers = [("Authorization", format!("Bearer {}", script.token)), ("Content-Type", "application/json".into())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = office.server.ask("POST", &target, &headers, reason.to_string().as_bytes()).expect(200);
    assert!(file.body.contains(&format!("bob@example.com,8659622000001,{SEED},30")), "{}", file.body);
    assert!(!file.body.contains("eve@"));
    assert_eq!(file.header("cache-control"), Some("no-store"));
    assert!(file.header("content-disposition").unwrap().starts_with("attachment"));
    let noted = office.events(EventKind::Exported);
    assert_eq!((noted[0].operator.as_deref(), noted[0].reason.as_deref()), (Some("script:hr"), Some("for the tenant")));
    let results = office.server.ask("GET", &format!("/api/v1/orders/{id}/results"), &headers[..1], b"").expect(200);
    assert!(results.body.contains("1,bob@example.com,8659622000001,") && !results.body.contains(SEED), "{results:?}");
    // Its end.
    let cancel = "/api/v1/orders/{order}/cancel";
    assert_eq!(script.post(cancel, &[id], &json!({ "reason": "" })).refused(400), "reason-missing");
    let cancelled = script.post(cancel, &[id], &json!({ "reason": "branch closed" })).expect(200);
    assert_eq!((&cancelled["state"], cancelled["left"].as_u64()), (&json!("cancelled"), Some(1)));
    assert_eq!(script.post(cancel, &[id], &json!({ "reason": "branch closed" })).refused(409), "batch-ended");
    assert_eq!(script.get("/api/v1/orders/{order}/conflicts", &[id]).expect(200)["conflicts"], json!([]));
    for unknown in ["00000000-0000-7000-8000-000000000000", "x", &id[..8]] {
        assert_eq!(script.get("/api/v1/orders/{order}", &[unknown]).refused(404), "batch-unknown", "{unknown}");
    }
}

#[test]
fn what_is_wrong_with_a_list_is_named_row_by_row_and_nothing_is_given() {
    let office = office();
    let script = office.script("hr", &ALL);
    let users = json!([{ "upn": "bob@example.com" }, { "upn": "bob@" }, { "upn": "=cmd|'/C calc'!A0" }, { "upn": "BOB@example.com" }]);
    let refused = script.post(ORDERS, &[], &order(&users));
    assert_eq!(refused.refused(422), "order-not-given");
    let problems = refused.json["error"]["problems"].as_array().unwrap();
    let rows: Vec<_> =
        problems.iter().map(|one| (one["row"].as_u64().unwrap(), one["code"].as_str().unwrap())).collect();
    assert_eq!(rows, [(2, "users-upn-malformed"), (3, "spreadsheet-formula"), (4, "users-upn-twice")]);
    // In a file the header is a row.
    let csv = json!({ "name": "x", "audience": { "everywhere": true }, "csv": "upn\nbob@\n" });
    assert_eq!(script.post(ORDERS, &[], &csv).json["error"]["problems"][0]["row"], 2);
    let seed = script.post(ORDERS, &[], &order(&json!([{ "upn": "bob@example.com", "seed": "GEZDGNBV1" }])));
    assert_eq!(seed.refused(422), "order-not-given");
    assert!(!seed.reply.body.contains("GEZDGNBV1"), "a seed is not repeated: {}", seed.reply.body);
    for (body, status, expected) in [
        (order(&json!([])), 422, "order-not-given"),
        (order(&json!([{ "upn": " " }])), 400, "api-request"),
        (order(&json!([{ "upn": "a@example.com\nb@example.com" }])), 400, "api-request"),
        (order(&json!([{ "upn": "a@example.com", "label": "\u{85}" }])), 400, "api-request"),
        (json!({ "name": "x", "audience": { "everywhere": true } }), 400, "api-request"),
        (json!({ "name": "x", "audience": { "everywhere": true }, "users": [], "csv": "" }), 400, "api-request"),
        (json!({ "name": " ", "audience": { "everywhere": true }, "csv": "upn\na@example.com\n" }), 400, "api-request"),
        (json!({ "name": "x", "audience": {}, "csv": "upn\na@example.com\n" }), 400, "audience-missing"),
        (
            json!({ "name": "x", "audience": { "locations": ["Rom"] }, "csv": "upn\na@example.com\n" }),
            400,
            "api-request",
        ),
        (json!({ "name": "x", "audience": { "stations": ["printer"] }, "csv": "" }), 400, "mac-id-malformed"),
        (
            json!({ "name": "x", "audience": { "stations": ["00-1A-2B-3C-4D-77"] }, "csv": "" }),
            404,
            "station-not-registered",
        ),
        (
            json!({ "name": "x", "audience": { "everywhere": true, "locations": ["Ulm"] }, "csv": "" }),
            400,
            "api-request",
        ),
    ] {
        assert_eq!(script.post(ORDERS, &[], &body).refused(status), expected, "{body}");
    }
    assert_eq!(script.get(ORDERS, &[]).expect(200)["orders"], json!([]));
}

#[test]
fn an_order_that_is_sent_again_is_given_once() {
    let office = office();
    let script = office.script("hr", &ALL);
    let body = order(&json!([{ "upn": "bob@example.com" }]));
    let first = give(&script, "march-1", &body).expect(201);
    let again = give(&script, "march-1", &body).expect(200);
    assert_eq!(first["order"], again["order"]);
    let other = order(&json!([{ "upn": "eve@example.com" }]));
    assert_eq!(give(&script, "march-1", &other).refused(422), "idempotency-key-reused");
    // A key is the script's own.
    let neighbour = office.script("it", &ALL);
    assert_eq!(give(&neighbour, "march-1", &other).expect(201)["by"], "script:it");
    // A list that was refused may be mended under its key.
    let wrong = order(&json!([{ "upn": "bob@" }]));
    assert_eq!(give(&script, "march-2", &wrong).refused(422), "order-not-given");
    give(&script, "march-2", &order(&json!([{ "upn": "zoe@example.com" }]))).expect(201);
    for key in ["", "a b", "ä", &"x".repeat(65)] {
        assert_eq!(give(&script, key, &body).refused(400), "api-request", "{key}");
    }
    assert_eq!(script.get(ORDERS, &[]).expect(200)["orders"].as_array().unwrap().len(), 3);
}

#[test]
fn of_the_same_order_sent_many_times_at_once_one_is_given() {
    let office = office();
    let script = office.script("hr", &ALL);
    let body = order(&json!([{ "upn": "bob@example.com" }]));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(|| give(&script, "once", &body).reply.status)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 201, 409].contains(status)), "{statuses:?}");
    assert_eq!(script.get(ORDERS, &[]).expect(200)["orders"].as_array().unwrap().len(), 1);
}

#[test]
fn an_order_goes_to_others() {
    let office = office();
    let script = office.script("hr", &ALL);
    let given = script.post(ORDERS, &[], &order(&json!([{ "upn": "bob@example.com" }]))).expect(201);
    let id = given["order"].as_str().unwrap();
    let to = |body: &Value| script.send("PUT", "/api/v1/orders/{order}/audience", &[id], body);
    assert_eq!(to(&json!({ "locations": ["Ulm"] })).expect(200)["audience"]["locations"], json!(["Ulm"]));
    assert_eq!(to(&json!({})).refused(400), "audience-missing");
    assert_eq!(to(&json!({ "stations": ["00-1A-2B-3C-4D-77"] })).refused(404), "station-not-registered");
    assert_eq!(script.ask("POST", "/api/v1/orders/{order}/retry", &[id], &[], b"").expect(200)["failed"], 0);
    let release = json!({ "line": 1, "reason": "token is broken" });
    assert_eq!(script.post("/api/v1/orders/{order}/release", &[id], &release).refused(409), "conflict-settled");
    let settle = json!({ "how": "seen", "reason": "looked at it" });
    let conflict = "/api/v1/orders/{order}/conflicts/{conflict}";
    assert_eq!(script.post(conflict, &[id, "00"], &settle).refused(400), "api-request");
    assert_eq!(
        script.post(conflict, &[id, "00"], &json!({ "how": "burned", "reason": "x" })).refused(400),
        "api-request"
    );
}
