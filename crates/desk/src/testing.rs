//! A desk for unit tests, with a clock that is moved by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oathburn_escrow::{Escrow, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, UnixTime};
use tempfile::TempDir;

use crate::{Desk, Settings};

/// A clock that stands still until it is told otherwise.
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    /// Lets seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(Ordering::SeqCst))
    }
}

/// A folder with an escrow, and the clock of all its desks.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) clock: Arc<HandClock>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder, clock: Arc::new(HandClock(AtomicU64::new(1_800_000_000))) };
        let officer = Officer::generate().unwrap();
        officer.create_file(&home.folder.path().join("officer.key"), None).unwrap();
        Escrow::init(&home.url(), &officer, &home.station(), &home.pins(), &who(), &*home.clock).unwrap();
        home
    }

    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.folder.path().join("escrow.db"))
    }

    fn pins(&self) -> Pins {
        Pins::new(self.folder.path().join("pins"))
    }

    fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.folder.path().join("station.key")).unwrap()
    }

    /// A desk; each call opens one more of the same escrow.
    pub(crate) fn desk(&self) -> Desk {
        self.desk_with(Settings::default())
    }

    /// The same, set up in another way.
    pub(crate) fn desk_with(&self, settings: Settings) -> Desk {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let escrow = Escrow::open(&self.url(), self.station(), &self.pins(), who(), clock.clone()).unwrap();
        let opener = escrow.opener(Officer::load(&self.folder.path().join("officer.key"), None).unwrap()).unwrap();
        Desk::open(escrow, opener, clock, settings).unwrap()
    }
}

fn who() -> Writer {
    Writer { operator: None, uid: 1000, host: "desk".into() }
}
