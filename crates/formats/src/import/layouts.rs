//! The columns of files: which there are, and what they mean.

use oathburn_oath::{Algorithm, TimeStep};

use crate::import::Sink;
use crate::import::columns::{Head, Headed, Ordered};
use crate::import::draft::{Meaning, Notation};
use crate::import::text::Text;
use crate::{FormatError, Kind, Unsaid};

/// SHA-1, six digits, 30 s.
const TOTP_30: Unsaid = Unsaid { kind: Some(Kind::Totp), step: Some(TimeStep::S30), ..Unsaid::NOTHING };

/// Microsoft Entra's list of tokens, which factories deliver, too, then without users or without their column.
pub(crate) static ENTRA: Headed = Headed {
    heads: &[
        Head { names: &["upn", "userprincipalname", "username"], title: "upn", meaning: Meaning::Upn, required: false },
        Head {
            names: &["serialnumber", "serial", "serialno"],
            title: "serial number",
            meaning: Meaning::Serial,
            required: true,
        },
        Head {
            names: &["secretkey", "secret", "seed"],
            title: "secret key",
            meaning: Meaning::Seed(Notation::Base32),
            required: true,
        },
        Head {
            names: &["timeinterval", "timeintervalinseconds", "timestep"],
            title: "time interval",
            meaning: Meaning::Step,
            required: true,
        },
        Head { names: &["manufacturer"], title: "manufacturer", meaning: Meaning::Manufacturer, required: false },
        Head { names: &["model"], title: "model", meaning: Meaning::Model, required: false },
        Head {
            names: &["hashfunction", "algorithm", "hash"],
            title: "hash function",
            meaning: Meaning::Algorithm,
            required: false,
        },
    ],
    usual: TOTP_30,
    steps: &[30, 60],
};

/// The columns with everything in them that we write ourselves.
pub(crate) static GENERIC: Headed = Headed {
    heads: &[
        Head { names: &["serial"], title: "serial", meaning: Meaning::Serial, required: false },
        Head { names: &["manufacturer"], title: "manufacturer", meaning: Meaning::Manufacturer, required: false },
        Head { names: &["model"], title: "model", meaning: Meaning::Model, required: false },
        Head { names: &["upn"], title: "upn", meaning: Meaning::Upn, required: false },
        Head { names: &["issuer"], title: "issuer", meaning: Meaning::Issuer, required: false },
        Head { names: &["type"], title: "type", meaning: Meaning::Kind, required: true },
        Head { names: &["algorithm"], title: "algorithm", meaning: Meaning::Algorithm, required: true },
        Head { names: &["digits"], title: "digits", meaning: Meaning::Digits, required: true },
        Head { names: &["timestep"], title: "time_step", meaning: Meaning::Step, required: false },
        Head { names: &["counter"], title: "counter", meaning: Meaning::Counter, required: false },
        Head {
            names: &["secretbase32"],
            title: "secret_base32",
            meaning: Meaning::Seed(Notation::Base32),
            required: true,
        },
    ],
    usual: Unsaid::NOTHING,
    steps: &[],
};

/// `CyberArk` Identity, which was Idaptive and Centrify.
pub(crate) static CYBERARK: Headed = Headed {
    heads: &[
        Head {
            names: &["userprinciplename", "userprincipalname"],
            title: "User Principle Name",
            meaning: Meaning::Upn,
            required: false,
        },
        Head { names: &["tokenidentifier"], title: "Token Identifier", meaning: Meaning::Serial, required: true },
        Head {
            names: &["secretkeyhex"],
            title: "Secret Key (HEX)",
            meaning: Meaning::Seed(Notation::Hex),
            required: true,
        },
        Head { names: &["issuer"], title: "Issuer", meaning: Meaning::Issuer, required: false },
    ],
    usual: TOTP_30,
    steps: &[],
};

/// Duo and `PingID`: the kind of token is chosen where the file is uploaded.
pub(crate) static SERIAL_HEX: Ordered = Ordered {
    columns: &[
        ("serial", Meaning::Serial),
        ("secret", Meaning::Seed(Notation::Hex)),
        ("time step or counter", Meaning::StepOrCounter),
    ],
    required: 2,
    usual: TOTP_30,
};

/// The same for tokens that count.
pub(crate) static SERIAL_HEX_COUNTER: Ordered = Ordered {
    columns: &[("serial", Meaning::Serial), ("secret", Meaning::Seed(Notation::Hex)), ("counter", Meaning::Counter)],
    required: 2,
    usual: Unsaid { kind: Some(Kind::Hotp), ..Unsaid::NOTHING },
};

/// Protectimus, which does not say how it writes seeds, nor how their codes are made.
pub(crate) static PROTECTIMUS: Ordered = Ordered {
    columns: &[("serialNumber", Meaning::Serial), ("secret", Meaning::Seed(Notation::Either))],
    required: 2,
    usual: Unsaid::NOTHING,
};

/// `NetIQ` Advanced Authentication.
pub(crate) static NETIQ: Ordered = Ordered {
    columns: &[
        ("serial", Meaning::Serial),
        ("seed", Meaning::Seed(Notation::Hex)),
        ("type", Meaning::Kind),
        ("digits", Meaning::Digits),
        ("step", Meaning::Step),
    ],
    required: 2,
    usual: Unsaid { kind: Some(Kind::Hotp), step: Some(TimeStep::S30), ..Unsaid::NOTHING },
};

static LINOTP: Ordered = Ordered {
    columns: &[
        ("serial", Meaning::Serial),
        ("key", Meaning::Seed(Notation::Hex)),
        ("type", Meaning::Kind),
        ("digits", Meaning::Digits),
        ("step", Meaning::Step),
        ("hash", Meaning::Algorithm),
    ],
    required: 2,
    usual: Unsaid { kind: Some(Kind::Hotp), step: Some(TimeStep::S30), ..Unsaid::NOTHING },
};

/// `LinOTP`: without a hash in the row, the length of the seed says it.
pub(crate) fn linotp(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    LINOTP.read_with(text, unsaid, sink, |draft| {
        draft.algorithm = draft.algorithm.or(match draft.seed.as_ref().map(oathburn_oath::Seed::len) {
            Some(32) => Some(Algorithm::Sha256),
            Some(64) => Some(Algorithm::Sha512),
            _ => None,
        });
    })
}
