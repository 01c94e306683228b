//! The helpdesk's and the auditor's pages: what they give, to whom, and what they never show.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use oathburn_desk::{HelpdeskLimits, Settings};
use oathburn_escrow::{Event, EventFilter, EventKind, Origin, Programmed, Reservation};
use oathburn_oath::{Clock, FamilyId, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, Totp, TotpParams};
use support::*;

const SEED: &[u8; 20] = b"12345678901234567890";

/// A token of `bob`, with this user.
fn burned(manned: &Manned, serial: &str, upn: &str, seed: &[u8]) -> String {
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<dyn Clock>));
    let record = TokenRecord {
        identity: TokenIdentity {
            family: FamilyId::new("token2-single").unwrap(),
            serial: SerialNumber::new(serial).unwrap(),
            slot: Slot::SINGLE,
        },
        params: TotpParams::default().into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
        manufacturer: None,
        model: Some("OTPC-P2-i".into()),
        upn: Some(upn.into()),
        issuer: Some("ACME".into()),
    };
    let entry = escrow.reserve(&Reservation { record: &record, origin: Origin::Generated, batch: None }).unwrap();
    escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(-61), ..Programmed::default() }).unwrap();
    entry.to_string()
}

fn events(manned: &Manned, kind: EventKind) -> Vec<Event> {
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<dyn Clock>));
    escrow.events(&EventFilter { kind: Some(kind), ..EventFilter::default() }).unwrap()
}

fn code_at(seconds: i64, manned: &Manned) -> String {
    let totp = Totp::new(&Seed::new(SEED.to_vec()).unwrap(), TotpParams::default());
    totp.code_at(manned.clock.now().offset(seconds)).to_string()
}

/// In all spellings in which a seed could hide.
fn shows_seed(reply: &Reply) -> bool {
    let all = format!("{:?} {}", reply.headers, reply.body).to_lowercase();
    let seed = Seed::new(SEED.to_vec()).unwrap();
    let spelled = [seed.to_base32().to_lowercase(), seed.to_hex().to_lowercase(), seed.to_base64().to_lowercase()];
    spelled.iter().any(|one| all.contains(one.as_str())) || all.contains("12345678901234567890")
}

#[test]
fn a_user_without_a_token_gets_a_code_and_it_is_on_record() {
    let manned = Manned::new();
    let entry = burned(&manned, "8659622000001", "bob@example.com", SEED);
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk"]);
    let found = clerk.get("/helpdesk?q=BOB%40example").expect(200);
    assert!(found.body.contains(&format!("/helpdesk/token/{entry}")) && found.body.contains("8659622000001"));
    assert!(clerk.get("/helpdesk?q=2000001").expect(200).body.contains(&entry));
    assert!(clerk.get("/helpdesk?q=nobody").expect(200).body.contains("No token"));
    let page = clerk.get(&format!("/helpdesk/token/{entry}")).expect(200);
    assert!(page.body.contains("61 s") && page.body.contains("programmed"), "{page:?}");
    assert!(!shows_seed(&page));
    let path = format!("/helpdesk/token/{entry}/codes");
    let given =
        clerk.post(&path, &[("reason", "token is in the post"), ("ticket", "INC-7"), ("future", "1")]).expect(200);
    assert!(given.body.contains(&code_at(0, &manned)) && given.body.contains(&code_at(30, &manned)), "{given:?}");
    assert!(!given.body.contains(&code_at(-30, &manned)));
    assert_eq!(given.header("cache-control"), Some("no-store"));
    assert!(!shows_seed(&given));
    // What the display shows, a minute late.
    let given = clerk.post(&path, &[("reason", "to compare"), ("on_token", "yes")]).expect(200);
    assert!(given.body.contains(&code_at(-61, &manned)));
    let noted = events(&manned, EventKind::CodeDisclosed);
    assert_eq!(noted.len(), 2);
    assert_eq!(noted[0].operator.as_deref(), Some("carol"));
    assert_eq!(noted[0].reason.as_deref(), Some("token is in the post"));
    assert_eq!(noted[0].facts.text("ticket"), Some("INC-7"));
    assert_eq!(noted[0].entries[0].to_string(), entry);
    let codes = [code_at(0, &manned), code_at(30, &manned), code_at(-61, &manned)];
    assert!(!codes.iter().any(|code| format!("{noted:?}").contains(code.as_str())), "codes are not kept");
    let story = clerk.get(&format!("/helpdesk/token/{entry}")).expect(200);
    assert!(story.body.contains("code-disclosed") && story.body.contains("token is in the post"));
    assert!(!codes.iter().any(|code| story.body.contains(&format!(">{code}<"))));
}

#[test]
fn without_a_reason_or_the_role_there_is_no_code() {
    let manned = Manned::new();
    let entry = burned(&manned, "8659622000001", "bob@example.com", SEED);
    let path = format!("/helpdesk/token/{entry}/codes");
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk"]);
    clerk.get("/helpdesk").expect(200);
    for fields in [&[("reason", "")][..], &[("reason", "  x ")], &[("reason", "a\nb\nc")]] {
        let refused = clerk.post(&path, fields).expect(400);
        assert!(refused.body.contains("reason-missing"), "{refused:?}");
    }
    for fields in [("past", "11"), ("future", "-1"), ("future", "many"), ("at", "2100-01-01 00:00")] {
        let refused = clerk.post(&path, &[("reason", "in the post"), fields]).expect(400);
        assert!(refused.body.contains("codes-too-many"), "{refused:?}");
    }
    let refused = clerk.post(&path, &[("reason", "in the post"), ("at", "tomorrow")]).expect(400);
    assert!(refused.body.contains("time-unreadable"), "{refused:?}");
    // In a link nothing is given.
    clerk.get(&format!("{path}?reason=in+the+post")).expect(405);
    // Nor to an admin, who has another role, nor to anybody of what is no token.
    let mut admin = manned.admin();
    admin.get("/people").expect(200);
    admin.post(&path, &[("reason", "in the post")]).expect(403);
    admin.get("/helpdesk?q=bob").expect(403);
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<dyn Clock>));
    let logins = oathburn_escrow::Filter { family: Some(FamilyId::new("desk-login").unwrap()), ..Default::default() };
    for login in escrow.entries(&logins).unwrap() {
        clerk.get(&format!("/helpdesk/token/{}", login.id)).expect(404);
        clerk.post(&format!("/helpdesk/token/{}/codes", login.id), &[("reason", "in the post")]).expect(404);
    }
    clerk.get("/helpdesk/token/zz").expect(404);
    clerk.get(&format!("/helpdesk/token/{}", &entry[..8])).expect(404);
    assert_eq!(events(&manned, EventKind::CodeDisclosed).len(), 0);
}

#[test]
fn clerks_and_tokens_have_limits() {
    let helpdesk = HelpdeskLimits { codes_per_clerk: 3, codes_per_token: 2, comparisons_per_clerk: 1 };
    let manned = Manned::with(Settings { helpdesk, ..Settings::default() });
    let entries = [
        burned(&manned, "8659622000001", "bob@example.com", SEED),
        burned(&manned, "8659622000002", "eve@example.com", b"09876543210987654321"),
    ];
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk"]);
    let (mut other, _) = manned.somebody("dora", &["helpdesk"]);
    let ask = |who: &mut Browser<'_>, entry: &str| {
        who.get("/helpdesk").expect(200);
        who.post(&format!("/helpdesk/token/{entry}/codes"), &[("reason", "in the post")]).status
    };
    assert_eq!([ask(&mut clerk, &entries[0]), ask(&mut clerk, &entries[0])], [200, 200]);
    // The token has given enough, to whomever; the clerk may ask for another one.
    assert_eq!([ask(&mut clerk, &entries[0]), ask(&mut other, &entries[0])], [429, 429]);
    assert_eq!([ask(&mut clerk, &entries[1]), ask(&mut clerk, &entries[1])], [200, 429]);
    assert_eq!(ask(&mut other, &entries[1]), 200);
    assert_eq!(events(&manned, EventKind::CodeDisclosed).len(), 4);
    clerk.post("/helpdesk/identify", &[("code", "123456")]).expect(200);
    clerk.post("/helpdesk/identify", &[("code", "123456")]).expect(429);
}

#[test]
fn codes_that_are_read_out_tell_what_is_wrong() {
    let manned = Manned::new();
    let entry = burned(&manned, "8659622000001", "bob@example.com", SEED);
    burned(&manned, "8659622000002", "eve@example.com", b"09876543210987654321");
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk"]);
    clerk.get("/helpdesk/identify").expect(200);
    let (late, next) = (code_at(-300, &manned), code_at(-270, &manned));
    let drift = clerk.post(&format!("/helpdesk/token/{entry}/drift"), &[("code", &late), ("next", &next)]).expect(200);
    assert!(drift.body.contains("(-9 steps)") && drift.body.contains("do not bear"), "{drift:?}");
    let why = clerk.post(&format!("/helpdesk/token/{entry}/explain"), &[("code", &late), ("next", &next)]).expect(200);
    assert!(why.body.contains("What to do"), "{why:?}");
    let whose = clerk.post("/helpdesk/identify", &[("code", &code_at(-60, &manned)), ("next", &code_at(-30, &manned))]);
    let whose = whose.expect(200);
    assert!(whose.body.contains("bob@example.com") && !whose.body.contains("eve@example.com"), "{whose:?}");
    let nothing = clerk.post(&format!("/helpdesk/token/{entry}/drift"), &[("code", "12345678")]).expect(200);
    assert!(nothing.body.contains("does not show this"));
    for reply in [&drift, &why, &whose, &nothing] {
        assert!(!shows_seed(reply) && !reply.body.contains(&late), "what was read out is not repeated");
    }
    for code in ["", "12345", "abcdef", "<script>"] {
        let refused = clerk.post(&format!("/helpdesk/token/{entry}/drift"), &[("code", code)]).expect(400);
        assert!(!refused.body.contains("<script"), "{refused:?}");
        clerk.post("/helpdesk/identify", &[("code", code)]).expect(400);
    }
    let compared = events(&manned, EventKind::CodeCompared);
    assert!(compared.iter().filter(|event| event.operator.as_deref() == Some("carol")).count() >= 4);
}

#[test]
fn what_stands_in_the_escrow_is_shown_as_text() {
    let manned = Manned::new();
    let evil = "<script>alert(1)</script>";
    let entry = burned(&manned, "<b>8659622</b>", evil, SEED);
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<dyn Clock>));
    let id = escrow.entry(&entry).unwrap().id;
    escrow.acting_for(evil).assign(id, None, Some(evil), Some("\"><img src=x onerror=alert(1)>")).unwrap();
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk", "auditor"]);
    for path in [
        format!("/helpdesk?q={}", encoded(evil)),
        format!("/helpdesk?q={}", encoded("\"><script>")),
        format!("/helpdesk/token/{entry}"),
        "/audit".into(),
        format!("/audit?operator={}", encoded(evil)),
    ] {
        let page = clerk.get(&path).expect(200);
        for tag in ["<script", "<img", "<b>"] {
            assert!(!page.body.contains(tag), "{path}: {page:?}");
        }
    }
    assert!(clerk.get(&format!("/audit?operator={}", encoded(evil))).body.contains("&lt;img src=x"));
}

#[test]
fn an_auditor_reads_verifies_and_keeps_checkpoints() {
    let manned = Manned::new();
    let entry = burned(&manned, "8659622000001", "bob@example.com", SEED);
    let (mut auditor, _) = manned.somebody("dora", &["auditor"]);
    let all = auditor.get("/audit").expect(200);
    assert!(all.body.contains("programmed") && all.body.contains("signed-in"));
    let some = auditor.get(&format!("/audit?kind=programmed&entry={entry}")).expect(200);
    assert!(some.body.contains(">programmed</td>") && !some.body.contains(">reserved</td>"));
    assert!(auditor.get("/audit?operator=ada").expect(200).body.contains("person-added"));
    assert!(!auditor.get("/audit?until=2001-01-01").expect(200).body.contains(">programmed</td>"));
    auditor.get("/audit?kind=nonsense").expect(400);
    auditor.get("/audit?since=nonsense").expect(400);
    assert!(auditor.post("/audit/verify", &[]).expect(200).body.contains("Nothing is wrong"));
    auditor.get("/audit").expect(200);
    let checkpoint = auditor.post("/audit/checkpoint", &[]).expect(200);
    assert!(checkpoint.header("content-disposition").unwrap().contains("attachment"));
    let parsed = oathburn_escrow::Checkpoint::parse(&checkpoint.body).unwrap();
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<dyn Clock>));
    assert_eq!(escrow.verify_checkpoint(&parsed).unwrap(), []);
    let noted = events(&manned, EventKind::Checkpointed);
    assert_eq!(noted[0].operator.as_deref(), Some("dora"));
    // Others have other roles.
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk"]);
    clerk.get("/audit").expect(403);
    clerk.post("/audit/verify", &[]).expect(403);
    clerk.post("/audit/checkpoint", &[]).expect(403);
    auditor.get("/helpdesk?q=bob").expect(403);
}

#[test]
fn a_trail_that_was_changed_is_named_and_not_signed() {
    let manned = Manned::new();
    let (mut auditor, _) = manned.somebody("dora", &["auditor"]);
    let database = rusqlite::Connection::open(manned.server.home.path("escrow.db")).unwrap();
    let changed = database.execute("UPDATE events SET host = 'elsewhere' WHERE kind = 'desk-opened'", []).unwrap();
    assert!(changed > 0);
    drop(database);
    auditor.get("/audit").expect(200);
    let verified = auditor.post("/audit/verify", &[]).expect(200);
    assert!(verified.body.contains("things are wrong"), "{verified:?}");
    auditor.get("/account").expect(200);
    let refused = auditor.post("/audit/checkpoint", &[]).expect(409);
    assert!(refused.body.contains("trail-broken"), "{refused:?}");
}

#[test]
fn what_is_counted_says_nothing_of_anybody() {
    let manned = Manned::new();
    burned(&manned, "8659622000001", "bob@example.com", SEED);
    let _clerk = manned.somebody("carol", &["helpdesk"]);
    let metrics = manned.server.get("/metrics").expect(200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("oathburn_desk_answers_total{status=\"2xx\"}"), "{metrics:?}");
    assert!(metrics.body.contains("oathburn_tokens{state=\"programmed\"} 1"), "{metrics:?}");
    for secret in ["carol", "ada", "bob", "8659622"] {
        assert!(!metrics.body.contains(secret), "{metrics:?}");
    }
}
