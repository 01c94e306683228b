//! The readers that the kernel sees on USB (sysfs), and whether somebody drives them.

use std::path::Path;

use super::{Finding, Surroundings, file_name, read};

/// What is known of a device by its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reader with a class of its own (USB CCID), which pcscd drives.
    Ccid,
    /// A chip that libnfc drives over USB.
    Nfc,
    /// An adapter to a serial port, as boards with a PN532 have it; it may be something else, too.
    Serial,
}

/// A device on USB that is a reader or may be one.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// `vendor:product`, in hex.
    pub(super) id: String,
    /// What the device calls itself.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The kernel's drivers that hold its interfaces.
    pub(super) drivers: Vec<String>,
    /// The serial ports that it makes (`ttyUSB0`).
    pub(super) ports: Vec<String>,
}

/// USB's class of smart card readers (USB CCID, section 4.3).
const CCID_CLASS: &str = "0b";

/// NFC chips and readers that libnfc drives over USB.
const NFC: [&str; 11] = [
    "04cc:0531",
    "04cc:2533",
    "04e6:5591",
    "04e6:5594",
    "054c:0193",
    "054c:02e1",
    "054c:06c1",
    "054c:06c3",
    "072f:2200",
    "072f:90cc",
    "1fd3:0608",
];

/// USB-serial adapters on boards with a PN532: CH340, CH9102, `CP210x`, FT232, PL2303.
const SERIAL: [&str; 6] = ["1a86:7523", "1a86:55d4", "10c4:ea60", "0403:6001", "0403:6015", "067b:2303"];

/// The readers on USB.
pub(super) fn devices(surroundings: &Surroundings) -> Vec<Device> {
    const FOLDER: &str = "sys/bus/usb/devices";
    let all = surroundings.list(FOLDER);
    let is_interface = |path: &Path| file_name(path).contains(':');
    let mut devices = Vec::new();
    for path in all.iter().filter(|path| !is_interface(path)) {
        let text = |name: &str| read(path.join(name)).map(|text| text.trim().to_owned());
        let (Some(vendor), Some(product)) = (text("idVendor"), text("idProduct")) else { continue };
        let id = format!("{vendor}:{product}");
        let prefix = format!("{}:", file_name(path));
        let interfaces: Vec<_> = all.iter().filter(|other| file_name(other).starts_with(&prefix)).collect();
        let is_ccid = interfaces
            .iter()
            .any(|interface| read(interface.join("bInterfaceClass")).is_some_and(|class| class.trim() == CCID_CLASS));
        let kind = match id.as_str() {
            _ if is_ccid => Kind::Ccid,
            id if NFC.contains(&id) => Kind::Nfc,
            id if SERIAL.contains(&id) => Kind::Serial,
            _ => continue,
        };
        let names = [text("manufacturer"), text("product")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = if names.is_empty() { "a reader".to_owned() } else { names };
        let driver = |interface: &&Path| std::fs::read_link(interface.join("driver")).ok().map(|link| file_name(&link));
        let drivers = interfaces.iter().map(|path| path.as_path()).filter_map(|path| driver(&path)).collect();
        let ports = interfaces.iter().flat_map(|interface| ports_of(interface)).collect();
        devices.push(Device { id, name, kind, drivers, ports });
    }
    devices
}

/// The ports lie in the interface's folder (`ttyUSB0`), or below `tty` (`ttyACM0`).
fn ports_of(interface: &Path) -> Vec<String> {
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| file_name(&entry.path())).filter(|name| name.starts_with("tty") && name.len() > 3)
    };
    names(interface).chain(names(&interface.join("tty"))).collect()
}

/// Readers that the kernel sees and the service does not show. The service names them after itself and its drivers,
/// so words are compared, and then numbers.
pub(super) fn unseen(surroundings: &Surroundings, devices: &[Device], shown: Option<&[String]>) -> Vec<Finding> {
    let Some(shown) = shown else { return Vec::new() };
    let ccid: Vec<_> = devices.iter().filter(|device| device.kind == Kind::Ccid).collect();
    let lower: Vec<_> = shown.iter().map(|name| name.to_lowercase()).collect();
    let is_shown = |device: &&Device| {
        let words: Vec<_> = device.name.split_whitespace().map(str::to_lowercase).collect();
        lower.iter().any(|name| words.iter().any(|word| word.len() > 3 && name.contains(word.as_str())))
    };
    let (by_name, unnamed): (Vec<_>, Vec<_>) = ccid.into_iter().partition(is_shown);
    let spare = shown.len().saturating_sub(by_name.len());
    let has_driver = ["usr/lib/pcsc/drivers", "usr/lib64/pcsc/drivers"]
        .iter()
        .any(|folder| surroundings.at(folder).join("ifd-ccid.bundle").exists());
    let describe = |device: &Device| {
        let message =
            format!("the kernel sees the reader {} ({}), and the PC/SC service does not", device.name, device.id);
        let remedy = match device.drivers.iter().find(|driver| driver.starts_with("pn533")) {
            Some(_) => super::drivers::UNLOAD,
            None if !has_driver => "sudo apt install libccid && sudo systemctl restart pcscd",
            None => "sudo systemctl restart pcscd; if that does not help, unplug the reader and plug it in again",
        };
        Finding::problem("reader-unseen", message, remedy)
    };
    unnamed.iter().skip(spare).map(|device| describe(device)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::tests::{codes, machine};
    use super::*;

    const ACR: [(&str, &str); 5] = [
        ("sys/bus/usb/devices/1-1/idVendor", "072f\n"),
        ("sys/bus/usb/devices/1-1/idProduct", "2200\n"),
        ("sys/bus/usb/devices/1-1/manufacturer", "ACS\n"),
        ("sys/bus/usb/devices/1-1/product", "ACR122U PICC Interface\n"),
        ("sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "0b\n"),
    ];

    #[test]
    fn readers_are_told_from_other_devices() {
        let board = [
            ("sys/bus/usb/devices/1-2/idVendor", "1a86"),
            ("sys/bus/usb/devices/1-2/idProduct", "7523"),
            ("sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "ff"),
            ("sys/bus/usb/devices/1-2:1.0/ttyUSB0/x", ""),
            ("sys/bus/usb/devices/1-3/idVendor", "04cc"),
            ("sys/bus/usb/devices/1-3/idProduct", "2533"),
            ("sys/bus/usb/devices/1-4/idVendor", "046d"),
            ("sys/bus/usb/devices/1-4/idProduct", "c31c"),
            ("sys/bus/usb/devices/1-4:1.0/bInterfaceClass", "03"),
            ("sys/bus/usb/devices/usb1/product", "xHCI"),
        ];
        let (_folder, surroundings) = machine(&[&ACR[..], &board].concat());
        let found = devices(&surroundings);
        let kinds: Vec<_> = found.iter().map(|device| (device.id.as_str(), device.kind)).collect();
        assert_eq!(kinds, [("072f:2200", Kind::Ccid), ("1a86:7523", Kind::Serial), ("04cc:2533", Kind::Nfc)]);
        assert_eq!(found[0].name, "ACS ACR122U PICC Interface");
        assert_eq!(found[1].ports, ["ttyUSB0"]);
    }

    #[test]
    fn a_reader_that_the_service_does_not_show_is_found() {
        let (folder, surroundings) = machine(&ACR);
        let devices = devices(&surroundings);
        let unseen = |shown: &[&str]| {
            let shown: Vec<_> = shown.iter().map(|name| (*name).to_owned()).collect();
            unseen(&surroundings, &devices, Some(&shown))
        };
        assert_eq!(codes(&unseen(&["ACS ACR122U PICC Interface 00 00"])), [""; 0]);
        // Drivers may give it a name of their own.
        assert_eq!(codes(&unseen(&["Contactless 00 00"])), [""; 0]);
        let findings = unseen(&[]);
        assert_eq!(codes(&findings), ["reader-unseen"]);
        assert!(findings[0].remedy.as_ref().unwrap().contains("libccid"));
        std::fs::create_dir_all(folder.path().join("usr/lib/pcsc/drivers/ifd-ccid.bundle")).unwrap();
        assert!(unseen(&[])[0].remedy.as_ref().unwrap().contains("restart pcscd"));
        // Without a service nothing can be compared.
        assert!(super::unseen(&surroundings, &devices, None).is_empty());
    }

    #[test]
    fn a_reader_that_a_module_holds_is_told_so() {
        let (folder, surroundings) = machine(&ACR);
        let interface = folder.path().join("sys/bus/usb/devices/1-1:1.0");
        symlink("../../../../bus/usb/drivers/pn533_usb", interface.join("driver")).unwrap();
        let devices = devices(&surroundings);
        assert_eq!(devices[0].drivers, ["pn533_usb"]);
        let findings = unseen(&surroundings, &devices, Some(&[]));
        assert!(findings[0].remedy.as_ref().unwrap().contains("modprobe -r"), "{findings:?}");
    }

    /// The rules that we bring give rights to all that is known here.
    #[test]
    fn the_udev_rules_know_every_chip_and_adapter() {
        let rules = include_str!("../../../../packaging/udev/70-oathburn.rules");
        for id in NFC.iter().chain(&SERIAL) {
            let (vendor, product) = id.split_once(':').unwrap();
            let line = format!("ATTRS{{idVendor}}==\"{vendor}\", ATTRS{{idProduct}}==\"{product}\"");
            assert!(rules.contains(&line), "{id}");
        }
    }
}
