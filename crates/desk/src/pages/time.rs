//! Times on pages: UTC, to the second, in a form that programs read, too.

use jiff::Timestamp;
use jiff::civil::DateTime;
use maud::{Markup, html};
use oathburn_oath::UnixTime;

use crate::DeskError;

/// A time as text: `2026-11-21 16:05:00 UTC`.
pub(super) fn text(time: UnixTime) -> String {
    match timestamp(time) {
        Some(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => time.seconds().to_string(),
    }
}

/// A time in an element of its own.
pub(super) fn show(time: UnixTime) -> Markup {
    html! { time datetime=[timestamp(time)] { (text(time)) } }
}

/// A time as people type it: `2026-11-30`, `2026-11-30 14:05`, with seconds, or as programs write it. UTC.
pub(super) fn read(text: &str) -> Result<UnixTime, DeskError> {
    let text = text.trim().trim_end_matches("UTC").trim_end();
    let local = |text: &str| text.parse::<DateTime>().ok()?.in_tz("UTC").ok().map(|zoned| zoned.timestamp());
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| local(text)).ok_or(DeskError::TimeUnreadable)?;
    u64::try_from(timestamp.as_second()).map(UnixTime::new).map_err(|_| DeskError::TimeUnreadable)
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("1970-01-02 00:01", 86_460),
            (" 1970-01-01 00:00:59 UTC ", 59),
            ("1970-01-01T00:00:59Z", 59),
            ("1970-01-01T01:00:59+01:00", 59),
        ] {
            assert_eq!(read(text).unwrap().seconds(), seconds, "{text}");
        }
        for text in ["", "tomorrow", "1969-12-31", "2026-13-01", "14:05", "<script>"] {
            assert!(matches!(read(text), Err(DeskError::TimeUnreadable)), "{text}");
        }
    }

    #[test]
    fn times_are_utc_and_never_fail() {
        assert_eq!(text(UnixTime::new(59)), "1970-01-01 00:00:59 UTC");
        assert_eq!(show(UnixTime::new(59)).0, "<time datetime=\"1970-01-01T00:00:59Z\">1970-01-01 00:00:59 UTC</time>");
        assert_eq!(text(UnixTime::new(u64::MAX)), u64::MAX.to_string());
    }
}
