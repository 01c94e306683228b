//! Batches over the real libnfc and an emulated PN532.

use std::collections::BTreeSet;

use oathburn_emulator::LabOptions;

use crate::hands::{Batch, Hands, all_is_right, tokens};
use crate::support::Desk;

#[test]
fn readers_of_both_kinds_burn_one_list() {
    let desk = Desk::with(LabOptions { readers: 1, nfc: 1 });
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let names = [format!("pcsc:{}", desk.lab().reader_names()[0]), format!("libnfc:{}", desk.lab().connstrings()[0])];
    let arguments = ["run", "--count", "6", "--yes", "--reader", &names[0], "--reader", &names[1]];
    let mut hands = Hands::new(&desk, tokens(6));
    let mut batch = Batch::start(&desk, &arguments);
    // The first token that comes after another one on the chip slips once.
    let mut torn = None;
    while let Some(event) = batch.next() {
        hands.obey(&event, &mut |reader, serial| {
            if reader == "nfc0" && torn.is_none() {
                desk.lab().fault(reader, "tear-after ins=C5").unwrap();
                torn = Some(serial.to_owned());
            }
        });
    }
    let (code, summary, heard) = batch.finish();
    assert_eq!((code, &summary["done"]), (0, &6.into()), "{heard:#?}");
    let of = |name: &'static str| heard.iter().filter(move |event| event["event"] == name);
    let readers: BTreeSet<_> = of("done").map(|event| event["reader"].as_str().unwrap()).collect();
    assert_eq!(readers, names.iter().map(String::as_str).collect());
    let broken: Vec<_> = of("broken").collect();
    assert_eq!(broken.len(), 1, "{broken:#?}");
    assert_eq!(broken[0]["serial"].as_str(), torn.as_deref());
    let line = |serial: &str| of("done").find(|event| event["serial"] == serial).unwrap()["line"].clone();
    assert_eq!(line(torn.as_deref().unwrap()), broken[0]["line"]);
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}

#[test]
fn a_reader_that_is_unplugged_is_waited_for() {
    let desk = Desk::over_libnfc();
    let mut batch = Batch::start(&desk, &["run", "--count", "2", "--yes"]);
    batch.wait_for("waiting");
    desk.lab().chip("nfc0", "unplug").unwrap();
    // While it was asked, or between two times.
    let away = batch.wait_for("reader-away");
    assert!(["reader-lost", "reader-missing"].contains(&away["error"]["code"].as_str().unwrap()), "{away}");
    desk.lab().chip("nfc0", "plug").unwrap();
    desk.lab().insert("nfc0", "token2-single serial=8659622000001").unwrap();
    batch.wait_for("done");
    batch.wait_for("take-off");
    desk.lab().remove("nfc0").unwrap();
    batch.wait_for("waiting");
    // Once more, in the middle of a burn: the seed was written, and nobody heard that.
    desk.lab().command("log nfc0 clear").unwrap();
    desk.lab().fault("nfc0", "slow ms=600000 ins=C5").unwrap();
    desk.lab().insert("nfc0", "token2-single serial=8659622000002").unwrap();
    while !desk.lab().log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("84c5")) {
        std::thread::yield_now();
    }
    desk.lab().chip("nfc0", "unplug").unwrap();
    assert_eq!(batch.wait_for("broken")["line"], 2);
    batch.wait_for("reader-away");
    desk.lab().chip("nfc0", "plug").unwrap();
    assert_eq!(batch.wait_for("done")["line"], 2);
    let (code, summary, _) = batch.finish();
    assert_eq!(code, 0);
    all_is_right(&desk, summary["batch"].as_str().unwrap());
}
