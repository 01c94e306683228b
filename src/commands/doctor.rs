//! `oathburn doctor`

mod custody;

use clap::Args;
use oathburn_reader::{Finding, ReaderSelector, Severity, Surroundings, diagnose};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::host_clock;
use crate::output::{Outcome, printable};

/// Look whether everything is in place: service, rights, readers, store, keys, clock
///
/// Each finding comes with the command that mends it. Readers of libnfc are opened for a moment; no token is spoken to,
/// nothing is changed, and the escrow is looked at without opening a seed.
///
/// Exit code 0 when there is no problem (there may be warnings), 6 when something is wrong with the escrow's files, 3
/// when something keeps readers from being used; 6 when both.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Leave out what is fine
    #[arg(long)]
    problems: bool,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Result {
        let selector = context.globals.one_reader()?.map(str::parse::<ReaderSelector>).transpose()?;
        let mut readers = diagnose(&Surroundings::here(), selector.as_ref());
        readers.extend(clock(host_clock::is_synchronised()));
        let escrow = custody::judge(context);
        let is_broken = |findings: &[Finding]| findings.iter().any(|one| one.severity == Severity::Problem);
        let exit = match (is_broken(&escrow), is_broken(&readers)) {
            (true, _) => Exit::Escrow,
            (false, true) => Exit::NoToken,
            (false, false) => Exit::Done,
        };
        let readers = readers.into_iter().map(|one| ("readers", one));
        let all = readers.chain(escrow.into_iter().map(|one| ("escrow", one)));
        let all: Vec<_> = all.filter(|(_, one)| !self.problems || one.severity != Severity::Fine).collect();
        let json = json!({
            "ok": exit == Exit::Done,
            "findings": all.iter().map(|(area, one)| to_json(area, one)).collect::<Vec<_>>(),
        });
        let text: Vec<_> = all.iter().map(|(_, one)| to_text(one)).collect();
        Ok(Outcome::new(json, text.concat()).ending(exit))
    }
}

/// The kernel may not say, as in some containers.
fn clock(synchronised: Option<bool>) -> Option<Finding> {
    Some(if synchronised? {
        Finding::fine("clock", "this machine's clock is synchronised")
    } else {
        let message = "this machine's clock is not synchronised, and tokens are set by it";
        Finding::warning("clock-unsynchronised", message, "sudo timedatectl set-ntp true")
    })
}

fn to_json(area: &str, finding: &Finding) -> Value {
    json!({
        "area": area,
        "code": finding.code,
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "remedy": finding.remedy,
    })
}

fn to_text(finding: &Finding) -> String {
    use anstyle::AnsiColor::{Green, Red, Yellow};
    let (mark, color) = match finding.severity {
        Severity::Fine => ('✓', Green),
        Severity::Warning => ('!', Yellow),
        Severity::Problem => ('✗', Red),
    };
    let color = color.on_default();
    let mut text = format!("{color}{mark}{color:#} {}\n", printable(&finding.message));
    if let Some(remedy) = &finding.remedy {
        text.extend(["  → ", &printable(remedy), "\n"]);
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nothing_keeps_right_is_a_warning() {
        assert_eq!(clock(Some(false)).unwrap().code, "clock-unsynchronised");
        assert_eq!(clock(Some(false)).unwrap().severity, Severity::Warning);
        assert_eq!(clock(Some(true)).unwrap().severity, Severity::Fine);
        assert_eq!(clock(None), None);
    }

    #[test]
    fn what_is_wrong_stands_above_what_mends_it() {
        let text = to_text(&Finding::problem("x", "the reader \u{1b}[2J is gone", "plug it in"));
        assert!(text.contains("the reader \\u{1b}[2J is gone\n  → plug it in\n"), "{text}");
        assert_eq!(to_text(&Finding::fine("x", "well")).lines().count(), 1);
    }
}
