//! libnfc's settings: `/etc/nfc/libnfc.conf`, and a file for each reader below `/etc/nfc/devices.d`.

use super::{Finding, Surroundings, read};

const FILE: &str = "etc/nfc/libnfc.conf";
const FOLDER: &str = "etc/nfc/devices.d";

/// What is said in a file: `key = "value"`, the quotes at will, `#` before remarks. libnfc passes over anything else.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let (key, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?.0,
            None => value,
        };
        Some((key.trim(), value)).filter(|(key, _)| !key.is_empty())
    })
}

/// As libnfc reads it.
fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "1")
}

pub(super) fn judge(surroundings: &Surroundings) -> Vec<Finding> {
    let main = read(surroundings.at(FILE)).map(|text| (format!("/{FILE}"), text));
    let devices = surroundings.texts(FOLDER, "conf");
    let files = main.into_iter().chain(devices.into_iter().map(|(name, text)| (format!("/{FOLDER}/{name}"), text)));
    let mut findings = Vec::new();
    for (file, text) in files {
        for (key, value) in settings(&text) {
            let edit = |what: &str| format!("{what} in {file} (`sudoedit {file}`)");
            match key {
                "allow_intrusive_scan" if is_yes(value) => findings.push(Finding::warning(
                    "libnfc-intrusive",
                    "libnfc may write to every serial port in search of readers, also to those of other devices",
                    edit("set allow_intrusive_scan = false"),
                )),
                "log_level" if value.parse().is_ok_and(|level: u32| level >= 3) => findings.push(Finding::warning(
                    "libnfc-log-level",
                    "programs that use libnfc print whatever goes to a token, encrypted seeds included; ours does not",
                    edit("set log_level = 1"),
                )),
                "device.connstring" | "connstring" => findings.extend(connstring(surroundings, value, &edit)),
                _ => {}
            }
        }
    }
    findings
}

/// A reader that libnfc is told of and cannot be.
#[cfg(feature = "libnfc")]
fn connstring(surroundings: &Surroundings, value: &str, edit: &dyn Fn(&str) -> String) -> Option<Finding> {
    match crate::libnfc::path(value) {
        Err(error) => Some(Finding::problem("libnfc-connstring", error.to_string(), edit("correct it"))),
        Ok(Some(path)) if !surroundings.at(path).exists() => {
            let message = format!("libnfc is told of a reader at {path}, where there is none");
            Some(Finding::warning("libnfc-port-missing", message, edit("plug the reader in, or take its lines out")))
        }
        Ok(_) => None,
    }
}

#[cfg(not(feature = "libnfc"))]
fn connstring(_: &Surroundings, _: &str, _: &dyn Fn(&str) -> String) -> Option<Finding> {
    None
}

/// For the fuzzer: whatever the file is, what is found in it is in it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for (key, value) in settings(&text) {
        assert!(!key.is_empty() && !key.starts_with('#') && !key.contains('=') && !value.contains('\n'));
        assert!(text.contains(key) && text.contains(value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, machine};
    use super::*;

    fn found(file: &str, text: &str) -> Vec<&'static str> {
        let (_folder, surroundings) = machine(&[(file, text), ("dev/ttyUSB0", "")]);
        codes(&judge(&surroundings))
    }

    #[test]
    fn settings_are_read_as_libnfc_reads_them() {
        let text = "# a = b\n\nkey=value\n  spaced  =  \"in quotes\"  # why\nnothing\n= x\nopen = \"end\n";
        assert_eq!(settings(text).collect::<Vec<_>>(), [("key", "value"), ("spaced", "in quotes")]);
        fuzz(text.as_bytes());
    }

    #[test]
    fn settings_that_do_harm_are_named() {
        assert_eq!(
            found(FILE, "allow_intrusive_scan = true\nlog_level = 3\n"),
            ["libnfc-intrusive", "libnfc-log-level"]
        );
        assert_eq!(found(FILE, "#allow_intrusive_scan = true\nallow_intrusive_scan = no\nlog_level = 1\n"), [""; 0]);
    }

    #[cfg(feature = "libnfc")]
    #[test]
    fn readers_that_are_not_there_are_named() {
        assert_eq!(found(FILE, "device.connstring = \"pn532_uart:/dev/ttyUSB0\"\n"), [""; 0]);
        assert_eq!(found(FILE, "device.connstring = \"pn532_uart:/dev/ttyUSB7\"\n"), ["libnfc-port-missing"]);
        assert_eq!(found("etc/nfc/devices.d/a.conf", "connstring = /dev/ttyUSB0\n"), ["libnfc-connstring"]);
        assert_eq!(found("etc/nfc/devices.d/a.conf.sample", "connstring = /dev/ttyUSB0\n"), [""; 0]);
    }
}
