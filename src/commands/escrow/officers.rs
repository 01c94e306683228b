//! `oathburn escrow officers …`

use clap::{Args, Subcommand};
use oathburn_escrow::{Depth, Entry, Escrow, Exposed, Member, PublicLine, Role};
use serde_json::Value;

use super::entries;
use super::init::IdentityFile;
use super::members::{self, Newcomer};
use crate::commands::Result;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Outcome, printable, table};

/// Who may open the escrow
///
/// A new officer runs `officers key` and sends the line it prints. An officer of the escrow runs `officers add` with
/// it, after both have compared the fingerprint over the telephone. From then on the new officer opens everything,
/// with their own file and passphrase.
#[derive(Debug, Subcommand)]
pub(crate) enum Officers {
    List(List),
    Key(Key),
    Add(Add),
    Remove(Remove),
    Exposed(ExposedTokens),
}

/// List the officers
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Also those who are none any more
    #[arg(long)]
    all: bool,
}

/// Print the line that makes you known to an officer
///
/// Nothing in it is secret. Where there is no officer's file yet, one is made; no escrow is.
#[derive(Args, Debug)]
pub(crate) struct Key {
    /// Your name on the list of officers
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    #[command(flatten)]
    file: IdentityFile,
}

/// Let somebody open everything that is sealed, and everything that will be
///
/// LINE is what `oathburn escrow officers key` printed at their machine: a recipient alone is not enough, because every
/// officer signs what they open. Somebody who is an officer already changes nothing, but what an interrupted run left is
/// finished.
#[derive(Args, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    newcomer: Newcomer,
}

/// Take an officer off, and seal anew what they could open
///
/// Their copy of the store, if they kept one, opens for ever: the tokens whose seeds they could open are listed, and
/// should be burned with other seeds. It can be interrupted at any moment; run it again to finish. Nobody removes
/// themselves, and the last officer stays.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// Label, fingerprint, recipient or signing key
    #[arg(value_name = "OFFICER")]
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// List the tokens in use whose seeds a former officer could open
///
/// Burn each of them with another seed, or retire it: then it leaves the list.
#[derive(Args, Debug)]
pub(crate) struct ExposedTokens {}

impl Officers {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::List(List { all }) => members::list(context, Role::Officer, all),
            Self::Key(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::Remove(command) => command.run(context),
            Self::Exposed(ExposedTokens {}) => {
                let exposed = context.escrow()?.exposed()?;
                Ok(Outcome::new(exposed_to_json(&exposed), exposed_to_text(&exposed)))
            }
        }
    }
}

impl Key {
    fn run(self, context: &Context) -> Result {
        context.make_folder()?;
        let (officer, _) = self.file.load_or_create(context)?;
        let member = Member::new(&members::own_label(context, self.label), officer.public())?;
        let line = PublicLine { role: Role::Officer, member };
        Ok(members::show_line(context, &line, "oathburn escrow officers add"))
    }
}

impl Add {
    fn run(self, context: &Context) -> Result {
        let line = self.newcomer.confirmed(context, Role::Officer)?;
        let custodian = context.escrow()?.custodian(context.officer()?)?;
        let change = custodian.add(&line)?;
        let (label, version) = (printable(&change.member.label), change.roster.version);
        context.talk.step(format_args!("version {version} of the roster has {label}"));
        let renewed = members::renew(context, &custodian, Depth::Roster)?;
        let mut json = members::change_to_json(&change, Role::Officer, "added");
        let mut text = format!("{label} {} an officer\n", if change.changed { "is now" } else { "is already" });
        members::put_renewed(&mut json, &mut text, &renewed);
        Ok(Outcome::new(json, text).ending(members::exit(&renewed)))
    }
}

impl Remove {
    fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let question = format!(
            "Every seed that {} could open is sealed anew, and its token should be burned again. Go on?",
            printable(&self.name)
        );
        members::confirm(context, self.yes, &question)?;
        let custodian = escrow.custodian(context.officer()?)?;
        let change = custodian.remove(Role::Officer, &self.name)?;
        let (label, version) = (printable(&change.member.label), change.roster.version);
        context.talk.step(format_args!("version {version} of the roster is without {label}"));
        let renewed = members::renew(context, &custodian, Depth::Roster)?;
        let exposed = exposed_to(&escrow, &change.member)?;
        let mut json = members::change_to_json(&change, Role::Officer, "removed");
        json["exposed"] = exposed_to_json(&exposed);
        let was = if change.changed { "is no officer any more" } else { "was no officer any more" };
        let mut text = format!("{label} {was}\n");
        members::put_renewed(&mut json, &mut text, &renewed);
        if !exposed.is_empty() {
            advise(context, &exposed, &label);
            text.push_str(&exposed_to_text(&exposed));
        }
        Ok(Outcome::new(json, text).ending(members::exit(&renewed)))
    }
}

/// The tokens whose seeds this officer could open.
fn exposed_to(escrow: &Escrow, member: &Member) -> std::result::Result<Vec<Exposed>, Failure> {
    let mut exposed = escrow.exposed()?;
    exposed.retain(|one| one.to.iter().any(|to| to.keys == member.keys));
    Ok(exposed)
}

/// What it is that somebody may know.
fn what(entry: &Entry) -> &'static str {
    match entry {
        entry if entry.is_access_key() => "access-key",
        entry if entry.is_desk_login() => "desk-login",
        _ => "seed",
    }
}

/// What is to be done about what somebody may know.
fn advise(context: &Context, exposed: &[Exposed], label: &str) {
    let count = |name: &str| exposed.iter().filter(|exposed| what(&exposed.entry) == name).count();
    let warn = |count: usize, what: &str, deed: &str| {
        if count > 0 {
            context.talk.warn(format_args!(
                "{count} {what} that {label} could open: {deed}; `oathburn escrow officers exposed` lists those that are left"
            ));
        }
    };
    warn(count("seed"), "tokens in use have seeds", "burn them with other seeds");
    warn(count("access-key"), "tokens have access keys", "give them others (`oathburn token access-key set`)");
    warn(count("desk-login"), "people sign in at the desk with seeds", "let them have others");
}

fn exposed_to_json(exposed: &[Exposed]) -> Value {
    let one = |exposed: &Exposed| {
        let mut json = entries::to_json(&exposed.entry);
        json["what"] = what(&exposed.entry).into();
        json["exposed_to"] = exposed.to.iter().map(members::to_json).collect();
        json
    };
    exposed.iter().map(one).collect()
}

fn exposed_to_text(exposed: &[Exposed]) -> String {
    let rows: Vec<_> = exposed
        .iter()
        .map(|Exposed { entry, to }| {
            [
                entry.id.to_string(),
                entry.identity.serial.to_string(),
                what(entry).to_owned(),
                entry.upn.as_deref().map_or_else(|| "-".into(), printable),
                entry.state.to_string(),
                to.iter().map(|member| printable(&member.label)).collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    table(["ENTRY", "SERIAL", "WHAT", "UPN", "STATE", "EXPOSED TO"], &rows)
}
