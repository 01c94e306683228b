//! Formats that are read and not written: they need no more than a name and what they carry.

use oathburn_oath::{Algorithm, Seed};

use crate::{Carried, Fidelity, Format};

/// A format that has a reader only.
pub(crate) struct Listed {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) fidelity: &'static Fidelity,
}

impl Format for Listed {
    fn id(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn fidelity(&self) -> &'static Fidelity {
        self.fidelity
    }
}

const SHA1: &[Algorithm] = &[Algorithm::Sha1];
const SHA1_SHA256: &[Algorithm] = &[Algorithm::Sha1, Algorithm::Sha256];

/// Everything, in columns for the token alone.
const ALL_OF_A_TOKEN: Fidelity = Fidelity {
    algorithms: &Algorithm::ALL,
    digits: &[6, 7, 8, 9, 10],
    steps: None,
    event_based: true,
    max_seed_len: Seed::MAX_LEN,
    serial: Carried::Needed,
    manufacturer: Carried::No,
    model: Carried::No,
    upn: Carried::No,
    issuer: Carried::No,
};

pub(crate) static CYBERARK: Listed = Listed {
    id: "cyberark",
    title: "CyberArk Identity (CSV)",
    fidelity: &Fidelity {
        algorithms: SHA1,
        digits: &[6],
        steps: Some(&[30]),
        event_based: false,
        upn: Carried::Needed,
        issuer: Carried::Yes,
        ..ALL_OF_A_TOKEN
    },
};

pub(crate) static KEYCLOAK: Listed = Listed {
    id: "keycloak",
    title: "Keycloak users (JSON)",
    fidelity: &Fidelity { digits: &[6, 8], serial: Carried::Yes, upn: Carried::Needed, ..ALL_OF_A_TOKEN },
};

pub(crate) static CITRIX: Listed = Listed {
    id: "citrix",
    title: "Citrix ADC native OTP (user attribute in clear)",
    fidelity: &Fidelity { algorithms: SHA1, digits: &[6], steps: Some(&[30]), event_based: false, ..ALL_OF_A_TOKEN },
};

pub(crate) static SOPHOS: Listed = Listed {
    id: "sophos",
    title: "Sophos Firewall (XML API)",
    fidelity: &Fidelity { digits: &[6], event_based: false, upn: Carried::Yes, ..ALL_OF_A_TOKEN },
};

pub(crate) static FEITIAN: Listed = Listed {
    id: "feitian",
    title: "Feitian, Swivel: serial number and seed with a space between",
    fidelity: &Fidelity { algorithms: SHA1, digits: &[6], ..ALL_OF_A_TOKEN },
};

pub(crate) static PROTECTIMUS: Listed = Listed {
    id: "protectimus",
    title: "Protectimus (CSV)",
    fidelity: &Fidelity { algorithms: SHA1, digits: &[6], ..ALL_OF_A_TOKEN },
};

pub(crate) static YUBICO: Listed = Listed {
    id: "yubico",
    title: "logs of YubiKey programming (CSV)",
    fidelity: &Fidelity {
        algorithms: SHA1,
        digits: &[6, 8],
        steps: Some(&[]),
        // The key of a slot.
        max_seed_len: 20,
        ..ALL_OF_A_TOKEN
    },
};

pub(crate) static SAFENET: Listed = Listed {
    id: "safenet",
    title: "SafeNet, Aladdin (XML)",
    fidelity: &Fidelity {
        algorithms: SHA1_SHA256,
        digits: &[6],
        steps: Some(&[]),
        model: Carried::Yes,
        ..ALL_OF_A_TOKEN
    },
};

pub(crate) static DUALSHIELD: Listed = Listed {
    id: "dualshield",
    title: "Deepnet DualShield (XML)",
    fidelity: &Fidelity { manufacturer: Carried::Yes, model: Carried::Yes, ..ALL_OF_A_TOKEN },
};

pub(crate) static AEGIS: Listed = Listed {
    id: "aegis",
    title: "Aegis Authenticator (JSON vault, plain or encrypted)",
    fidelity: &Fidelity { serial: Carried::No, upn: Carried::Yes, issuer: Carried::Yes, ..ALL_OF_A_TOKEN },
};

pub(crate) static TWOFAS: Listed = Listed {
    id: "2fas",
    title: "2FAS (JSON backup, plain or encrypted)",
    fidelity: &Fidelity { serial: Carried::No, upn: Carried::Yes, issuer: Carried::Yes, ..ALL_OF_A_TOKEN },
};
