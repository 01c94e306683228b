//! What a script of the helpdesk gets, and what is noted of it.

use oathburn_desk::scripts::Scope;
use oathburn_desk::{HelpdeskLimits, Settings};
use oathburn_escrow::EventKind;
use oathburn_oath::{Clock as _, Seed, Totp, TotpParams};
use serde_json::{Value, json};

use crate::client::{Answer, Office, SEED};

const CODES: &str = "/api/v1/tokens/{entry}/codes";

fn code_at(office: &Office, seconds: i64) -> String {
    let totp = Totp::new(&Seed::new(SEED.to_vec()).unwrap(), TotpParams::default());
    totp.code_at(office.clock.now().offset(seconds)).to_string()
}

/// In all spellings in which a seed could hide.
fn shows_seed(answer: &Answer) -> bool {
    let all = format!("{:?} {}", answer.reply.headers, answer.reply.body).to_lowercase();
    let seed = Seed::new(SEED.to_vec()).unwrap();
    let spelled = [seed.to_base32().to_lowercase(), seed.to_hex().to_lowercase(), seed.to_base64().to_lowercase()];
    spelled.iter().any(|one| all.contains(one.as_str())) || all.contains("12345678901234567890")
}

#[test]
fn a_user_without_a_token_gets_a_code_through_a_script() {
    let office = Office::open();
    let entry = office.burned("8659622000001", "bob@example.com", SEED);
    let script = office.script("chatbot", &[Scope::TokensRead, Scope::CodesGive]);
    let found = script.get("/api/v1/tokens", &["?q=BOB%40example"]);
    assert!(!shows_seed(&found));
    let found = found.expect(200);
    assert_eq!((&found["tokens"][0]["entry"], &found["more"]), (&json!(entry), &json!(false)));
    assert_eq!(script.get("/api/v1/tokens", &["?q=nobody"]).expect(200)["tokens"], json!([]));
    assert_eq!(script.get("/api/v1/tokens", &[]).refused(400), "api-request");
    let token = script.get("/api/v1/tokens/{entry}", &[&entry]).expect(200);
    assert_eq!((&token["token"]["upn"], &token["clock"]["drift_seconds"]), (&json!("bob@example.com"), &json!(-61)));
    office.clock.pass(30);
    let asked = json!({ "reason": "token is in the post", "ticket": "INC-7", "future": 1 });
    let given = script.post(CODES, &[&entry], &asked);
    assert!(!shows_seed(&given));
    let given = given.expect(200);
    let codes: Vec<_> = given["codes"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, [code_at(&office, 0), code_at(&office, 30)]);
    assert_eq!(given["codes"][1]["offset"], 1);
    let asked = json!({ "reason": "to compare", "ticket": "INC-7", "on_token": true });
    assert_eq!(script.post(CODES, &[&entry], &asked).expect(200)["codes"][0]["code"], code_at(&office, -61));
    let noted = office.events(EventKind::CodeDisclosed);
    assert_eq!((noted.len(), noted[0].operator.as_deref()), (2, Some("script:chatbot")));
    assert_eq!(
        (noted[0].reason.as_deref(), noted[0].facts.text("ticket")),
        (Some("token is in the post"), Some("INC-7"))
    );
    assert!(!format!("{noted:?}").contains(&code_at(&office, 0)), "codes are not kept");
    let story = script.get("/api/v1/tokens/{entry}/events", &[&entry]).expect(200);
    assert_eq!(story["events"][0]["kind"], "code-disclosed");
}

#[test]
fn without_reason_ticket_or_entry_there_is_no_code() {
    let office = Office::open();
    let entry = office.burned("8659622000001", "bob@example.com", SEED);
    let script = office.script("chatbot", &[Scope::CodesGive]);
    for (body, expected) in [
        (json!({ "reason": "in the post", "ticket": " " }), "ticket-missing"),
        (json!({ "reason": "x", "ticket": "INC-7" }), "reason-missing"),
        (json!({ "reason": "a\nb\nc", "ticket": "INC-7" }), "reason-missing"),
        (json!({ "reason": "in the post", "ticket": "INC\n7" }), "reason-missing"),
        (json!({ "reason": "in the post" }), "api-request"),
        (json!({ "ticket": "INC-7" }), "api-request"),
        (json!({ "reason": "in the post", "ticket": "INC-7", "past": 11 }), "codes-too-many"),
        (json!({ "reason": "in the post", "ticket": "INC-7", "future": -1 }), "api-request"),
        (json!({ "reason": "in the post", "ticket": "INC-7", "at": "2100-01-01T00:00:00Z" }), "codes-too-many"),
        (json!({ "reason": "in the post", "ticket": "INC-7", "at": "tomorrow" }), "time-unreadable"),
        (json!({ "reason": "in the post", "ticket": "INC-7", "admin": true }), "api-request"),
    ] {
        assert_eq!(script.post(CODES, &[&entry], &body).refused(400), expected, "{body}");
    }
    let body = json!({ "reason": "in the post", "ticket": "INC-7" });
    for unknown in ["zz", &entry[..8], "00000000-0000-7000-8000-000000000000"] {
        assert_eq!(script.post(CODES, &[unknown], &body).refused(404), "entry-unknown", "{unknown}");
    }
    // What people sign in with is no token.
    let _ = office.desk.bootstrap("root", "ada", false).unwrap();
    assert_eq!(office.events(EventKind::CodeDisclosed).len(), 0);
}

#[test]
fn scripts_and_tokens_have_the_limits_of_the_helpdesk() {
    let helpdesk = HelpdeskLimits { codes_per_clerk: 3, codes_per_token: 2, comparisons_per_clerk: 1 };
    let office = Office::with(Settings { helpdesk, ..Settings::default() });
    let entries = [
        office.burned("8659622000001", "bob@example.com", SEED),
        office.burned("8659622000002", "eve@example.com", b"09876543210987654321"),
    ];
    let scopes = [Scope::CodesGive, Scope::CodesCompare];
    let (one, other) = (office.script("one", &scopes), office.script("other", &scopes));
    let body = json!({ "reason": "in the post", "ticket": "INC-7" });
    one.post(CODES, &[&entries[0]], &body).expect(200);
    one.post(CODES, &[&entries[0]], &body).expect(200);
    for script in [&one, &other] {
        let refused = script.post(CODES, &[&entries[0]], &body);
        assert_eq!(refused.refused(429), "throttled");
        let seconds = refused.json["error"]["retry_after"].as_u64().unwrap();
        assert_eq!(refused.reply.header("retry-after"), Some(seconds.to_string().as_str()));
        assert!(seconds > 0 && seconds <= 24 * 3600);
    }
    one.post(CODES, &[&entries[1]], &body).expect(200);
    assert_eq!(one.post(CODES, &[&entries[1]], &body).refused(429), "throttled");
    other.post(CODES, &[&entries[1]], &body).expect(200);
    assert_eq!(office.events(EventKind::CodeDisclosed).len(), 4);
    let read = json!({ "code": "123456" });
    one.post("/api/v1/tokens/identify", &[], &read).expect(200);
    assert_eq!(one.post("/api/v1/tokens/identify", &[], &read).refused(429), "throttled");
    assert_eq!(one.post("/api/v1/tokens/{entry}/drift", &[&entries[0]], &read).refused(429), "throttled");
}

#[test]
fn a_script_that_runs_wild_is_told_to_wait_and_others_go_on() {
    let office = Office::with(Settings { requests_per_script: 5, ..Settings::default() });
    let (wild, calm) = (office.script("wild", &[Scope::TokensRead]), office.script("calm", &[Scope::TokensRead]));
    for _ in 0..5 {
        wild.get("/api/v1/whoami", &[]).expect(200);
    }
    // Whatever it asks, also what it may not.
    for path in ["/api/v1/whoami", "/api/v1/people"] {
        let refused = wild.get(path, &[]);
        assert_eq!(refused.refused(429), "script-too-fast");
        assert_eq!(refused.json["error"]["retry_after"], 1);
        assert_eq!(refused.reply.header("retry-after"), Some("1"));
        assert!(refused.json["error"]["remedy"].as_str().unwrap().contains("wait"));
    }
    calm.get("/api/v1/whoami", &[]).expect(200);
    office.clock.pass(1);
    wild.get("/api/v1/whoami", &[]).expect(200);
}

#[test]
fn codes_that_are_read_out_tell_what_is_wrong() {
    let office = Office::open();
    let entry = office.burned("8659622000001", "bob@example.com", SEED);
    office.burned("8659622000002", "eve@example.com", b"09876543210987654321");
    let script = office.script("phone", &[Scope::CodesCompare]);
    let late = json!({ "code": code_at(&office, -300), "next": code_at(&office, -270) });
    let drift = script.post("/api/v1/tokens/{entry}/drift", &[&entry], &late);
    let why = script.post("/api/v1/tokens/{entry}/explain", &[&entry], &late);
    let near = json!({ "code": code_at(&office, -60), "next": code_at(&office, -30) });
    let whose = script.post("/api/v1/tokens/identify", &[], &near);
    for answer in [&drift, &why, &whose] {
        assert!(!shows_seed(answer) && !answer.reply.body.contains(&code_at(&office, -300)), "{:?}", answer.reply);
    }
    let drift = drift.expect(200);
    assert_eq!((&drift["drift_steps"], &drift["in_window"]), (&json!(-9), &json!(false)));
    assert!(why.expect(200)["explanations"][0]["sentence"].as_str().unwrap().contains("clock"));
    let whose = whose.expect(200);
    assert_eq!(whose["candidates"][0]["token"]["upn"], "bob@example.com");
    assert_eq!(whose["candidates"].as_array().unwrap().len(), 1);
    let other = script.post("/api/v1/tokens/{entry}/drift", &[&entry], &json!({ "code": "12345678" })).expect(200);
    assert_eq!((&other["found"], &other["drift_steps"]), (&json!(false), &Value::Null));
    for code in ["", "12345", "abcdef", "<script>"] {
        let refused = script.post("/api/v1/tokens/{entry}/drift", &[&entry], &json!({ "code": code }));
        assert_eq!(refused.reply.status, 400);
        assert!(code.is_empty() || !refused.reply.body.contains(code), "{:?}", refused.reply);
    }
    let compared = office.events(EventKind::CodeCompared);
    assert!(compared.iter().filter(|event| event.operator.as_deref() == Some("script:phone")).count() >= 3);
}
