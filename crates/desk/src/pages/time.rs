//! Times on pages: UTC, to the second, in a form that programs read, too.

use jiff::Timestamp;
use maud::{Markup, html};
use oathburn_oath::UnixTime;

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

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_fail() {
        assert_eq!(text(UnixTime::new(59)), "1970-01-01 00:00:59 UTC");
        assert_eq!(show(UnixTime::new(59)).0, "<time datetime=\"1970-01-01T00:00:59Z\">1970-01-01 00:00:59 UTC</time>");
        assert_eq!(text(UnixTime::new(u64::MAX)), u64::MAX.to_string());
    }
}
