//! What building and testing need of the machine.

use std::process::{Command, Stdio};

use crate::place;

/// Something that a Debian package brings.
pub(crate) struct Need {
    pub(crate) package: &'static str,
    pub(crate) reason: &'static str,
    probe: Probe,
}

/// How to see that it is there. Looking for the thing itself works on every system, and however it came there.
enum Probe {
    Program(&'static str),
    /// A C library with its headers, by its name for pkg-config.
    Library(&'static str),
}

pub(crate) const NEEDS: &[Need] = &[
    Need { package: "pkg-config", reason: "finds the C libraries", probe: Probe::Program("pkg-config") },
    Need { package: "libpcsclite-dev", reason: "PC/SC readers", probe: Probe::Library("libpcsclite") },
    Need { package: "pcscd", reason: "the real PC/SC service under the tests", probe: Probe::Program("pcscd") },
    Need {
        package: "libnfc-bin",
        reason: "a foreign judge of the emulated NFC reader",
        probe: Probe::Program("nfc-list"),
    },
    Need { package: "libnfc-examples", reason: "another one, which polls", probe: Probe::Program("nfc-poll") },
    Need { package: "oathtool", reason: "a foreign judge of our codes", probe: Probe::Program("oathtool") },
    Need { package: "zbar-tools", reason: "a foreign reader of our QR codes", probe: Probe::Program("zbarimg") },
    Need { package: "qrencode", reason: "a foreign maker of QR codes", probe: Probe::Program("qrencode") },
    Need { package: "util-linux", reason: "services of the tests' own", probe: Probe::Program("unshare") },
];

impl Need {
    pub(crate) fn is_met(&self) -> bool {
        match self.probe {
            Probe::Program(name) => place::program(name).is_some(),
            Probe::Library(name) => Command::new("pkg-config")
                .args(["--exists", name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(probe: Probe) -> Need {
        Need { package: "x", reason: "", probe }
    }

    #[test]
    fn probes_look_for_the_thing_itself() {
        assert!(need(Probe::Program("sh")).is_met());
        assert!(!need(Probe::Program("no-program-is-called-this")).is_met());
        assert!(!need(Probe::Library("no-library-is-called-this")).is_met());
    }
}
