//! What became of a line, as a row of a table.

use oathburn_escrow::{Line, LineState};
use oathburn_oath::UnixTime;

/// The names of the columns.
pub const LINE_COLUMNS: [&str; 8] = ["line", "upn", "serial", "model", "state", "time", "drift", "error"];

/// The row of a line. `time` writes when it was done, begun or given up; drift is in seconds; what there is not is empty.
pub fn line_row(line: &Line, time: impl Fn(UnixTime) -> String) -> [String; LINE_COLUMNS.len()] {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let entry = line.entry.as_ref();
    let serial = entry.map(|entry| &entry.identity.serial).or(line.serial.as_ref());
    let (failure, failed_at) = line.failure.as_ref().filter(|_| line.state == LineState::Failed).cloned().unzip();
    let when = failed_at.or(entry.map(|entry| entry.programmed_at.unwrap_or(entry.reserved_at)));
    let drift = entry.filter(|_| line.state == LineState::Done).and_then(|entry| entry.drift_seconds);
    [
        line.number.to_string(),
        text(line.upn.as_deref()),
        serial.map(ToString::to_string).unwrap_or_default(),
        text(entry.and_then(|entry| entry.model.as_deref())),
        line.state.to_string(),
        when.map(time).unwrap_or_default(),
        drift.map(|seconds| seconds.to_string()).unwrap_or_default(),
        failure.unwrap_or_default(),
    ]
}
