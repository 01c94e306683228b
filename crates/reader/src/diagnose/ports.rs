//! Serial ports and NFC chips: may this user have them? And the readers of libnfc: do they answer?

use oathburn_oath::Remedy;

use super::usb::{Device, Kind};
use super::{Finding, Surroundings};
use crate::reader::libnfc_names;
use crate::{Presence, ReaderError, ReaderSelector, Stack, libnfc};

/// How to get the rules that give the user of a seat the readers on it.
const RULES: &str = "sudo install -m 644 packaging/udev/70-oathburn.rules /etc/udev/rules.d/ && sudo udevadm control \
                     --reload && sudo udevadm trigger";

/// Where rules may lie.
const FOLDERS: [&str; 4] = ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"];

/// Adapters to serial ports and NFC chips that are plugged in.
pub(super) fn judge(surroundings: &Surroundings, devices: &[Device]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for device in devices.iter().filter(|device| device.kind == Kind::Serial) {
        for port in &device.ports {
            let path = surroundings.at(&format!("dev/{port}"));
            if surroundings.may_use(&path) == Some(false) {
                let message = format!("this user may not use /dev/{port} ({}, {})", device.name, device.id);
                findings.push(Finding::problem("port-access-denied", message, RULES));
            }
        }
    }
    // Serial ports have a group of their own on every system; chips on USB have rules or are root's.
    let rules: Vec<_> = FOLDERS.iter().flat_map(|folder| surroundings.texts(folder, "rules")).collect();
    for device in devices.iter().filter(|device| device.kind == Kind::Nfc) {
        let (vendor, product) = device.id.split_once(':').unwrap_or_default();
        let knows = |text: &str| {
            text.lines()
                .any(|line| !line.trim_start().starts_with('#') && line.contains(vendor) && line.contains(product))
        };
        if !rules.iter().any(|(_, text)| knows(text)) {
            let message = format!("no udev rule gives users the reader {} ({})", device.name, device.id);
            findings.push(Finding::problem("udev-rule-missing", message, RULES));
        }
    }
    findings
}

/// The readers that libnfc knows of, and the one that is meant: opened for a moment.
pub(super) fn of_libnfc(selector: Option<&ReaderSelector>) -> Vec<Finding> {
    let mut names = libnfc_names(&[]);
    if let Some(meant) = selector.filter(|selector| selector.stack() == Stack::Libnfc)
        && !names.iter().any(|name| name.contains(meant.name()))
    {
        names.push(meant.name().to_owned());
    }
    names.iter().map(|name| look(name)).collect()
}

fn look(name: &str) -> Finding {
    match libnfc::Reader::new(name).and_then(|reader| reader.hasty().presence()) {
        Ok(presence) => {
            let token = if presence == Presence::Empty { "no token lies on it" } else { "a token lies on it" };
            Finding::fine("libnfc-reader", format!("the reader {name} answers; {token}"))
        }
        // Somebody works with it, so it works.
        Err(ReaderError::ReaderBusy { .. }) => {
            Finding::fine("libnfc-reader", format!("another program has the reader {name}"))
        }
        Err(error) => Finding::problem(error.code(), error.to_string(), error.remedy().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, machine};
    use super::*;

    fn device(kind: Kind, id: &str, ports: &[&str]) -> Device {
        let ports = ports.iter().map(|port| (*port).to_owned()).collect();
        Device { id: id.into(), name: "a board".into(), kind, drivers: vec![], ports }
    }

    #[test]
    fn a_port_of_others_is_found() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, surroundings) = machine(&[("dev/ttyUSB0", "")]);
        let adapter = [device(Kind::Serial, "1a86:7523", &["ttyUSB0"])];
        let mode = |mode| {
            let path = folder.path().join("dev/ttyUSB0");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            codes(&judge(&surroundings, &adapter))
        };
        assert_eq!(mode(0o660), ["port-access-denied"]);
        assert_eq!(mode(0o666), [""; 0]);
    }

    #[test]
    fn a_chip_without_a_rule_is_found() {
        let chip = [device(Kind::Nfc, "04cc:2533", &[])];
        let rule = "ATTRS{idVendor}==\"04cc\", ATTRS{idProduct}==\"2533\", TAG+=\"uaccess\"\n";
        for (file, text, found) in [
            ("etc/udev/rules.d/70-oathburn.rules", rule, false),
            ("lib/udev/rules.d/93-pn53x.rules", rule, false),
            ("etc/udev/rules.d/70-oathburn.rules.old", rule, true),
            ("etc/udev/rules.d/70-other.rules", "# 04cc 2533\nATTRS{idVendor}==\"04cc\"\n", true),
        ] {
            let (_folder, surroundings) = machine(&[(file, text)]);
            assert_eq!(codes(&judge(&surroundings, &chip)), vec!["udev-rule-missing"; found.into()], "{file}");
        }
    }

    #[test]
    fn a_reader_that_is_meant_and_not_there_is_found() {
        let selector = "libnfc:pn532_uart:/nowhere/at/all".parse().unwrap();
        let findings = of_libnfc(Some(&selector));
        let code = if cfg!(feature = "libnfc") { "reader-missing" } else { "stack-missing" };
        assert_eq!(codes(&findings), [code]);
    }
}
