//! Key containers with a hundred thousand tokens: ours against python-pskc, which reads the same files.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::process::{Measured, measured};
use super::title;
use crate::failure::{Failure, While as _};
use crate::place;

const PACKAGES: u64 = 100_000;
/// AES-128, as hex.
const KEY: &str = "12345678901234567890123456789012";
/// Debian's own, which has Debian's python3-pskc.
const PYTHON: &str = "/usr/bin/python3";

/// Writes a container; with a key, one that is encrypted under it.
const WRITE: &str = r"
import hashlib, sys
from pskc import PSKC
p = PSKC()
for i in range(int(sys.argv[2])):
    p.add_key(id=str(i), serial='23%011d' % i, manufacturer='Token2', model='C202', algorithm='totp', time_interval=30,
              response_length=6, response_encoding='DECIMAL', secret=hashlib.sha1(b'%d' % i).digest())
if len(sys.argv) > 3: p.encryption.setup_preshared_key(key=bytes.fromhex(sys.argv[3]), algorithm='aes128-cbc')
p.write(sys.argv[1])
";

/// Reads it, and says how many seeds there are.
const READ: &str = r"
import sys
from pskc import PSKC
p = PSKC(sys.argv[1])
if len(sys.argv) > 2: p.encryption.key = bytes.fromhex(sys.argv[2])
print(sum(1 for k in p.keys if len(k.secret) == 20 and k.serial))
";

pub(super) fn run() -> Result<(), Failure> {
    let home = place::built("release", "pskc-bench");
    if home.exists() {
        fs::remove_dir_all(&home).while_doing("remove the last run's escrow")?;
    }
    fs::create_dir_all(&home).while_doing("make a folder")?;
    let ended = compare(&home);
    fs::remove_dir_all(&home).while_doing("remove the escrow")?;
    ended
}

fn compare(home: &Path) -> Result<(), Failure> {
    let path = |name: &str| home.join(name).display().to_string();
    let (plain, locked, key, written) = (path("plain.xml"), path("locked.xml"), path("key"), path("written.xml"));
    fs::write(&key, KEY).while_doing("write a key")?;
    let count = PACKAGES.to_string();
    title("\na hundred thousand key packages; seconds and rates are the processor's", 1);
    measured(&mut oathburn(home, &["--quiet", "escrow", "init", "--plain-identity"]))?;

    let theirs = measured(Command::new(PYTHON).args(["-c", WRITE, &plain, &count]))?;
    measured(Command::new(PYTHON).args(["-c", WRITE, &locked, &count, KEY]))?;
    for (name, file, password) in [("plain", &plain, None), ("AES-128-CBC, HMAC-SHA-1", &locked, Some(&key))] {
        let mut look = oathburn(home, &["import", "--json", "--dry-run", file]);
        look.args(password.iter().flat_map(|key| ["--password-file", key.as_str()]));
        let ours = measured(&mut look)?;
        let said: Value = serde_json::from_str(&ours.stdout).while_doing("understand oathburn")?;
        let mut read = Command::new(PYTHON);
        let theirs = measured(read.args(["-c", READ, file]).args(password.map(|_| KEY)))?;
        if said["new"] != PACKAGES || theirs.stdout.trim() != count {
            return Err(Failure::new(format!("somebody read wrong: {said}, {}", theirs.stdout)));
        }
        ours.print(&format!("{name}: oathburn import --dry-run"), PACKAGES);
        theirs.print(&format!("{name}: python-pskc reads"), PACKAGES);
        print_ratio(&ours, &theirs);
    }

    let imported = measured(&mut oathburn(home, &["import", "--json", &plain]))?;
    imported.print("plain: oathburn import", PACKAGES);
    let export = ["--quiet", "export", "--format", "pskc", "--plain", "--reason", "bench", "--out", &written];
    let ours = measured(&mut oathburn(home, &export))?;
    let text = fs::read_to_string(&written).while_doing("read what was written")?;
    if text.matches("<KeyPackage").count() as u64 != PACKAGES {
        return Err(Failure::new("not all were exported"));
    }
    ours.print("plain: oathburn export", PACKAGES);
    theirs.print("plain: python-pskc writes", PACKAGES);
    print_ratio(&ours, &theirs);
    Ok(())
}

fn print_ratio(ours: &Measured, theirs: &Measured) {
    let faster = theirs.processor.as_secs_f64() / ours.processor.as_secs_f64();
    println!("  {:<44} {faster:>6.1} times faster", "");
}

fn oathburn(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(place::built("release", "oathburn"));
    command.env_clear().env("HOME", home).args(arguments);
    command
}
