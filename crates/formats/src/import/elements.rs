//! Lists of tokens in XML: `SafeNet` (Aladdin), `DualShield`, Sophos.

use oathburn_oath::{Algorithm, TimeStep};

use crate::import::Sink;
use crate::import::draft::{Draft, Meaning, Notation};
use crate::import::text::Text;
use crate::import::xml::{Fields, Shape, records};
use crate::{FormatError, KeyPackage, Kind, Problem, Row, Unsaid};

/// Reads each record and hands over what `package` makes of it.
fn each(
    text: Text<'_>,
    shape: &Shape,
    sink: Sink<'_>,
    package: impl Fn(&Fields, &Fields) -> Result<KeyPackage, Problem>,
) -> Result<(), FormatError> {
    let mut any = false;
    records(text, shape, &mut |line, header, fields| {
        any = true;
        sink(Row { line, outcome: package(header, &fields) })
    })?;
    if any { Ok(()) } else { Err(FormatError::FileEmpty) }
}

fn take<const N: usize>(fields: [(&'static str, Meaning, &str); N], unsaid: &Unsaid) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    for (name, meaning, text) in fields {
        let needed = matches!(meaning, Meaning::Seed(_) | Meaning::Serial);
        if needed && text.is_empty() {
            return Err(Problem::new(FormatError::CellMissing { column: name }).in_column(name));
        }
        draft.take(meaning, text, unsaid).map_err(|error| Problem::new(error).in_column(name))?;
    }
    Ok(draft)
}

/// `SafeNet` and Aladdin: counted tokens; the hash goes by the length of the seed.
pub(crate) fn safenet(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    let shape = Shape { root: "tokens", record: "token", header: None };
    each(text, &shape, sink, |_, token| {
        let fields = [
            ("serial", Meaning::Serial, token.text("serial")),
            ("ProductName", Meaning::Model, token.text("productname")),
            ("Seed", Meaning::Seed(Notation::Hex), token.text("seed")),
            ("MovingFactor", Meaning::Counter, token.text("movingfactor")),
        ];
        let mut draft = take(fields, unsaid)?;
        let sha256 = draft.seed.as_ref().is_some_and(|seed| seed.len() == 32);
        draft.algorithm = unsaid.algorithm.or(sha256.then_some(Algorithm::Sha256));
        draft.package(unsaid, &Unsaid { kind: Some(Kind::Hotp), step: Some(TimeStep::S30), ..Unsaid::NOTHING })
    })
}

/// Deepnet's `DualShield`: what holds for all tokens stands in a header.
pub(crate) fn dualshield(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    let shape = Shape { root: "data", record: "token", header: Some("header") };
    each(text, &shape, sink, |header, token| {
        if !matches!(header.text("encrypt").to_ascii_lowercase().as_str(), "" | "none") {
            return Err(Problem::new(FormatError::SeedsEncrypted).in_column("encrypt"));
        }
        let notation = match header.text("encode").to_ascii_lowercase().as_str() {
            "hex" => Notation::Hex,
            "base64" => Notation::Base64,
            "base32" => Notation::Base32,
            _ => return Err(Problem::new(FormatError::EncodingUnknown).in_column("encode")),
        };
        // A token without a time window counts.
        let window = header.text("timewindow");
        let kind = if matches!(window, "" | "0") { None } else { Some(Kind::Totp) };
        let fields = [
            ("manufacturerCode", Meaning::Manufacturer, header.text("manufacturercode")),
            ("productCode", Meaning::Model, header.text("productcode")),
            ("digits", Meaning::Digits, header.text("digits")),
            ("timeWindow", Meaning::Step, if kind.is_some() { window } else { "" }),
            ("crypto", Meaning::Algorithm, header.text("crypto")),
            ("serial", Meaning::Serial, token.text("serial")),
            ("seed", Meaning::Seed(notation), token.text("seed")),
            ("counter", Meaning::Counter, token.text("counter")),
        ];
        let mut draft = take(fields, unsaid)?;
        draft.kind = kind.or(draft.counter.is_some().then_some(Kind::Hotp));
        draft.package(unsaid, &Unsaid::NOTHING)
    })
}

/// The tokens of Sophos Firewall, as its API takes them.
pub(crate) fn sophos(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    // Requests have envelopes; the token alone is a document, too.
    let shape = Shape { root: "otptokens", record: "otptokens", header: None };
    each(text, &shape, sink, |_, token| {
        let fields = [
            ("tokenid", Meaning::Serial, token.text("tokenid")),
            ("secret", Meaning::Seed(Notation::Hex), token.text("secret")),
            ("timeStep", Meaning::Step, token.text("timestep")),
            ("algorithm", Meaning::Algorithm, token.text("algorithm")),
            ("user", Meaning::Upn, token.text("user")),
        ];
        take(fields, unsaid)?.package(unsaid, &Unsaid { step: Some(TimeStep::S30), ..Unsaid::NOTHING })
    })
}
