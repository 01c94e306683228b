//! Where a store lies.

mod postgres;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use self::postgres::PostgresUrl;
pub(crate) use self::postgres::{At, Host, Tls};
use crate::EscrowError;

/// The address of a store: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(PostgresUrl),
}

impl StoreUrl {
    /// The store in this file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }

    /// The file, where the store is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The server, where the store is behind one.
    pub fn server(&self) -> Option<&PostgresUrl> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(url),
        }
    }

    /// Passwords are also looked for in this file, which is in the format of `.pgpass`, if it is there and the address
    /// names none.
    #[must_use]
    pub fn with_default_passfile(self, file: impl Into<PathBuf>) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(path),
            Self::Postgres(url) => Self::Postgres(url.with_default_passfile(file)),
        }
    }
}

/// The address as it was given; no address holds a password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = EscrowError;

    fn from_str(text: &str) -> Result<Self, EscrowError> {
        if holds_password(text) {
            return Err(EscrowError::UrlPassword);
        }
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::sqlite(path)),
            Some(("postgres" | "postgresql", rest)) => PostgresUrl::read(text, rest).map(Self::Postgres),
            _ => Err(EscrowError::UrlUnknown { url: text.into() }),
        }
    }
}

/// Whether an address with an authority (`scheme://user:password@host`) or with parameters holds a password.
fn holds_password(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    if scheme == "sqlite" {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password with a slash in it moves the `@` out of the authority: then any `:…@` counts.
    let in_authority = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let anywhere = rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
    let named = parameters.split('&').any(|one| one.to_ascii_lowercase().starts_with("password="));
    in_authority || anywhere || named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for text in ["sqlite:/var/lib/x.db", "sqlite:relative.db", "sqlite:with space:and@colon.db"] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("sqlite:a.db".parse::<StoreUrl>().unwrap().path(), Some(Path::new("a.db")));
    }

    #[test]
    fn passwords_and_strangers_are_refused_without_repeating_the_password() {
        for text in [
            "postgres://bob:hunter2@db/escrow",
            "postgresql://bob:hun/ter2@db/escrow",
            "postgres://db/escrow?user=bob&password=hunter2",
            "mysql://bob:hunter2@db",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(matches!(error, EscrowError::UrlPassword), "{text}");
            assert!(!error.to_string().contains("hun"));
        }
        for text in ["", "escrow.db", "sqlite:", "/etc/passwd", "sqlite:a\0b"] {
            assert!(matches!(text.parse::<StoreUrl>(), Err(EscrowError::UrlUnknown { .. })), "{text:?}");
        }
    }
}
