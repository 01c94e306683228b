//! The desks that are measured, with all that they were made with.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use oathburn_desk::{Desk, Settings};
use oathburn_escrow::{Escrow, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Seed, SystemClock};
use serde_json::{Value, json};

use super::Outcome;

/// A home folder, in which the program works.
pub(crate) struct Home {
    program: PathBuf,
    pub(crate) folder: PathBuf,
    /// A file in the folder where nothing is said.
    store: Option<String>,
}

impl Home {
    pub(crate) fn new(program: &Path, folder: PathBuf, store: Option<&str>) -> Outcome<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { program: program.into(), folder, store: store.map(ToOwned::to_owned) })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", &self.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        command.envs(self.store.as_ref().map(|store| ("OATHBURN_STORE", store)));
        command
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Outcome<Value> {
        let output = self.command(arguments).arg("--json").output()?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stdout)).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.join(".local/share/oathburn").join(name)
    }

    /// Tokens of users, from a list as makers deliver it.
    pub(crate) fn fill(&self, tokens: usize) -> Outcome<Vec<String>> {
        let mut list = String::from("upn,serial number,secret key,time interval,manufacturer,model\n");
        for number in 0..tokens {
            let seed = Seed::generate(20)?.to_base32();
            writeln!(list, ",23{number:011},{},30,Token2,C202", seed.as_str())?;
        }
        let file = self.folder.join("tokens.csv");
        std::fs::write(&file, list)?;
        self.json(&["import", file.to_str().ok_or("a folder of another encoding")?])?;
        let entries = self.json(&["escrow", "list"])?;
        let ids = entries.as_array().into_iter().flatten().filter_map(|entry| entry["entry"].as_str());
        Ok(ids.map(ToOwned::to_owned).collect())
    }

    /// An officer of its own, let in by another one: each desk writes a chain of its own.
    pub(crate) fn join(&self, other: &Self) -> Outcome<()> {
        let name = self.folder.file_name().and_then(|name| name.to_str()).ok_or("a folder without a name")?;
        let made = self.command(&["escrow", "officers", "key", "--label", name, "--plain-identity"]).output()?;
        let line = String::from_utf8(made.stdout)?;
        other.json(&["escrow", "officers", "add", line.trim(), "--yes"])?;
        Ok(())
    }

    /// The register of stations, as another desk of the same escrow has it.
    pub(crate) fn desk(&self) -> Outcome<Desk> {
        let url: StoreUrl = match &self.store {
            Some(store) => store.parse()?,
            None => StoreUrl::sqlite(self.data("escrow.db")),
        };
        let clock = Arc::new(SystemClock);
        let station = StationKey::load_or_create(&self.folder.join("second.key"))?;
        let who = Writer { operator: None, uid: 0, host: "second".into() };
        let escrow = Escrow::open(&url, station, &Pins::new(self.folder.join("pins")), who, clock.clone())?;
        let opener = escrow.opener(Officer::load(&self.data("officer.key"), None)?)?;
        Ok(Desk::open(escrow, opener, clock, Settings::default())?)
    }
}

/// The program while it serves.
pub(crate) struct Serving {
    child: Child,
    pub(crate) ready: Value,
}

impl Serving {
    /// With the certificate and the key of a folder.
    pub(crate) fn start(home: &Home, certificate: &Value) -> Outcome<Self> {
        let most = "100000000";
        let file = |name: &str| certificate[name].as_str().ok_or("no certificate");
        // Everybody here has one address.
        let arguments = ["--json", "desk", "serve", "--listen", "127.0.0.1:0", "--proxy", "127.0.0.1"];
        let limits = ["--codes-per-clerk", most, "--codes-per-token", most];
        let tls = ["--cert", file("certificate")?, "--key", file("key")?];
        let mut child = home.command(&[&arguments[..], &limits, &tls].concat()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Self { ready: serde_json::from_str(&line)?, child })
    }

    pub(crate) fn address(&self) -> Outcome<&str> {
        Ok(self.ready["address"].as_str().ok_or("no address")?)
    }

    /// What it has in memory, in KiB.
    pub(crate) fn memory(&self) -> Value {
        json!({ "now": self.kib("VmRSS"), "most": self.kib("VmHWM") })
    }

    fn kib(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// What it has used of the processors, in seconds.
    pub(crate) fn processor(&self) -> Option<f64> {
        processor(&self.child.id().to_string())
    }
}

/// What a process has used of the processors, in seconds.
pub(crate) fn processor(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<f64> = stat.rsplit_once(") ")?.1.split(' ').filter_map(|field| field.parse().ok()).collect();
    // The state is no number: utime and stime are the 12th and 13th after it, in hundredths.
    Some((fields.get(10)? + fields.get(11)?) / 100.0)
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
