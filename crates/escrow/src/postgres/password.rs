//! Passwords, which are in files of their own.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::EscrowError;
use crate::url::{At, Host, PostgresUrl};

/// The most that is read of a file.
const MAX_LEN: u64 = 256 * 1024;

/// The password for a server; `None` where no file has one, for servers that ask for none.
pub(super) fn of(url: &PostgresUrl, host: &Host) -> Result<Option<Zeroizing<String>>, EscrowError> {
    if let Some(path) = &url.password_file {
        let text = read(path, true)?.unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(refused(path, "it is empty"));
        }
        return Ok(Some(Zeroizing::new(line.to_owned())));
    }
    let (path, must_be) = match (&url.passfile, &url.default_passfile) {
        (Some(path), _) => (path, true),
        (None, Some(path)) => (path, false),
        (None, None) => return Ok(None),
    };
    let Some(text) = read(path, must_be)? else { return Ok(None) };
    let name = match &host.at {
        At::Network(name) => name.clone(),
        At::Socket(folder) => folder.display().to_string(),
    };
    Ok(find(&text, &[&name, &host.port.to_string(), &url.database, &url.user]))
}

fn refused(path: &Path, problem: impl Into<String>) -> EscrowError {
    EscrowError::PasswordFile { path: path.into(), problem: problem.into() }
}

/// A file that nobody else can read; `None` where there is none and none must be.
fn read(path: &Path, must_be: bool) -> Result<Option<Zeroizing<String>>, EscrowError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be => return Ok(None),
        other => other.map_err(|error| refused(path, error.to_string()))?,
    };
    let metadata = file.metadata().map_err(|error| refused(path, error.to_string()))?;
    if !metadata.is_file() {
        return Err(refused(path, "it is no file"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refused(path, format!("others can read or write it (mode {mode:03o})")));
    }
    if metadata.len() > MAX_LEN {
        return Err(refused(path, format!("it is longer than {MAX_LEN} bytes")));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.by_ref().take(MAX_LEN).read_to_string(&mut text).map_err(|error| refused(path, error.to_string()))?;
    Ok(Some(text))
}

/// The password of the first line of a `.pgpass` file whose four fields fit: `host:port:database:user:password`, where
/// `*` fits everything, and a backslash takes `:` and itself as they are (libpq, "The Password File"). The socket in a
/// folder is called by the folder, or `localhost`.
fn find(text: &str, wanted: &[&str; 4]) -> Option<Zeroizing<String>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(fields).find_map(|[host, port, database, user, password]| {
        let given = [host, port, database, user];
        let socket = wanted[0].starts_with('/') && given[0].as_str() == "localhost";
        let fits = |(given, wanted): (&Zeroizing<String>, &&str)| given.as_str() == "*" || given.as_str() == *wanted;
        let skipped = usize::from(socket);
        let all = given.iter().zip(wanted).skip(skipped).all(fits);
        (all && !password.is_empty()).then_some(password)
    })
}

/// The five fields of a line; what comes after a fifth colon belongs to the password.
fn fields(line: &str) -> Option<[Zeroizing<String>; 5]> {
    let mut fields = [(); 5].map(|()| Zeroizing::new(String::with_capacity(line.len())));
    let (mut at, mut literal) = (0, false);
    for one in line.chars() {
        match one {
            '\\' if !literal => literal = true,
            ':' if !literal && at < 4 => at += 1,
            _ => {
                fields[at].push(one);
                literal = false;
            }
        }
    }
    (at == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::StoreUrl;

    fn found(text: &str, wanted: [&str; 4]) -> Option<String> {
        find(text, &wanted).map(|password| password.to_string())
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# db:*:*:*:commented\nshort:line\ndb:5432:escrow:bob:bobs\n\
                    db:*:escrow:*:a\\:b\\\\c:d\n\\::1:*:*:odd\n*:*:*:carol:last\n/run/pg:*:*:dave:socket\nlocalhost:*:*:erin:local";
        assert_eq!(found(text, ["db", "5432", "escrow", "bob"]).as_deref(), Some("bobs"));
        assert_eq!(found(text, ["db", "5433", "escrow", "bob"]).as_deref(), Some("a:b\\c:d"));
        assert_eq!(found(text, ["other", "5432", "escrow", "carol"]).as_deref(), Some("last"));
        assert_eq!(found(text, ["/run/pg", "5432", "escrow", "dave"]).as_deref(), Some("socket"));
        assert_eq!(found(text, ["/run/pg", "5432", "escrow", "erin"]).as_deref(), Some("local"));
        assert_eq!(found(text, ["db", "5432", "other", "bob"]), None);
        assert_eq!(found("", ["db", "5432", "other", "bob"]), None);
    }

    #[test]
    fn files_that_others_can_read_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\nmore\n").unwrap();
        let url = |parameters: &str| match format!("postgres://u@db/d?{parameters}").parse::<StoreUrl>().unwrap() {
            StoreUrl::Postgres(url) => url,
            other => panic!("{other}"),
        };
        let named = url(&format!("password_file={}", file.display()));
        let of = |url: &PostgresUrl| of(url, &url.hosts[0]).map(|found| found.map(|one| one.to_string()));
        for (mode, works) in [(0o644, false), (0o640, false), (0o620, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match of(&named) {
                Ok(password) => assert!(works && password.as_deref() == Some("hunter2"), "{mode:o}"),
                Err(error) => {
                    assert!(!works, "{mode:o}: {error}");
                    assert!(error.to_string().contains("others can read"), "{error}");
                }
            }
        }
        std::fs::write(folder.path().join("pass"), "db:*:*:*:fits\n").unwrap();
        std::fs::set_permissions(folder.path().join("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let by_default = url("port=5432").with_default_passfile(folder.path().join("pass"));
        assert_eq!(of(&by_default).unwrap().as_deref(), Some("fits"));
        // A default that is not there is no error; one that was named is.
        assert_eq!(of(&url("port=5432").with_default_passfile(folder.path().join("none"))).unwrap(), None);
        assert!(of(&url("passfile=/nowhere/at/all")).is_err());
        assert_eq!(of(&url("port=5432")).unwrap(), None);
    }
}
