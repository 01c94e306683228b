//! What keeps seeds in this process.

/// No core file, and no look into the memory by other processes of the same user, whatever the shell's limits and
/// the machine's crash reporter say.
#[cfg(target_os = "linux")]
pub(crate) fn keep_memory_private() {
    // The kernel refuses unknown values only.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Elsewhere a limit of no bytes keeps core files away.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_memory_private() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // A limit can always be lowered.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn the_memory_is_not_dumped() {
        super::keep_memory_private();
        assert_eq!(dumpable_behavior().ok(), Some(DumpableBehavior::NotDumpable));
    }
}
