//! A real PostgreSQL, from Debian's package, run for ourselves alone.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::EmulatorError;
use certificate::Certificate;
use keeper::Keeper;
use place::{Port, User};

mod certificate;
mod keeper;
mod place;

/// Who owns everything in the server. Whoever may enter the socket's folder is believed to be this role or any other.
pub const SUPERUSER: &str = "postgres";

/// The names that the server's certificate holds.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

/// Small enough for many at a time; what is not said here is as PostgreSQL has it.
const SETTINGS: &str = "
shared_buffers = 16MB
max_connections = 60
max_wal_size = 256MB
wal_level = replica
hot_standby = on
dynamic_shared_memory_type = mmap
jit = off
timezone = UTC
lc_messages = 'C.UTF-8'
log_line_prefix = '%m [%p] %u@%d '
password_encryption = scram-sha-256
ssl = on
";

/// Passwords on the network, with or without TLS; on the socket it is the folder that keeps others out.
const ACCESS: &str = "
local all all trust
local replication all trust
host all all 127.0.0.0/8 scram-sha-256
";

/// Runs a program as a user of a namespace with a small disk of its own: as root of a first namespace that can mount, then
/// as oneself again, for the server refuses to be root.
const WITH_DISK: &str = r#"
size=$1 disk=$2 user=$3 group=$4; shift 4
mount -t tmpfs -o "size=$size,mode=700" none "$disk" && mkdir -m 700 "$disk/space" || exit 1
exec unshare --user --map-user="$user" --map-group="$group" -- "$@"
"#;

/// What a server is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Whether what was committed survives the machine's death. Tests that never break anything are faster without.
    pub durable: bool,
    /// A disk of this many bytes, for the tablespace that [`PrivatePostgres::small_tablespace`] makes. It is gone when the
    /// server is stopped.
    pub small_disk: Option<u64>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { durable: true, small_disk: None }
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In order: transactions are rolled back, clients are told.
    Fast,
    /// As if the machine had died: the next start recovers from the log.
    Immediate,
}

/// A server: on loopback with TLS and passwords, and on a socket of its own. Dropping it ends it and removes its files, and so
/// does the death of the process that made it.
pub struct PrivatePostgres {
    // Dropped first.
    _keeper: Keeper,
    folder: PathBuf,
    programs: PathBuf,
    user: User,
    port: Port,
    certificate: Certificate,
    options: PostgresOptions,
}

impl PrivatePostgres {
    /// Makes a server with an empty cluster; back when it takes connections.
    pub fn start_new(options: PostgresOptions) -> Result<Self, EmulatorError> {
        let certificate = Certificate::make(NAMES)
            .map_err(|error| EmulatorError::postgres("make a certificate", error.to_string()))?;
        let server = Self::lay_out(options, certificate)?;
        let mut initdb = server.tool("initdb");
        initdb.args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
        initdb.args(["--no-sync", "--no-instructions", "--pgdata"]).arg(server.data());
        run(&mut initdb, "initdb")?;
        server.configure()?;
        server.start()?;
        Ok(server)
    }

    /// A server that whoever asks in this process shares, without durability: tests make databases of their own in it.
    pub fn shared() -> Result<&'static Self, EmulatorError> {
        static SHARED: OnceLock<Result<PrivatePostgres, String>> = OnceLock::new();
        let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
        let made = SHARED.get_or_init(|| Self::start_new(options).map_err(|error| error.to_string()));
        made.as_ref().map_err(|reason| EmulatorError::postgres("start", reason))
    }

    /// Starts it again, on the same port.
    pub fn start(&self) -> Result<(), EmulatorError> {
        let mut pg_ctl = match self.options.small_disk {
            None => self.tool("pg_ctl"),
            Some(size) => self.with_disk(size),
        };
        pg_ctl.args(["start", "--silent", "--wait", "--timeout", "120", "--pgdata"]).arg(self.data());
        pg_ctl.arg("--log").arg(self.log());
        run(&mut pg_ctl, "pg_ctl start").map_err(|error| {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(8).collect();
            let last = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
            EmulatorError::postgres("start", format!("{error}\n{last}"))
        })
    }

    /// Stops it; back when it has ended.
    pub fn stop(&self, how: Stop) -> Result<(), EmulatorError> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        let mut pg_ctl = self.tool("pg_ctl");
        pg_ctl.args(["stop", "--silent", "--wait", "--timeout", "120", "--mode", mode, "--pgdata"]).arg(self.data());
        run(&mut pg_ctl, "pg_ctl stop")
    }

    /// A server that follows this one and can be promoted. It has the same roles, passwords and certificate.
    pub fn standby(&self) -> Result<Self, EmulatorError> {
        let standby = Self::lay_out(PostgresOptions { small_disk: None, ..self.options }, self.certificate.clone())?;
        let mut copy = standby.tool("pg_basebackup");
        copy.arg("--host").arg(&self.folder).args(["--port", &self.port().to_string(), "--username", SUPERUSER]);
        copy.args(["--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync", "--pgdata"]);
        run(copy.arg(standby.data()), "pg_basebackup")?;
        standby.configure()?;
        standby.start()?;
        Ok(standby)
    }

    /// Lets commits wait from now on until a standby has them; back when one is there that they wait for.
    pub fn wait_for_standby(&self) -> Result<(), EmulatorError> {
        self.sql(SUPERUSER, "alter system set synchronous_standby_names = '*'")?;
        self.sql(SUPERUSER, "select pg_reload_conf()")?;
        let following = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        while self.sql(SUPERUSER, following)?.trim() == "0" {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Makes a standby take writes; back when it does.
    pub fn promote(&self) -> Result<(), EmulatorError> {
        let mut pg_ctl = self.tool("pg_ctl");
        pg_ctl.args(["promote", "--silent", "--wait", "--timeout", "120", "--pgdata"]).arg(self.data());
        run(&mut pg_ctl, "pg_ctl promote")
    }

    /// Where it listens. It listens on 127.0.0.2 as well, which its certificate does not name.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Its port, of TCP and of the socket's name.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of its socket, which only its user and root may enter.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate that clients are to trust, in a PEM file.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// What it said so far.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The address of a database for a role, with TLS and its certificate checked.
    pub fn url(&self, role: &str, database: &str) -> String {
        let (port, authority) = (self.port(), self.authority());
        let authority = authority.display();
        format!("postgres://{role}@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={authority}")
    }

    /// Makes a role that may log in.
    pub fn role(&self, name: &str, password: &str) -> Result<(), EmulatorError> {
        let (name, password) = (identifier(name), literal(password));
        self.sql(SUPERUSER, &format!("create role {name} login password {password}")).map(drop)
    }

    /// Makes a database that belongs to a role.
    pub fn database(&self, name: &str, owner: &str) -> Result<(), EmulatorError> {
        // Without a checkpoint: the template is empty.
        let (name, owner) = (identifier(name), identifier(owner));
        self.sql(SUPERUSER, &format!("create database {name} owner {owner}")).map(drop)
    }

    /// Makes the tablespace `small` on the small disk, which `role` may use.
    pub fn small_tablespace(&self, role: &str) -> Result<(), EmulatorError> {
        let place = literal(&self.disk().join("space").display().to_string());
        self.sql(SUPERUSER, &format!("create tablespace small location {place}"))?;
        self.sql(SUPERUSER, &format!("grant create on tablespace small to {}", identifier(role))).map(drop)
    }

    /// Runs statements as the superuser, in one session: what they print, a row a line, fields divided by `|`.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, EmulatorError> {
        self.sql_as(SUPERUSER, database, statements)
    }

    /// Runs statements as a role; the first one that fails ends it.
    pub fn sql_as(&self, role: &str, database: &str, statements: &str) -> Result<String, EmulatorError> {
        let mut psql = self.tool("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
        psql.arg("--host").arg(&self.folder).args(["--port", &self.port().to_string()]);
        psql.args(["--username", role, "--dbname", database]);
        let output = feed(&mut psql, statements).map_err(EmulatorError::io("run psql"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(EmulatorError::postgres("psql", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// A folder for a server to be, with somebody who clears it away.
    fn lay_out(options: PostgresOptions, certificate: Certificate) -> Result<Self, EmulatorError> {
        let programs = place::programs().ok_or(EmulatorError::PostgresMissing)?;
        let user = User::find().map_err(EmulatorError::io("find a user for PostgreSQL"))?;
        let made = || EmulatorError::io("make a folder for PostgreSQL");
        let folder = tempfile::Builder::new().prefix("oathburn-pg-").tempdir().map_err(made())?.keep();
        let keeper = user
            .own(&folder)
            .and_then(|()| Keeper::start(user.command("/bin/sh"), &programs.join("pg_ctl"), &folder))
            .map_err(EmulatorError::io("start /bin/sh"))?;
        let port = Port::reserve().map_err(EmulatorError::io("reserve a port"))?;
        let server = Self { _keeper: keeper, folder, programs, user, port, certificate, options };
        fs::create_dir(server.disk()).and_then(|()| user.own(&server.disk())).map_err(made())?;
        let Certificate { authority, chain, key } = &server.certificate;
        server.write("authority.pem", authority, 0o644)?;
        server.write("server.pem", chain, 0o644)?;
        server.write("server.key", key, 0o600)?;
        Ok(server)
    }

    /// Settings and access, into files that the cluster has already.
    fn configure(&self) -> Result<(), EmulatorError> {
        let path = |name: &str| literal(&self.folder.join(name).display().to_string());
        let safe = if self.options.durable { "on" } else { "off" };
        let settings = format!(
            "{SETTINGS}port = {}\nlisten_addresses = '127.0.0.1, 127.0.0.2'\nunix_socket_directories = {}\n\
             ssl_cert_file = {}\nssl_key_file = {}\nfsync = {safe}\nsynchronous_commit = {safe}\nfull_page_writes = {safe}\n",
            self.port(),
            literal(&self.folder.display().to_string()),
            path("server.pem"),
            path("server.key"),
        );
        self.write("data/postgresql.conf", &settings, 0o600)?;
        self.write("data/pg_hba.conf", ACCESS, 0o600)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), EmulatorError> {
        let path = self.folder.join(name);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(EmulatorError::io("write a file"))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.as_file().set_permissions(fs::Permissions::from_mode(mode)))
            .and_then(|()| self.user.own(file.path()))
            .and_then(|()| file.persist(&path).map(drop).map_err(Into::into))
            .map_err(EmulatorError::io(format!("write {}", path.display())))
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = self.user.command(self.programs.join(name));
        command.current_dir(&self.folder);
        command
    }

    fn with_disk(&self, size: u64) -> Command {
        let mut command = self.user.command("/usr/bin/unshare");
        let (user, group) = self.user.ids();
        command.args(["-Urm", "--", "/bin/sh", "-c", WITH_DISK, "sh", &size.to_string()]).arg(self.disk());
        command.args([user, group]).arg(self.programs.join("pg_ctl")).current_dir(&self.folder);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }
}

fn run(command: &mut Command, name: &str) -> Result<(), EmulatorError> {
    let output = command.stdin(Stdio::null()).output().map_err(EmulatorError::io(format!("run {name}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(EmulatorError::postgres(name, String::from_utf8_lossy(&said).trim()))
}

fn feed(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // A program that reads no further says why; that its input broke off does not matter then.
        scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
