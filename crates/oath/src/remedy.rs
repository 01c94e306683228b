//! An error somebody can act on.

/// What every error of the house can say beside its message.
pub trait Remedy: std::error::Error {
    /// A stable, short name of the error, for scripts (`seed-not-base32`).
    fn code(&self) -> &'static str;

    /// What a technician can do about it; `None` when there is nothing to be done but report it.
    fn remedy(&self) -> Option<String>;
}
