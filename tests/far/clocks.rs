//! Machines with a wrong clock.

use std::process::Command;

use serde_json::Value;

use crate::office::Office;
use crate::runs::{play, tokens};
use crate::support::{Desk, Run, finished};

/// A command of a machine whose clock is so many seconds off.
fn with_clock(station: &Desk, seconds: i64, arguments: &[&str]) -> Run {
    let told = station.command(arguments);
    let mut command = Command::new("faketime");
    command.args(["-f", &format!("{seconds:+}s")]).arg(told.get_program()).args(told.get_args()).env_clear();
    command.envs(told.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", "/usr/bin:/bin");
    finished(command.output().unwrap())
}

#[test]
fn a_station_whose_clock_is_wrong_burns_nothing_and_gives_its_lines_back() {
    let office = Office::open();
    let (wrong, right) = (office.station("00-1A-2B-3C-4D-01", "Ulm", 2), office.station("00-1A-2B-3C-4D-02", "Ulm", 2));
    let order = office.order(2, "Ulm");
    wrong.lab().insert(0, "token2-single serial=8659622000101").unwrap();
    // Whole seconds are compared, and one may turn while the desk is asked.
    for (seconds, said) in [(90, "s ahead of the desk's"), (-86_400, "s behind the desk's")] {
        let run = with_clock(&wrong, seconds, &["--json", "station", "run"]).expect(8);
        let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "clock-off", "{run:?}");
        assert!(last["error"]["message"].as_str().unwrap().contains(said), "{run:?}");
        assert!(!run.stdout.contains("\"waiting\""), "{run:?}");
        // Whoever stands there learns of it before a box is opened.
        let status = with_clock(&wrong, seconds, &["station", "status"]).expect(0);
        assert!(status.stderr.contains(said), "{status:?}");
    }
    assert!(wrong.lab().log(0).unwrap().is_empty(), "{:?}", wrong.lab().log(0));
    assert_eq!(wrong.run(&["station", "status"]).expect(0).stderr, "");
    // Both lines are there for the next who asks.
    let (code, summary) = play(&right, tokens(201, 2), &[]);
    assert_eq!((code, &summary["done"], &summary["left"]), (0, &2.into(), &0.into()), "{summary}");
    assert_eq!(office.done(order, &[&wrong, &right]), 2);
}

#[test]
fn a_machine_whose_clock_is_wrong_becomes_a_station_and_works_once_it_is_right() {
    let office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    office.order(1, "Ulm");
    // The clock was a day ahead, then it was set: what was signed since then counts all the same.
    with_clock(&station, 86_400, &["station", "status"]).expect(0);
    let (code, summary) = play(&station, tokens(1, 1), &[]);
    assert_eq!((code, &summary["done"]), (0, &1.into()), "{summary}");
}
