//! Leases: who is working on a line, and whether that process is still alive.

use std::fs;

use crate::WriterId;
use crate::store::HolderRow;

/// How long a lease holds where nobody can see whether its holder lives: longer than any conversation with a token.
pub(crate) const LEASE_SECONDS: i64 = 15 * 60;

/// What stands for the namespace of processes in leases of remote stations.
pub(crate) const REMOTE: &str = "remote";

/// A station far away, in whose name lines are leased: nobody here can see whether it lives, so its leases end by
/// themselves, or when they are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteHolder(HolderRow);

impl RemoteHolder {
    /// The station that whoever leases for it calls so, for good: another name is another station.
    pub fn new(station: &str) -> Self {
        let name = station.to_owned();
        let (boot, namespace) = (String::new(), REMOTE.to_owned());
        Self(HolderRow { station: name.as_bytes().to_vec(), host: name, boot, namespace, pid: 0, started: 0 })
    }

    /// What the station is called.
    pub fn station(&self) -> &str {
        &self.0.host
    }

    pub(crate) fn row(&self) -> &HolderRow {
        &self.0
    }
}

/// This process, as other processes can recognise it. Where the system does not tell, its texts are empty and its
/// leases only expire.
pub(crate) fn this_process(station: &WriterId, host: &str) -> HolderRow {
    let pid = std::process::id();
    HolderRow {
        station: station.as_bytes().to_vec(),
        host: host.into(),
        boot: read("/proc/sys/kernel/random/boot_id"),
        namespace: namespace(),
        pid: pid.into(),
        started: started(i64::from(pid)).unwrap_or(0),
    }
}

/// Whether the process that took a lease is known to be gone. A process id means something only on the same machine
/// since the same boot and in the same namespace of process ids; a machine that was started anew runs nothing of what
/// it ran before. Of other machines nothing is known.
pub(crate) fn is_dead(holder: &HolderRow, us: &HolderRow) -> bool {
    if us.boot.is_empty() || holder.boot.is_empty() {
        return false;
    }
    if holder.boot != us.boot {
        return holder.station == us.station && holder.host == us.host;
    }
    holder.namespace == us.namespace && !us.namespace.is_empty() && started(holder.pid) != Some(holder.started)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// When a process was started, in ticks since the boot (proc(5), field 22 of `stat`); `None` when it is not there, or
/// only its exit code is still waiting for somebody.
fn started(pid: i64) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?;
    fields.get(19).filter(|_| !["Z", "X"].contains(state))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Officer;

    #[test]
    fn only_who_is_known_to_be_gone_is_dead() {
        let station = Officer::generate().unwrap().keys().writer();
        let us = this_process(&station, "desk");
        assert!(!us.boot.is_empty() && us.started > 0 && us.namespace.starts_with("pid:"));
        assert!(!is_dead(&us, &us));
        let changed = |change: fn(&mut HolderRow)| {
            let mut other = us.clone();
            change(&mut other);
            is_dead(&other, &us)
        };
        // The same number was given to another process; there is no such process; the machine was started anew.
        assert!(changed(|one| one.started += 1));
        assert!(changed(|one| one.pid = i64::from(u32::MAX)));
        assert!(changed(|one| one.boot.push('x')));
        // Another machine, another container, another system.
        assert!(!changed(|one| (one.boot, one.host) = ("x".into(), "other".into())));
        assert!(!changed(|one| (one.pid, one.namespace) = (1 << 40, "pid:[1]".into())));
        assert!(!changed(|one| (one.pid, one.boot) = (1 << 40, String::new())));
        assert!(!is_dead(RemoteHolder::new("00-1A-2B-3C-4D-5E").row(), &us));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i64::from(child.id());
        let _ended = child.wait().unwrap();
        assert_eq!(started(pid), None);
    }
}
