use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::frame::tests::host_frame;
use super::*;
use crate::{Activation, Device, Fault, Faulty, Foreign, Reply, Tear, Token2Single};

const INFO: &str = "8041000002 0211";
const SILENCE: [u8; 0] = [];

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.replace(' ', "").as_bytes()).unwrap()
}

fn token(serial: &str) -> Device {
    Device::Token2Single(Box::new(Token2Single::new(serial.parse().unwrap(), true)))
}

/// A card that answers each command with as many bytes as its first two say, and remembers what it was told.
struct Parrot(Arc<Mutex<Vec<Vec<u8>>>>);

impl Card for Parrot {
    fn activation(&self) -> Activation {
        Activation::new(&[1, 2, 3, 4])
    }

    fn reset(&mut self) {
        self.0.lock().unwrap().push(Vec::new());
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        self.0.lock().unwrap().push(command.to_vec());
        let len = command.first_chunk().map_or(0, |len| u16::from_be_bytes(*len).into());
        Reply::Answer((0..=255).cycle().take(len).collect())
    }
}

/// A host with a clock of its own.
struct Host {
    chip: Pn532,
    now: Instant,
}

impl Host {
    /// With a chip that is awake, and looks for cards three times instead of for ever.
    fn new() -> Self {
        let mut host = Self { chip: Pn532::new(), now: Instant::now() };
        assert_eq!(host.send(&[0x55, 0x55, 0, 0, 0]), SILENCE);
        assert_eq!(host.ask("1401"), "15");
        assert_eq!(host.ask("3205000102"), "33");
        host
    }

    fn with_card(card: impl Card + 'static) -> Self {
        let mut host = Self::new();
        host.chip.place(card, host.now);
        host
    }

    /// With a card that was found.
    fn with_target(card: impl Card + 'static) -> Self {
        let mut host = Self::with_card(card);
        assert!(host.ask("4a0100").starts_with("4b0101"));
        host
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.chip.receive(bytes, self.now)
    }

    /// All that comes after a command, with the time it took. The clock runs as far as the chip wants.
    fn hear(&mut self, command: &str) -> (Vec<u8>, Duration) {
        let mut said = self.send(&host_frame(&hex(command), false));
        let start = self.now;
        while let Some(next) = self.chip.next_speech() {
            self.now = next.max(self.now);
            said.extend(self.chip.speak(self.now));
        }
        (said, self.now - start)
    }

    /// The content of the reply to a command, without its direction; `error` for an error frame.
    fn ask(&mut self, command: &str) -> String {
        let (said, _) = self.hear(command);
        let said = said.strip_prefix(&ACK).unwrap_or_else(|| panic!("no ACK to {command}: {said:02x?}"));
        if said == SYNTAX_ERROR {
            return "error".into();
        }
        let header = if said.starts_with(&[0, 0, 0xff, 0xff, 0xff]) { 8 } else { 5 };
        let content = &said[header..said.len() - 2];
        assert_eq!(content[0], 0xd5);
        assert_eq!(said, frame::encode(&content[1..]), "{command}");
        HEXLOWER.encode(&content[1..])
    }

    /// A C-APDU to the target; the status and the R-APDU.
    fn transmit(&mut self, command: &str) -> String {
        self.ask(&format!("4001{command}"))
    }
}

#[test]
fn the_conversation_of_an_open_and_a_close() {
    let mut host = Host::with_card(token("86596220000001"));
    for (command, reply) in [
        ("00006c69626e6663", "01006c69626e6663"),
        ("02", "0332010607"),
        ("1214", "13"),
        ("0663026303630d6338633d", "070000000000"),
        ("08630280630380", "09"),
        ("06630363056302", "07800080"),
        ("320100", "33"),
        ("320101", "33"),
        ("4a0100", "4b010100042004bb1a65b40578774102"),
        ("42b2", "4300a3"),
        ("4400", "4500"),
        ("4a0100", "4b010100042004bb1a65b40578774102"),
        ("4a010100ffff0100", "4b00"),
        ("4a010300", "4b00"),
        ("4a0104", "4b00"),
        ("42010b3f80", "4301"),
        ("42", "4301"),
        ("5200", "5300"),
        ("320100", "33"),
        ("16f0", "1700"),
    ] {
        assert_eq!(host.ask(command), reply, "{command}");
    }
}

#[test]
fn asleep_it_hears_nothing_but_the_wake_up() {
    let mut host = Host::new();
    let firmware = host_frame(&[0x02], false);
    for (power_down, wakes) in [("16f0", true), ("1610", true), ("16f001", true), ("1620", false)] {
        assert_eq!(host.ask(power_down), "1700");
        assert_eq!(host.send(&firmware), SILENCE);
        assert_eq!(host.send(&ACK), SILENCE);
        let woken = host.send(&[&[0x55, 0, 0], &firmware[..]].concat());
        assert_eq!(woken.starts_with(&ACK), wakes, "{power_down}");
        host.chip.reset();
        assert_eq!(host.send(&firmware), SILENCE);
        host.send(&[0x55]);
    }
}

#[test]
fn what_it_does_not_know_it_says() {
    let mut host = Host::new();
    for command in [
        "ff", "01", "00", "0003", "0005", "0201", "06", "0663", "08", "086302", "0863", "12", "1400", "1405", "16",
        "32", "3203", "3201", "320500", "40", "44", "4a", "4a0000", "4a0300", "4a0105", "60", "600101", "60000100",
        "60011000", "86", "8a", "d5",
    ] {
        assert_eq!(host.ask(command), "error", "{command}");
    }
    assert_eq!(host.send(&host_frame(&[], false)), [&ACK[..], &SYNTAX_ERROR].concat());
}

#[test]
fn the_lesser_commands() {
    let mut host = Host::new();
    for (command, reply) in [
        ("04", "0500000000"),
        ("0c", "0dffffff"),
        ("0e1234", "0f"),
        ("0c", "0d1234ff"),
        ("1004", "11"),
        ("0001", "0100"),
        ("0002", "0100"),
        ("000401", "0180"),
        ("000700", "0100"),
        ("0006", "0101"),
        ("56010000", "5701"),
        ("5001ff", "5127"),
        ("5401", "5527"),
        ("4401", "4527"),
        ("5201", "5327"),
        ("4001", "4127"),
        ("4002", "4127"),
    ] {
        assert_eq!(host.ask(command), reply, "{command}");
    }
    host.chip.place(token("1"), host.now);
    host.ask("4a0100");
    assert_eq!(host.ask("04"), "050001010100001000");
    assert_eq!(host.ask("0006"), "0100");
    // To be a card itself it waits for a field that never comes.
    assert_eq!(host.hear("8c00"), (ACK.to_vec(), Duration::ZERO));
}

#[test]
fn a_whole_conversation_with_a_token() {
    let mut host = Host::with_target(token("86596220000001"));
    let info = host.transmit(INFO);
    assert!(info.starts_with("41000000000e3836353936323230303030303031") && info.ends_with("9000"), "{info}");
    let challenge = host.transmit("804b080000");
    assert_eq!(challenge.len(), 2 * (2 + 8 + 2));
    assert_eq!(host.transmit("80ce000010 00112233445566778899aabbccddeeff"), "41006983");
    assert_eq!(host.transmit("8441"), "41006700");
    assert_eq!(host.transmit(""), "41006700");
    let told = |exchange: &Exchange| HEXLOWER.encode(&exchange.command);
    assert_eq!(told(host.chip.log().last().unwrap()), "4001");
    host.chip.clear_log();
    assert_eq!(host.chip.log().count(), 0);
}

#[test]
fn sessions_end_when_a_card_is_deselected_or_loses_its_power() {
    for end in ["4400", "4401", "5200", "320100", "4a0100", "16f0", "5401"] {
        let told = Arc::default();
        let mut host = Host::with_target(Parrot(Arc::clone(&told)));
        assert_eq!(host.transmit("0002"), "41000001");
        host.ask(end);
        // An empty note is a reset.
        assert_eq!(told.lock().unwrap().last(), Some(&Vec::new()), "{end}");
    }
    let mut host = Host::with_target(token("1"));
    host.ask("4400");
    assert_eq!(host.transmit("00"), "4101");
    assert_eq!(host.ask("5401"), "5500");
    assert_eq!(host.transmit("00"), "41006700");
    host.ask("5200");
    assert_eq!(host.transmit("00"), "4127");
}

#[test]
fn long_answers_have_extended_frames_and_then_pieces() {
    let told = Arc::default();
    let mut host = Host::with_target(Parrot(Arc::clone(&told)));
    let all: Vec<u8> = (0..=255).cycle().take(0x400).collect();
    for len in [0, 1, 251, 252, 253, 256, 258, 262] {
        assert_eq!(host.transmit(&format!("{len:04x}")), format!("4100{}", HEXLOWER.encode(&all[..len])));
    }
    assert_eq!(host.transmit("020d"), format!("4140{}", HEXLOWER.encode(&all[..262])));
    assert_eq!(host.transmit(""), format!("4140{}", HEXLOWER.encode(&all[262..524])));
    assert_eq!(host.transmit(""), format!("4100{}", HEXLOWER.encode(&all[524..525])));
    // What was not fetched is forgotten with the next command.
    host.transmit("0200");
    assert_eq!(host.transmit("0001"), "410000");
    assert_eq!(host.transmit(""), "4100");
}

#[test]
fn long_commands_come_in_pieces() {
    let told = Arc::default();
    let mut host = Host::with_target(Parrot(Arc::clone(&told)));
    let piece = "00".repeat(262);
    assert_eq!(host.ask(&format!("4041{piece}")), "4100");
    assert_eq!(host.ask(&format!("4041{piece}")), "4100");
    assert_eq!(host.ask("4001ff"), "4100");
    assert_eq!(told.lock().unwrap().last().unwrap().len(), 2 * 262 + 1);
    let mut pieces = (0..).map(|_| host.ask(&format!("4041{piece}")));
    assert_eq!(pieces.position(|reply| reply == "410e"), Some(65_544 / 262));
}

#[test]
fn a_card_that_leaves_answers_no_more() {
    let mut host = Host::with_target(token("1"));
    host.chip.take_away(host.now);
    assert!(!host.chip.has_card());
    assert_eq!(host.transmit(INFO), "4101");
    assert_eq!(host.ask("42b2"), "4301");
    assert_eq!(host.ask("4041 00"), "4101");
    assert_eq!(host.ask("5401"), "5501");
    // Laid there again it was not asked yet whether it is one.
    host.chip.place(token("1"), host.now);
    assert_eq!(host.transmit(INFO), "4127");
    host.ask("4a0100");
    assert!(host.transmit(INFO).ends_with("9000"));
    host.chip.place(token("2"), host.now);
    assert_eq!(host.transmit(INFO), "4101");
}

#[test]
fn a_card_that_leaves_while_it_works_is_missed_at_once() {
    let card = Arc::new(Mutex::new(Faulty::new(token("86596220000001"))));
    let mut host = Host::with_target(Arc::clone(&card));
    card.lock().unwrap().arm(Trigger::Command(1), Fault::Slow(Duration::from_mins(10)));
    assert_eq!(host.send(&host_frame(&hex(&format!("4001{INFO}")), false)), ACK);
    host.chip.take_away(host.now);
    let next = host.chip.next_speech().unwrap();
    assert!(next - host.now < Duration::from_secs(1));
    assert_eq!(host.chip.speak(next), frame::encode(&[0x41, 0x01]));
    assert_eq!(host.chip.next_speech(), None);
}

#[test]
fn what_happens_to_cards_happens_here_too() {
    let card = Arc::new(Mutex::new(Faulty::new(token("86596220000001"))));
    let mut host = Host::with_target(Arc::clone(&card));
    let arm = |fault| card.lock().unwrap().arm(Trigger::Command(1), fault);
    arm(Fault::Slow(Duration::from_secs(2)));
    assert_eq!(host.hear(&format!("4001{INFO}")).1, Duration::from_secs(2));
    arm(Fault::StatusWord(0x6f00));
    assert_eq!(host.transmit(INFO), "41006f00");
    // Another card is another target: it answers when it was found.
    arm(Fault::Swap(token("2")));
    assert!(host.transmit(INFO).starts_with("4100"));
    assert_eq!(host.transmit(INFO), "4101");
    assert!(!host.ask("4a0100").contains("bb1a65b4"));
    assert!(host.transmit(INFO).starts_with("4100"));
    arm(Fault::Mute);
    assert_eq!(host.transmit(INFO), "4101");
    assert_eq!(host.transmit(INFO), "4101");
    card.lock().unwrap().present();
    arm(Fault::TearInside(Tear::Config));
    assert!(host.transmit(INFO).starts_with("4100"));
    arm(Fault::TearAfter);
    assert_eq!(host.transmit(INFO), "4101");
    assert!(!host.chip.has_card());
    assert_eq!(Arc::strong_count(&card), 1);
}

#[test]
fn identifiers_are_asked_for_with_their_cascade_tags() {
    let uid = "046f6174686200";
    let found = format!("4b0101004420 07{uid}0578774102").replace(' ', "");
    let mut host = Host::with_card(Foreign::named("fido").unwrap());
    assert_eq!(host.ask("4a0100"), found);
    assert_eq!(host.ask(&format!("4a010088{uid}")), found);
    assert_eq!(host.ask("4a0100880101010101010101"), "4b00");
    // Without ATS when it is not to be asked for; and then there is nobody who understands APDUs.
    assert_eq!(host.ask("1204"), "13");
    assert_eq!(host.ask("4a0100"), &found[..found.len() - 10]);
    assert_eq!(host.transmit("00a40400"), "4101");
}

#[test]
fn a_search_without_end_ends_when_a_card_comes() {
    for (search, found) in [("4a0100", "4b0101"), ("60ff0110", "61011009"), ("60140200201011", "6101000e")] {
        let mut host = Host::new();
        host.ask("3205ffffff");
        assert_eq!(host.send(&host_frame(&hex(search), false)), ACK);
        let start = host.now;
        host.now += Duration::from_secs(1);
        assert_eq!(host.chip.speak(host.now), SILENCE);
        host.chip.place(token("1"), host.now);
        let said = HEXLOWER.encode(&host.chip.speak(host.now));
        assert_eq!(said.find(found), Some(12), "{search}: {said} after {:?}", host.now - start);
    }
    // Or when the host has enough of it.
    for end in [ACK.to_vec(), host_frame(&[0x02], false)] {
        let mut host = Host::new();
        host.ask("3205ffffff");
        host.send(&host_frame(&hex("4a0100"), false));
        host.send(&end);
        host.chip.place(token("1"), host.now);
        assert_eq!(host.chip.next_speech(), None);
    }
    let mut host = Host::new();
    // Two rounds of three types of four periods of 150 ms each.
    let (said, time) = host.hear("600204 202311");
    assert_eq!((said[6..].to_vec(), time), (frame::encode(&[0x61, 0]), Duration::from_millis(2 * 3 * 4 * 150)));
    // Of kinds that our cards are not.
    host.chip.place(token("1"), host.now);
    assert_eq!(host.ask("6001012311"), "6100");
}

#[test]
fn a_new_command_drops_the_reply_to_the_one_before() {
    let mut host = Host::new();
    host.chip.arm(Trigger::Command(1), ChipFault::Slow(Duration::from_secs(1)));
    assert_eq!(host.send(&host_frame(&[0x02], false)), ACK);
    assert_eq!(host.ask("1214"), "13");
    assert_eq!(host.chip.next_speech(), None);
    // The last reply can be had again.
    assert_eq!(host.send(&frame::NACK), frame::encode(&[0x13]));
}

#[test]
fn each_fault_of_the_chip() {
    let reply = frame::encode(&hex("0332010607"));
    let changed = |at: usize| {
        let mut reply = reply.clone();
        reply[at] ^= 0x55;
        [&ACK[..], &reply].concat()
    };
    let long = [&ACK[..], &reply, &[1, 2]].concat();
    for (fault, said) in [
        (ChipFault::NoReply, ACK.to_vec()),
        (ChipFault::LengthChecksum, changed(4)),
        (ChipFault::DataChecksum, changed(reply.len() - 2)),
        (ChipFault::Nack, frame::NACK.to_vec()),
        (ChipFault::ErrorFrame, [&ACK[..], &SYNTAX_ERROR].concat()),
        (ChipFault::Truncated(7), [&ACK[..], &reply[..7]].concat()),
        (ChipFault::Extra(vec![1, 2]), long),
        (ChipFault::Noise(vec![1, 2]), [&ACK[..], &[1, 2], &reply].concat()),
        (ChipFault::Data(vec![0xff]), [&ACK[..], &frame::encode(&[0x03, 0xff])].concat()),
        (ChipFault::Slow(Duration::from_secs(9)), [&ACK[..], &reply].concat()),
        (ChipFault::Mute, vec![]),
    ] {
        let mut host = Host::new();
        host.chip.arm(Trigger::Instruction(0x02), fault.clone());
        assert_eq!((host.ask("1214"), host.chip.armed()), ("13".into(), 1));
        assert_eq!(host.hear("02").0, said, "{fault:?}");
        assert_eq!(host.chip.armed(), 0);
        assert_eq!(host.hear("1214").0.is_empty(), fault == ChipFault::Mute);
        host.chip.disarm();
        assert_eq!(host.ask("1214"), "13");
    }
    // Several at once, in the order of a line that is really bad.
    let mut host = Host::new();
    for fault in [ChipFault::Truncated(2), ChipFault::DataChecksum, ChipFault::LengthChecksum] {
        host.chip.arm(Trigger::Command(1), fault);
    }
    assert_eq!(host.hear("02").0.len(), ACK.len() + 2);
}

#[test]
fn a_vanished_port_is_silent_until_it_is_plugged_in_again() {
    let mut host = Host::with_target(token("1"));
    host.chip.arm(Trigger::Command(2), ChipFault::Vanish);
    assert!(host.transmit(INFO).starts_with("4100"));
    assert_eq!(host.hear(&format!("4001{INFO}")).0, SILENCE);
    assert_eq!(host.send(&[0x55]), SILENCE);
    assert!(host.chip.has_vanished() && host.chip.has_card());
    host.chip.reset();
    host.send(&[0x55]);
    assert_eq!(host.transmit(INFO), "4127");
    assert!(host.ask("4a0100").starts_with("4b01"));
}

/// Every command of a burn's length, torn before and after its execution.
#[test]
fn a_card_can_be_torn_away_at_every_frame() {
    let commands = ["4a0100", "42b2", "4001 8041000002 0211", "4001 804b080000", "4400", "4a0100", "4001 804b080000"];
    for at in 1..=commands.len() {
        for fault in [ChipFault::TearBefore, ChipFault::TearAfter] {
            let card = Arc::new(Mutex::new(Faulty::new(token("1"))));
            let mut host = Host::with_card(Arc::clone(&card));
            host.chip.arm(Trigger::Command(u32::try_from(at).unwrap()), fault.clone());
            let replies: Vec<_> = commands.iter().map(|command| host.ask(command)).collect();
            assert!(!host.chip.has_card() && host.chip.armed() == 0, "{at}");
            // What came before is as ever; after it no card contributes anything.
            assert!(replies[..at - 1].iter().all(|reply| !reply.starts_with("4b00") && !reply.ends_with("01")));
            let after: Vec<_> = replies[at..].iter().map(|reply| &reply[..4]).collect();
            assert!(after.iter().all(|reply| ["4b00", "4301", "4101", "4127", "4500"].contains(reply)), "{after:?}");
            let executed = card.lock().unwrap().log().count();
            let sent = commands[..at].iter().filter(|command| command.starts_with("4001")).count();
            let lost = commands[at - 1].starts_with("4001") && fault == ChipFault::TearBefore;
            assert_eq!(executed, sent - usize::from(lost), "{at} {fault:?}");
        }
    }
}

fn any_fault() -> impl Strategy<Value = ChipFault> {
    prop_oneof![
        Just(ChipFault::NoReply),
        Just(ChipFault::LengthChecksum),
        Just(ChipFault::DataChecksum),
        Just(ChipFault::TearBefore),
        Just(ChipFault::TearAfter),
        (0_usize..20).prop_map(ChipFault::Truncated),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(ChipFault::Noise),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(ChipFault::Extra),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(ChipFault::Data),
    ]
}

proptest! {
    #[test]
    fn any_commands_are_survived(
        commands in prop::collection::vec((0_u8..0x62, prop::collection::vec(any::<u8>(), 0..264)), 1..60),
        faults in prop::collection::vec((1_u32..60, any_fault()), 0..5),
    ) {
        let mut host = Host::with_card(token("86596220000001"));
        for (at, fault) in faults {
            host.chip.arm(Trigger::Command(at), fault);
        }
        for (code, data) in commands {
            // Where cards are talked to, mostly in the right form.
            let data = match code {
                0x40..=0x44 => [&[0x01], &data[..]].concat(),
                0x4a => vec![1, 0],
                _ => data,
            };
            let command: String = HEXLOWER.encode(&[&[code & !1], &data[..data.len().min(263)]].concat());
            host.hear(&command);
            prop_assert!(host.chip.outbox.is_empty() && host.chip.registers.len() <= 0x1_0000);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut host = Host::with_target(token("86596220000001"));
        host.send(&bytes);
        host.chip.speak(host.now + Duration::from_hours(1));
    }

    #[test]
    fn a_corrupted_byte_gets_no_wrong_reply(at in 0_usize..24, to: u8) {
        let frame = host_frame(&hex(&format!("4001{INFO}")), false);
        let mut host = Host::with_target(token("86596220000001"));
        let mut bad = frame.clone();
        let at = at % frame.len();
        bad[at] = to;
        let said = host.send(&bad);
        if at == 0 && to == 0xff {
            // With a zero from before it is the start code of an ACK frame.
            prop_assert_eq!(said, SILENCE);
        } else if at == 0 || at == frame.len() - 1 || bad == frame {
            // Before the start code and after the checksum nothing counts.
            prop_assert!(said.starts_with(&ACK));
        } else {
            prop_assert_eq!(said, SILENCE);
        }
    }
}
