//! privacyIDEA's "OATH CSV": no header; in version 2 with the user before the token.

use oathburn_oath::{Algorithm, OathError, Seed, TimeStep};

use crate::import::columns::Ordered;
use crate::import::draft::{self, Draft, Meaning, Notation};
use crate::import::records::{Record, Records};
use crate::import::text::{Lines, Text, unreadable};
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, Kind, Problem, Row, Unsaid};

const COLUMNS: Ordered = Ordered {
    columns: &[
        ("serial", Meaning::Serial),
        ("seed", Meaning::Seed(Notation::Hex)),
        ("type", Meaning::Kind),
        ("otplen", Meaning::Digits),
        ("timestep or counter", Meaning::StepOrCounter),
    ],
    required: 2,
    usual: Unsaid { kind: Some(Kind::Hotp), step: Some(TimeStep::S30), ..Unsaid::NOTHING },
};

/// Columns of version 2 before the token's own: user name, resolver, realm.
const USER_COLUMNS: usize = 3;

/// Which version a file is: a comment in its first line says it.
pub(crate) fn version(head: &[u8]) -> Option<&'static str> {
    let mut lines = Lines::new(Text::new(head));
    let (_, first) = lines.next()?.ok()?;
    let comment = first.trim().strip_prefix('#')?;
    let (name, version) = comment.split_once(':')?;
    (name.trim().eq_ignore_ascii_case("version")).then(|| if version.trim() == "2" { "2" } else { "1" })
}

/// Hands over the rows of a text.
pub(crate) fn read(mut text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    let head = text.head().map_err(|error| unreadable(&error))?;
    let skipped = if version(head) == Some("2") { USER_COLUMNS } else { 0 };
    let mut records = Records::new(text, b',', true);
    while let Some(record) = records.next() {
        let flow = match record {
            Err((line, error)) => refuse(sink, line, Problem::new(error)),
            Ok(record) if record.is_blank() => continue,
            Ok(record) => sink(Row { line: record.line, outcome: row(&record, skipped, unsaid) }),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn row(record: &Record<'_>, skipped: usize, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    // A type of codes that we do not know has other columns behind it.
    let kind = record.cell(skipped + 2).unwrap_or_default();
    if !kind.is_empty() {
        draft::kind(kind).map_err(|error| Problem::new(error).in_column("type"))?;
    }
    let mut draft = COLUMNS.draft(record, skipped, unsaid)?;
    draft.algorithm = Some(implied(&draft).map_err(|error| Problem::new(error).in_column("seed"))?);
    if skipped > 0 {
        let user = record.cell(0).unwrap_or_default();
        draft.take(Meaning::Upn, user, unsaid).map_err(|error| Problem::new(error).in_column("username"))?;
    }
    draft.package(unsaid, &COLUMNS.usual)
}

/// What privacyIDEA itself takes the hash to be: it goes by the length of the seed.
fn implied(draft: &Draft) -> Result<Algorithm, FormatError> {
    match draft.seed.as_ref().map(Seed::len) {
        // SHA-224 and SHA-384, which no other product has.
        Some(28 | 48) => Err(OathError::Algorithm.into()),
        Some(32) => Ok(Algorithm::Sha256),
        Some(64) => Ok(Algorithm::Sha512),
        _ => Ok(Algorithm::Sha1),
    }
}
