//! Lists of key URIs, one a line: `otpauth://…`, and the `otpauth-migration://…` of Google Authenticator.

use std::ops::ControlFlow;

use oathburn_oath::TimeStep;

use crate::import::draft::{Draft, sound};
use crate::import::migration::{Part, Parts};
use crate::import::text::{Lines, Text};
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, KeyUri, Kind, Look, Problem, Row, Unsaid, look};

/// What a URI leaves out is said by its format, not by the caller.
const USUAL: Unsaid = Unsaid { step: Some(TimeStep::S30), ..Unsaid::NOTHING };

/// Hands over the tokens of a list.
pub(crate) fn read(text: Text<'_>, sink: Sink<'_>) -> Result<(), FormatError> {
    let mut lines = Lines::new(text);
    let mut parts = Parts::default();
    while let Some(line) = lines.next() {
        let flow = match line {
            Err((line, error)) => refuse(sink, line, Problem::new(error)),
            Ok((_, text)) if text.trim().is_empty() || text.trim_start().starts_with('#') => continue,
            Ok((line, text)) => uri(line, text.trim(), &mut parts, sink),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    match parts.missing() {
        Some((missing, parts)) => Err(FormatError::MigrationPart { missing, parts }),
        None => Ok(()),
    }
}

fn uri(line: u64, text: &str, parts: &mut Parts, sink: Sink<'_>) -> ControlFlow<()> {
    match look(text) {
        Look::TotpUri | Look::HotpUri => sink(Row { line, outcome: package(text) }),
        Look::MigrationUri => match Part::parse(text) {
            Err(error) => refuse(sink, line, Problem::new(error)),
            // The same part twice is one part: screenshots are made twice.
            Ok(part) if !parts.add(&part) => ControlFlow::Continue(()),
            Ok(part) => part.accounts.into_iter().zip(1..).try_for_each(|(account, place): (_, u32)| {
                let named = |problem: Problem| problem.in_column(&format!("account {place}"));
                let draft = account.map_err(Problem::new);
                let outcome = draft.and_then(|draft| draft.package(&USUAL, &USUAL)).map_err(named);
                sink(Row { line, outcome })
            }),
        },
        Look::OtherOtpauthUri => refuse(sink, line, Problem::new(FormatError::OtherCodes)),
        look => refuse(sink, line, Problem::new(FormatError::NotASeed { look })),
    }
}

fn package(text: &str) -> Result<KeyPackage, Problem> {
    let uri = KeyUri::parse(text).map_err(|error| {
        let column = match &error {
            FormatError::UriParameter { parameter } | FormatError::UriParameterTwice { parameter } => Some(*parameter),
            FormatError::Seed(_) | FormatError::UriWithoutSecret => Some("secret"),
            _ => None,
        };
        let problem = Problem::new(error);
        column.map_or(problem.clone(), |column| problem.in_column(column))
    })?;
    let seed = sound(uri.seed).map_err(|error| Problem::new(error).in_column("secret"))?;
    let draft = Draft {
        upn: uri.account,
        issuer: uri.issuer,
        kind: Some(if uri.counter.is_some() { Kind::Hotp } else { Kind::Totp }),
        counter: uri.counter,
        seed: Some(seed),
        algorithm: uri.algorithm,
        digits: uri.digits,
        step: uri.step,
        ..Draft::default()
    };
    draft.package(&USUAL, &USUAL)
}
