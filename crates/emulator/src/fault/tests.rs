use proptest::prelude::*;

use super::*;

/// A card that counts: every command is answered with how many came before it since it was reset, and a number.
struct Counter {
    name: u8,
    session: u8,
    executed: u32,
}

impl Counter {
    fn new(name: u8) -> Self {
        Self { name, session: 0, executed: 0 }
    }
}

impl Card for Counter {
    fn activation(&self) -> Activation {
        Activation::new(&[self.name; 4])
    }

    fn reset(&mut self) {
        self.session = 0;
    }

    fn transmit(&mut self, _: &[u8]) -> Reply {
        self.session += 1;
        self.executed += 1;
        Reply::Answer(vec![self.name, self.session, 0x90, 0x00])
    }
}

const COMMAND: [u8; 4] = [0x80, 0x41, 0, 0];

fn card() -> Faulty<Counter> {
    Faulty::new(Counter::new(1))
}

fn answer(session: u8) -> Reply {
    Reply::Answer(vec![1, session, 0x90, 0x00])
}

#[test]
fn without_faults_nothing_happens() {
    let mut card = card();
    assert!(card.transmit(&COMMAND) == answer(1));
    card.reset();
    assert!(card.transmit(&COMMAND) == answer(1));
    assert_eq!(card.atr(), crate::CONTACTLESS_ATR);
}

#[test]
fn tears_happen_before_or_after_the_execution() {
    for (fault, executed) in [(Fault::TearBefore, 1), (Fault::TearAfter, 2)] {
        let mut card = card();
        card.arm(Trigger::Command(2), fault);
        assert!(card.transmit(&COMMAND) == answer(1));
        assert!(card.transmit(&COMMAND) == Reply::Gone);
        assert_eq!((card.card().executed, card.card().session), (executed, 0));
        assert!(card.transmit(&COMMAND) == answer(1));
    }
}

#[test]
fn an_instruction_triggers_once() {
    let mut card = card();
    card.arm(Trigger::Instruction(0xd4), Fault::StatusWord(0x6a80));
    assert!(card.transmit(&COMMAND) == answer(1));
    assert!(card.transmit(&[0x84, 0xd4, 0, 0]) == Reply::status(0x6a80));
    assert_eq!(card.card().executed, 1);
    assert!(card.transmit(&[0x84, 0xd4, 0, 0]) == answer(2));
}

#[test]
fn a_mute_card_stays_mute_until_it_is_presented_anew() {
    let mut card = card();
    card.arm(Trigger::Command(1), Fault::Mute);
    assert!(card.transmit(&COMMAND) == Reply::Silence);
    card.reset();
    assert!(card.transmit(&COMMAND) == Reply::Silence);
    card.present();
    assert!(card.transmit(&COMMAND) == answer(1));
}

#[test]
fn answers_come_late_short_or_wrong() {
    let mut card = card();
    card.arm(Trigger::Command(1), Fault::Short(0));
    assert!(card.transmit(&COMMAND) == Reply::Answer(vec![1]));
    card.arm(Trigger::Command(1), Fault::FlipBit(7));
    card.arm(Trigger::Command(1), Fault::Slow(Duration::from_secs(3)));
    assert!(card.transmit(&COMMAND) == Reply::Late(Duration::from_secs(3), vec![0, 2, 0x90, 0x00]));
    card.arm(Trigger::Command(1), Fault::FlipBit(33));
    assert!(card.transmit(&COMMAND) == Reply::Answer(vec![0x41, 3, 0x90, 0x00]));
}

#[test]
fn a_swapped_card_knows_nothing_of_the_session() {
    let mut card = card();
    card.arm(Trigger::Command(2), Fault::Swap(Counter::new(2)));
    card.transmit(&COMMAND);
    // The old card still answers the command after which it is gone.
    assert!(card.transmit(&COMMAND) == answer(2));
    assert!(card.transmit(&COMMAND) == Reply::Answer(vec![2, 1, 0x90, 0x00]));
    let gone = card.take_swapped_out();
    assert_eq!(gone.iter().map(|card| (card.name, card.session)).collect::<Vec<_>>(), [(1, 0)]);
}

#[test]
fn a_lapse_costs_the_session_and_nothing_else() {
    let mut card = card();
    card.arm(Trigger::Command(2), Fault::Lapse);
    card.transmit(&COMMAND);
    assert!(card.transmit(&COMMAND) == answer(2));
    assert!(card.transmit(&COMMAND) == answer(1));
    assert_eq!(card.card().executed, 3);
}

#[test]
fn disarming_gives_the_waiting_cards_back() {
    let mut card = card();
    card.arm(Trigger::Command(1), Fault::Swap(Counter::new(2)));
    card.arm(Trigger::Command(1), Fault::TearBefore);
    assert_eq!(card.armed(), 2);
    assert_eq!(card.disarm().len(), 1);
    assert!(card.transmit(&COMMAND) == answer(1));
}

#[test]
fn the_log_keeps_what_was_on_the_wire() {
    let mut card = card();
    card.arm(Trigger::Command(2), Fault::TearAfter);
    card.transmit(&COMMAND);
    card.transmit(&[9]);
    let log: Vec<_> = card.log().map(|exchange| (exchange.command.to_vec(), exchange.answer.clone())).collect();
    assert_eq!(log, [(COMMAND.to_vec(), Some(vec![1, 1, 0x90, 0x00])), (vec![9], None)]);
    card.clear_log();
    for _ in 0..LOG_LEN + 5 {
        card.card_mut().session = 0;
        card.transmit(&COMMAND);
    }
    assert_eq!(card.log().count(), LOG_LEN);
}

fn any_plan() -> impl Strategy<Value = Plan> {
    prop_oneof![
        (0..5_u8).prop_map(|kind| {
            Plan(match kind {
                0 => Fault::TearBefore,
                4 => Fault::Lapse,
                1 => Fault::TearAfter,
                2 => Fault::TearInside(Tear::Store),
                _ => Fault::Mute,
            })
        }),
        any::<u16>().prop_map(|millis| Plan(Fault::Slow(Duration::from_millis(millis.into())))),
        any::<u16>().prop_map(|word| Plan(Fault::StatusWord(word))),
        any::<usize>().prop_map(|len| Plan(Fault::Short(len))),
        any::<usize>().prop_map(|bit| Plan(Fault::FlipBit(bit))),
        any::<u8>().prop_map(|name| Plan(Fault::Swap(Counter::new(name)))),
    ]
}

proptest! {
    /// No combination makes an empty answer, which would hang the service.
    #[test]
    fn an_answer_is_never_empty(faults in proptest::collection::vec((1..4_u32, any_plan()), 0..6)) {
        let mut card = card();
        for (at, fault) in faults {
            card.arm(Trigger::Command(at), fault.0);
        }
        for _ in 0..4 {
            if let Reply::Answer(bytes) | Reply::Late(_, bytes) = card.transmit(&COMMAND) {
                prop_assert!(!bytes.is_empty());
            }
        }
    }
}

/// Strategies want `Debug`, which faults that hold cards do not have.
struct Plan(Fault<Counter>);

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Fault::TearBefore => "tear-before",
            Fault::TearAfter => "tear-after",
            Fault::TearInside(_) => "tear-inside",
            Fault::Mute => "mute",
            Fault::Lapse => "lapse",
            Fault::Slow(_) => "slow",
            Fault::StatusWord(_) => "status",
            Fault::Short(_) => "short",
            Fault::FlipBit(_) => "flip",
            Fault::Swap(_) => "swap",
        })
    }
}
