//! What the desk bears from whoever asks it, and how it begins and ends.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use oathburn_desk::{Limits, Settings, Stop, run};
use oathburn_oath::{Remedy as _, SystemClock};
use support::*;

#[test]
fn it_is_well_and_says_so() {
    let server = Server::start();
    let reply = server.get("/healthz").expect(200);
    assert_eq!(reply.body, r#"{"status":"ok"}"#);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn every_answer_keeps_browsers_in_bounds() {
    let server = Server::start();
    for path in ["/healthz", "/desk.css", "/nowhere", "/api/nowhere"] {
        let reply = server.get(path);
        let policy = reply.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    }
    assert_eq!(server.get("/desk.css").header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn errors_are_pages_for_people_and_json_for_programs() {
    let server = Server::start();
    let page = server.get("/nowhere/%3Cscript%3Ealert(1)%3C/script%3E?q=%3Cscript%3E").expect(404);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.body.contains("There is no such page") && !page.body.contains("<script"));
    let json = server.get("/api/nowhere").expect(404);
    assert_eq!(json.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["error"]["code"], "page-unknown");
    assert_eq!(json["error"]["remedy"], "go to the start page");
    let json = server.ask("GET", "/nowhere", &[("Accept", "application/json")], b"").expect(404);
    assert!(json.body.contains("page-unknown"));
    let json = server.ask("DELETE", "/api/nowhere", &[], b"").expect(404);
    assert!(json.body.contains("page-unknown"));
    let json = server.ask("OPTIONS", "/healthz", &[("Accept", "application/json")], b"").expect(405);
    let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["error"]["code"], "method");
}

#[test]
fn paths_lead_nowhere_else() {
    let server = Server::start();
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/desk.css/../../Cargo.toml",
        "/%2e%2e/desk.css",
        "//etc/passwd",
        "/desk.css%00",
        "/pages/desk.css",
    ] {
        let reply = server.get(path);
        assert!([400, 404].contains(&reply.status), "{path}: {reply:?}");
        assert!(!reply.body.contains("root:") && !reply.body.contains("[package]"));
    }
}

#[test]
fn what_changes_something_needs_a_form_of_this_visit() {
    let server = Server::start();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let visit = format!("oathburn={}", "A".repeat(43));
    for (headers, body) in [
        (vec![form], "a=b".as_bytes()),
        (vec![form, ("Cookie", &visit)], b"a=b"),
        (vec![form, ("Cookie", &visit)], b"form-token="),
        (
            vec![form, ("Cookie", &visit)],
            b"form-token=0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (vec![form, ("Cookie", "oathburn=short")], b"form-token=x"),
        (vec![("Content-Type", "text/plain"), ("Cookie", &visit)], b"form-token=x"),
    ] {
        let reply = server.ask("POST", "/sign-in", &headers, body).expect(403);
        assert!(reply.body.contains("form-foreign"), "{reply:?}");
    }
}

#[test]
fn large_bodies_are_refused_whatever_they_announce() {
    let limits = Limits { body: 1000, bodies: 1000, ..Limits::default() };
    let server = Server::limited(limits);
    let body = vec![b'a'; 1001];
    for path in ["/api/x", "/x"] {
        let reply = server.ask("POST", path, &[], &body).expect(413);
        assert!(reply.body.contains("request-too-large"), "{reply:?}");
    }
    let chunked = b"POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n".as_slice();
    let reply = server.raw(&[chunked, &body, b"\r\n0\r\n\r\n"].concat()).expect(413);
    assert!(reply.body.contains("request-too-large"), "{reply:?}");
    let endless = b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
    server.raw(endless).expect(413);
    // One after the other each has its room.
    for _ in 0..3 {
        server.ask("POST", "/api/x", &[], &body[..1000]).expect(404);
    }
}

#[test]
fn large_heads_are_refused() {
    let server = Server::start();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    server.raw(head.as_bytes()).expect(431);
    let many = "X-Many: 1\r\n".repeat(200);
    server.raw(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()).expect(431);
    server.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP\r\n\r\n").expect(400);
}

#[test]
fn slow_heads_and_slow_bodies_come_to_an_end() {
    let short = Duration::from_millis(50);
    let server = Server::limited(Limits { head_time: short, body_time: short, ..Limits::default() });
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    let ended = reply(&mut stream);
    assert!([0, 408].contains(&ended.status), "{ended:?}");
    // Silence, also after a first request. Its head has the time that a busy machine needs to send it.
    let server = Server::limited(Limits { head_time: Duration::from_secs(2), body_time: short, ..Limits::default() });
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    reply(&mut stream).expect(200);
    let mut stream = server.connect();
    stream.write_all(b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    let slow = reply(&mut stream).expect(408);
    assert!(slow.body.contains("request-too-slow"), "{slow:?}");
    assert_eq!(slow.header("connection"), Some("close"));
}

#[test]
fn one_address_has_its_share_of_connections() {
    let server = Server::limited(Limits { connections_each: 2, ..Limits::default() });
    let mut held = [server.connect(), server.connect()];
    for stream in &mut held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").unwrap();
    }
    // The third is dropped without an answer.
    assert_eq!(server.get("/healthz").status, 0);
    for mut stream in held {
        stream.write_all(b"Connection: close\r\n\r\n").unwrap();
        reply(&mut stream).expect(200);
    }
}

#[test]
fn over_tls_only_tls_is_spoken_and_nothing_old() {
    let server = Server::over_tls();
    server.get("/healthz").expect(200);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = server.connect_tls(server.client_config(&[version]));
        exchange(&mut stream, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect(200);
    }
    let plain = exchange(&mut server.connect(), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(plain.status, 0);
    assert!(!plain.body.contains("ok"));
    // A hello of TLS 1.0 and 1.1 gets an alert (RFC 8446, section 6.2: protocol_version is 70).
    for minor in [1, 2] {
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.push(0);
        hello.extend([0, 4, 0xc0, 0x14, 0xc0, 0x13]);
        hello.extend([1, 0]);
        let mut message = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
        message.extend(&hello);
        let mut record = vec![0x16, 3, 1, 0, u8::try_from(message.len()).unwrap()];
        record.extend(&message);
        let mut stream = server.connect();
        stream.write_all(&record).unwrap();
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        // An alert, fatal: nothing was agreed on.
        assert_eq!((answer.first(), answer.get(5)), (Some(&0x15), Some(&2)), "{answer:?}");
    }
}

#[test]
fn what_was_begun_is_answered_at_the_end() {
    let server = Server::start();
    let mut stream = server.connect();
    stream.write_all(b"POST /api/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").unwrap();
    // The server reads the body now: the request has begun.
    let mut asked = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"), "{asked:?}");
    let ending = std::thread::spawn(move || server.stop());
    stream.write_all(b"ab").unwrap();
    reply(&mut stream).expect(404);
    ending.join().unwrap();
}

#[test]
fn it_listens_where_it_may() {
    let home = Home::new();
    let desk = |home: &Home| home.desk(Arc::new(SystemClock), Settings::default());
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = run(desk(&home), everywhere, None, &Stop::new(), |_| panic!("it serves")).unwrap_err();
    assert_eq!(refused.code(), "desk-plain");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let refused = run(desk(&home), taken.local_addr().unwrap(), None, &Stop::new(), |_| panic!("it serves"));
    assert_eq!(refused.unwrap_err().code(), "desk-listen");
}
