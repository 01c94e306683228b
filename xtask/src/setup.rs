//! `cargo xtask setup`: bring to the machine what building and testing need.

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _, stdin, stdout};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use crate::failure::{Failure, While as _};
use crate::needs::NEEDS;
use crate::paint::{BOLD, GREEN, Paint, RED};
use crate::{axe, place, vpcd};

const APT_GET: &str = "apt-get";

/// Debian's package of PostgreSQL makes a cluster and starts it, on the usual port, unless it was told not to. What somebody
/// has said about that already stays.
const NO_CLUSTER: &str = "mkdir -p /etc/postgresql-common/createcluster.d && cd /etc/postgresql-common/createcluster.d && \
                          { test -e no-cluster.conf || echo 'create_main_cluster = false' > no-cluster.conf; }";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => {
            ensure()?;
            println!("everything is in place");
            Ok(())
        }
        [only] if only == "--check" => check(),
        _ => Err(Failure::usage("setup takes --check or nothing")),
    }
}

/// Says what is there and what is missing.
fn check() -> Result<(), Failure> {
    let paint = Paint::of_stdout();
    let line = |met: bool, package: &str, reason: &str| {
        let mark = if met { paint.with(GREEN, "there  ") } else { paint.with(RED, "missing") };
        println!("{mark} {package:<16} {reason}");
        met
    };
    let mut complete = true;
    for need in NEEDS {
        complete &= line(need.is_met(), need.package, need.reason);
    }
    complete &= line(vpcd::is_there(), vpcd::PACKAGE, "emulated readers; unpacked below target/vpcd, never installed");
    complete &= line(axe::is_there(), axe::PACKAGE, "judges the desk's pages; unpacked below target/axe-core");
    if complete { Ok(()) } else { Err(Failure::new("something is missing; `cargo xtask setup` brings it")) }
}

/// Brings what is missing; without a word when nothing is.
pub(crate) fn ensure() -> Result<(), Failure> {
    let missing: Vec<_> = NEEDS.iter().filter(|need| !need.is_met()).collect();
    if !missing.is_empty() {
        for need in &missing {
            println!("missing: {} ({})", need.package, need.reason);
        }
        let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
        install(&packages)?;
        if let Some(need) = missing.iter().find(|need| !need.is_met()) {
            return Err(Failure::new(format!("{} is installed and yet what it brings is not there", need.package)));
        }
    }
    if !vpcd::is_there() {
        println!("fetching: {} (unpacked below target/vpcd, never installed)", vpcd::PACKAGE);
        vpcd::fetch()?;
    }
    if !axe::is_there() {
        println!("fetching: {} (unpacked below target/axe-core)", axe::PACKAGE);
        axe::fetch()?;
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let by_hand = || format!("install by hand: {}", packages.join(" "));
    if place::program(APT_GET).is_none() {
        return Err(Failure::new(format!("this system has no apt; {} (these are Debian's names)", by_hand())));
    }
    let rights = Rights::find().map_err(|failure| Failure::new(format!("{failure}; {}", by_hand())))?;
    let mut update = rights.apt_get(&["update"]);
    let mut install = rights.apt_get(&["install", "--yes", "--no-install-recommends"]);
    install.args(packages);
    let mut quiet = packages.contains(&"postgresql").then(|| rights.command(&["sh", "-c", NO_CLUSTER]));
    let commands: Vec<_> = [Some(&update), quiet.as_ref(), Some(&install)].into_iter().flatten().collect();
    rights.agree(&commands).map_err(|failure| Failure::new(format!("{failure}; {}", by_hand())))?;
    // A list of somebody else's that cannot be had is no reason to stop, as long as the packages can.
    let updated = finish(&mut update);
    quiet.as_mut().map_or(Ok(()), finish)?;
    finish(&mut install).map_err(|failure| updated.err().unwrap_or(failure))
}

/// Brings the package lists up to date, where there may be none yet.
pub(crate) fn update() -> Result<(), Failure> {
    let rights = Rights::find()?;
    let mut update = rights.apt_get(&["update"]);
    rights.agree(&[&update])?;
    finish(&mut update)
}

/// How we may install packages.
enum Rights {
    Root,
    /// With a password, from whoever sits at the terminal.
    Ask,
    /// Without one.
    Sudo,
}

impl Rights {
    fn find() -> Result<Self, Failure> {
        if is_root() {
            return Ok(Self::Root);
        }
        if place::program("sudo").is_none() {
            return Err(Failure::new("installing packages needs root, or sudo"));
        }
        if stdin().is_terminal() {
            return Ok(Self::Ask);
        }
        let silent = Command::new("sudo").args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if silent.is_ok_and(|status| status.success()) {
            return Ok(Self::Sudo);
        }
        Err(Failure::new("installing packages needs root, and there is no terminal for sudo to ask on"))
    }

    fn apt_get(&self, arguments: &[&str]) -> Command {
        self.command(&[&["env", "DEBIAN_FRONTEND=noninteractive", APT_GET, "--quiet"], arguments].concat())
    }

    /// A command with root's rights.
    fn command(&self, words: &[&str]) -> Command {
        let prefix: &[&str] = match self {
            Self::Root => &[],
            Self::Ask => &["sudo"],
            Self::Sudo => &["sudo", "-n"],
        };
        let words = [prefix, words].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }

    /// Shows what will be run with root's rights, and asks whoever sits there.
    fn agree(&self, commands: &[&Command]) -> Result<(), Failure> {
        if !matches!(self, Self::Ask) {
            return Ok(());
        }
        println!("this is what will be run:");
        for command in commands {
            println!("  {}", shown(command));
        }
        print!("{} ", Paint::of_stdout().with(BOLD, "go on? [y/N]"));
        stdout().flush().while_doing("ask")?;
        let mut answer = String::new();
        stdin().lock().read_line(&mut answer).while_doing("read the answer")?;
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::new("nothing was installed")) }
    }
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs a command without a word; if it fails, with all of them.
pub(crate) fn finish(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().while_doing(shown(command))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!("{}\n{}", shown(command), String::from_utf8_lossy(&said).trim_end())))
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
