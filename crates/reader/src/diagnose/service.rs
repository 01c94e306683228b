//! The PC/SC service: there, running, ours to use?

use oathburn_oath::Remedy;

use super::{Finding, Surroundings};
use crate::{ReaderError, pcsc};

/// The names of the readers that the service shows.
pub(super) fn readers() -> Result<Vec<String>, ReaderError> {
    pcsc::Service::connect()?.reader_names()
}

/// The rule that lets a group use readers from anywhere.
const POLKIT: &str =
    "sudo install -m 644 packaging/polkit/50-oathburn.rules /etc/polkit-1/rules.d/ && sudo adduser $USER plugdev";

pub(super) fn judge(surroundings: &Surroundings, readers: &Result<Vec<String>, ReaderError>) -> Vec<Finding> {
    let error = match readers {
        Ok(names) => {
            let shown = match names.as_slice() {
                [] => "no readers".to_owned(),
                [one] => format!("the reader {one}"),
                several => format!("{} readers: {}", several.len(), several.join(", ")),
            };
            return vec![Finding::fine("service", format!("the PC/SC service is running and shows {shown}"))];
        }
        Err(error) => error,
    };
    let installed = ["usr/sbin/pcscd", "usr/bin/pcscd"].iter().any(|path| surroundings.at(path).exists());
    let remedy = match error {
        ReaderError::ServiceMissing if !installed => "sudo apt install pcscd".to_owned(),
        ReaderError::ServiceMissing => "sudo systemctl enable --now pcscd.socket".to_owned(),
        ReaderError::ServiceStopped => "sudo systemctl restart pcscd.socket pcscd".to_owned(),
        ReaderError::AccessDenied => POLKIT.to_owned(),
        other => other.remedy().unwrap_or_default(),
    };
    let message = match error {
        ReaderError::ServiceMissing if !installed => "the PC/SC service is not installed".to_owned(),
        ReaderError::AccessDenied => {
            "the PC/SC service denies access to this user: polkit allows it to local sessions only, unless a rule says \
             otherwise"
                .to_owned()
        }
        error => error.to_string(),
    };
    vec![Finding::problem(error.code(), message, remedy)]
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn each_way_to_be_without_a_service_has_its_own_remedy() {
        let (_none, without) = machine(&[]);
        let (_some, with) = machine(&[("usr/sbin/pcscd", "")]);
        for (surroundings, error, code, remedy) in [
            (&without, ReaderError::ServiceMissing, "service-missing", "apt install pcscd"),
            (&with, ReaderError::ServiceMissing, "service-missing", "enable --now pcscd.socket"),
            (&with, ReaderError::ServiceStopped, "service-stopped", "restart pcscd"),
            (&with, ReaderError::AccessDenied, "service-access-denied", "polkit"),
            (&with, ReaderError::Failed { detail: "x".into() }, "reader-failed", "unplug"),
        ] {
            let findings = judge(surroundings, &Err(error));
            assert_eq!(findings[0].code, code);
            assert!(findings[0].remedy.as_ref().unwrap().contains(remedy), "{findings:?}");
        }
        for (names, shown) in [(vec![], "no readers"), (vec!["A".into()], "the reader A")] {
            assert!(judge(&with, &Ok(names))[0].message.ends_with(shown));
        }
        assert!(judge(&with, &Ok(vec!["A".into(), "B".into()]))[0].message.ends_with("2 readers: A, B"));
    }
}
