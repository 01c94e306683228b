//! Naming what else people put on a reader, by harmless SELECTs only.

use crate::{Body, Command, StatusWord, TokenError, Transport, exchange};

/// An application that answers to its name (ISO/IEC 7816-4, section 8.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applet {
    /// The name in JSON.
    pub name: &'static str,
    /// What people call a card that has it.
    pub kind: &'static str,
    aid: &'static [u8],
}

/// The applications that are asked for, the most telling first.
const APPLETS: &[Applet] = &[
    // CTAP 2.1, section 11.3.3.
    Applet { name: "fido", kind: "security-key", aid: b"\xa0\x00\x00\x06\x47\x2f\x00\x01" },
    // Yubico's OATH protocol.
    Applet { name: "oath", kind: "security-key", aid: b"\xa0\x00\x00\x05\x27\x21\x01" },
    // OpenPGP card 3.4, section 4.2.1.
    Applet { name: "openpgp", kind: "security-key", aid: b"\xd2\x76\x00\x01\x24\x01" },
    // NIST SP 800-73-4, part 1, section 2.2.
    Applet { name: "piv", kind: "smart-card", aid: b"\xa0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00" },
    // EMV contactless, book B: the directory of payment applications.
    Applet { name: "payment", kind: "payment-card", aid: b"2PAY.SYS.DDF01" },
    // ICAO doc 9303, part 10: the eMRTD application.
    Applet { name: "passport", kind: "travel-document", aid: b"\xa0\x00\x00\x02\x47\x10\x01" },
    // MIFARE DESFire, the usual ticket in public transport.
    Applet { name: "desfire", kind: "transit-card", aid: b"\xd2\x76\x00\x00\x85\x01\x00" },
    // NFC Forum Type 4 tag, section 5.1.
    Applet { name: "ndef", kind: "ndef-tag", aid: b"\xd2\x76\x00\x00\x85\x01\x01" },
];

/// A card that is no programmable token of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignCard {
    /// `security-key`, `payment-card`, …; `unknown-card` when nothing answered.
    pub kind: &'static str,
    /// The applications that answered.
    pub applets: Vec<&'static str>,
}

/// Asks a card that no family knows what it is, by SELECT, which changes nothing and spends no try.
pub fn name_foreign(transport: &mut dyn Transport) -> Result<ForeignCard, TokenError> {
    let mut found: Vec<&Applet> = Vec::new();
    for applet in APPLETS {
        let body = Body::Plain(applet.aid.to_vec());
        let select = Command { name: "SELECT", header: [0x00, 0xa4, 0x04, 0x00], body, ne: Some(0) };
        let response = exchange(transport, &select)?;
        if response.status == StatusWord::DONE {
            found.push(applet);
        }
    }
    let kind = found.first().map_or("unknown-card", |applet| applet.kind);
    // A card that takes every name has told nothing.
    if found.len() == APPLETS.len() {
        return Ok(ForeignCard { kind: "unknown-card", applets: Vec::new() });
    }
    Ok(ForeignCard { kind, applets: found.into_iter().map(|applet| applet.name).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TransportError;

    /// Answers 9000 to the names it has, keeps what was sent.
    struct Card(fn(&[u8]) -> bool, Vec<Vec<u8>>);

    impl Transport for Card {
        fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
            self.1.push(c_apdu.to_vec());
            let aid = &c_apdu[5..c_apdu.len() - 1];
            Ok(if (self.0)(aid) { vec![0x6f, 0, 0x90, 0] } else { vec![0x6a, 0x82] })
        }
    }

    #[test]
    fn cards_are_named_by_what_they_select() {
        let name = |has| name_foreign(&mut Card(has, vec![])).unwrap();
        let key = name(|aid| aid[..4] == [0xa0, 0, 0, 6] || aid[..4] == [0xa0, 0, 0, 5]);
        assert_eq!(key, ForeignCard { kind: "security-key", applets: vec!["fido", "oath"] });
        assert_eq!(name(|aid| aid.starts_with(b"2PAY")).kind, "payment-card");
        assert_eq!(name(|_| false), ForeignCard { kind: "unknown-card", applets: vec![] });
        assert_eq!(name(|_| true).kind, "unknown-card");
    }

    #[test]
    fn nothing_but_questions_is_sent() {
        let mut card = Card(|_| false, vec![]);
        name_foreign(&mut card).unwrap();
        assert!(card.1.iter().all(|command| command.starts_with(&[0x00, 0xa4, 0x04, 0x00])));
        assert_eq!(card.1.len(), APPLETS.len());
    }
}
