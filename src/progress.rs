//! The talk on stderr: a spinner while waiting, a line for each step, hints and warnings.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use oathburn_station::Event;
use oathburn_token::Progress;

use crate::cli::{Globals, When};
use crate::output::rfc3339;

/// Where and how to talk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    quiet: bool,
    terminal: bool,
    color: When,
}

impl Talk {
    pub(crate) fn new(globals: &Globals) -> Self {
        Self { quiet: globals.quiet, terminal: std::io::stderr().is_terminal(), color: globals.color }
    }

    /// Whether somebody is there to answer.
    pub(crate) fn can_ask(self) -> bool {
        self.terminal && std::io::stdin().is_terminal()
    }

    /// Whether somebody is there to watch.
    pub(crate) const fn is_watched(self) -> bool {
        self.terminal && !self.quiet
    }

    /// Whether to do without colours.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self.color, When::Never) || std::env::var_os("NO_COLOR").is_some()
    }

    /// One line.
    pub(crate) fn say(self, line: impl Display) {
        if !self.quiet {
            // Nobody is left to tell when this fails.
            let _ = writeln!(anstream::stderr().lock(), "{line}");
        }
    }

    /// Something that went well.
    pub(crate) fn step(self, line: impl Display) {
        let green = AnsiColor::Green.on_default();
        self.say(format_args!("{green}✓{green:#} {line}"));
    }

    /// Something to know.
    pub(crate) fn warn(self, line: impl Display) {
        let yellow = AnsiColor::Yellow.on_default().bold();
        self.say(format_args!("{yellow}warning{yellow:#}: {line}"));
    }

    /// A spinner that goes when it is dropped; nothing where nobody watches.
    pub(crate) fn spinner(self, message: &'static str) -> Spinner {
        if !self.is_watched() {
            return Spinner(None);
        }
        let template = if self.is_plain() { "{spinner} {msg}" } else { "{spinner:.cyan} {msg}" };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner().with_style(style).with_message(message);
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// Counts up; nothing where nobody watches.
    pub(crate) fn counter(self, what: &'static str) -> Spinner {
        let spinner = self.spinner(what);
        if let Some(bar) = &spinner.0 {
            let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}, {per_sec}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        }
        spinner
    }

    /// A line for each step of a burn.
    pub(crate) fn burn_event(self, event: &Event) {
        match event {
            Event::Identified(token) => {
                let model = token.model.as_ref().map_or("unknown model", |model| &model.name);
                let clock = token.info.clock.map_or_else(String::new, |clock| format!(", clock {}", rfc3339(clock)));
                self.step(format_args!("token {} ({model}){clock}", strong(&token.info.serial)));
            }
            Event::Resumed { entry } => self.step(format_args!("finishing the unfinished burn {entry}, with its seed")),
            Event::Reserved { entry } => self.step(format_args!("seed sealed into the escrow as {entry}")),
            Event::Token(Progress::Authenticated) => self.step("logged in to the token"),
            Event::Token(Progress::ConfigWritten) => self.step("clock and parameters written"),
            Event::Token(Progress::SeedWritten) => self.step("seed written"),
            Event::Token(Progress::ReadBack) => self.step("serial number and clock read back"),
            Event::Token(Progress::Reauthenticated) => self.warn("the token had lost the session, logged in again"),
            Event::Token(Progress::CodesCompared) => self.step("the token computes the codes of the seed"),
            Event::Token(Progress::TouchAwaited) => self.say("touch the token now"),
            Event::Token(Progress::ConfirmationAwaited) => self.say("the token waits for its ▲ button"),
            Event::Programmed { .. } => self.step("escrow marked as programmed"),
            Event::Unknown { entry } => self.warn(format_args!("the token's state is unknown; entry {entry} says so")),
        }
    }
}

fn strong(text: impl Display) -> String {
    let bold = Style::new().bold();
    format!("{bold}{text}{bold:#}")
}

/// Turns while it lives.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Counts on.
    pub(crate) fn add(&self, count: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(count);
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
