//! Memory that is not written to swap.

use region::LockGuard;

/// A value whose bytes stay in memory; what it points to may not.
pub(super) struct Locked<T> {
    value: Box<T>,
    /// `None` where the system does not let this user lock memory.
    guard: Option<LockGuard>,
}

impl<T> Locked<T> {
    pub(super) fn new(value: T) -> Self {
        let value = Box::new(value);
        let guard = region::lock(std::ptr::from_ref::<T>(&value), size_of::<T>()).ok();
        Self { value, guard }
    }

    pub(super) fn is_locked(&self) -> bool {
        self.guard.is_some()
    }
}

impl<T> std::ops::Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
