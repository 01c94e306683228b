//! Reaching a server that can be written to.

use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};

use super::fault::Fault;
use super::session::{Backend, Session};
use super::{password, tls};
use crate::EscrowError;
use crate::url::{At, Host, PostgresUrl, Tls};

/// The oldest server: transactions have numbers that can be asked for since then.
const OLDEST: i32 = 130_000;
/// How long a server may take to answer the first time.
const CONNECT: Duration = Duration::from_secs(10);
/// How long what was sent may go without an answer of the other machine.
const SILENCE: Duration = Duration::from_secs(30);

/// How a session works. Nothing is looked up outside of our schema; a table that shows only some of its rows refuses;
/// whoever waits or lets others wait does not do so for ever; the server, too, finds out that we are gone.
const SETTINGS: &str = "SET search_path = oathburn, pg_temp; SET row_security = off; SET statement_timeout = '180s';
    SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '300s'; SET client_min_messages = warning;
    SET jit = off; SET quote_all_identifiers = off; SET extra_float_digits = 1; SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; SET default_transaction_read_only = off;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');";

/// A session with the first server that can be written to.
pub(super) fn connect(url: &PostgresUrl, fault: &Fault) -> Result<Session, EscrowError> {
    let mut first: Option<EscrowError> = None;
    for host in &url.hosts {
        match reach(url, host, fault).and_then(|client| prepare(client, host, fault)) {
            Ok(session) => return Ok(session),
            // What somebody can mend is told rather than that another server does not answer.
            Err(error) => match &first {
                Some(known) if !matches!(known, EscrowError::StoreUnavailable { .. }) => {}
                Some(_) if matches!(error, EscrowError::StoreUnavailable { .. }) => {}
                _ => first = Some(error),
            },
        }
    }
    Err(first.unwrap_or_else(|| fault.unavailable("the address names no server")))
}

fn reach(url: &PostgresUrl, host: &Host, fault: &Fault) -> Result<Client, EscrowError> {
    let mut config = Config::new();
    config.user(&url.user).dbname(&url.database).application_name("oathburn").port(host.port);
    config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
    config.keepalives_idle(SILENCE).keepalives_interval(Duration::from_secs(5)).keepalives_retries(4);
    if let Some(password) = password::of(url, host)? {
        config.password(password.as_bytes());
    }
    let connected = match (&host.at, &url.tls) {
        (At::Socket(folder), _) => config.host_path(folder).ssl_mode(SslMode::Disable).connect(NoTls),
        (At::Network(name), Tls::Disabled) => config.host(name).ssl_mode(SslMode::Disable).connect(NoTls),
        (At::Network(name), Tls::VerifyFull(root)) => {
            let connector = tls::connector(root.as_deref(), fault)?;
            config.host(name).ssl_mode(SslMode::Require).connect(connector)
        }
    };
    connected.map_err(|error| fault.of_connecting(&host.to_string(), &error))
}

fn prepare(client: Client, host: &Host, fault: &Fault) -> Result<Session, EscrowError> {
    let mut session = Session::new(client, fault.clone());
    session.batch(SETTINGS)?;
    let row = session.row(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),
            pg_backend_pid(), (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid())",
        &[],
    )?;
    let row = row.ok_or_else(|| fault.unavailable(format!("{host} does not say what it is")))?;
    let unsuitable = |problem: String| EscrowError::StoreUnsuitable { store: fault.store.clone(), problem };
    let version: i32 = session.value(&row, 0)?;
    if version < OLDEST {
        return Err(unsuitable(format!("its server is PostgreSQL {}.{}", version / 10_000, version % 10_000)));
    }
    let encoding: String = session.value(&row, 1)?;
    if encoding != "UTF8" {
        return Err(unsuitable(format!("its encoding is {encoding}")));
    }
    if session.value(&row, 2)? {
        return Err(fault.unavailable(format!("{host} is a standby, which cannot be written to")));
    }
    session.backend =
        Backend { pid: session.value(&row, 3)?, started: session.value::<Option<_>>(&row, 4)?.unwrap_or_default() };
    Ok(session)
}

/// Ends the process on the server that served a connection which broke: its transaction comes to an end, and what it
/// held is free. It is one of ours, of the same user; where it is gone already nothing happens.
pub(super) fn end(session: &Session, backend: &Backend) -> Result<(), EscrowError> {
    session.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid = $1 AND backend_start::text = $2 AND usename = current_user AND pid <> pg_backend_pid()",
        &[&backend.pid, &backend.started],
    )?;
    Ok(())
}
