//! What strangers, and scripts that want more than they may, try at the API.

use oathburn_desk::Limits;
use oathburn_desk::Settings;
use oathburn_desk::scripts::Scope;
use serde_json::{Value, json};

use crate::client::{Office, SEED};
use crate::support::{Manned, Reply, Server};

/// Every operation of the document that needs a token: method, path as a script would ask it, the scope.
fn operations(office: &Office, entry: &str) -> Vec<(String, String, Option<Scope>)> {
    let mut all = Vec::new();
    for (path, item) in office.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(scopes) = operation["security"][0]["script"].as_array() else { continue };
            let scope = scopes.first().map(|scope| Scope::from_name(scope.as_str().unwrap()).unwrap());
            let path = path.replace("{mac}", "00-1A-2B-3C-4D-01").replace("{entry}", entry).replace("{order}", entry);
            let path = path.replace("{conflict}", "00");
            all.push((method.to_uppercase(), path, scope));
        }
    }
    all
}

fn code(reply: &Reply) -> String {
    let json: Value = serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"));
    json["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn ask(server: &Server, method: &str, path: &str, authorization: &str) -> Reply {
    server.ask(method, path, &[("Authorization", authorization), ("Content-Type", "application/json")], b"{}")
}

#[test]
fn nothing_is_reached_without_its_scope_and_each_scope_reaches_its_own() {
    let office = Office::open();
    let entry = office.burned("8659622000001", "bob@example.com", SEED);
    let operations = operations(&office, &entry);
    assert!(operations.len() > 25, "{operations:?}");
    for scope in Scope::ALL {
        let others: Vec<_> = Scope::ALL.iter().copied().filter(|other| other != scope).collect();
        let name = scope.as_str().replace(':', "-");
        let only = format!("Bearer {}", office.token(&format!("{name}-only"), &[*scope]));
        let without = format!("Bearer {}", office.token(&format!("{name}-not"), &others));
        for (method, path, needed) in operations.iter().filter(|(.., needed)| *needed == Some(*scope)) {
            let refused = ask(&office.server, method, path, &without).expect(403);
            assert_eq!(code(&refused), "script-scope", "{method} {path}");
            assert!(refused.body.contains(needed.unwrap().as_str()));
            assert!(refused.header("www-authenticate").unwrap().contains("insufficient_scope"));
            let reply = ask(&office.server, method, path, &only);
            assert!(![401, 403, 500].contains(&reply.status), "{method} {path}: {reply:?}");
        }
    }
    for (method, path, _) in &operations {
        let refused = office.server.ask(method, path, &[], b"").expect(401);
        assert_eq!(code(&refused), "script-token-missing", "{method} {path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"oathburn\""));
    }
}

#[test]
fn tokens_of_others_and_of_yesterday_are_worth_nothing() {
    let office = Office::open();
    let good = office.token("robot", &[Scope::StationsRead]);
    let path = "/api/v1/stations";
    let tried = |authorization: &str| {
        let reply = ask(&office.server, "GET", path, authorization);
        (reply.status, if reply.status == 200 { String::new() } else { code(&reply) })
    };
    let wrong = || (401, "script-token-wrong".to_owned());
    assert_eq!(tried(&format!("Bearer {good}")), (200, String::new()));
    assert_eq!(tried(&format!("Bearer {}", good.to_uppercase())), wrong());
    assert_eq!(tried(&format!("Bearer {good}{good}")), wrong());
    assert_eq!(tried("Bearer oathburn_"), wrong());
    assert_eq!(tried("Bearer ' OR 1=1 --"), wrong());
    assert_eq!(tried(&format!("Bearer {}", "a".repeat(20_000))), wrong());
    assert_eq!(tried(&format!("Basic {good}")), (401, "script-token-missing".into()));
    assert_eq!(tried(&good), (401, "script-token-missing".into()));
    // Somebody else's escrow.
    let elsewhere = Office::open().token("robot", &[Scope::StationsRead]);
    assert_eq!(tried(&format!("Bearer {elsewhere}")), wrong());
    office.desk.revoke_script("ada", "robot").unwrap();
    let revoked = ask(&office.server, "GET", path, &format!("Bearer {good}")).expect(401);
    assert_eq!(code(&revoked), "script-token-revoked");
    assert!(revoked.header("www-authenticate").unwrap().contains("invalid_token"));
    let short = office.token("robot", &[Scope::StationsRead]);
    office.clock.pass(7 * 24 * 3600);
    assert_eq!(tried(&format!("Bearer {short}")), (401, "script-token-expired".into()));
}

#[test]
fn a_token_in_an_address_is_refused_whatever_stands_beside_it() {
    let office = Office::open();
    let token = office.token("robot", &[Scope::TokensRead]);
    for path in [
        format!("/api/v1/tokens?access_token={token}"),
        format!("/api/v1/tokens?q={token}"),
        "/api/v1/tokens?access_token=".into(),
    ] {
        for authorization in [format!("Bearer {token}"), "Bearer x".into()] {
            let refused = ask(&office.server, "GET", &path, &authorization).expect(400);
            assert_eq!(code(&refused), "script-token-in-url");
            assert!(!refused.body.contains(&token), "{refused:?}");
        }
    }
}

#[test]
fn two_answers_to_who_asks_are_none() {
    let office = Office::open();
    let good = format!("Bearer {}", office.token("robot", &[Scope::StationsRead]));
    let ask = |headers: &[(&str, &str)]| office.server.ask("GET", "/api/v1/stations", headers, b"");
    ask(&[("Authorization", &good)]).expect(200);
    ask(&[("Authorization", &good), ("Authorization", &good)]).expect(401);
    ask(&[("Authorization", &good), ("Authorization", "Bearer x")]).expect(401);
    ask(&[("X-Authorization", &good)]).expect(401);
    ask(&[("Proxy-Authorization", &good)]).expect(401);
    // What a proxy in between would read otherwise than we do ends the connection.
    let raw = |request: &str| office.server.raw(request.replace("GOOD", &good).as_bytes());
    for request in [
        "GET /api/v1/stations HTTP/1.1\r\nHost: x\r\nAuthorization : GOOD\r\nConnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n GOOD\r\nConnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nHost: x\r\nX: a\rAuthorization: GOOD\r\nConnection: close\r\n\r\n",
        "GET /api/v1/stations\tHTTP/1.1\r\nHost: x\r\nAuthorization: GOOD\r\nConnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nHost: x\r\nAuthorization: GOOD\0\r\nConnection: close\r\n\r\n",
    ] {
        let reply = raw(request);
        assert!([0, 400, 401].contains(&reply.status), "{request:?}: {reply:?}");
    }
}

/// Two lengths in one request: the second half would be another request to somebody in between.
#[test]
fn no_request_hides_in_another() {
    let office = Office::open();
    let good = office.token("robot", &[Scope::StationsWrite, Scope::StationsRead]);
    let smuggled = format!(
        "POST /api/v1/stations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\r\nContent-Length: 0\r\n\r\n"
    );
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let request = format!("POST /api/v1/whoami HTTP/1.1\r\nHost: x\r\n{lengths}\r\n0\r\n\r\n{smuggled}");
        let reply = office.server.raw(request.as_bytes());
        assert!([0, 400, 405, 501].contains(&reply.status), "{lengths:?}: {reply:?}");
        assert_eq!(reply.body.matches("HTTP/1.1").count(), 0, "{lengths:?}: {reply:?}");
    }
}

#[test]
fn a_browser_does_nothing_here_by_itself() {
    let manned = Manned::new();
    let admin = manned.admin();
    let cookie = admin.cookie.clone().unwrap();
    // Whoever is signed in is nobody here, with and without the token of a form.
    for headers in [vec![("Cookie", cookie.as_str())], vec![("Cookie", &cookie), ("Authorization", &admin.token)]] {
        let refused = manned.server.ask("GET", "/api/v1/stations", &headers, b"").expect(401);
        assert_eq!(code(&refused), "script-token-missing");
        let headers = [headers, vec![("Content-Type", "application/x-www-form-urlencoded")]].concat();
        let body = format!("form-token={}", admin.token);
        manned.server.ask("POST", "/api/v1/stations", &headers, body.as_bytes()).expect(401);
    }
    // Other origins are told nothing, and may send nothing that needs their asking.
    let desk = manned.server.home.desk(manned.clock.clone(), Settings::default());
    let new = oathburn_desk::scripts::NewScript { name: "robot", scopes: &[Scope::StationsRead], days: 1 };
    let token = format!("Bearer {}", desk.add_script("ada", &new).unwrap().1.shown());
    let foreign =
        [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST"), ("Authorization", &token)];
    let preflight = manned.server.ask("OPTIONS", "/api/v1/stations", &foreign, b"").expect(405);
    let answer = manned.server.ask("GET", "/api/v1/stations", &foreign, b"").expect(200);
    for reply in [preflight, answer] {
        assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{reply:?}");
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
    }
    // Nor does a script's token open a page.
    manned.server.ask("GET", "/stations", &[("Authorization", &token)], b"").expect(303);
}

#[test]
fn bodies_that_are_deep_large_or_strange_are_refused_and_cost_little() {
    let limits = Limits { body: 64 * 1024, bodies: 64 * 1024, ..Limits::default() };
    let office = Office::with(Settings { limits, ..Settings::default() });
    let script = office.script("robot", &[Scope::StationsWrite, Scope::StationsRead, Scope::CodesGive]);
    let path = "/api/v1/stations";
    let json = ("Content-Type", "application/json");
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let wide = format!("{{{}\"stations\":[]}}", "\"stations\":[],".repeat(1000));
    for body in [
        deep.as_str(),
        &format!("{{\"stations\":{deep}}}"),
        &"{\"stations\":".repeat(5000),
        &wide,
        "",
        "null",
        "[]",
        "{}",
        "\u{feff}{\"stations\":[]}",
        "{\"stations\":[]}{\"stations\":[]}",
        "{\"stations\":[{\"mac\":1e400,\"location\":\"x\"}]}",
        "{\"stations\":[{\"mac\":\"\\ud800\",\"location\":\"x\"}]}",
        "{\"__proto__\":{},\"stations\":[]}",
    ] {
        assert_eq!(script.ask("POST", path, &[], &[json], body.as_bytes()).refused(400), "api-request", "{body:.60}");
    }
    assert_eq!(script.ask("POST", path, &[], &[json], b"{\"stations\":[\xff]}").refused(400), "api-request");
    assert_eq!(script.ask("POST", path, &[], &[json], &vec![b' '; 64 * 1024 + 1]).refused(413), "request-too-large");
    let sound = b"{\"stations\":[{\"mac\":\"001a2b3c4d01\",\"location\":\"Ulm\"}]}";
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
    {
        assert_eq!(
            script.ask("POST", path, &[], &[("Content-Type", kind)], sound).refused(415),
            "api-media-type",
            "{kind}"
        );
    }
    assert_eq!(script.ask("POST", path, &[], &[json, json], sound).refused(415), "api-media-type");
    script.ask("POST", path, &[], &[("Content-Type", "Application/JSON; charset=utf-8")], sound).expect(201);
    // What is no place of the API says so, in JSON, with what to do.
    let reply = office.server.get("/api/v1/../../etc/passwd").expect(404);
    assert_eq!(code(&reply), "page-unknown");
    for path in
        ["/api/v1/nothing", "/api/v1/", "/api/v1/stations/", "/api/v1/tokens/..%2f..%2fpeople", "/api/v2/whoami"]
    {
        let reply = ask(&office.server, "GET", path, &format!("Bearer {}", script.token));
        assert!([403, 404].contains(&reply.status), "{path}: {reply:?}");
    }
    let unknown = office.server.get("/api/v1/nothing").expect(404);
    assert!(unknown.body.contains("/api/v1/openapi.json"), "{unknown:?}");
    let method = ask(&office.server, "PATCH", path, &format!("Bearer {}", script.token)).expect(405);
    assert_eq!(code(&method), "method");
    assert_eq!(method.header("allow"), Some("GET,HEAD,POST"));
}

#[test]
fn what_scripts_write_is_text_on_pages_and_in_answers() {
    let manned = Manned::new();
    let desk = manned.server.home.desk(manned.clock.clone(), Settings::default());
    let new = oathburn_desk::scripts::NewScript { name: "robot", scopes: Scope::ALL, days: 1 };
    let token = format!("Bearer {}", desk.add_script("<script>alert(1)</script>", &new).unwrap().1.shown());
    let evil = "\"><img src=x onerror=alert(1)><script>alert(1)</script>";
    let body = json!({ "stations": [{ "mac": "001a2b3c4d01", "location": evil }] }).to_string();
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    manned.server.ask("POST", "/api/v1/stations", &headers, body.as_bytes()).expect(201);
    let listed = manned.server.ask("GET", "/api/v1/stations", &headers[..1], b"").expect(200);
    // As JSON it is what was sent, and no browser takes it for anything else.
    assert_eq!(serde_json::from_str::<Value>(&listed.body).unwrap()["stations"][0]["location"], evil);
    assert_eq!(listed.header("x-content-type-options"), Some("nosniff"));
    let order = json!({ "name": evil, "audience": { "locations": [evil] }, "issuer": evil, "users": [{ "upn": "bob@example.com", "label": evil }] });
    let given = manned.server.ask("POST", "/api/v1/orders", &headers, order.to_string().as_bytes()).expect(201);
    let given: Value = serde_json::from_str(&given.body).unwrap();
    let id = given["order"].as_str().unwrap();
    let lines = manned.server.ask("GET", &format!("/api/v1/orders/{id}/lines"), &headers[..1], b"").expect(200);
    let lines: Value = serde_json::from_str(&lines.body).unwrap();
    let entry = lines["lines"][0]["codes_of"].as_str().unwrap();
    let why = json!({ "reason": evil, "ticket": "<script>alert(1)</script>" }).to_string();
    manned.server.ask("POST", &format!("/api/v1/tokens/{entry}/codes"), &headers, why.as_bytes()).expect(200);
    let why = json!({ "reason": evil }).to_string();
    manned.server.ask("POST", &format!("/api/v1/orders/{id}/cancel"), &headers, why.as_bytes()).expect(200);
    let (mut all, _) = manned.somebody("carol", &["helpdesk", "auditor", "admin"]);
    let (order, token) = (format!("/work/{id}"), format!("/helpdesk/token/{entry}"));
    let station = "/stations/00-1A-2B-3C-4D-01";
    for path in ["/stations", station, "/scripts", "/work", "/work/new", &order, "/audit", &token] {
        let page = all.get(path).expect(200);
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img"), "{path}: {page:?}");
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{path}");
    }
}
