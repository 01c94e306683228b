//! `oathburn explain`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use oathburn_formats::{Explained, Explanation, explain};
use oathburn_oath::{DisplayedCode, Sighting};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::commands::drift::chance;
use crate::commands::source::seed_text;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Outcome;

/// Say why a token shows other codes than its seed makes
///
/// Tried are encodings taken for each other, seeds that were cut or padded, algorithms, time steps, digits and a
/// clock up to a day off, two of them at once. Exit code 9 when nothing explains the code.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A file with the seed as it should be, in Base32, hex or as otpauth URI (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    seed_file: PathBuf,
    /// The code on the token's display
    #[arg(long, value_name = "CODE")]
    code: DisplayedCode,
    /// The code that was displayed right after it
    #[arg(long, value_name = "CODE")]
    code2: Option<DisplayedCode>,
}

/// More explanations than these confuse.
const SHOWN: usize = 5;
/// Above this an explanation may well be chance.
const DOUBT: f64 = 0.01;

impl Explain {
    pub(crate) fn run(self, context: &Context) -> Result {
        let sighting = Sighting::new(self.code, self.code2)?;
        let text = seed_text(&self.seed_file)?;
        let explained = explain(&text, sighting, context.time())?;
        let Some(best) = explained.explanations.first() else {
            let hint = "the token has another seed; `oathburn identify-code` says whose";
            let text = format!("nothing explains this code ({} were compared)\n{hint}\n", explained.searched);
            return Ok(Outcome::new(to_json(&explained), text).ending(Exit::NoMatch));
        };
        if best.false_hits > DOUBT {
            context.talk.warn("this may be chance: wait for the next code and add it with --code2");
        }
        Ok(Outcome::new(to_json(&explained), to_text(&explained, best)))
    }
}

fn to_text(explained: &Explained, best: &Explanation) -> String {
    let mut text = format!("{}\nremedy: {}\n", best.sentence(), best.remedy());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} false hits are expected among what is as likely", chance(best.false_hits));
    for other in explained.explanations.iter().skip(1).take(SHOWN - 1) {
        let _ = writeln!(text, "or: {} ({} by chance)", other.sentence(), chance(other.false_hits));
    }
    text
}

fn to_json(explained: &Explained) -> Value {
    let explanations: Vec<_> = explained
        .explanations
        .iter()
        .take(SHOWN)
        .map(|one| {
            json!({
                "sentence": one.sentence(),
                "remedy": one.remedy(),
                "algorithm": one.params.algorithm.as_str(),
                "time_step": one.params.step.seconds(),
                "digits": one.params.digits.get(),
                "drift_steps": one.drift_steps,
                "false_hits": one.false_hits,
            })
        })
        .collect();
    json!({ "explanations": explanations, "searched": explained.searched })
}
