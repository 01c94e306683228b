//! `oathburn escrow stations …`

use clap::{Args, Subcommand};
use oathburn_escrow::{Member, PublicLine, Role};

use super::members::{self, Newcomer};
use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, printable};

/// Which machines may burn
///
/// A station seals seeds and signs what it burned; it opens nothing. Its machine prints a line with `stations key`, and
/// an officer approves it with that line, after the fingerprint was compared over the telephone.
#[derive(Debug, Subcommand)]
pub(crate) enum Stations {
    List(List),
    Key(Key),
    Approve(Approve),
    Revoke(Revoke),
}

/// List the approved stations
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Also those that are none any more
    #[arg(long)]
    all: bool,
}

/// Print the line that makes this machine known to an officer
#[derive(Args, Debug)]
pub(crate) struct Key {
    /// Its name on the list of stations [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
}

/// Let a machine burn into this escrow
///
/// LINE is what `oathburn escrow stations key` printed there. It cannot open a seed, not even its own, once it is sealed.
#[derive(Args, Debug)]
pub(crate) struct Approve {
    #[command(flatten)]
    newcomer: Newcomer,
}

/// Take a machine off: lost, stolen, or out of use
///
/// What it signed until now stays good; what its keys sign from now on is refused, under whatever date.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// Label, fingerprint, recipient or signing key
    #[arg(value_name = "STATION")]
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Stations {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::List(List { all }) => members::list(context, Role::Station, all),
            Self::Key(command) => command.run(context),
            Self::Approve(command) => command.run(context),
            Self::Revoke(command) => command.run(context),
        }
    }
}

impl Key {
    fn run(self, context: &Context) -> Result {
        let keys = context.station_key()?.public();
        let label = self.label.unwrap_or_else(|| context.writer().host);
        let line = PublicLine { role: Role::Station, member: Member::new(&label, keys)? };
        Ok(members::show_line(context, &line, "oathburn escrow stations approve"))
    }
}

impl Approve {
    fn run(self, context: &Context) -> Result {
        let line = self.newcomer.confirmed(context, Role::Station)?;
        let change = context.escrow()?.custodian(context.officer()?)?.add(&line)?;
        let label = printable(&change.member.label);
        let is = if change.changed { "is now" } else { "is already" };
        let json = members::change_to_json(&change, Role::Station, "approved");
        Ok(Outcome::new(json, format!("{label} {is} approved\n")))
    }
}

impl Revoke {
    fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let name = printable(&self.name);
        members::confirm(context, self.yes, &format!("{name} can burn no longer. Go on?"))?;
        let own = context.station_key()?.public();
        let change = escrow.custodian(context.officer()?)?.remove(Role::Station, &self.name)?;
        if change.changed && change.member.keys == own {
            context.talk.warn("this machine is the one: it cannot burn until it is approved again");
        }
        let label = printable(&change.member.label);
        let was = if change.changed { "is" } else { "was already" };
        let json = members::change_to_json(&change, Role::Station, "revoked");
        Ok(Outcome::new(json, format!("{label} {was} revoked\n")))
    }
}
