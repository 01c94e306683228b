//! Two desks behind a balancer, whose escrow lies in PostgreSQL: whichever of them is asked, and whichever is left, answers.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, Stop};
use oathburn_oath::SystemClock;

use crate::app::App;
use crate::clicks::Browser;
use crate::cut::pump;
use crate::faults::back_into_the_box;
use crate::hands::Hands;
use crate::office::{Office, run, serve};
use crate::runs::{play, tokens};
use crate::support::Desk;

/// Gives each connection to the next desk that takes one.
struct Balancer {
    address: String,
    /// How many connections each desk has got.
    counts: Arc<[AtomicUsize; 2]>,
}

impl Balancer {
    fn before(desks: [String; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counts: Arc<[AtomicUsize; 2]> = Arc::default();
        let count = Arc::clone(&counts);
        // It ends with the test.
        thread::spawn(move || {
            for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let mut order = [number % 2, (number + 1) % 2].into_iter();
                let Some((at, desk)) = order.find_map(|at| Some((at, TcpStream::connect(&desks[at]).ok()?))) else {
                    continue;
                };
                count[at].fetch_add(1, Ordering::SeqCst);
                let (there, back) = (client.try_clone().unwrap(), desk.try_clone().unwrap());
                thread::spawn(move || pump(there, desk, || false));
                thread::spawn(move || pump(back, client, || false));
            }
        });
        Self { address, counts }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections the one that got fewer has got.
    fn least(&self) -> usize {
        self.counts.iter().map(|count| count.load(Ordering::SeqCst)).min().unwrap_or_default()
    }
}

/// A second machine with the same officer's file and the same certificate, let in as a station of its own.
struct Second {
    machine: Desk,
    address: String,
    serving: Child,
}

impl Second {
    fn beside(office: &Office) -> Self {
        let machine = Desk::without_readers().with_store(
            office.machine.store().unwrap(),
            &fs::read_to_string(office.machine.home().join(".pgpass")).unwrap(),
        );
        fs::create_dir_all(machine.folder()).unwrap();
        for name in ["officer.key", "desk-cert.pem", "desk-key.pem"] {
            fs::copy(office.machine.folder().join(name), machine.folder().join(name)).unwrap();
        }
        let line = machine.run(&["escrow", "stations", "key", "--label", "second"]).expect(0).stdout;
        office.machine.run(&["escrow", "stations", "approve", "--yes", line.trim()]).expect(0);
        let (serving, ready) = serve(&machine, "127.0.0.1:0");
        Self { machine, address: ready["address"].as_str().unwrap().to_owned(), serving }
    }

    fn kill(&mut self) {
        self.serving.kill().unwrap();
        self.serving.wait().unwrap();
    }

    fn start(&mut self) {
        self.serving = serve(&self.machine, &self.address).0;
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

/// An escrow in a server of its own, and the desk of it.
fn office(durable: bool, parameters: &str) -> (PrivatePostgres, Office) {
    let server = PrivatePostgres::start_new(PostgresOptions { durable, ..PostgresOptions::default() }).unwrap();
    server.role("keeper", "a password").unwrap();
    server.database("escrow", "keeper").unwrap();
    let url = server.url("keeper", "escrow") + parameters;
    let machine = Desk::without_readers().with_store(&url, "*:*:*:keeper:a password\n");
    (server, Office::open_at(machine))
}

fn browser(office: &Office, address: &str) -> Browser {
    Browser::new(address, &office.machine.folder().join("desk-cert.pem"), office.machine.home())
}

/// Enrols with a code from wherever, and is signed in.
fn enrol(browser: &mut Browser, name: &str, code: &str) -> App {
    browser.obey("open https://desk/enrol");
    for (label, what) in [("Name", name), ("Enrolment code", code)] {
        browser.obey(&format!("fill {label}: {what}"));
    }
    browser.obey("press Go on");
    let mut app = App::scan(&browser.page.code());
    for label in ["Password", "Password once more"] {
        browser.obey(&format!("fill {label}: four words are good"));
    }
    browser.obey(&format!("fill Code that your app shows: {}", app.code()));
    browser.obey("press Finish");
    app
}

fn sign_in(browser: &mut Browser, name: &str, code: &str) {
    browser.obey("open https://desk/sign-in");
    browser.obey(&format!("fill Name: {name}"));
    browser.obey("fill Password: four words are good");
    browser.obey(&format!("fill Code that your app shows: {code}"));
}

#[test]
fn two_desks_behind_a_balancer_are_one() {
    let (_server, mut office) = office(false, "");
    let mut second = Second::beside(&office);
    let balancer = Balancer::before([office.address.clone(), second.address.clone()]);
    // Each page is another connection, so that forms come from one desk and go to the other.
    let code =
        office.machine.json(&["desk", "bootstrap", "ada@example.org"])["enrolment_code"].as_str().unwrap().to_owned();
    let mut ada = browser(&office, &balancer.address);
    let mut app = enrol(&mut ada, "ada@example.org", &code);
    ada.obey("press Sign out");
    // A code is good once, wherever.
    let code = app.code();
    sign_in(&mut ada, "ada@example.org", &code);
    ada.obey("press Sign in");
    let mut thief = browser(&office, &balancer.address);
    sign_in(&mut thief, "ada@example.org", &code);
    thief.refused("press Sign in", 403);

    ada.obey("open People");
    ada.obey("fill Name: bob@example.org");
    ada.obey("tick helpdesk");
    ada.obey("press Add");
    let code = ada.page.code();
    let station = office.station_by(&balancer.url(), "00-1A-2B-3C-4D-01", ("Ulm", 2));
    let order = office.order(6, "Ulm");
    let mut bob = browser(&office, &balancer.address);
    enrol(&mut bob, "bob@example.org", &code);
    for line in [
        "fill User, serial number, or a part of either: user3@",
        "press Find",
        "open the line of user3@example.com",
        "fill Reason: the token is not here yet",
        "press Show the code",
        "see user user3@example.com",
    ] {
        bob.obey(line);
    }
    // One of the desks dies while the station works, and later the other.
    let mut hands = Hands::new(&station, tokens(1, 6));
    let mut running = run(&station, &["--ahead", "2"]);
    let mut done = 0;
    while let Some(event) = running.next() {
        if event["event"] == "done" {
            done += 1;
            match done {
                1 => second.kill(),
                3 => {
                    second.start();
                    office.kill();
                }
                _ => {}
            }
        }
        back_into_the_box(&mut hands, &event);
        hands.obey(&event, &mut |_, _| {});
    }
    let (code, summary, heard) = running.finish();
    assert_eq!((code, &summary["done"], &summary["untold"]), (0, &6.into(), &false.into()), "{heard:#?}");
    // Ada is signed in at the desk that is left, too, and sees what was done.
    ada.obey("open Work");
    ada.obey("open users.csv");
    ada.obey("see 6 of 6 done, 0 failed, 0 left");
    assert_eq!(office.done(order, &[&station]), 6);
    assert!(balancer.least() >= 10, "{:?}", balancer.counts);
}

/// The server stops at each moment of a token's way and comes back: a patient desk waits for it; a hasty one says that it is away,
/// and the station goes on with what it has.
#[test]
fn a_server_that_is_away_costs_no_token_and_no_code() {
    for (parameters, is_patient) in [("&patience=0", false), ("", true)] {
        let (server, office) = office(true, parameters);
        let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
        let order = office.order(8, "Ulm");
        let code = office.machine.json(&["desk", "bootstrap", "ada@example.org"])["enrolment_code"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut ada = browser(&office, &office.address);
        enrol(&mut ada, "ada@example.org", &code);
        // One that is noticed takes the station until the desk is back; one that is not is over at once.
        let moments: &[&str] = if is_patient {
            &["lines", "reserved", "seed-written", "done", "programmed"]
        } else {
            &["reserved", "done"]
        };
        let mut stops = moments.iter().zip([Stop::Immediate, Stop::Fast].into_iter().cycle()).peekable();
        let mut hands = Hands::new(&station, tokens(1, 8));
        let mut running = run(&station, &["--ahead", "8"]);
        let (mut is_away, mut noticed) = (false, 0);
        // What the hands are to do once the desk is back: with eight lines at hand, all could be burned before it is.
        let mut put_off = Vec::new();
        while let Some(event) = running.next() {
            match event["event"].as_str().unwrap() {
                "desk-away" => {
                    noticed += 1;
                    ada.refused("open https://desk/work", 503);
                    server.start().unwrap();
                }
                "desk-back" => is_away = false,
                _ => {}
            }
            let here = |(moment, _): &(&&str, Stop)| event["event"] == **moment || event["step"] == **moment;
            if let Some((_, how)) = stops.next_if(|stop| !is_away && here(stop)) {
                server.stop(how).unwrap();
                is_away = !is_patient;
                if is_patient {
                    server.start().unwrap();
                }
            }
            put_off.push(event);
            for event in if is_away { Vec::new() } else { std::mem::take(&mut put_off) } {
                back_into_the_box(&mut hands, &event);
                hands.obey(&event, &mut |_, _| {});
            }
        }
        let (code, summary, heard) = running.finish();
        assert_eq!((code, stops.count(), noticed), (0, 0, if is_patient { 0 } else { 2 }), "{heard:#?}");
        assert_eq!(summary["done"], 8, "{heard:#?}");
        // What was burned while nobody could be told is told by the next run.
        let (code, summary) = play(&station, tokens(1, 0), &[]);
        assert_eq!((code, &summary["untold"], &summary["left"]), (0, &false.into(), &0.into()), "{summary}");
        assert_eq!(office.done(order, &[&station]), 8);
        assert!(tokens(1, 8).all(|serial| office.machine.count(&serial) == 1));
        assert_eq!(office.core_at(SystemClock).conflicts(Some(order)).unwrap(), []);
        ada.obey("open https://desk/work");
        ada.obey("open users.csv");
        ada.obey("see 8 of 8 done, 0 failed, 0 left");
    }
}
