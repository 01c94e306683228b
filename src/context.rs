//! Everything a command needs to know about where it runs: options, files, clocks, the officer.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use etcetera::BaseStrategy;
use oathburn_escrow::{Agent, Escrow, EscrowError, Officer, Opener, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, FixedClock, SystemClock, UnixTime};
use oathburn_station::OpenerSource;
use oathburn_token::Models;
use secrecy::SecretString;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::Globals;
use crate::echo::Echo;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printable;
use crate::progress::Talk;
use crate::prompt;

/// The surroundings of one run.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    /// Where this user's files lie.
    folder: PathBuf,
    /// Where this user's settings lie.
    config: PathBuf,
    /// Where sockets lie, and only for as long as this user is logged in.
    runtime: Option<PathBuf>,
    /// Where PostgreSQL's programs look for passwords: the file need not be there.
    passfile: Option<PathBuf>,
    /// What is said on stderr.
    pub(crate) talk: Talk,
    /// Known products.
    pub(crate) models: Models,
    interrupts: Interrupts,
}

impl Context {
    /// A models file that cannot be read stops only commands that ask what a token is.
    pub(crate) fn new(globals: Globals, needs_models: bool) -> Result<Self, Failure> {
        let folders = etcetera::base_strategy::choose_native_strategy()
            .map_err(|_| Failure::usage("there is no home folder for oathburn's files", "set HOME"))?;
        let (config, talk) = (folders.config_dir().join("oathburn"), Talk::new(&globals));
        let models = match models(&config.join("models.toml")) {
            Err(failure) if !needs_models => {
                talk.warn(printable(&failure.message));
                Models::builtin()
            }
            models => models?,
        };
        Ok(Self {
            folder: folders.data_dir().join("oathburn"),
            runtime: folders.runtime_dir().or_else(runtime_dir),
            passfile: match std::env::var_os("PGPASSFILE") {
                Some(named) if !named.is_empty() => Some(named.into()),
                _ => Some(folders.home_dir().join(".pgpass")),
            },
            talk,
            models,
            config,
            interrupts: Interrupts::listen()?,
            globals,
        })
    }

    /// The time for computing and comparing codes.
    pub(crate) fn time(&self) -> UnixTime {
        let real: &dyn Clock = &SystemClock;
        self.globals.time.map_or_else(|| real.now(), |time| FixedClock(time).now())
    }

    /// From here until the guard is dropped, Ctrl-C does not end the program: a conversation with a token is not cut.
    pub(crate) fn defer_interrupts(&self) -> Deferred<'_> {
        self.interrupts.defer([false, false])
    }

    /// Asks for a passphrase. Ctrl-C comes back as an error, and SIGTERM ends the program, where it may at all: both
    /// after the terminal got its echo back.
    pub(crate) fn ask_passphrase(&self, question: &str) -> io::Result<SecretString> {
        let [_, terminate] = self.interrupts.at_once();
        let deferred = self.interrupts.defer([false, false]);
        let _echo = if terminate { Some(Echo::keep()?) } else { None };
        let passphrase = prompt::passphrase(question)?;
        if deferred.is_interrupted() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(passphrase) }
    }

    /// The file in which users describe formats of columns.
    pub(crate) fn columns_file(&self) -> PathBuf {
        self.config.join("columns.toml")
    }

    /// Where this user's files lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// This machine's keys, which may not be made yet.
    pub(crate) fn station_file(&self) -> PathBuf {
        self.folder.join("station.key")
    }

    /// The store's address.
    pub(crate) fn store(&self) -> Result<StoreUrl, Failure> {
        match &self.globals.store {
            Some(text) => self.address(text),
            None => Ok(StoreUrl::sqlite(self.folder.join("escrow.db"))),
        }
    }

    /// The address of a store. Passwords of servers are where PostgreSQL's own programs look for them, too.
    pub(crate) fn address(&self, text: &str) -> Result<StoreUrl, Failure> {
        let url: StoreUrl = text.parse()?;
        Ok(match &self.passfile {
            Some(file) => url.with_default_passfile(file),
            None => url,
        })
    }

    /// The officer's file.
    pub(crate) fn identity(&self) -> PathBuf {
        self.globals.identity.clone().unwrap_or_else(|| self.folder.join("officer.key"))
    }

    /// What this user has seen of each escrow.
    pub(crate) fn pins(&self) -> Pins {
        Pins::new(self.folder.join("pins"))
    }

    /// This machine's keys, made at the first use.
    pub(crate) fn station_key(&self) -> Result<StationKey, Failure> {
        Ok(StationKey::load_or_create(&self.station_file())?)
    }

    /// Who is asking.
    pub(crate) fn writer(&self) -> Writer {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Writer { operator: self.globals.operator.clone(), uid: rustix::process::getuid().as_raw(), host }
    }

    /// Opens the escrow; seeds in it stay sealed.
    pub(crate) fn escrow(&self) -> Result<Escrow, Failure> {
        let store = self.store()?;
        let escrow = Escrow::open(&store, self.station_key()?, &self.pins(), self.writer(), Arc::new(SystemClock));
        let escrow = escrow.map_err(|error| match error {
            EscrowError::StoreMissing { .. } => Failure::from(error).with("store", store.to_string()),
            other => other.into(),
        })?;
        if escrow.is_first_use() {
            let (id, fingerprint) = (escrow.id(), escrow.fingerprint());
            self.talk.say(format_args!("first use of {store}: escrow {id}, fingerprint {fingerprint}"));
            self.talk
                .say("compare it with what its officer sees in `oathburn escrow check`: from now on it is trusted");
        }
        Ok(escrow)
    }

    /// Makes sure that the folder of this user's files is there, for this user only.
    pub(crate) fn make_folder(&self) -> Result<(), Failure> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| {
            let message = format!("failed to make {}: {error}", self.folder.display());
            Failure::new(Exit::Escrow, "folder", message, "check the rights of the folder above it")
        })
    }

    /// The passphrase in a file, which nobody else should be able to read.
    pub(crate) fn passphrase_from(&self, file: &Path) -> io::Result<SecretString> {
        let passphrase = prompt::passphrase_from(file)?;
        if file != Path::new("-") && prompt::is_exposed(file) {
            let name = file.display().to_string();
            self.talk.warn(format_args!("others can read the passphrase in {}: chmod 600 it", printable(&name)));
        }
        Ok(passphrase)
    }

    /// Whether the first line of stdin is the passphrase.
    pub(crate) fn reads_passphrase_from_stdin(&self) -> bool {
        self.globals.passphrase_file.as_deref() == Some(Path::new("-"))
    }

    /// Where the agent answers that keeps the keys of the officer's file unlocked.
    pub(crate) fn agent_socket(&self) -> Result<PathBuf, Failure> {
        let Some(runtime) = &self.runtime else {
            let message = "there is no runtime folder for the agent's socket";
            return Err(Failure::usage(message, "log in by a way that sets XDG_RUNTIME_DIR, or set it"));
        };
        // The file itself, however it is named; a new file in its place is another.
        let name = match std::fs::metadata(self.identity()) {
            Ok(metadata) => format!("agent-{:x}-{:x}.sock", metadata.dev(), metadata.ino()),
            // Whoever reads the file says what is wrong with it.
            Err(_) => "agent.sock".to_owned(),
        };
        Ok(runtime.join("oathburn").join(name))
    }

    /// The officer whose keys an agent keeps, unless a passphrase was given for this command.
    fn unlocked(&self) -> Result<Option<Officer>, EscrowError> {
        let Ok(socket) = self.agent_socket() else { return Ok(None) };
        if self.globals.passphrase_file.is_some() {
            return Ok(None);
        }
        Ok(Agent::connect(&socket)?.map(Officer::of_agent))
    }

    /// Whether the officer's file can be opened without a question that nobody may answer.
    pub(crate) fn has_officer(&self) -> bool {
        let asks = || self.globals.passphrase_file.is_some() || self.talk.can_ask();
        match Officer::is_locked(&self.identity()) {
            Ok(locked) => !locked || asks() || !matches!(self.unlocked(), Ok(None)),
            Err(EscrowError::KeyFileMissing { .. }) => false,
            // What is wrong with it is said when it is needed: nobody is passed over in silence.
            Err(_) => true,
        }
    }

    /// Whether the officer's file can be opened without asking anybody.
    pub(crate) fn has_officer_at_hand(&self) -> bool {
        matches!(Officer::is_locked(&self.identity()), Ok(locked) if !locked || self.globals.passphrase_file.is_some())
    }

    /// Reads the officer's file, asking for its passphrase where that is needed and possible.
    pub(crate) fn officer(&self) -> Result<Officer, EscrowError> {
        let path = self.identity();
        if !Officer::is_locked(&path)? {
            return Officer::load(&path, None);
        }
        if let Some(officer) = self.unlocked()? {
            return Ok(officer);
        }
        let passphrase = self.passphrase(&path)?;
        Officer::load(&path, passphrase.as_ref())
    }

    /// The passphrase of the officer's file; `None` where nobody can be asked.
    pub(crate) fn passphrase(&self, path: &Path) -> Result<Option<SecretString>, EscrowError> {
        if let Some(file) = &self.globals.passphrase_file {
            return self.passphrase_from(file).map(Some).map_err(|source| EscrowError::KeyFileIo {
                action: "read the passphrase from",
                path: file.clone(),
                source,
            });
        }
        if !self.talk.can_ask() {
            return Ok(None);
        }
        self.ask_passphrase(&format!("Passphrase of {}", path.display()))
            .map(Some)
            .map_err(|source| EscrowError::KeyFileIo { action: "ask for the passphrase of", path: path.into(), source })
    }
}

/// An officer's key to the escrow, fetched when it is first needed.
pub(crate) struct LazyOpener<'a> {
    context: &'a Context,
    escrow: &'a Escrow,
    opener: OnceLock<Opener>,
    /// Held while somebody is asked for a passphrase.
    asking: Mutex<()>,
}

impl<'a> LazyOpener<'a> {
    pub(crate) fn new(context: &'a Context, escrow: &'a Escrow) -> Self {
        Self { context, escrow, opener: OnceLock::new(), asking: Mutex::new(()) }
    }

    /// Whether the key was fetched.
    pub(crate) fn is_open(&self) -> bool {
        self.opener.get().is_some()
    }
}

impl OpenerSource for LazyOpener<'_> {
    fn opener(&self) -> Result<&Opener, EscrowError> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opener) = self.opener.get() {
            return Ok(opener);
        }
        let opener = self.escrow.opener(self.context.officer()?)?;
        Ok(self.opener.get_or_init(|| opener))
    }
}

/// The runtime folder where a login manager made one and nobody set `XDG_RUNTIME_DIR`, as in `su` and in `cron`.
fn runtime_dir() -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
    folder.is_dir().then_some(folder)
}

/// The known products, and those in the user's models file if there is one.
fn models(file: &Path) -> Result<Models, Failure> {
    let mut models = Models::builtin();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(models),
        Err(error) => {
            let message = format!("failed to read {}: {error}", file.display());
            return Err(Failure::new(
                Exit::Input,
                "models-file-unreadable",
                message,
                "check the file's rights, or remove it",
            ));
        }
    };
    match models.add_file(&text) {
        Ok(_) => Ok(models),
        Err(error) => {
            let mut failure = Failure::from(error);
            failure.message = format!("{}: {}", file.display(), failure.message);
            Err(failure)
        }
    }
}

/// Ctrl-C and SIGTERM, in this order.
struct Interrupts {
    /// Which of them end the program at once, with exit code 130.
    at_once: [Arc<AtomicBool>; 2],
    /// One has come.
    pending: Arc<AtomicBool>,
}

impl Interrupts {
    fn listen() -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(Exit::Bug, "signals", format!("failed to listen for interrupts: {error}"), "")
        };
        let at_once = std::array::from_fn(|_| Arc::new(AtomicBool::new(true)));
        let interrupts = Self { at_once, pending: Arc::default() };
        for (signal, at_once) in [SIGINT, SIGTERM].into_iter().zip(&interrupts.at_once) {
            let code = i32::from(Exit::Interrupted as u8);
            flag::register_conditional_shutdown(signal, code, Arc::clone(at_once)).map_err(failed)?;
            flag::register(signal, Arc::clone(&interrupts.pending)).map_err(failed)?;
        }
        Ok(interrupts)
    }

    fn at_once(&self) -> [bool; 2] {
        self.at_once.each_ref().map(|flag| flag.load(Ordering::SeqCst))
    }

    fn set(&self, at_once: [bool; 2]) {
        for (flag, value) in self.at_once.iter().zip(at_once) {
            flag.store(value, Ordering::SeqCst);
        }
    }

    fn defer(&self, at_once: [bool; 2]) -> Deferred<'_> {
        let before = self.at_once();
        self.set(at_once);
        Deferred { interrupts: self, before }
    }
}

/// While it lives, interrupts wait.
pub(crate) struct Deferred<'a> {
    interrupts: &'a Interrupts,
    /// What held before: a question may be asked in the middle of a conversation with a token.
    before: [bool; 2],
}

impl Deferred<'_> {
    /// Whether one is waiting.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupts.pending.load(Ordering::SeqCst)
    }
}

impl Drop for Deferred<'_> {
    fn drop(&mut self) {
        self.interrupts.set(self.before);
    }
}
