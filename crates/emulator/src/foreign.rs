//! Cards that are not tokens we program, for tests of what else people put on a reader.
//!
//! Each knows the SELECT of its applications (ISO/IEC 7816-4, section 11.1.1) and nothing else.

use crate::{Activation, Card, Reply};

/// An application: its identifier and what SELECT answers, without the status word.
type Application = (&'static [u8], &'static [u8]);

/// A kind of card that is recognised by the applications it answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    name: &'static str,
    applications: &'static [Application],
}

/// FIDO over NFC (CTAP 2, section 11.3): SELECT answers the version as text.
const FIDO: Application = (&[0xa0, 0x00, 0x00, 0x06, 0x47, 0x2f, 0x00, 0x01], b"U2F_V2");

/// An OATH applet: version 5.4.3 (tag 79), device id (tag 71).
const OATH: Application = (
    &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01],
    &[0x79, 3, 5, 4, 3, 0x71, 8, 0x6f, 0x61, 0x74, 0x68, 0x62, 0x75, 0x72, 0x6e],
);

/// An NFC Forum type 4 tag: its NDEF application.
const NDEF: Application = (&[0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01], &[]);

/// A payment card (EMV book 1, section 11.3): the environment with an empty directory.
const PAYMENT: Application = (
    b"2PAY.SYS.DDF01",
    &[
        0x6f, 23, 0x84, 14, 0x32, 0x50, 0x41, 0x59, 0x2e, 0x53, 0x59, 0x53, 0x2e, 0x44, 0x44, 0x46, 0x30, 0x31, 0xa5,
        5, 0xbf, 0x0c, 2, 0x61, 0,
    ],
);

/// A ticket of public transport: the application of a MIFARE `DESFire` card.
const DESFIRE: Application = (&[0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x00], &[]);

static FOREIGN: [Foreign; 7] = [
    Foreign { name: "fido", applications: &[FIDO] },
    Foreign { name: "oath", applications: &[OATH] },
    Foreign { name: "security-key", applications: &[FIDO, OATH] },
    Foreign { name: "ndef", applications: &[NDEF] },
    Foreign { name: "payment", applications: &[PAYMENT] },
    Foreign { name: "transit", applications: &[DESFIRE] },
    Foreign { name: "dumb", applications: &[] },
];

const NOT_FOUND: u16 = 0x6a82;
const UNKNOWN_INSTRUCTION: u16 = 0x6d00;

impl Foreign {
    /// All kinds.
    pub fn all() -> &'static [Self] {
        &FOREIGN
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        FOREIGN.iter().find(|kind| kind.name == name).copied()
    }

    /// Its name: `fido`, `oath`, `security-key` (both of them), `ndef`, `payment`, `transit`
    /// or `dumb`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What SELECT by name answers; `None` for commands that are no such SELECT, and on a card without applications.
    fn select(&self, command: &[u8]) -> Option<Reply> {
        let [0x00, 0xa4, 0x04, _, length, rest @ ..] = command else { return None };
        let asked = rest.get(..usize::from(*length)).filter(|_| !self.applications.is_empty())?;
        // A leading part of the identifier is enough, as in ISO/IEC 7816-4, section 11.1.1.
        let found = self.applications.iter().find(|(identifier, _)| !asked.is_empty() && identifier.starts_with(asked));
        Some(match found {
            Some((_, answer)) => Reply::Answer([answer, &[0x90, 0x00][..]].concat()),
            None => Reply::status(NOT_FOUND),
        })
    }
}

impl Card for Foreign {
    fn activation(&self) -> Activation {
        // Seven bytes, as most of these cards have them; the first one names a manufacturer.
        let kind = FOREIGN.iter().position(|kind| kind == self).and_then(|at| u8::try_from(at).ok()).unwrap_or(0xff);
        Activation::new(&[0x04, 0x6f, 0x61, 0x74, 0x68, 0x62, kind])
    }

    fn reset(&mut self) {}

    fn transmit(&mut self, command: &[u8]) -> Reply {
        self.select(command).unwrap_or_else(|| Reply::status(UNKNOWN_INSTRUCTION))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn talk(name: &str, command: &str) -> String {
        match Foreign::named(name).unwrap().transmit(&HEXLOWER.decode(command.as_bytes()).unwrap()) {
            Reply::Answer(answer) => HEXLOWER.encode(&answer),
            _ => panic!("no answer"),
        }
    }

    #[test]
    fn each_answers_its_own_application_only() {
        let selects = [
            ("fido", "00a4040008a0000006472f000100", "5532465f56329000"),
            ("oath", "00a4040007a000000527210100", "790305040371086f6174686275726e9000"),
            ("ndef", "00a4040007d276000085010100", "9000"),
            ("transit", "00a4040007d276000085010000", "9000"),
            (
                "payment",
                "00a404000e325041592e5359532e444446303100",
                "6f17840e325041592e5359532e4444463031a505bf0c0261009000",
            ),
        ];
        for kind in Foreign::all() {
            for (name, select, answer) in selects {
                let expected = match kind.name() {
                    "dumb" => "6d00",
                    own if own == name => answer,
                    "security-key" if name == "fido" || name == "oath" => answer,
                    _ => "6a82",
                };
                assert_eq!(talk(kind.name(), select), expected, "{} asked for {name}", kind.name());
            }
            assert_eq!(talk(kind.name(), "80410000020211"), "6d00");
            assert_eq!(talk(kind.name(), ""), "6d00");
            assert_eq!(talk(kind.name(), "00a40400ff"), "6d00");
        }
        assert!(Foreign::named("token2-single").is_none());
    }
}
