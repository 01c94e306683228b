//! An error somebody can act on.

/// What every error of the house can say beside its message.
pub trait Remedy: std::error::Error {
    /// A stable, short name of the error, for scripts (`seed-not-base32`).
    fn code(&self) -> &'static str;

    /// What a technician can do about it; `None` when there is nothing to be done but report it.
    fn remedy(&self) -> Option<String>;
}

/// Gives an enum of errors the names of its variants. A variant that is left out does not compile, so that whoever
/// counts with these names counts all.
#[doc(hidden)]
#[macro_export]
macro_rules! variants {
    ($error:ident: $($variant:ident)*) => {
        impl $error {
            /// The names of all variants.
            #[doc(hidden)]
            pub const VARIANTS: &'static [&'static str] = &[$(stringify!($variant)),*];

            /// The name of this variant.
            #[doc(hidden)]
            pub const fn variant(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }
        }
    };
}
