//! What `escrow officers` and `escrow stations` have in common: members shown, lines read, questions asked.

use std::fmt::Write as _;

use clap::Args;
use oathburn_escrow::{Custodian, Depth, Escrow, Member, PublicLine, Renewed, Renewing, Role, Roster, RosterChange};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, printable, rfc3339, table};
use crate::prompt;

/// Whose line it is, and who has seen to it that it is theirs.
#[derive(Args, Debug)]
pub(crate) struct Newcomer {
    /// The line that the other machine printed, in quotes or not
    #[arg(required = true, value_name = "LINE")]
    line: Vec<String>,
    /// Another name for the list than the line says
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The fingerprint that its owner reads out: nothing is asked, and another one is refused
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
    /// Do not ask, and do not compare: the line came by a way on which nobody can change it
    #[arg(long, conflicts_with = "fingerprint")]
    yes: bool,
}

impl Newcomer {
    /// The line, after somebody has said that it is the right one.
    pub(crate) fn confirmed(self, context: &Context, role: Role) -> std::result::Result<PublicLine, Failure> {
        let mut line: PublicLine = self.line.join(" ").parse()?;
        if line.role != role {
            let message = format!("the line is of {} {}, not of {role}", article(line.role), line.role);
            let remedy =
                "use `oathburn escrow officers add` for officers, `oathburn escrow stations approve` for stations";
            return Err(Failure::new(Exit::Input, "member-role", message, remedy));
        }
        if let Some(label) = &self.label {
            line.member = Member::new(label, line.member.keys)?;
        }
        let found = line.member.keys.fingerprint();
        match &self.fingerprint {
            Some(expected) if !expected.trim().eq_ignore_ascii_case(&found) => {
                let message = format!("the line has the fingerprint {found}, not {}", expected.trim());
                let remedy = "somebody changed the line, or it is another one: have it sent again";
                Err(Failure::new(Exit::NotPermitted, "fingerprint-differs", message, remedy))
            }
            Some(_) => Ok(line),
            None => {
                let label = printable(&line.member.label);
                context.talk.say(format_args!("{role} {label}, fingerprint {found}"));
                confirm(context, self.yes, "Is this the fingerprint that they read out to you?")?;
                Ok(line)
            }
        }
    }
}

const fn article(role: Role) -> &'static str {
    match role {
        Role::Officer => "an",
        Role::Station => "a",
    }
}

/// Asks whether to go on; where nobody can answer, `--yes` has to be there.
pub(crate) fn confirm(context: &Context, yes: bool, question: &str) -> std::result::Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !context.talk.can_ask() {
        let message = format!("nobody is there to answer: {question}");
        return Err(Failure::new(Exit::NotPermitted, "not-confirmed", message, "say --yes where it is certain"));
    }
    let answer = prompt::line(&format!("{question} [y/N]")).map(|line| line.trim().to_ascii_lowercase());
    if matches!(answer.as_deref(), Ok("y" | "yes")) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NotPermitted,
        "not-confirmed",
        "it was not confirmed; nothing was written",
        "say --yes where it is certain",
    ))
}

/// The name of whoever has no better one.
pub(crate) fn own_label(context: &Context, label: Option<String>) -> String {
    let writer = context.writer();
    label.or(writer.operator).unwrap_or_else(|| format!("uid {} at {}", writer.uid, writer.host))
}

/// The line of a member, and what to do with it.
pub(crate) fn show_line(context: &Context, line: &PublicLine, then: &str) -> Outcome {
    let fingerprint = line.member.keys.fingerprint();
    context.talk.say(format_args!("send this line to an officer, who runs `{then}`"));
    context.talk.say(format_args!("and read the fingerprint out over the telephone: {fingerprint}"));
    let mut json = to_json(&line.member);
    json["line"] = line.to_string().into();
    Outcome::new(json, format!("{line}\n"))
}

/// What everybody may know of a member.
pub(crate) fn to_json(member: &Member) -> Value {
    json!({
        "label": member.label,
        "fingerprint": member.keys.fingerprint(),
        "recipient": member.keys.recipient,
        "writer": member.keys.writer.to_string(),
    })
}

/// The list of members in one role; with `all` also of those who were.
pub(crate) fn list(context: &Context, role: Role, all: bool) -> Result {
    let escrow = context.escrow()?;
    let rosters = escrow.rosters();
    let mut found: Vec<(&Member, &Roster, Option<&Roster>)> = Vec::new();
    for roster in &rosters {
        for known in found.iter_mut().filter(|known| known.2.is_none()) {
            if !roster.members(role).iter().any(|member| member.keys == known.0.keys) {
                known.2 = Some(roster);
            }
        }
        for member in roster.members(role) {
            match found.iter_mut().find(|known| known.2.is_none() && known.0.keys == member.keys) {
                Some(known) => known.0 = member,
                None => found.push((member, roster, None)),
            }
        }
    }
    let shown: Vec<_> = found.into_iter().filter(|known| all || known.2.is_none()).collect();
    let json = shown.iter().map(|(member, since, until)| {
        let mut json = to_json(member);
        json["since"] = rfc3339(since.signed_at).into();
        json["until"] = until.map(|roster| rfc3339(roster.signed_at)).into();
        json
    });
    let rows: Vec<_> = shown
        .iter()
        .map(|(member, since, until)| {
            let until = until.map_or_else(|| "-".into(), |roster| rfc3339(roster.signed_at));
            [printable(&member.label), member.keys.fingerprint(), rfc3339(since.signed_at), until]
        })
        .collect();
    say_unrenewed(context, &escrow)?;
    Ok(Outcome::new(json.collect(), table(["LABEL", "FINGERPRINT", "SINCE", "UNTIL"], &rows)))
}

/// Says what an interrupted command has left to do.
fn say_unrenewed(context: &Context, escrow: &Escrow) -> std::result::Result<(), Failure> {
    let (keys, seeds) = escrow.unrenewed()?;
    if keys > 0 {
        context
            .talk
            .warn(format_args!("{keys} sessions are not wrapped to every officer: run `oathburn escrow compact`"));
    }
    if seeds > 0 {
        context.talk.warn(format_args!(
            "{seeds} seeds are still sealed so that a former officer can open them: run `oathburn escrow compact`"
        ));
    }
    if escrow.records_unrenewed()? {
        context.talk.warn(
            "records of the desk are still sealed so that a former officer can read them: run `oathburn escrow compact`",
        );
    }
    Ok(())
}

/// What the change of a roster says in JSON.
pub(crate) fn change_to_json(change: &RosterChange, role: Role, what: &str) -> Value {
    let mut json = json!({ "roster": change.roster.version });
    json[role.as_str()] = to_json(&change.member);
    json[what] = change.changed.into();
    json
}

/// Renews, and says how far it is.
pub(crate) fn renew(context: &Context, custodian: &Custodian, depth: Depth) -> std::result::Result<Renewed, Failure> {
    let mut planned = (0, 0);
    let renewed = custodian.renew(depth, &mut |step| match step {
        Renewing::Planned { keys, seeds } => planned = (keys, seeds),
        Renewing::Wrapped(done) => context.talk.step(format_args!("{done} of {} session keys wrapped", planned.0)),
        Renewing::Sealed(done) => context.talk.step(format_args!("{done} of {} seeds sealed anew", planned.1)),
        Renewing::Records(done) => context.talk.step(format_args!("{done} records of the desk sealed anew")),
        _ => {}
    })?;
    if renewed.locked > 0 {
        context.talk.warn(format_args!(
            "{} sessions are closed to this officer or damaged, and stay as they are: let another officer run \
             `oathburn escrow compact`, and see `oathburn escrow check`",
            renewed.locked
        ));
    }
    for id in &renewed.left {
        context
            .talk
            .warn(format_args!("entry {id} is not what was signed, and stays as it is: see `oathburn escrow check`"));
    }
    Ok(renewed)
}

/// What a renewal did, beside whatever else a command has to say.
pub(crate) fn put_renewed(json: &mut Value, text: &mut String, renewed: &Renewed) {
    json["keys_wrapped"] = renewed.keys.into();
    json["seeds_resealed"] = renewed.seeds.into();
    json["records_resealed"] = renewed.records.into();
    json["sessions_dropped"] = renewed.sessions.into();
    json["sessions_locked"] = renewed.locked.into();
    json["left"] = renewed.left.iter().map(ToString::to_string).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} session keys wrapped, {} seeds sealed anew, {} sessions dropped",
        renewed.keys, renewed.seeds, renewed.sessions
    );
    if renewed.records > 0 {
        let _ = writeln!(text, "{} records of the desk sealed anew", renewed.records);
    }
}

/// How a command ends whose renewal left something.
pub(crate) fn exit(renewed: &Renewed) -> Exit {
    if renewed.left.is_empty() && renewed.locked == 0 { Exit::Done } else { Exit::Escrow }
}
