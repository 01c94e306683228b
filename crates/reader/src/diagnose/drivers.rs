//! Drivers that should not be there, and modules of the kernel that get in the way.

use super::usb::{Device, Kind};
use super::{Finding, Surroundings, file_name, read};

/// How to take a reader from the kernel's NFC modules, now and for good.
pub(super) const UNLOAD: &str = "sudo modprobe -r pn533_usb pn533 nfc; printf 'blacklist %s\\n' pn533_usb pn533 nfc | sudo \
                                 tee /etc/modprobe.d/oathburn.conf";

/// vsmartcard's vpcd: pcscd loads it wherever it is installed, and listens for tokens from anywhere on the network.
pub(super) fn dangers(surroundings: &Surroundings, readers: &[String]) -> Vec<Finding> {
    let installed =
        ["usr/lib/pcsc/drivers/serial", "usr/lib64/pcsc/drivers/serial", "usr/local/lib/pcsc/drivers/serial"]
            .iter()
            .flat_map(|folder| surroundings.list(folder))
            .any(|path| file_name(&path).starts_with("libifdvpcd"));
    let configured = surroundings.texts("etc/reader.conf.d", "").iter().any(|(_, text)| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.filter(|line| line.starts_with("LIBPATH")).any(|line| line.contains("vpcd"))
    });
    let shown = readers.iter().any(|name| name.contains("Virtual PCD"));
    if !(installed || configured || shown) {
        return Vec::new();
    }
    let message =
        "the driver vpcd is installed: through it anybody on the network can pose as a token and collect seeds";
    vec![Finding::problem("vpcd-installed", message, "sudo apt purge vsmartcard-vpcd && sudo systemctl restart pcscd")]
}

/// The kernel's own NFC modules take a reader before pcscd and libnfc can.
pub(super) fn modules(surroundings: &Surroundings, devices: &[Device]) -> Vec<Finding> {
    let loaded = read(surroundings.at("proc/modules")).unwrap_or_default();
    let is_loaded = |module: &&&str| loaded.lines().any(|line| line.split(' ').next() == Some(**module));
    let modules: Vec<_> = ["pn533_usb", "pn533", "nfc"].iter().filter(is_loaded).copied().collect();
    let held = devices.iter().find(|device| device.drivers.iter().any(|driver| driver.starts_with("pn533")));
    let list = modules.join(", ");
    match held {
        Some(device) => {
            let message = format!("a kernel module holds the reader {} ({})", device.name, device.id);
            vec![Finding::problem("module-holds-reader", message, UNLOAD)]
        }
        None if !modules.is_empty() && devices.iter().any(|device| device.kind != Kind::Serial) => {
            let message =
                format!("the kernel modules {list} are loaded, and may take the reader when it is plugged in");
            vec![Finding::warning("module-loaded", message, UNLOAD)]
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, machine};
    use super::*;

    fn device(kind: Kind, driver: &str) -> Device {
        let drivers = vec![driver.to_owned()];
        Device { id: "072f:2200".into(), name: "ACR122U".into(), kind, drivers, ports: vec![] }
    }

    #[test]
    fn vpcd_is_found_wherever_it_shows() {
        let entry = "FRIENDLYNAME \"Virtual PCD\"\nLIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\n";
        for (file, text, found) in [
            ("usr/lib/pcsc/drivers/serial/libifdvpcd.so.0.0.1", "", true),
            ("etc/reader.conf.d/vpcd", entry, true),
            ("etc/reader.conf.d/vpcd", "# LIBPATH /usr/lib/libifdvpcd.so\n", false),
            ("usr/lib/pcsc/drivers/serial/libccidtwin.so", "", false),
        ] {
            let (_folder, surroundings) = machine(&[(file, text)]);
            assert_eq!(codes(&dangers(&surroundings, &[])), vec!["vpcd-installed"; found.into()], "{file}");
        }
        let (_folder, surroundings) = machine(&[]);
        assert_eq!(codes(&dangers(&surroundings, &["Virtual PCD 00 00".into()])), ["vpcd-installed"]);
    }

    #[test]
    fn modules_that_hold_a_reader_are_worse_than_those_that_may() {
        let loaded = "nfc 139264 1 pn533, Live 0x0\npn533 53248 1 pn533_usb, Live 0x0\npn533_usb 20480 0 - Live 0x0\n";
        let (_folder, surroundings) = machine(&[("proc/modules", loaded)]);
        assert_eq!(codes(&modules(&surroundings, &[device(Kind::Ccid, "pn533_usb")])), ["module-holds-reader"]);
        assert_eq!(codes(&modules(&surroundings, &[device(Kind::Nfc, "usbfs")])), ["module-loaded"]);
        assert_eq!(codes(&modules(&surroundings, &[device(Kind::Serial, "ch341")])), [""; 0]);
        let (_folder, without) = machine(&[("proc/modules", "nfcx 1 0 - Live 0x0\n")]);
        assert_eq!(codes(&modules(&without, &[device(Kind::Nfc, "usbfs")])), [""; 0]);
    }
}
