//! Colours, where somebody looks at them.

use std::env;
use std::io::{IsTerminal, stderr, stdout};

use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();

/// Colours a text, or does not.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours, whoever looks.
    pub(crate) const ON: Self = Self(true);

    pub(crate) const fn is_on(self) -> bool {
        self.0
    }

    pub(crate) fn of_stdout() -> Self {
        Self(stdout().is_terminal() && wanted())
    }

    pub(crate) fn of_stderr() -> Self {
        Self(stderr().is_terminal() && wanted())
    }

    pub(crate) fn with(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.into() }
    }
}

/// See no-color.org.
fn wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
