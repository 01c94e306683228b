//! Signing in and out, and who may do what.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use oathburn_desk::Settings;
use oathburn_escrow::{Depth, Event, EventFilter, EventKind, Member, Officer, PublicLine, Role};
use oathburn_oath::Remedy as _;
use support::*;

/// What was done, oldest first: who, and what.
fn deeds(manned: &Manned) -> Vec<(String, String)> {
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<_>));
    let filter = EventFilter { kind: Some(EventKind::DeskDeed), ..EventFilter::default() };
    let deed = |event: Event| (event.operator.unwrap(), event.facts.text("deed").unwrap().to_owned());
    escrow.events(&filter).unwrap().into_iter().map(deed).collect()
}

/// The last part of the path of somebody's page.
fn page_of(people: &str, name: &str) -> String {
    let before = &people[..people.find(&format!(">{name}<")).unwrap()];
    between(before.rsplit_once("/people/").unwrap().1, "", "\"")
}

#[test]
fn somebody_enrols_signs_in_and_out() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let start = browser.get("/").expect(303);
    assert_eq!(start.header("location"), Some("/stations"));
    let people = browser.get("/people").expect(200);
    assert!(people.body.contains("ada") && people.body.contains("active"));
    assert_eq!(people.header("cache-control"), Some("no-store"));
    let (stolen, token) = (browser.cookie.clone(), browser.token.clone());
    let out = browser.post("/sign-out", &[]).expect(303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(browser.cookie, None);
    // What somebody has copied of it is worth nothing.
    let mut thief = Browser { cookie: stolen, token, ..Browser::new(&manned.server) };
    let sent = thief.get("/people").expect(303);
    assert_eq!(sent.header("location"), Some("/sign-in?to=/people"));
    thief.post("/people", &[("name", "eve"), ("admin", "yes")]).expect(303);
    let done: Vec<_> = deeds(&manned).into_iter().map(|(_, what)| what).collect();
    assert_eq!(done, ["desk-bootstrapped", "enrolment-begun", "enrolled", "signed-in", "signed-out"]);
}

#[test]
fn cookies_are_kept_to_tls_to_the_host_and_from_scripts() {
    let manned = Manned::at(Arc::new(Home::new()), true);
    manned.clock.pass(30);
    let mut browser = Browser::new(&manned.server);
    let page = browser.get("/sign-in").expect(200);
    let before = browser.cookie.clone().unwrap();
    for reply in [page, browser.sign_in("ada", PASSWORD, &code(&manned.ada, &*manned.clock)).expect(303)] {
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-oathburn="), "{cookie}");
        for part in ["Path=/", "HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    // Whoever knew the visit's number before knows nothing of the session.
    assert_ne!(browser.cookie.clone().unwrap(), before);
    let mut fixed = Browser { cookie: Some(before), ..Browser::new(&manned.server) };
    fixed.get("/people").expect(303);
    browser.get("/people").expect(200);
}

#[test]
fn what_is_wrong_is_not_said_and_a_code_is_good_once() {
    let manned = Manned::new();
    manned.clock.pass(30);
    let mut browser = Browser::new(&manned.server);
    browser.get("/sign-in").expect(200);
    let good = code(&manned.ada, &*manned.clock);
    let wrong = [("ada", "wrong password!", good.as_str()), ("eve", PASSWORD, &good), ("ada", PASSWORD, "000000")];
    let shown: Vec<_> = wrong
        .iter()
        .map(|(name, password, code)| {
            // In its field alone: three letters may stand in a random number as well.
            let typed = format!("value=\"{name}\"");
            browser.sign_in(name, password, code).expect(403).body.replacen(&typed, "value=\"NAME\"", 1)
        })
        .collect();
    assert!(shown[0].contains("sign-in-wrong") && shown[0].contains("value=\"NAME\""));
    assert!(shown[0] == shown[1] && shown[1] == shown[2]);
    browser.sign_in("ada", PASSWORD, &good).expect(303);
    // Once more, as somebody would who looked over her shoulder: also at another desk.
    let mut other = Browser::new(&manned.server);
    other.get("/sign-in").expect(200);
    other.sign_in("ada", PASSWORD, &good).expect(403);
    let second = Server::at(manned.server.home.clone(), false, Settings::default(), manned.clock.clone());
    let mut there = Browser::new(&second);
    there.get("/sign-in").expect(200);
    there.sign_in("ada", PASSWORD, &good).expect(403);
    // The session holds there, too.
    let mut same = Browser { cookie: browser.cookie.clone(), ..Browser::new(&second) };
    same.get("/people").expect(200);
}

#[test]
fn guessing_is_slowed_down_before_anything_is_compared() {
    let manned = Manned::new();
    manned.clock.pass(30);
    let mut browser = Browser::new(&manned.server);
    browser.get("/sign-in").expect(200);
    for _ in 0..5 {
        browser.sign_in("ada", "wrong password!", "000000").expect(403);
    }
    let refused = browser.sign_in("ada", PASSWORD, &code(&manned.ada, &*manned.clock)).expect(429);
    assert!(refused.body.contains("throttled"), "{refused:?}");
    // The unknown are treated alike.
    for _ in 0..5 {
        browser.sign_in("eve", "wrong password!", "000000").expect(403);
    }
    browser.sign_in("eve", "wrong password!", "000000").expect(429);
    manned.clock.pass(15 * 60);
    browser.sign_in("ada", PASSWORD, &code(&manned.ada, &*manned.clock)).expect(303);
    let failures = deeds(&manned).into_iter().filter(|(who, what)| who == "eve" || what.contains("eve")).count();
    assert_eq!(failures, 0);
}

#[test]
fn sessions_end_idle_old_and_everywhere() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    for _ in 0..25 {
        manned.clock.pass(25 * 60 - 30);
        // Used, it goes on, for ten hours.
        if browser.get("/people").status != 200 {
            break;
        }
    }
    browser.get("/people").expect(303);
    let mut browser = manned.admin();
    browser.get("/people").expect(200);
    manned.clock.pass(30 * 60);
    browser.get("/people").expect(303);
    let (mut one, mut other) = (manned.admin(), manned.admin());
    one.get("/account").expect(200);
    one.post("/account/sign-out-everywhere", &[]).expect(303);
    other.get("/account").expect(303);
}

#[test]
fn a_session_lasts_no_longer_than_a_working_day() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    let mut hours = 0;
    while browser.get("/people").status == 200 {
        manned.clock.pass(20 * 60);
        hours += 1;
        assert!(hours < 100, "it never ends");
    }
    assert_eq!(hours, 30);
}

#[test]
fn forms_of_others_are_refused() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    browser.get("/people").expect(200);
    let own = browser.token.clone();
    let mut other = Browser::new(&manned.server);
    other.get("/sign-in").expect(200);
    for token in ["", "0", &"0".repeat(64), &other.token] {
        browser.token = token.into();
        browser.post("/people", &[("name", "eve"), ("admin", "yes")]).expect(403);
    }
    browser.token = own;
    let body = format!("form-token={}&name=eve&admin=yes", browser.token);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        browser.ask("POST", "/people", &[form, (name, value)], body.as_bytes()).expect(403);
    }
    // In a link it changes nothing.
    browser.get(&format!("/people?{body}")).expect(200);
    assert!(!browser.get("/people").body.contains("eve"));
    browser.ask("POST", "/people", &[form, ("Origin", "http://localhost")], body.as_bytes()).expect(200);
    assert!(browser.get("/people").body.contains("eve"));
}

#[test]
fn everybody_does_what_their_roles_say() {
    let manned = Manned::new();
    let (mut clerk, seed) = manned.somebody("bob", &["helpdesk"]);
    let refused = clerk.get("/people").expect(403);
    assert!(refused.body.contains("role-needed") && !refused.body.contains("ada"));
    clerk.get("/account").expect(200);
    clerk.post("/people", &[("name", "eve"), ("admin", "yes")]).expect(403);
    let mut admin = manned.admin();
    let people = admin.get("/people").expect(200);
    let bob = format!("/people/{}", page_of(&people.body, "bob"));
    for deed in ["roles", "disable", "enable", "reset"] {
        clerk.post(&format!("{bob}/{deed}"), &[("admin", "yes")]).expect(403);
    }
    // New roles hold at once, and who is disabled is out at once.
    admin.get(&bob).expect(200);
    admin.post(&format!("{bob}/roles"), &[("admin", "yes"), ("helpdesk", "yes")]).expect(303);
    clerk.get("/people").expect(200);
    admin.post(&format!("{bob}/disable"), &[]).expect(303);
    clerk.get("/people").expect(303);
    manned.clock.pass(30);
    let mut again = Browser::new(&manned.server);
    again.get("/sign-in").expect(200);
    again.sign_in("bob", PASSWORD, &code(&seed, &*manned.clock)).expect(403);
    admin.post(&format!("{bob}/enable"), &[]).expect(303);
    again.sign_in("bob", PASSWORD, &code(&seed, &*manned.clock)).expect(303);
    admin.get("/people/0000").expect(404);
}

#[test]
fn a_reset_gives_a_new_code_and_takes_the_old_factor_away() {
    let manned = Manned::new();
    let (mut clerk, old) = manned.somebody("bob", &["helpdesk"]);
    let mut admin = manned.admin();
    let people = admin.get("/people").expect(200);
    let bob = page_of(&people.body, "bob");
    let reset = admin.post(&format!("/people/{bob}/reset"), &[]).expect(200);
    clerk.get("/account").expect(303);
    manned.clock.pass(30);
    let mut browser = Browser::new(&manned.server);
    browser.get("/sign-in").expect(200);
    browser.sign_in("bob", PASSWORD, &code(&old, &*manned.clock)).expect(403);
    let given = between(&reset.body, "<code class=\"code\">", "</code>");
    let (mut bob, new) = enrol(&manned.server, &manned.clock, "bob", &given);
    assert_ne!(old, new);
    bob.get("/account").expect(200);
    // The code was good once.
    let mut late = Browser::new(&manned.server);
    late.get("/enrol").expect(200);
    late.post("/enrol", &[("name", "bob"), ("code", &given)]).expect(403);
    let escrow = manned.server.home.escrow(&(manned.clock.clone() as Arc<_>));
    assert_eq!(escrow.check(Some(&manned.server.home.officer())).unwrap().findings, []);
}

#[test]
fn an_enrolment_is_for_the_visit_that_began_it() {
    let manned = Manned::new();
    let mut admin = manned.admin();
    admin.get("/people").expect(200);
    let invited = admin.post("/people", &[("name", "bob"), ("auditor", "yes")]).expect(200);
    let given = between(&invited.body, "<code class=\"code\">", "</code>");
    let mut bob = Browser::new(&manned.server);
    bob.get("/enrol").expect(200);
    let refused = bob.post("/enrol", &[("name", "bob"), ("code", "AAAA-AAAA-AAAA-AAAA")]).expect(403);
    assert!(refused.body.contains("enrolment-wrong"));
    let shown = bob.post("/enrol", &[("name", " Bob "), ("code", &given.to_lowercase().replace('-', " "))]).expect(200);
    let seed = oathburn_oath::Seed::from_base32(&between(&shown.body, "<code class=\"code\">", "</code>")).unwrap();
    let now = code(&seed, &*manned.clock);
    let fields = |password, again, code| [("name", "bob"), ("password", password), ("again", again), ("code", code)];
    let mut eve = Browser::new(&manned.server);
    eve.get("/enrol").expect(200);
    eve.post("/enrol/finish", &fields(PASSWORD, PASSWORD, &now)).expect(403);
    for (password, again, code, error) in [
        (PASSWORD, "correct horse batterie", now.as_str(), "passwords-differ"),
        ("short", "short", &now, "password-refused"),
        (PASSWORD, PASSWORD, "000000", "second-factor-wrong"),
    ] {
        let refused = bob.post("/enrol/finish", &fields(password, again, code)).expect(400);
        assert!(refused.body.contains(error), "{refused:?}");
        assert!(!refused.body.contains("<svg"), "the picture is shown once");
    }
    bob.post("/enrol/finish", &fields(PASSWORD, PASSWORD, &now)).expect(303);
    bob.get("/account").expect(200);
}

#[test]
fn there_is_always_an_admin() {
    let manned = Manned::new();
    let mut admin = manned.admin();
    let people = admin.get("/people").expect(200);
    let ada = format!("/people/{}", between(&people.body, "/people/", "\""));
    for (deed, fields) in [("roles", &[("auditor", "yes")][..]), ("disable", &[]), ("reset", &[])] {
        let refused = admin.post(&format!("{ada}/{deed}"), fields).expect(409);
        assert!(refused.body.contains("last-admin"), "{refused:?}");
    }
    let refused = admin.post(&format!("{ada}/roles"), &[]).expect(400);
    assert!(refused.body.contains("roles-missing"));
    let desk = manned.server.home.desk(manned.clock.clone(), Settings::default());
    assert_eq!(desk.bootstrap("root", "eve", false).unwrap_err().code(), "admin-there");
    let (code, _) = desk.bootstrap("root", "ada", true).unwrap();
    admin.get("/people").expect(303);
    enrol(&manned.server, &manned.clock, "ada", &code).0.get("/people").expect(200);
    for (name, error) in [("bob smith", "person-name"), ("<b>", "person-name"), ("ADA", "name-taken")] {
        let mut admin = enrolled(&manned, &desk);
        let refused = admin.post("/people", &[("name", name), ("helpdesk", "yes")]);
        assert!(refused.body.contains(error), "{refused:?}");
    }
}

/// A fresh admin, on a page with a form.
fn enrolled<'a>(manned: &'a Manned, desk: &oathburn_desk::Desk) -> Browser<'a> {
    let (code, _) = desk.bootstrap("root", "ada", true).unwrap();
    let (mut admin, _) = enrol(&manned.server, &manned.clock, "ada", &code);
    admin.get("/people").expect(200);
    admin
}

#[test]
fn a_password_is_changed_by_who_knows_it() {
    let manned = Manned::new();
    let mut browser = manned.admin();
    browser.get("/account").expect(200);
    let new = "another good password";
    let fields = |old, new, again| [("old", old), ("new", new), ("again", again)];
    let refused = browser.post("/account/password", &fields("wrong", new, new)).expect(403);
    assert_eq!(between(&refused.body, "<code>", "</code>"), "old-password-wrong");
    browser.post("/account/password", &fields(PASSWORD, new, "x")).expect(400);
    browser.post("/account/password", &fields(PASSWORD, "short", "short")).expect(400);
    browser.post("/account/password", &fields(PASSWORD, new, new)).expect(303);
    browser.get("/account").expect(303);
    manned.clock.pass(30);
    let mut again = Browser::new(&manned.server);
    again.get("/sign-in").expect(200);
    again.sign_in("ada", PASSWORD, &code(&manned.ada, &*manned.clock)).expect(403);
    again.sign_in("ada", new, &code(&manned.ada, &*manned.clock)).expect(303);
}

#[test]
fn what_people_type_is_shown_as_text() {
    let manned = Manned::new();
    let mut browser = Browser::new(&manned.server);
    browser.get("/sign-in").expect(200);
    let evil = "\"><script>alert(1)</script>";
    for path in ["/sign-in", "/enrol"] {
        let reply = browser.post(path, &[("name", evil), ("password", evil), ("code", evil), ("to", evil)]);
        assert!(!reply.body.contains("<script"), "{reply:?}");
        assert!(!reply.body.contains("value=\"\">"), "{reply:?}");
        assert!(reply.body.contains("&lt;script&gt;"), "{reply:?}");
    }
    let page = browser.get(&format!("/sign-in?to={}", encoded(evil))).expect(200);
    assert!(!page.body.contains("<script"), "{page:?}");
    let mut admin = manned.admin();
    admin.get("/people").expect(200);
    let reply = admin.post("/people", &[("name", evil), ("admin", "yes")]).expect(400);
    assert!(!reply.body.contains("<script"), "{reply:?}");
    // Fields that are missing, or twice, are no bug.
    for body in ["", "&name=a&name=b", "&name=%ff"] {
        let body = format!("form-token={}{body}", browser.token);
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        browser.ask("POST", "/sign-in", &form, body.as_bytes()).expect(400);
    }
}

/// Somebody is signed in while an officer goes, and others sign in meanwhile and afterwards, also at another desk.
#[test]
fn sessions_and_people_outlive_an_officer() {
    let manned = Manned::new();
    let home = manned.server.home.clone();
    let escrow = home.escrow(&(manned.clock.clone() as Arc<_>));
    let custodian = escrow.custodian(home.officer()).unwrap();
    let member = Member::new("eve", Officer::generate().unwrap().public()).unwrap();
    custodian.add(&PublicLine { role: Role::Officer, member }).unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let (mut ada, (mut bob, seed)) = (manned.admin(), manned.somebody("bob", &["auditor"]));
    ada.get("/people").expect(200);
    let go_on = |ada: &mut Browser<'_>, bob: &mut Browser<'_>, name: &str| {
        // The form was made before; the session, too.
        ada.post("/people", &[("name", name), ("helpdesk", "yes")]).expect(200);
        assert!(ada.get("/people").expect(200).body.contains(name));
        bob.get("/audit").expect(200);
        manned.sign_in("bob", &seed).get("/audit").expect(200);
    };
    custodian.remove(Role::Officer, "eve").unwrap();
    go_on(&mut ada, &mut bob, "carol");
    assert!(custodian.renew(Depth::Roster, &mut |_| {}).unwrap().records > 0);
    go_on(&mut ada, &mut bob, "dave");
    let second = Server::at(home, false, Settings::default(), manned.clock.clone());
    let mut there = Browser { cookie: ada.cookie.clone(), ..Browser::new(&second) };
    assert!(there.get("/people").expect(200).body.contains("dave"));
    assert_eq!(escrow.check(Some(&manned.server.home.officer())).unwrap().findings, []);
}
