//! `oathburn import`

mod judge;
mod pgp;
mod problem;
mod source;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use oathburn_escrow::{Escrow, EscrowError, Facts, Origin, Reservation};
use oathburn_formats::{FORMATS, Format, Kind, ReadOptions, Unsaid, format, identify};
use oathburn_oath::{Algorithm, Digits, FamilyId, TimeStep};
use serde_json::{Value, json};

use self::judge::{Judge, SerialDigits, Sound, Verdict, known};
use self::problem::Problems;
use self::source::Source;
use crate::commands::Result;
use crate::commands::source::TextEncoding;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Rows that are looked up, and committed, at a time.
const CHUNK: usize = 5000;

/// Take seeds from a file into the escrow
///
/// The format is found by looking at the file, or named with --format. The whole file is looked at before anything is
/// taken in: one wrong row, one serial number or seed that is there twice, and nothing is (exit code 7), unless
/// --keep-going is said, which takes in the others and still ends with exit code 7. Tokens that are in the escrow
/// already, with the same seed, are skipped: an import that was interrupted is finished by running it again.
///
/// Entries are `imported`: their tokens were programmed elsewhere. They belong to the family of their serial number
/// where a known product has it, and to `preprogrammed` otherwise; the accounts of authenticator apps have no serial
/// number, belong to `authenticator` and are known by issuer and name.
///
/// A file that was encrypted with age is opened on the way, one of OpenPGP by your own gpg, and pictures of QR codes are
/// read. Nothing is ever written to a temporary file.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file (`-`: stdin); several only where they are pictures
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The format's id (`oathburn formats` lists them)
    #[arg(long, short, value_name = "ID")]
    format: Option<String>,
    /// Look at everything, take in nothing
    #[arg(long)]
    dry_run: bool,
    /// Take in what is right, and leave out what is not
    #[arg(long)]
    keep_going: bool,
    /// Write every problem to FILE (CSV: line, column, code, message, remedy), in the order in which they are found
    #[arg(long, value_name = "FILE")]
    problems: Option<PathBuf>,
    /// A file whose first line is the password of the file (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take encrypted seeds (PSKC) that no MAC proves to be unchanged
    #[arg(long)]
    ignore_mac: bool,
    /// A file with the age identities (AGE-SECRET-KEY-1…) that an age file was encrypted to
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
    /// The family of the tokens, where the serial number does not say it
    #[arg(long, value_name = "FAMILY", value_parser = parse_family)]
    family: Option<FamilyId>,
    /// What codes follow, where the file does not say it
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<TokenType>,
    /// The hash, where the file does not say it
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Digits of a code, where the file does not say it
    #[arg(long)]
    digits: Option<Digits>,
    /// How long a code lasts, where the file does not say it
    #[arg(long, value_name = "SECONDS")]
    time_step: Option<TimeStep>,
    /// How seeds are written, where it is not as the format has it
    #[arg(long, value_name = "ENCODING")]
    encoding: Option<TextEncoding>,
    /// How many digits a serial number has: zeros that a spreadsheet dropped are put back (`any`: they are right)
    #[arg(long, value_name = "N", value_parser = parse_serial_digits)]
    serial_digits: Option<SerialDigits>,
}

/// Whether codes follow the time or a counter.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TokenType {
    /// The time (RFC 6238)
    Totp,
    /// A counter (RFC 4226)
    Hotp,
}

fn parse_family(text: &str) -> std::result::Result<FamilyId, String> {
    FamilyId::new(text).map_err(|error| error.to_string())
}

fn parse_serial_digits(text: &str) -> std::result::Result<SerialDigits, String> {
    match text.parse() {
        _ if text == "any" => Ok(SerialDigits::Any),
        Ok(digits @ 1..=64) => Ok(SerialDigits::Exactly(digits)),
        _ => Err("a number from 1 to 64, or any".to_owned()),
    }
}

/// What came of it.
struct Tally {
    imported: u64,
    skipped: u64,
    problems: Problems,
    /// Whether the file carries a signature, which is not verified here.
    signed: bool,
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result {
        let mut source =
            Source::open(context, &self.files, self.password_file.as_deref(), self.age_identity.as_deref())?;
        let format = self.find(&mut source)?;
        let escrow = context.escrow()?;
        if !escrow.is_approved() {
            return Err(EscrowError::StationNotApproved { escrow: escrow.id() }.into());
        }
        let mut options =
            ReadOptions { password: source.password(), unsaid: self.unsaid(), ignore_mac: self.ignore_mac };
        let mut judge = Judge::new(&context.models, self.family.clone(), self.serial_digits, format);
        let problems = Problems::new(self.problems.as_deref())?;
        let mut tally = look(context, &escrow, format, &mut source, &mut options, &mut judge, problems)?;
        let refused = tally.problems.count();
        if refused > 0 && !self.keep_going {
            return Err(refusal(context, format, &tally));
        }
        let new = tally.imported;
        // Where nothing is new the file need not be read again.
        if !self.dry_run && new > 0 {
            let facts = Facts::new().with("format", format.id()).with_some("file", source.name());
            tally.imported = take_in(context, &escrow, format, &mut source, &mut options, &judge, &facts)?;
            if tally.imported < new {
                // What another process took in between the two passes is there now, too.
                tally.skipped += new - tally.imported;
            }
        }
        Ok(self.outcome(context, format, &tally))
    }

    fn unsaid(&self) -> Unsaid {
        let kind = self.kind.map(|kind| match kind {
            TokenType::Totp => Kind::Totp,
            TokenType::Hotp => Kind::Hotp,
        });
        let encoding = self.encoding.map(Into::into);
        Unsaid { kind, algorithm: self.algorithm, digits: self.digits, step: self.time_step, encoding }
    }

    fn find(&self, source: &mut Source) -> std::result::Result<&'static dyn Format, Failure> {
        let Some(id) = &self.format else { return Ok(identify(&source.head()?)?) };
        if let Some(format) = format(id).filter(|format| format.reader().is_some()) {
            return Ok(format);
        }
        let readable = FORMATS.iter().filter(|format| format.reader().is_some());
        let ids: Vec<_> = readable.map(|format| format.id()).collect();
        let message = format!("no format that can be read is called {id:?}; there are {}", ids.join(", "));
        Err(Failure::usage(message, "see `oathburn formats`"))
    }

    fn outcome(&self, context: &Context, format: &dyn Format, tally: &Tally) -> Outcome {
        let refused = tally.problems.count();
        tally.problems.tell(context.talk);
        let taken = if self.dry_run { "would be imported" } else { "imported" };
        let mut text = format!("{}: {} {taken}", format.id(), tally.imported);
        // Writing to a string cannot fail.
        if tally.skipped > 0 {
            let _ = write!(text, ", {} there already", tally.skipped);
        }
        if refused > 0 {
            let _ = write!(text, ", {refused} refused");
        }
        let exit = if refused > 0 { Exit::Input } else { Exit::Done };
        Outcome::new(to_json(format, tally, self.dry_run), text).ending(exit)
    }
}

/// Looks at the whole file: what is wrong, what is there already, and how much is new.
fn look(
    context: &Context,
    escrow: &Escrow,
    format: &dyn Format,
    source: &mut Source,
    options: &mut ReadOptions,
    judge: &mut Judge<'_>,
    mut problems: Problems,
) -> std::result::Result<Tally, Failure> {
    let progress = context.talk.counter("rows looked at");
    let (mut there, mut new) = (0, 0);
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut failed = None;
    let mut place = 0;
    let mut flush = |chunk: &mut Vec<Sound>, judge: &mut Judge<'_>, problems: &mut Problems| {
        let verdicts = known(escrow, chunk)?;
        for (row, verdict) in chunk.drain(..).zip(verdicts) {
            match verdict {
                Verdict::New => {
                    judge.note(&row);
                    new += 1;
                }
                Verdict::There => {
                    judge.pass_over(&row);
                    there += 1;
                }
                Verdict::Wrong(failure) => {
                    judge.pass_over(&row);
                    problems.add(Some(row.0), None, failure);
                }
            }
        }
        Ok::<_, Failure>(())
    };
    let mut each = |row| {
        progress.add(1);
        match judge.record(row) {
            Ok((line, record)) => {
                chunk.push((line, place, record));
                place += 1;
            }
            Err(refused) => {
                let (line, column, failure) = *refused;
                problems.add(Some(line), column, failure);
            }
        }
        if chunk.len() == CHUNK
            && let Err(failure) = flush(&mut chunk, judge, &mut problems)
        {
            failed = Some(failure);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    let read = source.read(format, options, context, &mut each)?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    flush(&mut chunk, judge, &mut problems)?;
    let signed = read.as_ref().is_ok_and(|remarks| remarks.signature_unverified);
    if let Err(error) = read {
        problems.add_of_file(error.into());
    }
    if signed {
        context.talk.warn("the file is signed, and the signature is not verified here");
        context
            .talk
            .say("  verify it with the maker's certificate first: `pskctool --verify --verify-crt CERTIFICATE FILE`");
    }
    // What can be said of rows together only when all were seen.
    let (wrong, repeated) = judge.finish(&mut problems);
    let new = u64::saturating_sub(new, wrong + repeated);
    problems.finish()?;
    Ok(Tally { imported: new, skipped: there + repeated, problems, signed })
}

fn to_json(format: &dyn Format, tally: &Tally, dry_run: bool) -> Value {
    json!({
        "format": format.id(),
        "imported": if dry_run { 0 } else { tally.imported },
        "new": tally.imported,
        "skipped": tally.skipped,
        "signature": tally.signed.then_some("unverified"),
        "problems": tally.problems.to_json(),
        "problem_count": tally.problems.count(),
    })
}

fn refusal(context: &Context, format: &dyn Format, tally: &Tally) -> Failure {
    tally.problems.tell(context.talk);
    let done = to_json(format, tally, true);
    if let Some(failure) = tally.problems.of_the_file() {
        return failure.beside(&done);
    }
    let message = format!("nothing was imported: {} rows were refused", tally.problems.count());
    let remedy = "correct them in the maker's file, or leave them out with --keep-going";
    Failure::new(Exit::Input, "rows-refused", message, remedy).beside(&done)
}

/// Reads the file once more and takes in what is right and new, some rows a transaction.
fn take_in(
    context: &Context,
    escrow: &Escrow,
    format: &dyn Format,
    source: &mut Source,
    options: &mut ReadOptions,
    judge: &Judge<'_>,
    facts: &Facts,
) -> std::result::Result<u64, Failure> {
    let progress = context.talk.counter("rows taken in");
    let mut imported = 0;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut failed = None;
    let mut place = 0;
    let mut flush = |chunk: &mut Vec<Sound>| {
        let records = chunk.iter().map(|(.., record)| record);
        let reservations: Vec<_> =
            records.map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
        if !reservations.is_empty() {
            // What another process takes in meanwhile, or has taken in since, is not taken in twice.
            let taken = escrow.import_new(&reservations, facts.clone())?;
            imported += taken.iter().filter(|one| one.is_ok()).count() as u64;
        }
        drop(reservations);
        chunk.clear();
        Ok::<_, Failure>(())
    };
    let mut each = |row| {
        progress.add(1);
        if let Ok((line, record)) = judge.record(row) {
            let row = (line, place, record);
            place += 1;
            if judge.accepts(&row) {
                chunk.push(row);
            }
        }
        if chunk.len() == CHUNK
            && let Err(failure) = flush(&mut chunk)
        {
            failed = Some(failure);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    // What was wrong with the file was said when it was looked at.
    let _ = source.read(format, options, context, &mut each)?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    flush(&mut chunk)?;
    Ok(imported)
}
