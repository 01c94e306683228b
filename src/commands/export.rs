//! `oathburn export`

mod chosen;
mod sink;
mod wanted;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_escrow::{BatchId, Disclosure, EntryId, Escrow, EscrowError, Facts, Purpose, Selection};
use oathburn_formats::{Format, WriteFormat, WriteOptions};
use oathburn_oath::{Clock, SystemClock};
use oathburn_reader::ReaderError;
use oathburn_station::OpenerSource;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::chosen::{Chosen, Refused, package};
use self::sink::{Destination, Sink};
use self::wanted::Wanted;
use crate::commands::{Result, formats};
use crate::context::{Context, LazyOpener};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};
use crate::prompt;

/// Entries that are noted as exported in one transaction.
const NOTED: usize = 10_000;

/// How a format of columns is described.
const COLUMNS_HELP: &str = r#"Formats of columns:
  columns.toml in oathburn's configuration folder, or the file that --columns names, describes
  formats:

      [[format]]
      id = "acme"
      title = "ACME's import page"
      header = ["Serial", "Key", "Type"]    # none when it is left out
      cells = ["{serial}", "{seed:base32}", "{type:upper}"]
      delimiter = ";"                       # or , | tab space; a comma otherwise
      quote = "never"                       # or always; otherwise where it is needed
      newline = "lf"                        # CR LF otherwise
      uniform = ["digits"]                  # or type, algorithm, step: one for the whole file
      takes = { algorithms = ["sha1"], digits = [6, 8], steps = [30], needs = ["serial"] }

  Cells hold seed, serial, manufacturer, model, upn, issuer, type, algorithm, digits, step and
  counter. A seed needs a form: base32, base32-padded, hex, upper-hex, base64; other texts can have
  upper, lower, base64. event-cells are the cells of event-based tokens, which are not taken
  without them. Further keys: extension, bom, preamble, comment, and max-seed-bytes in takes."#;

/// Write seeds into a file for an identity provider
///
/// Only seeds that are known to be on a token are written: of entries that are programmed or imported. Everything is
/// looked at first: if the format cannot take one of the tokens, nothing is written and all that it cannot take are
/// named (exit code 7); --skip-unsupported leaves them out. Then the audit trail says which seeds leave, for which
/// format and why; then they are written; then their entries count as exported.
///
/// The file is new and for its owner alone (mode 0600), and as secret as the seeds in it. It gets its name when it is
/// whole; before that nothing of it can be seen, and nothing of it stays. Exit code 9 when there is nothing to export.
///
/// `oathburn formats` lists the formats. More of them, made of columns, can be described in a TOML file: see below.
#[derive(Args, Debug)]
#[command(after_long_help = COLUMNS_HELP)]
pub(crate) struct Export {
    /// The format's id
    #[arg(long, short, value_name = "ID")]
    format: String,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The new file (`-`: stdout) [default: oathburn-FORMAT-TIME in this folder]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let `--out -` show the seeds on a terminal
    #[arg(long)]
    show_seeds: bool,
    /// Leave out tokens that the format cannot take, and say which
    #[arg(long)]
    skip_unsupported: bool,
    /// The manufacturer of tokens whose own is not known
    #[arg(long, value_name = "TEXT")]
    manufacturer: Option<String>,
    /// The model of tokens whose own is not known
    #[arg(long, value_name = "TEXT")]
    default_model: Option<String>,
    /// The service, for tokens whose own is not known
    #[arg(long, value_name = "TEXT")]
    default_issuer: Option<String>,
    /// What else the format has to be told (`oathburn formats` says what)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_setting)]
    set: Vec<(String, String)>,
    /// Write the seeds unencrypted, where the format can encrypt them (PSKC)
    #[arg(long, group = "protection")]
    plain: bool,
    /// Encrypt the seeds under the key of 32 hex digits in this file's first line (PSKC; `-`: stdin)
    #[arg(long, value_name = "FILE", group = "protection")]
    pskc_key: Option<PathBuf>,
    /// Encrypt the seeds under the password in this file's first line (PSKC; `-`: stdin)
    #[arg(long, value_name = "FILE", group = "protection")]
    pskc_password_file: Option<PathBuf>,
    /// A file with formats of columns [default: columns.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
}

/// A key or password, if one is used.
type Protection = Option<Zeroizing<Vec<u8>>>;

fn parse_setting(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name, =, and a value")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Export {
    /// Everything of a batch that is on a token.
    pub(crate) fn of_batch(format: &str, out: PathBuf, batch: BatchId) -> Self {
        Self {
            format: format.to_owned(),
            reason: format!("batch {batch}"),
            out: Some(out),
            show_seeds: false,
            skip_unsupported: false,
            manufacturer: None,
            default_model: None,
            default_issuer: None,
            set: Vec::new(),
            plain: false,
            pskc_key: None,
            pskc_password_file: None,
            columns: None,
            wanted: Wanted::of_batch(batch),
        }
    }

    pub(crate) fn run(self, context: &Context) -> Result {
        let format = formats::find(context, self.columns.as_deref(), &self.format)?;
        let Some(writer) = format.writer() else {
            let message = format!("{} is read only", format.id());
            return Err(Failure::usage(message, "see `oathburn formats` for what can be written"));
        };
        if let Some(what) = writer.unconfirmed() {
            context.talk.warn(format_args!("nobody has confirmed of {}: {what}; try one token first", format.id()));
        }
        let options = self.options(writer)?;
        if self.reason.trim().is_empty() || self.reason.len() > Facts::MAX_TEXT {
            return Err(Failure::usage("the reason is empty or too long", "say in a line why the seeds leave"));
        }
        let destination = self.destination(context, format.id(), writer)?;
        let escrow = context.escrow()?;
        if !escrow.is_approved() {
            return Err(EscrowError::StationNotApproved { escrow: escrow.id() }.into());
        }
        let sink = Sink::open(&destination)?;
        let officer = LazyOpener::new(context, &escrow);
        let mut chosen = Chosen::new(format, writer, &options);
        let mut matched = self.wanted.matcher(&escrow)?;
        let selection = {
            let opener = officer.opener()?;
            let _spinner = context.talk.spinner("looking at the seeds");
            let filter = self.wanted.filter();
            opener.select(&filter, |entry| matched.wants(entry), |entry, record| chosen.takes(entry, record))?
        };
        matched.finish()?;
        let refused = chosen.refused;
        if !refused.is_empty() && !self.skip_unsupported {
            return Err(refusal(format, selection.entries().len(), &refused));
        }
        for one in &refused {
            context.talk.warn(format_args!("left out: {one}"));
        }
        if selection.entries().is_empty() {
            let failure = Failure::new(
                Exit::NoMatch,
                "nothing-to-export",
                "there is nothing to export",
                "see `oathburn escrow list`",
            );
            return Err(failure.with("skipped", skipped(&refused)));
        }
        let entries = selection.entries().to_vec();
        self.write(context, format, writer, (&options, selection), sink)?;
        let done = json!({
            "format": format.id(),
            "file": destination.name(),
            "exported": entries.len(),
            "skipped": skipped(&refused),
        });
        self.note(&escrow, format, &entries).map_err(|error| Failure::from(error).beside(&done))?;
        let tokens = if entries.len() == 1 { "token" } else { "tokens" };
        let said = format!("{} {tokens} written for {} to {}", entries.len(), format.id(), destination.name());
        Ok(match destination {
            // What was asked for has been printed.
            Destination::Stdout => {
                context.talk.step(said);
                Outcome::new(Value::Null, String::new())
            }
            Destination::File(_) => {
                context.talk.say("the file is as secret as the seeds in it: delete it when it has arrived");
                Outcome::new(done, said)
            }
        })
    }

    fn options(&self, writer: &dyn WriteFormat) -> std::result::Result<WriteOptions, Failure> {
        let names = || writer.settings().iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ");
        let known = |name: &str| writer.settings().iter().any(|setting| setting.name == name);
        if let Some((name, _)) = self.set.iter().find(|(name, _)| !known(name)) {
            let message = format!("{} has no setting {name:?}, but these: {}", self.format, names());
            return Err(Failure::usage(message, "see `oathburn formats`"));
        }
        let settings: BTreeMap<_, _> = self.set.iter().cloned().collect();
        let (key, password) = self.protection(writer)?;
        let options = WriteOptions {
            key,
            password,
            manufacturer: self.manufacturer.clone(),
            model: self.default_model.clone(),
            issuer: self.default_issuer.clone(),
            settings,
        };
        // What a setting lacks is to be said before anything is opened.
        writer.begin(&mut io::sink(), &options)?;
        Ok(options)
    }

    /// The key and the password under which seeds are encrypted. Where that can be, it must be said whether.
    fn protection(&self, writer: &dyn WriteFormat) -> std::result::Result<(Protection, Protection), Failure> {
        let said = self.plain || self.pskc_key.is_some() || self.pskc_password_file.is_some();
        if writer.encrypts() != said {
            let message = if said {
                "seeds cannot be encrypted in this format"
            } else {
                "nothing says how the seeds are to be protected"
            };
            return Err(Failure::usage(
                message,
                "for pskc, give one of --pskc-key FILE, --pskc-password-file FILE and --plain; for others none",
            ));
        }
        let read = |file: &PathBuf| match prompt::passphrase_from(file) {
            Ok(line) => Ok(Zeroizing::new(line.expose_secret().as_bytes().to_vec())),
            Err(error) => {
                let message = format!("failed to read {}: {error}", file.display());
                Err(Failure::new(Exit::Input, "export-key-unreadable", message, "check the file and its rights"))
            }
        };
        Ok((self.pskc_key.as_ref().map(read).transpose()?, self.pskc_password_file.as_ref().map(read).transpose()?))
    }

    fn destination(
        &self,
        context: &Context,
        id: &str,
        writer: &dyn WriteFormat,
    ) -> std::result::Result<Destination, Failure> {
        match &self.out {
            Some(path) if path == Path::new("-") => {
                if context.globals.json {
                    let message = "stdout cannot hold the seeds and the JSON";
                    return Err(Failure::usage(message, "name a file with --out, or leave out --json"));
                }
                if io::stdout().is_terminal() && !self.show_seeds {
                    return Err(Failure::new(
                        Exit::NotPermitted,
                        "seeds-on-terminal",
                        "stdout is a terminal, and everybody who sees it would see the seeds",
                        "name a file with --out, or say --show-seeds",
                    ));
                }
                Ok(Destination::Stdout)
            }
            Some(path) => Ok(Destination::File(path.clone())),
            None => {
                let time = rfc3339(SystemClock.now()).replace([':', '-'], "");
                Ok(Destination::File(format!("oathburn-{id}-{time}.{}", writer.extension()).into()))
            }
        }
    }

    /// Notes that the seeds leave, and lets them.
    fn write(
        &self,
        context: &Context,
        format: &dyn Format,
        writer: &dyn WriteFormat,
        (options, selection): (&WriteOptions, Selection<'_>),
        mut sink: Sink,
    ) -> std::result::Result<(), Failure> {
        let deferred = context.defer_interrupts();
        let _spinner = context.talk.spinner("writing the seeds");
        let count = i64::try_from(selection.entries().len()).unwrap_or(i64::MAX);
        let facts = Facts::new().with("format", format.id()).with("tokens", count).with("file", sink.name());
        let disclosure = Disclosure { facts, reason: Some(self.reason.clone()), ..Disclosure::new(Purpose::Export) };
        let records = selection.hand_out(&disclosure)?;
        if sink.is_exposed()? {
            context.talk.warn("this file system knows no rights: others may be able to read the file");
        }
        let mut writing = writer.begin(&mut sink, options)?;
        for record in records {
            if deferred.is_interrupted() {
                return Err(ReaderError::Interrupted.into());
            }
            writing.write(&package(&record?, options))?;
        }
        writing.finish()?;
        sink.finish()
    }

    fn note(&self, escrow: &Escrow, format: &dyn Format, entries: &[EntryId]) -> std::result::Result<(), EscrowError> {
        let mut parts = entries.chunks(NOTED);
        parts.try_for_each(|some| escrow.note_exported(some, format.id(), Some(&self.reason)))
    }
}

fn skipped(refused: &[Refused]) -> Value {
    refused.iter().map(Refused::to_json).collect()
}

/// Nothing was written, because of these.
fn refusal(format: &dyn Format, fitting: usize, refused: &[Refused]) -> Failure {
    let lines: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let message = format!(
        "{} cannot take {} of {} tokens, and nothing was written:\n{}",
        format.id(),
        refused.len(),
        fitting + refused.len(),
        lines.join("\n")
    );
    Failure::new(
        Exit::Input,
        "format-refuses",
        message,
        "choose another format, or leave them out with --skip-unsupported",
    )
    .with("refused", skipped(refused))
}
