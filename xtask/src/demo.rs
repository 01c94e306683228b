//! `cargo xtask demo`: a burn from beginning to end, with the real program against an emulated token.

use std::io::{self, Read as _, Write, stdout};
use std::path::PathBuf;

use crate::emulator::{Emulator, SERIAL};
use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, DIM, GREEN, Paint, RED};
use crate::{place, setup};

const UPN: &str = "ada@example.org";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::usage("demo takes no arguments"));
    }
    setup::ensure()?;
    let mut stage = Stage::set(Box::new(stdout()), Paint::of_stdout())?;
    stage.note("a token lies on the reader; the escrow is made, and whoever has its key can open it")?;
    stage.play(&["readers"])?;
    stage.play(&["escrow", "init", "--plain-identity"])?;
    stage.play(&["identify"])?;
    stage.note("a random seed: sealed into the escrow first, then written to the token")?;
    stage.play(&["burn", "--generate", "--upn", UPN])?;
    stage.note("what the token shows, and what the escrow says it shows")?;
    let code = stage.compare()?;
    stage.play(&["verify", "--code", &code])?;
    stage.note("nothing is lost, and everything left a trace")?;
    stage.play(&["escrow", "list"])?;
    stage.play(&["escrow", "check"])?;
    stage.play(&["escrow", "audit", "verify"])
}

/// The emulated token, the real program, and somebody who watches.
pub(crate) struct Stage {
    emulator: Emulator,
    oathburn: PathBuf,
    screen: Box<dyn Write>,
    paint: Paint,
}

impl Stage {
    /// Builds what is needed and starts the emulator.
    pub(crate) fn set(screen: Box<dyn Write>, paint: Paint) -> Result<Self, Failure> {
        let mut build = place::cargo();
        build.args(["build", "--quiet", "--package", "oathburn", "--package", "oathburn-emulator", "--bins"]);
        if !build.status().while_doing("build")?.success() {
            return Err(Failure::new("the programs do not build"));
        }
        let emulator = Emulator::start(&place::built("debug", "emulate"))?;
        Ok(Self { emulator, oathburn: place::built("debug", "oathburn"), screen, paint })
    }

    /// A word to whoever watches.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.paint.with(DIM, &format!("# {text}"));
        self.show(&format!("\n{text}\n"))
    }

    /// Runs `oathburn` and shows the command line and all that it says.
    pub(crate) fn play(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        self.show_command(arguments)?;
        let (said, result) = self.oathburn(arguments)?;
        self.show(&said)?;
        result
    }

    /// Runs `oathburn` where nobody looks.
    pub(crate) fn prepare(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        let (said, result) = self.oathburn(arguments)?;
        result.map_err(|failure| Failure::new(format!("{failure}\n{said}")))
    }

    /// Shows the token's display beside the escrow's code, and says whether they are the same; returns the code.
    pub(crate) fn compare(&mut self) -> Result<String, Failure> {
        let arguments = ["code", SERIAL];
        let (shown, (said, result)) = loop {
            let before = self.emulator.display()?;
            let (said, result) = self.oathburn(&arguments)?;
            // If a time step ended in between, the two are of different times.
            if self.emulator.display()? == before {
                break (before, (said, result));
            }
        };
        self.show_command(&arguments)?;
        self.show(&said)?;
        result?;
        let same = said.split_whitespace().any(|word| word == shown);
        let verdict = if same { self.paint.with(GREEN, "MATCH") } else { self.paint.with(RED, "NO MATCH") };
        self.show(&format!("{}  the token's display: {verdict}\n", self.paint.with(BOLD, &shown)))?;
        if same { Ok(shown) } else { Err(Failure::new("the token does not show the escrow's code")) }
    }

    fn show_command(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        let line = self.paint.with(BOLD, &format!("oathburn {}", arguments.join(" ")));
        self.show(&format!("\n$ {line}\n"))
    }

    /// Runs `oathburn`: what it said on both its outputs, in the order it came, and how it ended.
    fn oathburn(&self, arguments: &[&str]) -> Result<(String, Result<(), Failure>), Failure> {
        let (mut reader, writer) = io::pipe().while_doing("make a pipe")?;
        let mut command = self.emulator.command(&self.oathburn);
        command.args(["--color", if self.paint.is_on() { "always" } else { "never" }]).args(arguments);
        command.stdout(writer.try_clone().while_doing("make a pipe")?).stderr(writer);
        let mut child = command.spawn().while_doing("start oathburn")?;
        // Its ends of the pipe are ours as well, until the command is gone.
        drop(command);
        let mut said = String::new();
        reader.read_to_string(&mut said).while_doing("hear oathburn")?;
        let status = child.wait().while_doing("wait for oathburn")?;
        let ended = || Failure::new(format!("oathburn {}: {status}", arguments.join(" ")));
        Ok((said, if status.success() { Ok(()) } else { Err(ended()) }))
    }

    fn show(&mut self, text: &str) -> Result<(), Failure> {
        self.screen.write_all(text.as_bytes()).and_then(|()| self.screen.flush()).while_doing("show")
    }
}
