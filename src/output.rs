//! What a command has to say: data for stdout, in the two forms it can take.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use jiff::Timestamp;
use oathburn_oath::UnixTime;
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;

/// The result of a command.
pub(crate) struct Outcome {
    /// With `--json`: one value; nothing is printed for null, where everything was printed before.
    pub(crate) json: Value,
    /// Without: lines for people and pipes.
    pub(crate) text: String,
    /// Usually [`Exit::Done`].
    pub(crate) exit: Exit,
}

impl Outcome {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), exit: Exit::Done }
    }

    /// The same, ending with another exit code.
    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// Writes the outcome to stdout. A reader that went away (`| head`) is no failure.
pub(crate) fn print(outcome: &Outcome, as_json: bool) -> io::Result<()> {
    let mut text = match (as_json, &outcome.json) {
        (true, Value::Null) => String::new(),
        (true, json) => json.to_string(),
        (false, _) => outcome.text.clone(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a failure: to stdout as JSON, or to stderr for people.
pub(crate) fn print_failure(failure: &Failure, as_json: bool) {
    // Nobody is left to tell when these fail.
    if as_json {
        let _ = writeln!(anstream::stdout().lock(), "{}", failure.to_json());
        return;
    }
    let _ = anstream::stderr().lock().write_all(failure_text(failure).as_bytes());
}

fn failure_text(failure: &Failure) -> String {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let mut text = format!("{red}error{red:#}: {}\n", printable_lines(&failure.message));
    if let Some(remedy) = &failure.remedy {
        let _ = write!(text, "\nhint: {}\n", printable_lines(remedy));
    }
    text
}

/// Text from a store, a file or a device on its way to a terminal: what a terminal obeys instead of showing it is
/// escaped, so that nothing that was written elsewhere can play tricks.
pub(crate) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if is_obeyed(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The same for a text of several lines.
fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Control characters (C0, C1), line separators, and the invisible ones that change the order of what is shown
/// (Unicode Standard Annex 9, section 2) or hide in it.
fn is_obeyed(c: char) -> bool {
    let invisible = matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || invisible
}

/// RFC 3339 in UTC. Times beyond the year 9999 are shown as Unix seconds.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
}

/// Local time, to the second, with the zone's abbreviation; nothing beyond the year 9999.
pub(crate) fn local(time: UnixTime) -> Option<String> {
    let timestamp = Timestamp::from_second(i64::try_from(time.seconds()).ok()?).ok()?;
    Some(timestamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S %Z").to_string())
}

/// Rows under a header, in columns as wide as they need to be.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(header);
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_fail() {
        assert_eq!(rfc3339(UnixTime::new(59)), "1970-01-01T00:00:59Z");
        assert_eq!(rfc3339(UnixTime::new(20_000_000_000)), "2603-10-11T11:33:20Z");
        assert_eq!(rfc3339(UnixTime::new(u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(printable("bob@example.com, Zoë"), "bob@example.com, Zoë");
        assert_eq!(printable("\x1b[31m\u{9b}2J\n\x07"), "\\u{1b}[31m\\u{9b}2J\\n\\u{7}");
        assert_eq!(printable("bob\u{202e}moc\u{2066}\u{200b}"), "bob\\u{202e}moc\\u{2066}\\u{200b}");
        let text = failure_text(&Failure::usage("one\ntwo\x1b]0;", "three\r"));
        assert!(text.ends_with(": one\ntwo\\u{1b}]0;\n\nhint: three\\r\n"), "{text:?}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = table(["A", "BB"], &[["1".into(), "2".into()], ["ü22".into(), String::new()]]);
        assert_eq!(text, "A    BB\n1    2\nü22\n");
    }
}
