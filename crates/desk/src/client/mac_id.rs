//! Which MAC ID a machine has, as its system tells.

use std::fs;
use std::path::Path;

use super::ClientError;
use crate::stations::MacId;

/// The type of Ethernet and what looks like it (`ARPHRD_ETHER`).
const ETHERNET: &str = "1";

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    name: String,
    mac: MacId,
    /// There is a device behind it: it is no bridge, tunnel or container's end.
    is_real: bool,
    /// The way to the rest of the world leads over it.
    is_way_out: bool,
}

/// The MAC ID of the machine whose files are below `root`: that of its only real interface, or else of the one over which it reaches
/// the rest of the world.
pub fn own(root: &Path) -> Result<MacId, ClientError> {
    let all = interfaces(root);
    let real: Vec<_> = all.iter().filter(|one| one.is_real).collect();
    // In containers and some virtual machines none is.
    let candidates = if real.is_empty() { all.iter().collect() } else { real };
    let ways_out: Vec<_> = candidates.iter().filter(|one| one.is_way_out).collect();
    match (candidates.as_slice(), ways_out.as_slice()) {
        ([], _) => Err(ClientError::MacIdNone),
        ([only], _) => Ok(only.mac),
        (_, [only]) => Ok(only.mac),
        (several, _) => {
            Err(ClientError::MacIdUnclear { found: several.iter().map(|one| (one.name.clone(), one.mac)).collect() })
        }
    }
}

/// Interfaces with an address of their own, by name.
fn interfaces(root: &Path) -> Vec<Interface> {
    let folder = root.join("sys/class/net");
    let ways_out = ways_out(root);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            if read(&path.join("type")) != ETHERNET {
                return None;
            }
            let mac = read(&path.join("address")).parse().ok()?;
            let is_real = path.join("device").exists();
            Some(Interface { mac, is_real, is_way_out: ways_out.contains(&name), name })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// The interfaces of default routes (the kernel's tables of IPv4 and IPv6).
fn ways_out(root: &Path) -> Vec<String> {
    let text = |name: &str| fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
    let mut found = Vec::new();
    for line in text("route").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000") {
            found.push(words[0].to_owned());
        }
    }
    for line in text("ipv6_route").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_default =
            words.first().is_some_and(|to| to.bytes().all(|byte| byte == b'0')) && words.get(1) == Some(&"00");
        if let (true, Some(name)) = (is_default, words.get(9)) {
            found.push((*name).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy as _;

    use super::*;

    /// A machine of files: name, address, type, whether there is a device.
    fn machine(interfaces: &[(&str, &str, &str, bool)], routes: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, address, kind, is_real) in interfaces {
            let folder = root.path().join("sys/class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("address"), format!("{address}\n")).unwrap();
            fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
            if *is_real {
                fs::create_dir(folder.join("device")).unwrap();
            }
        }
        fs::create_dir_all(root.path().join("proc/net")).unwrap();
        fs::write(root.path().join("proc/net/route"), routes).unwrap();
        root
    }

    const LOOP: (&str, &str, &str, bool) = ("lo", "00:00:00:00:00:00", "772", false);
    const BRIDGE: (&str, &str, &str, bool) = ("docker0", "02:42:ac:11:00:02", "1", false);
    const WIRE: (&str, &str, &str, bool) = ("eth0", "00:1a:2b:3c:4d:5e", "1", true);
    const RADIO: (&str, &str, &str, bool) = ("wlan0", "00:1a:2b:3c:4d:5f", "1", true);
    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                          wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n\
                          eth0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\n";

    #[test]
    fn the_machine_says_which_mac_id_it_has() {
        let own = |interfaces: &[_], routes| own(machine(interfaces, routes).path()).map(|mac| mac.to_string());
        assert_eq!(own(&[LOOP, BRIDGE, WIRE], "").unwrap(), "00-1A-2B-3C-4D-5E");
        assert_eq!(own(&[LOOP, WIRE, RADIO], ROUTES).unwrap(), "00-1A-2B-3C-4D-5F");
        assert_eq!(own(&[LOOP, BRIDGE], "").unwrap(), "02-42-AC-11-00-02");
        assert_eq!(own(&[LOOP], "").unwrap_err().code(), "mac-id-none");
        let unclear = own(&[LOOP, RADIO, WIRE], "").unwrap_err();
        assert_eq!(unclear.code(), "mac-id-unclear");
        assert_eq!(
            unclear.to_string(),
            "this machine has several MAC IDs: 00-1A-2B-3C-4D-5E (eth0), 00-1A-2B-3C-4D-5F (wlan0)"
        );
    }

    #[test]
    fn a_way_out_may_be_ipv6_alone() {
        let root = machine(&[WIRE, RADIO], "");
        let zeros = "0".repeat(32);
        let line = format!("{zeros} 00 {zeros} 00 {zeros} 00000064 00000001 00000000 00000003    eth0\n");
        fs::write(root.path().join("proc/net/ipv6_route"), line).unwrap();
        assert_eq!(own(root.path()).unwrap().to_string(), "00-1A-2B-3C-4D-5E");
    }
}
