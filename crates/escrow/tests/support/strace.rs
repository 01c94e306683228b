//! Programs that `strace` kills at one of their writes to the disk, or to a service.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What changes files, and what is said to services.
const WRITES: &str = "write,pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,sendto";

/// A write: the system call, and how many of its kind the same thread made before it.
pub(crate) type Write = (String, usize);

/// What became of a program.
pub(crate) struct Traced {
    /// Whether it died at the write, or came to its end.
    pub(crate) killed: bool,
    /// The writes that it began, of the thread that had most.
    pub(crate) writes: Vec<Write>,
}

/// Where `strace` is. Without it nothing can be killed so; the continuous integration has it.
pub(crate) fn strace() -> Option<PathBuf> {
    let found = ["/usr/bin/strace", "/usr/local/bin/strace"].into_iter().map(PathBuf::from).find(|path| path.is_file());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "there is no strace");
    found
}

/// Runs a program to its end, or has it killed at a write. What it says is lost.
pub(crate) fn run(strace: &Path, program: &Command, log: &Path, at: Option<&Write>) -> Traced {
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-o"]).arg(log).args(["-e", "signal=none", "-e", &format!("trace={WRITES}")]);
    if let Some((call, before)) = at {
        command.args(["-e", &format!("inject={call}:signal=KILL:when={}", before + 1)]);
    }
    command.arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let killed = status.signal() == Some(9) || status.code() == Some(137);
    assert!(killed || status.success(), "{program:?}: {status}");
    // strace counts for each thread, and for each call: so is counted here.
    let mut threads = BTreeMap::<String, Vec<Write>>::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((call, _)) = call.trim_start().split_once('(').filter(|(call, _)| !call.starts_with('<')) else {
            continue;
        };
        let writes = threads.entry(thread.into()).or_default();
        let before = writes.iter().filter(|(other, _)| other == call).count();
        writes.push((call.into(), before));
    }
    Traced { killed, writes: threads.into_values().max_by_key(Vec::len).unwrap_or_default() }
}

/// So many of the writes, from the first to the last one; `OATHBURN_KILLS` asks for another number.
pub(crate) fn some(writes: &[Write], kills: usize) -> Vec<&Write> {
    let wanted = std::env::var("OATHBURN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(kills);
    let kills = wanted.clamp(2, writes.len().max(2));
    (0..kills).filter_map(|kill| writes.get(kill * writes.len().saturating_sub(1) / (kills - 1))).collect()
}
