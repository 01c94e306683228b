//! Whether this machine's clock is right: a token is set by it, and cannot be righter.

use crate::progress::Talk;

/// What the kernel knows of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synchronised {
    Yes,
    No,
    /// The kernel does not say, as in some containers.
    Unknown,
}

/// Whether something keeps this machine's clock right; `None` when the kernel does not say.
pub(crate) fn is_synchronised() -> Option<bool> {
    match ask_the_kernel() {
        Synchronised::Yes => Some(true),
        Synchronised::No => Some(false),
        Synchronised::Unknown => None,
    }
}

/// Warns when nothing keeps this machine's clock right.
pub(crate) fn warn_unless_synchronised(talk: Talk) {
    if ask_the_kernel() == Synchronised::No {
        talk.warn("this machine's clock is not synchronised, and the token is set by it (`timedatectl set-ntp true`)");
    }
}

/// Reads the kernel's clock status (adjtimex(2)) without changing anything.
#[cfg(target_os = "linux")]
fn ask_the_kernel() -> Synchronised {
    // SAFETY: `timex` is plain integers, for which zeros are valid; `modes` of zero makes the call read-only; the
    // pointer is to a live local of the right type.
    #[allow(unsafe_code)]
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex.status)
    };
    judge(state, status)
}

#[cfg(not(target_os = "linux"))]
fn ask_the_kernel() -> Synchronised {
    Synchronised::Unknown
}

/// The kernel's answer: the return value, and the status bits.
#[cfg(target_os = "linux")]
const fn judge(state: libc::c_int, status: libc::c_int) -> Synchronised {
    if state < 0 {
        Synchronised::Unknown
    } else if status & libc::STA_UNSYNC == 0 {
        Synchronised::Yes
    } else {
        Synchronised::No
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_status_bit_decides() {
        assert_eq!(judge(libc::TIME_OK, libc::STA_PLL), Synchronised::Yes);
        assert_eq!(judge(libc::TIME_ERROR, libc::STA_UNSYNC), Synchronised::No);
        assert_eq!(judge(libc::TIME_ERROR, libc::STA_UNSYNC | libc::STA_PLL), Synchronised::No);
        assert_eq!(judge(libc::TIME_OK, libc::STA_NANO), Synchronised::Yes);
        assert_eq!(judge(-1, 0), Synchronised::Unknown);
    }

    /// Two questions in a row get the same answer, and neither harms the clock.
    #[test]
    fn asking_changes_nothing() {
        assert_eq!(ask_the_kernel(), ask_the_kernel());
    }
}
