//! The address of a PostgreSQL store.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::EscrowError;

/// The longest address that is read, in bytes.
const MAX_LEN: usize = 4096;
/// The most servers that an address names.
const MAX_HOSTS: usize = 16;
/// How long a server that was there may be away, unless said otherwise, and the longest that can be said.
const PATIENCE: Duration = Duration::from_mins(1);
const MAX_PATIENCE: u64 = 24 * 60 * 60;
/// Where PostgreSQL listens unless said otherwise.
const PORT: u16 = 5432;

/// The address of a PostgreSQL store: `postgres://USER@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?PARAMETER=VALUE&…]`.
///
/// Of several servers the one that can be written is used. `host=/FOLDER` names the folder of a server's socket.
/// Servers are reached through TLS, and their certificate must be valid for the name in the address (`sslmode=verify-full`),
/// by the certificates of the system or those in the file `sslrootcert`. `sslmode=disable` is for loopback; to go over
/// a network in the clear, `cleartext=yes` must be said beside it. The password is never part of the address: it is
/// in a file in the format of `.pgpass` (`passfile`), or alone in one (`password_file`). A server that was there may be
/// away for a minute, or `patience` seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) hosts: Vec<Host>,
    pub(crate) tls: Tls,
    /// The file of passwords for many servers, if one is named; else the default one, which need not be there.
    pub(crate) passfile: Option<PathBuf>,
    pub(crate) default_passfile: Option<PathBuf>,
    /// A file with nothing but the password.
    pub(crate) password_file: Option<PathBuf>,
    /// How long a server that was there may be away.
    pub(crate) patience: Duration,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) at: At,
    pub(crate) port: u16,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A name or a number.
    Network(String),
    /// The folder of a socket.
    Socket(PathBuf),
}

/// How the way to a server is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// By its certificate: signed by one in this file, or one of the system, and for the name in the address.
    VerifyFull(Option<PathBuf>),
    /// Not at all; sockets and loopback, or somebody said so.
    Disabled,
}

impl Host {
    fn is_local(&self) -> bool {
        match &self.at {
            At::Socket(_) => true,
            At::Network(name) => {
                name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Network(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            At::Network(name) => write!(f, "{name}:{}", self.port),
            At::Socket(folder) => write!(f, "{}:{}", folder.display(), self.port),
        }
    }
}

impl PostgresUrl {
    /// Passwords are also looked for in this file, if it is there and the address names none.
    #[must_use]
    pub fn with_default_passfile(self, file: impl Into<PathBuf>) -> Self {
        Self { default_passfile: Some(file.into()), ..self }
    }

    /// Whether it goes over a network that anybody can listen to.
    pub fn is_in_the_clear(&self) -> bool {
        self.tls == Tls::Disabled && !self.hosts.iter().all(Host::is_local)
    }

    /// The files that the address names: certificates and passwords.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let root = match &self.tls {
            Tls::VerifyFull(root) => root.as_deref(),
            Tls::Disabled => None,
        };
        root.into_iter().chain(self.passfile.as_deref()).chain(self.password_file.as_deref())
    }

    /// Where the store lies, whoever asks and however: once for each server. Addresses that share a server and the
    /// database's name share the store.
    pub(crate) fn places(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("postgres://{host}/{}", self.database)).collect()
    }

    /// Reads what comes after `postgres:`; `text` is the whole address.
    pub(crate) fn read(text: &str, rest: &str) -> Result<Self, EscrowError> {
        read(text, rest).map_err(|problem| EscrowError::UrlRefused { problem })
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the parameters say.
#[derive(Default)]
struct Parameters {
    hosts: Option<String>,
    ports: Option<String>,
    user: Option<String>,
    database: Option<String>,
    sslmode: Option<String>,
    root: Option<PathBuf>,
    passfile: Option<PathBuf>,
    password_file: Option<PathBuf>,
    cleartext: bool,
    patience: Option<Duration>,
}

fn read(text: &str, rest: &str) -> Result<PostgresUrl, String> {
    if text.len() > MAX_LEN {
        return Err(format!("it is longer than {MAX_LEN} bytes"));
    }
    let rest = rest.strip_prefix("//").ok_or("it does not begin with postgres://")?;
    if rest.contains('#') {
        return Err("it has a part after #".into());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, named) = match authority.rsplit_once('@') {
        Some((user, named)) => (Some(decoded(user)?), named),
        None => (None, authority),
    };
    let parameters = parameters(query)?;
    let database = once("database", Some(decoded(path)?).filter(|name| !name.is_empty()), parameters.database)?;
    let found = match (named, &parameters.hosts) {
        ("", None) => return Err("it names no server; say host=/FOLDER for one that is reached by its socket".into()),
        ("", Some(list)) => hosts(list, parameters.ports.as_deref(), false)?,
        (named, None) => hosts(named, parameters.ports.as_deref(), true)?,
        _ => return Err("it names servers twice".into()),
    };
    let tls = tls(parameters.sslmode.as_deref(), parameters.root, parameters.cleartext, &found)?;
    if parameters.passfile.is_some() && parameters.password_file.is_some() {
        return Err("it has both passfile and password_file".into());
    }
    Ok(PostgresUrl {
        text: text.into(),
        user: once("user", user, parameters.user)?,
        database,
        hosts: found,
        tls,
        passfile: parameters.passfile,
        default_passfile: None,
        password_file: parameters.password_file,
        patience: parameters.patience.unwrap_or(PATIENCE),
    })
}

/// What must be said in one of two places.
fn once(what: &str, one: Option<String>, other: Option<String>) -> Result<String, String> {
    match (one, other) {
        (Some(value), None) | (None, Some(value)) if !value.is_empty() => Ok(value),
        (Some(_), Some(_)) => Err(format!("it names the {what} twice")),
        _ => Err(format!("it names no {what}")),
    }
}

fn parameters(query: &str) -> Result<Parameters, String> {
    let mut found = Parameters::default();
    let mut seen = Vec::new();
    for one in query.split('&').filter(|one| !one.is_empty()) {
        let (name, value) = one.split_once('=').ok_or_else(|| format!("its parameter {one:?} has no value"))?;
        let value = decoded(value)?;
        if seen.contains(&name) {
            return Err(format!("its parameter {name} is there twice"));
        }
        seen.push(name);
        match name {
            "host" => found.hosts = Some(value),
            "port" => found.ports = Some(value),
            "user" => found.user = Some(value),
            "dbname" => found.database = Some(value),
            "sslmode" => found.sslmode = Some(value),
            "sslrootcert" if value == "system" => {}
            "sslrootcert" => found.root = Some(file(name, &value)?),
            "passfile" => found.passfile = Some(file(name, &value)?),
            "password_file" => found.password_file = Some(file(name, &value)?),
            "patience" => found.patience = Some(patience(&value)?),
            "cleartext" if value == "yes" => found.cleartext = true,
            "cleartext" => return Err("its parameter cleartext can only be yes".into()),
            _ => {
                return Err(format!(
                    "its parameter {name:?} is none of host, port, user, dbname, sslmode, sslrootcert, passfile, \
                     password_file, patience and cleartext"
                ));
            }
        }
    }
    Ok(found)
}

fn patience(text: &str) -> Result<Duration, String> {
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let seconds = seconds.filter(|seconds| *seconds <= MAX_PATIENCE);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("its patience is not 0 to {MAX_PATIENCE} seconds"))
}

fn file(name: &str, value: &str) -> Result<PathBuf, String> {
    if value.is_empty() { Err(format!("its parameter {name} names no file")) } else { Ok(value.into()) }
}

/// The servers of a list; in an authority each may have its port, elsewhere `ports` holds one for all or one for each.
fn hosts(list: &str, ports: Option<&str>, authority: bool) -> Result<Vec<Host>, String> {
    let names: Vec<&str> = list.split(',').collect();
    if names.len() > MAX_HOSTS {
        return Err(format!("it names more than {MAX_HOSTS} servers"));
    }
    let ports: Vec<u16> = ports.map_or(Ok(Vec::new()), |ports| ports.split(',').map(port).collect())?;
    if ports.len() > 1 && ports.len() != names.len() {
        return Err(format!("it has {} ports for {} servers", ports.len(), names.len()));
    }
    let mut hosts = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let given = ports.get(index).or(ports.first()).copied();
        let (name, own) = if authority { split_port(name)? } else { (name.to_owned(), None) };
        if own.is_some() && given.is_some() {
            return Err("it names ports twice".into());
        }
        hosts.push(Host { at: at(&name)?, port: own.or(given).unwrap_or(PORT) });
    }
    Ok(hosts)
}

/// `NAME`, `NAME:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn split_port(text: &str) -> Result<(String, Option<u16>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (number, rest) = rest.split_once(']').ok_or("a [ in it has no ]")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((number.into(), Some(self::port(port)?))),
            None if rest.is_empty() => Ok((number.into(), None)),
            None => Err("there is something between ] and the port".into()),
        };
    }
    match text.split_once(':') {
        Some((name, port)) => Ok((decoded(name)?, Some(self::port(port)?))),
        None => Ok((decoded(text)?, None)),
    }
}

fn at(name: &str) -> Result<At, String> {
    if name.starts_with('/') {
        return Ok(At::Socket(name.into()));
    }
    let fits = |one: char| one.is_ascii_alphanumeric() || ['-', '.', '_', ':'].contains(&one);
    let is_address = name.parse::<IpAddr>().is_ok();
    if name.is_empty() || name.len() > 253 || !name.chars().all(fits) || name.contains(':') && !is_address {
        return Err(format!("{name:?} is not the name of a server"));
    }
    Ok(At::Network(name.to_ascii_lowercase()))
}

fn port(text: &str) -> Result<u16, String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|port| *port > 0).ok_or_else(|| format!("{text:?} is not a port"))
}

fn tls(mode: Option<&str>, root: Option<PathBuf>, cleartext: bool, hosts: &[Host]) -> Result<Tls, String> {
    let sockets = hosts.iter().all(|host| matches!(host.at, At::Socket(_)));
    match mode {
        None if sockets && root.is_none() => Ok(Tls::Disabled),
        None | Some("verify-full") => Ok(Tls::VerifyFull(root)),
        Some("disable") if root.is_some() => Err("sslmode=disable has no use for sslrootcert".into()),
        Some("disable") if cleartext || hosts.iter().all(Host::is_local) => Ok(Tls::Disabled),
        Some("disable") => Err("sslmode=disable goes over the network in the clear; say cleartext=yes beside it if \
                                something else protects the way"
            .into()),
        Some(other) => Err(format!("sslmode={other} does not check who the server is; verify-full does")),
    }
}

/// A text without its percent signs.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(16 * high + low).unwrap_or_default()),
            _ => return Err("a % in it has no two hexadecimal digits after it".into()),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err("it holds what is no text".into()),
    }
}

#[cfg(test)]
mod tests;
