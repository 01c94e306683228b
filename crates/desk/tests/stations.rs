//! Stations and their desk over TLS: the real server, the real client, and whoever comes in between.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use oathburn_desk::client::*;
use oathburn_desk::protocol::{Credentials, Refusal, StationStatus};
use oathburn_desk::stations::{CodeLength, CodeOrder, MacId, Register, StationState};
use oathburn_desk::{Desk, Settings};
use oathburn_oath::{Remedy as _, SystemClock};
use support::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

fn mac(number: u8) -> MacId {
    MacId::new([0, 0x1a, 0x2b, 0x3c, 0x4d, number]).unwrap()
}

/// A server over TLS, and an admin at another desk of the same escrow.
struct Office {
    server: Server,
    desk: Desk,
}

impl Office {
    fn open() -> Self {
        let settings = || Settings { organisation: "Example AG".into(), ..Settings::default() };
        let server = Server::with(Arc::new(Home::new()), true, settings());
        let desk = server.home.desk(Arc::new(SystemClock), settings());
        Self { server, desk }
    }

    fn register(&self) -> &Register {
        self.desk.register()
    }

    fn url(&self) -> DeskUrl {
        format!("https://{}", self.server.address).parse().unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Pinned(self.server.fingerprint.unwrap().to_string().parse().unwrap())
    }

    fn connection(&self) -> Connection {
        Connection::new(self.url(), self.trust()).unwrap()
    }

    /// A registered station's code.
    fn code(&self, number: u8) -> String {
        if self.register().get(mac(number)).unwrap().is_none() {
            self.register().add_typed("alice", &[(mac(number).to_string(), "Ulm".into())]).unwrap();
        }
        let order = CodeOrder { length: CodeLength::SHORTEST, life: 3600, shared: false };
        self.register().make_codes("alice", &[mac(number)], order).unwrap().codes[0].code.shown().to_owned()
    }
}

/// A machine with a folder for its files.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn home(&self) -> StationHome {
        StationHome::new(self.0.path().join("station"))
    }

    fn provision(&self, office: &Office, number: u8, code: &str) -> Result<StationStatus, ClientError> {
        let how = LetIn::Code(Zeroizing::new(code.to_owned()));
        provision(&self.home(), &office.connection(), mac(number), how, &mut |_| {})
    }

    fn station(&self) -> OwnStation {
        OwnStation::open(self.home()).unwrap()
    }
}

#[test]
fn a_station_is_let_in_signed_in_and_out() {
    let office = Office::open();
    let machine = Machine::new();
    let status = machine.provision(&office, 1, &office.code(1)).unwrap();
    assert_eq!((status.organisation.as_str(), status.location.as_str()), ("Example AG", "Ulm"));
    assert_eq!(status.state, StationState::WaitingForSignIn);
    let station = machine.station();
    office.register().sign_in("alice", &[mac(1)], "branch-ulm").unwrap();
    let status = station.status(Some(status.version), 30).unwrap();
    assert_eq!((status.state, status.operator.as_deref()), (StationState::SignedIn, Some("branch-ulm")));
    assert_eq!(station.sign_out().unwrap().state, StationState::SignedOut);
    assert_eq!(station.sign_out().unwrap().state, StationState::SignedOut, "once more does no harm");
    // Signed in again without anybody at the machine.
    office.register().sign_in("alice", &[mac(1)], "branch-ulm").unwrap();
    assert_eq!(station.status(None, 0).unwrap().state, StationState::SignedIn);
    assert!(station.reset(false).unwrap());
    assert_eq!(office.register().get(mac(1)).unwrap().unwrap().0.state, StationState::WaitingOnActivation);
    assert_eq!(OwnStation::open(machine.home()).unwrap_err().code(), "station-not-provisioned");
    let wrong = machine.provision(&office, 1, "000000000000").unwrap_err();
    assert_eq!(wrong.code(), "verification-code-wrong");
    machine.provision(&office, 1, &office.code(1)).unwrap();
}

#[test]
fn a_station_that_waits_is_told_at_once_whichever_desk_it_is_done_at() {
    let office = Office::open();
    let machine = Machine::new();
    machine.provision(&office, 1, &office.code(1)).unwrap();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let station = machine.station();
        scope.spawn(move || {
            let last = station.wait_for_sign_in(&mut |followed| {
                let Followed::Status(status) = followed else { panic!("{followed:?}") };
                sender.send((status.state, status.login_code_wanted, status.shown.clone())).unwrap();
                ControlFlow::Continue(())
            });
            assert_eq!(last.unwrap().unwrap().operator.as_deref(), Some("branch-ulm"));
        });
        assert_eq!(receiver.recv().unwrap(), (StationState::WaitingForSignIn, false, None));
        // The desk fetches a login code: the station shows it, and that it is being provisioned.
        office.register().fetch_login_codes("alice", &[mac(1)]).unwrap();
        let (_, wanted, shown) = receiver.recv().unwrap();
        let shown = shown.unwrap();
        assert!(wanted);
        let (offer, _) = office.register().find_login(&shown.code).unwrap().unwrap();
        assert_eq!((offer.mac, offer.activated), (mac(1), true));
        office.register().accept_login("alice", &shown.code, None, "branch-ulm").unwrap();
        assert_eq!(receiver.recv().unwrap().0, StationState::SignedIn);
    });
}

#[test]
fn a_station_without_a_code_shows_one_until_it_is_typed() {
    let office = Office::open();
    let machine = Machine::new();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let connection = office.connection();
        let home = machine.home();
        let running = scope.spawn(move || {
            provision(&home, &connection, mac(7), LetIn::LoginCode, &mut |progress| {
                if let Progress::Show(shown) = progress {
                    sender.send(shown).unwrap();
                }
            })
        });
        let shown = receiver.recv().unwrap();
        office.register().accept_login("alice", &shown.code, Some("Bern"), "branch-bern").unwrap();
        let status = running.join().unwrap().unwrap();
        assert_eq!((status.state, status.location.as_str()), (StationState::SignedIn, "Bern"));
    });
    assert_eq!(machine.station().status(None, 0).unwrap().state, StationState::SignedIn);
    // One that is refused ends, and nothing is kept.
    let other = Machine::new();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let (connection, home) = (office.connection(), other.home());
        let running = scope.spawn(move || {
            provision(&home, &connection, mac(8), LetIn::LoginCode, &mut |progress| {
                if let Progress::Show(shown) = progress {
                    sender.send(shown).unwrap();
                }
            })
        });
        office.register().refuse_login("alice", &receiver.recv().unwrap().code).unwrap();
        assert_eq!(running.join().unwrap().unwrap_err().code(), "login-code-gone");
    });
    assert_eq!(OwnStation::open(other.home()).unwrap_err().code(), "station-not-provisioned");
}

/// The answer to the activation was lost: the same keys are told again, though the code was used.
#[test]
fn whoever_asks_again_after_a_lost_answer_is_told_again() {
    let office = Office::open();
    let machine = Machine::new();
    let code = office.code(1);
    machine.provision(&office, 1, &code).unwrap();
    // As if it had been killed before it wrote down what the desk said.
    let home = machine.home();
    std::fs::rename(home.folder().join("key"), home.folder().join("new-key")).unwrap();
    std::fs::remove_file(home.folder().join("desk.json")).unwrap();
    let status = machine.provision(&office, 1, &code).unwrap();
    assert_eq!((status.generation, status.state), (1, StationState::WaitingForSignIn));
    machine.station().status(None, 0).unwrap();
    // Somebody else with the same slip is not.
    assert_eq!(Machine::new().provision(&office, 1, &code).unwrap_err().code(), "verification-code-used");
}

#[test]
fn a_revoked_station_and_one_provisioned_anew_are_told_so() {
    let office = Office::open();
    let (old, new) = (Machine::new(), Machine::new());
    old.provision(&office, 1, &office.code(1)).unwrap();
    let stolen = old.station();
    let told = stolen.status(None, 0).unwrap();
    thread::scope(|scope| {
        // One that waits at the moment is told, too.
        let waiting = old.station();
        let running = scope.spawn(move || waiting.status(Some(told.version), 30));
        office.register().revoke("alice", &[mac(1)]).unwrap();
        let code = running.join().unwrap().unwrap_err().code();
        assert_eq!(code, "station-revoked");
    });
    assert_eq!(stolen.status(None, 0).unwrap_err().code(), "station-revoked");
    assert_eq!(stolen.sign_out().unwrap_err().code(), "station-revoked");
    office.register().begin_anew("alice", &[mac(1)]).unwrap();
    new.provision(&office, 1, &office.code(1)).unwrap();
    assert_eq!(stolen.status(None, 0).unwrap_err().code(), "station-not-known");
    assert_eq!(stolen.own_login_code().unwrap_err().code(), "station-not-known");
    assert!(!old.station().reset(false).unwrap(), "there was nobody to tell");
    assert_eq!(new.station().status(None, 0).unwrap().state, StationState::WaitingForSignIn);
}

#[test]
fn a_request_that_was_recorded_is_worth_nothing() {
    let office = Office::open();
    let machine = Machine::new();
    machine.provision(&office, 1, &office.code(1)).unwrap();
    office.register().sign_in("alice", &[mac(1)], "ulm").unwrap();
    let station = machine.station();
    station.status(None, 0).unwrap();
    let counter = office.register().list_seen().unwrap()[0].seen.as_ref().unwrap().counter;
    let sign_out = ("POST", "/api/station/v1/sign-out", b"{}".as_slice());
    let signed = |counter| {
        let desk = office.register().desk();
        Credentials::sign(station.key(), (mac(1), 1, counter), desk, sign_out).unwrap().to_string()
    };
    let send = |authorization: &str, path: &str, body: &[u8]| {
        office.server.ask("POST", path, &[("Authorization", authorization)], body)
    };
    let recorded = signed(counter + 10);
    send(&recorded, sign_out.1, b"{}").expect(200);
    office.register().sign_in("alice", &[mac(1)], "ulm").unwrap();
    let again = send(&recorded, sign_out.1, b"{}").expect(409);
    assert!(again.body.contains("request-repeated"), "{again:?}");
    let other = signed(counter + 20);
    for (path, body) in
        [("/api/station/v1/reset", b"{}".as_slice()), ("/api/station/v1/sign-out?x", b"{}"), (sign_out.1, b"{} ")]
    {
        let reply = send(&other, path, body).expect(401);
        assert!(reply.body.contains("station-not-known"), "{reply:?}");
    }
    for wrong in ["", "Bearer x", "Oathburn-Station 1"] {
        send(wrong, sign_out.1, b"{}").expect(401);
    }
    office.server.ask("POST", sign_out.1, &[("Authorization", &other), ("Authorization", &other)], b"{}").expect(401);
    assert_eq!(office.register().get(mac(1)).unwrap().unwrap().0.state, StationState::SignedIn);
    // The station itself goes on, although others were ahead of its counter.
    assert_eq!(station.status(None, 0).unwrap().state, StationState::SignedIn);
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let office = Office::open();
    for body in ["", "{", "{}", "[]", r#"{"mac":"printer","keys":{"recipient":"age1","writer":""}}"#] {
        let reply = office.server.ask("POST", "/api/station/v1/challenge", &[], body.as_bytes()).expect(400);
        assert!(reply.body.contains("station-request-unreadable"), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    let big = vec![b' '; 20_000];
    office.server.ask("POST", "/api/station/v1/challenge", &[], &big).expect(400);
    office.server.get("/api/station/v1/challenge").expect(405);
    office.server.get("/api/station/v2/challenge").expect(404);
    office.server.get("/api/station/v1/../../etc/passwd").expect(404);
    office.server.get("/api/station/v1/status?wait=x").expect(400);
}

/// Over HTTP, too, guesses end: with a time after which it is worth trying again.
#[test]
fn guessing_over_the_wire_is_stopped() {
    let office = Office::open();
    let machine = Machine::new();
    let code = office.code(1);
    let other = if code == "000000" { "000001" } else { "000000" };
    let refusals: Vec<_> = (0..10).map(|_| machine.provision(&office, 1, other).unwrap_err()).collect();
    assert!(refusals[..9].iter().all(|error| error.code() == "verification-code-wrong"), "{refusals:?}");
    let ClientError::Refused(Refusal::Throttled { retry_after }) = refusals[9] else { panic!("{:?}", refusals[9]) };
    assert!(retry_after > 0 && retry_after <= 3600);
}

#[test]
fn nothing_is_sent_to_a_desk_with_another_certificate() {
    let office = Office::open();
    let machine = Machine::new();
    let other: Pin = "00".repeat(32).parse().unwrap();
    let try_with = |trust| {
        let connection = Connection::new(office.url(), trust).unwrap();
        let how = LetIn::Code(Zeroizing::new("123456".into()));
        provision(&machine.home(), &connection, mac(1), how, &mut |progress| panic!("{progress:?}")).unwrap_err()
    };
    let shown = office.server.fingerprint.unwrap().to_string();
    let error = try_with(Trust::Pinned(other));
    assert_eq!(error.code(), "desk-certificate-other");
    assert!(error.to_string().contains(&shown), "{error}");
    // Signed by nobody whom the system trusts; the fingerprint is told, to be compared.
    let error = try_with(Trust::System);
    assert_eq!(error.code(), "desk-certificate-unknown");
    assert!(error.to_string().contains(&shown), "{error}");
    // What is printed on slips is enough.
    let half = shown.replace(':', "")[..32].to_owned();
    let connection = Connection::new(office.url(), Trust::Pinned(half.parse().unwrap())).unwrap();
    let how = LetIn::Code(Zeroizing::new(office.code(1)));
    provision(&machine.home(), &connection, mac(1), how, &mut |_| {}).unwrap();
}

/// Somebody who listens in the desk's place, without TLS, and answers this: what arrives there.
fn eavesdrop(url: impl Fn(SocketAddr) -> DeskUrl, trust: Trust, answer: &str) -> (ClientError, Vec<u8>) {
    let answer = answer.to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let mut heard = vec![0; 4096];
        let len = stream.read(&mut heard).unwrap();
        let _ = stream.write_all(answer.as_bytes());
        heard.truncate(len);
        heard
    });
    let machine = Machine::new();
    let connection = Connection::new(url(address), trust).unwrap();
    let how = LetIn::Code(Zeroizing::new("123456".into()));
    let error = provision(&machine.home(), &connection, mac(1), how, &mut |_| {}).unwrap_err();
    (error, heard.join().unwrap())
}

#[test]
fn whoever_speaks_no_tls_hears_nothing() {
    let pin = || Trust::Pinned("ab".repeat(32).parse().unwrap());
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (error, heard) = eavesdrop(|address| format!("https://{address}").parse().unwrap(), pin(), elsewhere);
    assert_eq!(error.code(), "desk-unreachable", "{error}");
    assert!(heard.starts_with(b"\x16\x03"), "the beginning of TLS, and nothing else");
    assert!(!heard.windows(4).any(|window| window == b"POST"));
    // A desk that leads elsewhere is not followed.
    let plain =
        |answer: &str| eavesdrop(|address| format!("http://{address}").parse().unwrap(), Trust::System, answer).0;
    let error = plain(elsewhere);
    assert!(matches!(error, ClientError::DeskFailed { status: 302, .. }), "{error}");
    // Nor is whatever else answers believed, or read for ever.
    let ok = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    assert_eq!(plain(&format!("{ok}hello")).code(), "desk-answer");
    assert_eq!(plain(&format!("{ok}{}", "x".repeat(100_000))).code(), "desk-answer");
    let sealed = r#"{"desk":"d","issued_at":1,"sealed":"AAAA"}"#;
    assert_eq!(plain(&format!("{ok}{sealed}")).code(), "desk-answer");
}

#[test]
fn a_desk_that_is_away_is_not_mistaken_for_one_that_refuses() {
    let office = Office::open();
    let machine = Machine::new();
    machine.provision(&office, 1, &office.code(1)).unwrap();
    let Office { server, desk } = office;
    let (home, address) = (Arc::clone(&server.home), server.address);
    server.stop();
    let station = machine.station();
    assert_eq!(station.status(None, 0).unwrap_err().code(), "desk-unreachable");
    let mut away = 0;
    let followed = station.follow(&mut |followed| {
        assert!(matches!(followed, Followed::Away(..)), "{followed:?}");
        away += 1;
        ControlFlow::Break(())
    });
    assert_eq!((followed.unwrap(), away), (None, 1));
    assert_eq!(station.reset(false).unwrap_err().code(), "desk-unreachable");
    assert!(machine.home().provisioned().unwrap().is_some(), "nothing was forgotten");
    assert!(!machine.station().reset(true).unwrap());
    assert_eq!(machine.home().provisioned().unwrap(), None);
    drop((desk, home, address));
}

#[test]
fn a_machine_has_one_desk_at_a_time() {
    let (office, other) = (Office::open(), Office::open());
    let machine = Machine::new();
    machine.provision(&office, 1, &office.code(1)).unwrap();
    assert_eq!(machine.provision(&other, 1, &other.code(1)).unwrap_err().code(), "station-at-other-desk");
    // The same desk once more, with a new code: new keys.
    let before = machine.station().key().public();
    assert_eq!(machine.provision(&office, 1, &office.code(1)).unwrap().generation, 2);
    assert_ne!(machine.station().key().public(), before);
}

/// A proxy that opens tunnels to one place, whatever it is called; what it was asked for.
fn proxy_to(desk: SocketAddr) -> (ProxyUrl, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&asked);
    // It ends with the test.
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let line = String::from_utf8(head).unwrap().lines().next().unwrap().to_owned();
            let is_allowed = line.starts_with("CONNECT desk.invalid:");
            all.lock().unwrap().push(line);
            if !is_allowed {
                let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n");
                continue;
            }
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let mut server = TcpStream::connect(desk).unwrap();
            let (mut there, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || drop(std::io::copy(&mut there, &mut server)));
            thread::spawn(move || drop(std::io::copy(&mut back, &mut client)));
        }
    });
    (url, asked)
}

#[test]
fn a_station_behind_a_proxy_reaches_its_desk_by_a_name_that_only_the_proxy_knows() {
    let office = Office::open();
    let machine = Machine::new();
    let (proxy, asked) = proxy_to(office.server.address);
    let url: DeskUrl = format!("https://desk.invalid:{}", office.server.address.port()).parse().unwrap();
    let connection = Connection::through(url, office.trust(), Some(proxy.clone())).unwrap();
    let how = LetIn::Code(Zeroizing::new(office.code(1)));
    provision(&machine.home(), &connection, mac(1), how, &mut |_| {}).unwrap();
    // It is remembered.
    let station = OwnStation::open(machine.home()).unwrap();
    assert_eq!(station.provisioned().proxy, Some(proxy.clone()));
    assert_eq!(station.status(None, 0).unwrap().state, StationState::WaitingForSignIn);
    let line = format!("CONNECT desk.invalid:{} HTTP/1.1", office.server.address.port());
    let asked = asked.lock().unwrap().clone();
    assert!(asked.len() >= 2 && asked.iter().all(|one| *one == line), "{asked:?}");
    // The office gets another one.
    let (other, asked_there) = proxy_to(office.server.address);
    machine.home().go_through(other).unwrap();
    OwnStation::open(machine.home()).unwrap().status(None, 0).unwrap();
    assert!(!asked_there.lock().unwrap().is_empty());
    // Without TLS it would read along.
    let plain: DeskUrl = "http://127.0.0.1:8443".parse().unwrap();
    let refused = Connection::through(plain, office.trust(), Some(proxy.clone())).unwrap_err();
    assert_eq!(refused.code(), "desk-url-plain");
    // What it does not let through is said as what it is.
    let url: DeskUrl = "https://elsewhere.invalid".parse().unwrap();
    let connection = Connection::through(url, office.trust(), Some(proxy)).unwrap();
    let how = LetIn::Code(Zeroizing::new("123456".into()));
    let error = provision(&Machine::new().home(), &connection, mac(1), how, &mut |_| {}).unwrap_err();
    assert!(error.code() == "desk-unreachable" && error.to_string().contains("403"), "{error}");
}
