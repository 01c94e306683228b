//! Reading: one reader a format, in bounded memory, row by row.

mod columns;
mod damage;
pub(crate) mod draft;
mod elements;
mod json;
mod layouts;
mod lists;
mod migration;
mod objects;
mod open;
mod privacyidea;
mod records;
mod serials;
pub(crate) mod sniff;
pub(crate) mod text;
mod uris;
mod vaults;
pub(crate) mod xml;

use std::io::BufRead;
use std::ops::ControlFlow;

pub use open::{Wrapping, identify, wrapping};
pub use serials::SerialLengths;

use crate::import::text::Text;
use crate::{FormatError, Likeness, Problem, ReadFormat, ReadOptions, Remarks, Row, pskc};

/// Where rows go.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Row) -> ControlFlow<()>;

/// Hands over a row that is none.
fn refuse(sink: Sink<'_>, line: u64, problem: Problem) -> ControlFlow<()> {
    sink(Row { line, outcome: Err(problem) })
}

/// How files of a format are read.
pub(crate) struct Reading {
    ids: &'static [&'static str],
    /// How much the beginning of a text looks like it.
    pub(crate) sniff: fn(&[u8]) -> Likeness,
    read: fn(Text<'_>, &ReadOptions, Sink<'_>, &mut Remarks) -> Result<(), FormatError>,
}

/// How files of the format with this id are read.
pub(crate) fn reading(id: &str) -> Option<&'static Reading> {
    READINGS.iter().find(|reading| reading.ids.contains(&id))
}

impl ReadFormat for Reading {
    fn read(
        &self,
        input: &mut dyn BufRead,
        options: &ReadOptions,
        sink: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<Remarks, FormatError> {
        let mut remarks = Remarks::default();
        // A file of nothing but headers and blank lines is no file of tokens.
        let mut any = false;
        let mut counted = |row| {
            any = true;
            sink(row)
        };
        (self.read)(Text::new(input), options, &mut counted, &mut remarks)?;
        if any { Ok(remarks) } else { Err(FormatError::FileEmpty) }
    }
}

/// Lists whose rows are judged one by one: nothing is wrong with them as a whole.
macro_rules! infallible {
    ($read:path) => {
        |text, options, sink, _| {
            $read(text, &options.unsaid, sink);
            Ok(())
        }
    };
}

static READINGS: &[Reading] = &[
    Reading {
        ids: &["entra"],
        sniff: sniff::entra,
        read: |text, options, sink, _| layouts::ENTRA.read(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["generic"],
        sniff: sniff::generic,
        read: |text, options, sink, _| layouts::GENERIC.read(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["graph", "graph-create"],
        sniff: sniff::graph,
        read: |text, options, sink, _| objects::graph(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["okta"],
        sniff: sniff::okta,
        read: |text, options, sink, _| objects::okta(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["pingone"],
        sniff: sniff::pingone,
        read: |text, options, sink, _| objects::pingone(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["privacyidea", "privacyidea2"],
        sniff: sniff::privacyidea,
        read: |text, options, sink, _| privacyidea::read(text, &options.unsaid, sink),
    },
    // What PingID takes looks like what Duo takes, and is read in the same way.
    Reading {
        ids: &["duo", "pingid"],
        sniff: sniff::duo,
        read: |text, options, sink, _| layouts::SERIAL_HEX.read(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["linotp"],
        sniff: sniff::linotp,
        read: |text, options, sink, _| layouts::linotp(text, &options.unsaid, sink),
    },
    // The same with counters: nothing in it says so.
    Reading {
        ids: &["duo-hotp"],
        sniff: sniff::never,
        read: |text, options, sink, _| layouts::SERIAL_HEX_COUNTER.read(text, &options.unsaid, sink),
    },
    // Looks like privacyIDEA's: whoever has one says so.
    Reading {
        ids: &["netiq"],
        sniff: sniff::never,
        read: |text, options, sink, _| layouts::NETIQ.read(text, &options.unsaid, sink),
    },
    Reading { ids: &["rcdevs"], sniff: sniff::rcdevs, read: infallible!(lists::rcdevs) },
    Reading { ids: &["otpauth"], sniff: sniff::otpauth, read: |text, _, sink, _| uris::read(text, sink) },
    Reading { ids: &["pskc"], sniff: pskc::sniff, read: pskc::read },
    Reading {
        ids: &["cyberark"],
        sniff: sniff::cyberark,
        read: |text, options, sink, _| layouts::CYBERARK.read(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["keycloak"],
        sniff: sniff::keycloak,
        read: |text, options, sink, _| objects::keycloak(text, &options.unsaid, sink),
    },
    Reading { ids: &["citrix"], sniff: sniff::citrix, read: infallible!(lists::citrix) },
    Reading {
        ids: &["sophos"],
        sniff: sniff::sophos,
        read: |text, options, sink, _| elements::sophos(text, &options.unsaid, sink),
    },
    Reading { ids: &["feitian"], sniff: sniff::spaces, read: infallible!(lists::spaces) },
    Reading {
        ids: &["protectimus"],
        sniff: sniff::protectimus,
        read: |text, options, sink, _| layouts::PROTECTIMUS.read(text, &options.unsaid, sink),
    },
    Reading { ids: &["yubico"], sniff: sniff::yubico, read: infallible!(lists::yubico) },
    Reading {
        ids: &["safenet"],
        sniff: sniff::safenet,
        read: |text, options, sink, _| elements::safenet(text, &options.unsaid, sink),
    },
    Reading {
        ids: &["dualshield"],
        sniff: sniff::dualshield,
        read: |text, options, sink, _| elements::dualshield(text, &options.unsaid, sink),
    },
    Reading { ids: &["aegis"], sniff: sniff::aegis, read: |text, options, sink, _| vaults::aegis(text, options, sink) },
    Reading {
        ids: &["2fas"],
        sniff: sniff::twofas,
        read: |text, options, sink, _| vaults::twofas(text, options, sink),
    },
];
