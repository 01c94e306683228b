//! `oathburn escrow init`

use std::io;

use clap::Args;
use oathburn_escrow::{Escrow, Officer};
use oathburn_oath::SystemClock;
use oathburn_reader::ReaderError;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Make an officer's file and a new escrow
///
/// The officer's file opens the escrow: without it, and without its passphrase, every seed is lost. An officer's file
/// that exists already is used. Nothing is ever overwritten.
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    file: IdentityFile,
}

/// What there is to know of a file without a passphrase.
const PLAIN: &str = "whoever reads the officer's file reads every seed: keep it where only you can";

/// How an officer's file is made, where there is none.
#[derive(Args, Debug)]
pub(crate) struct IdentityFile {
    /// Do not protect the officer's file with a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    plain_identity: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result {
        let (store, identity) = (context.store()?, context.identity());
        context.make_folder()?;
        let (officer, made) = self.file.load_or_create(context)?;
        let station = context.station_key()?;
        let id = Escrow::init(&store, &officer, &station, &context.pins(), &context.writer(), &SystemClock);
        let id = id.inspect_err(|_| {
            if made {
                context.talk.warn(format_args!("the officer's file {} was made and stays", identity.display()));
            }
        })?;
        let json = json!({
            "escrow": id.to_string(),
            "store": store.to_string(),
            "identity": identity.display().to_string(),
            "recipient": officer.public().recipient,
        });
        Ok(Outcome::new(json, format!("escrow {id}\nstore {store}\nofficer {}\n", identity.display())))
    }
}

impl IdentityFile {
    /// The officer's keys, and whether their file was made.
    pub(crate) fn load_or_create(&self, context: &Context) -> std::result::Result<(Officer, bool), Failure> {
        let identity = context.identity();
        if identity.try_exists().unwrap_or(false) {
            if !Officer::is_locked(&identity)? {
                context.talk.warn(PLAIN);
            }
            return Ok((context.officer()?, false));
        }
        let officer = Officer::generate()?;
        officer.create_file(&identity, self.passphrase(context)?.as_ref())?;
        if self.plain_identity {
            context.talk.warn(PLAIN);
        }
        let file = identity.display();
        context.talk.say(format_args!("keep a copy of {file} elsewhere: without it every seed is lost"));
        Ok((officer, true))
    }

    fn passphrase(&self, context: &Context) -> std::result::Result<Option<SecretString>, Failure> {
        if self.plain_identity {
            return Ok(None);
        }
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::Interrupted => ReaderError::Interrupted.into(),
            _ => Failure::new(
                Exit::Escrow,
                "passphrase",
                format!("failed to read the passphrase: {error}"),
                "give a file with --passphrase-file",
            ),
        };
        if let Some(file) = &context.globals.passphrase_file {
            return context.passphrase_from(file).map(Some).map_err(failed);
        }
        if !context.talk.can_ask() {
            let message = "a new officer's file needs a passphrase, and nobody is there to type one";
            return Err(Failure::usage(message, "give --passphrase-file FILE, or --plain-identity to do without"));
        }
        let first = context.ask_passphrase("Passphrase for the officer's file").map_err(failed)?;
        let second = context.ask_passphrase("The same again").map_err(failed)?;
        if first.expose_secret() != second.expose_secret() || first.expose_secret().is_empty() {
            return Err(Failure::usage("the passphrases differ or are empty", "run the command again"));
        }
        Ok(Some(first))
    }
}
