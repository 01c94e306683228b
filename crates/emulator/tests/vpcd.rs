//! The card's end of vpcd against a listener that speaks as the driver does.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oathburn_emulator::{CONTACTLESS_ATR, Card, Device, Fault, Faulty, Insertion, Token2Single, Trigger};

const INFO: [u8; 7] = [0x80, 0x41, 0, 0, 2, 2, 0x11];
const CHALLENGE: [u8; 5] = [0x80, 0x4b, 0x08, 0, 0];

type Shared = Arc<Mutex<Faulty<Device>>>;

fn token() -> Shared {
    let token = Token2Single::new("86596220000001".parse().unwrap(), true);
    Arc::new(Mutex::new(Faulty::new(Device::Token2Single(Box::new(token)))))
}

/// The driver's end of one connection.
struct Driver(TcpStream);

impl Driver {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        // So that a broken card fails the test instead of hanging it.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self(stream)
    }

    fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length, message].concat()).unwrap();
    }

    /// The next message; `None` when the card has hung up.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        self.0.read_exact(&mut message).ok()?;
        Some(message)
    }

    fn ask(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        self.send(message);
        self.receive()
    }
}

fn insert(card: &Shared) -> (TcpListener, Driver, Insertion) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let insertion = Insertion::new(listener.local_addr().unwrap(), Arc::clone(card)).unwrap();
    let driver = Driver::accept(&listener);
    (listener, driver, insertion)
}

#[test]
fn the_card_answers_what_wants_an_answer_and_nothing_else() {
    let (_listener, mut driver, insertion) = insert(&token());
    assert_eq!(driver.ask(&[0x04]).unwrap(), CONTACTLESS_ATR);
    for control in [0x01, 0x02, 0x00, 0x07] {
        driver.send(&[control]);
    }
    driver.send(&[]);
    // The next answer belongs to the next question.
    let answer = driver.ask(&INFO).unwrap();
    assert!(answer.starts_with(b"\0\0\0\x0e86596220000001"));
    assert!(answer.ends_with(&[0x90, 0x00]));
    assert!(insertion.is_connected());
    drop(insertion);
    assert_eq!(driver.receive(), None);
}

#[test]
fn power_and_reset_end_the_session() {
    for control in [0x00, 0x01, 0x02] {
        let (_listener, mut driver, _insertion) = insert(&token());
        assert_eq!(driver.ask(&CHALLENGE).unwrap().len(), 10);
        driver.send(&[control]);
        let proof = [&[0x80, 0xce, 0, 0, 16], [0; 16].as_slice()].concat();
        // A challenge would make a wrong answer 6983; without one it is 6A80.
        assert_eq!(driver.ask(&proof).unwrap(), [0x6a, 0x80]);
    }
}

#[test]
fn a_message_in_pieces_is_one_message() {
    let (_listener, mut driver, _insertion) = insert(&token());
    driver.0.set_nodelay(true).unwrap();
    for byte in [&[0, 7], INFO.as_slice()].concat() {
        driver.0.write_all(&[byte]).unwrap();
    }
    assert!(driver.receive().unwrap().ends_with(&[0x90, 0x00]));
}

#[test]
fn a_torn_card_hangs_up_and_stays_away() {
    let card = token();
    let (_listener, mut driver, insertion) = insert(&card);
    card.lock().unwrap().arm(Trigger::Command(2), Fault::TearAfter);
    assert!(driver.ask(&INFO).is_some());
    assert_eq!(driver.ask(&INFO), None);
    insertion.wait_until_ended();
    assert_eq!(card.lock().unwrap().log().count(), 2);
}

#[test]
fn a_card_survives_the_service() {
    let card = token();
    let (listener, driver, insertion) = insert(&card);
    drop(driver);
    let mut driver = Driver::accept(&listener);
    assert!(driver.ask(&[0x04]).is_some());
    assert!(!insertion.has_ended());
}

#[test]
fn a_card_waits_for_the_service() {
    // A port that was free a moment ago and where nobody listens now.
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let insertion = Insertion::new(address, token()).unwrap();
    assert!(!insertion.has_ended());
    let Ok(listener) = TcpListener::bind(address) else { return };
    assert!(Driver::accept(&listener).ask(&[0x04]).is_some());
}

#[test]
fn a_mute_or_slow_card_can_be_taken_away() {
    for fault in [Fault::Mute, Fault::Slow(Duration::from_hours(1))] {
        let card = token();
        let (_listener, mut driver, insertion) = insert(&card);
        card.lock().unwrap().arm(Trigger::Command(1), fault);
        driver.send(&INFO);
        // Until the card has it; then it is thinking.
        while card.lock().unwrap().log().count() == 0 {
            std::thread::yield_now();
        }
        drop(insertion);
        assert_eq!(driver.receive(), None);
    }
}

#[test]
fn a_late_answer_is_the_right_one() {
    let card = token();
    let (_listener, mut driver, _insertion) = insert(&card);
    card.lock().unwrap().arm(Trigger::Command(1), Fault::Slow(Duration::from_millis(1)));
    assert!(driver.ask(&INFO).unwrap().ends_with(&[0x90, 0x00]));
}

#[test]
fn a_device_passes_everything_on() {
    let card = token();
    assert_eq!(card.lock().unwrap().atr(), CONTACTLESS_ATR);
    assert_eq!(card.lock().unwrap().card().kind(), "token2-single");
}
