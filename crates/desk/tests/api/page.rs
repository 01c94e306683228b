//! The page on which admins make scripts, and take their tokens' worth.

use crate::support::{Manned, between};

#[test]
fn an_admin_makes_a_script_and_revokes_it() {
    let manned = Manned::new();
    let mut admin = manned.admin();
    assert!(admin.get("/scripts").expect(200).body.contains("There is none"));
    for (fields, expected) in [
        (vec![("name", "robot"), ("days", "30")], "script-scopes"),
        (vec![("name", "ro bot"), ("days", "30"), ("scope", "people:read")], "script-name"),
        (vec![("name", "robot"), ("days", "0"), ("scope", "people:read")], "script-life"),
        (vec![("name", "robot"), ("days", "30"), ("scope", "<b>admin")], "script-scope-unknown"),
    ] {
        let refused = admin.post("/scripts", &fields);
        assert!([400, 409].contains(&refused.status), "{refused:?}");
        assert!(refused.body.contains(expected) && !refused.body.contains("<b>admin"), "{refused:?}");
    }
    let fields = [("name", "Robot"), ("days", "30"), ("scope", "people:read"), ("scope", "audit:read")];
    let shown = admin.post("/scripts", &fields).expect(200);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let token = between(&shown.body, "<code class=\"code\">", "</code>");
    assert!(token.starts_with("oathburn_"));
    let authorization = format!("Bearer {token}");
    let ask = || manned.server.ask("GET", "/api/v1/people", &[("Authorization", &authorization)], b"");
    ask().expect(200);
    let listed = admin.get("/scripts").expect(200);
    assert!(listed.body.contains("robot") && listed.body.contains("from 127.0.0.1") && !listed.body.contains(&token));
    assert!(admin.post("/scripts", &fields).expect(409).body.contains("script-taken"));
    // Asked once more, then done.
    let question = admin.post("/scripts/revoke", &[("name", "robot")]).expect(200);
    assert!(question.body.contains("Leave it"));
    ask().expect(200);
    admin.post("/scripts/revoke", &[("name", "robot"), ("sure", "yes")]).expect(200);
    ask().expect(401);
    assert!(
        admin
            .post("/scripts/revoke", &[("name", "robot"), ("sure", "yes")])
            .expect(404)
            .body
            .contains("script-unknown")
    );
    assert!(admin.get("/scripts").expect(200).body.contains("revoked, by ada"));
    // Others have other roles, and a form of somebody else's page is none.
    let (mut clerk, _) = manned.somebody("carol", &["helpdesk", "auditor"]);
    clerk.get("/helpdesk").expect(200);
    clerk.get("/scripts").expect(403);
    clerk.post("/scripts", &fields).expect(403);
    clerk.post("/scripts/revoke", &[("name", "robot"), ("sure", "yes")]).expect(403);
    admin.token = clerk.token.clone();
    admin.post("/scripts", &fields).expect(403);
}
