//! A station on its own: hours without a desk, killed, and with clocks that are wrong.

use super::*;

/// All is told, and what is at the desk is what was burned.
fn finished(desk: &Desk, id: BatchId, far: &Far, burned: &[(String, Seed)]) {
    assert_eq!(desk.order(id).unwrap().batch.state, BatchState::Finished);
    for (serial, seed) in burned {
        let entries = at_desk(desk, serial);
        let [entry] = entries.as_slice() else { panic!("{serial}: {entries:?}") };
        assert_eq!((entry.state, entry.batch, entry.drift_seconds), (EntryState::Programmed, Some(id), Some(2)));
        assert_eq!((entry.model.as_deref(), entry.manufacturer.as_deref()), (Some("C202"), Some("Token2")));
        assert_eq!(seed_of(desk, entry), *seed);
    }
    let lines: HashSet<_> = burned.iter().map(|(serial, _)| at_desk(desk, serial)[0].line).collect();
    assert_eq!(lines.len(), burned.len());
    assert_eq!(far.portions(), 0);
    is_sound(desk);
}

#[test]
fn a_station_works_for_hours_without_a_desk_and_tells_later() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 4, at(&["Paris"]));
    let way = paris.way(&desk);
    let mut burned = Vec::new();
    paris.work(&way, 4, |work, escrow| {
        work.sync(false).unwrap();
        *way.cut.lock().unwrap() = true;
        for number in 1..=4 {
            let serial = format!("865962200000{number}");
            let seed = burn(work, escrow, &serial, Reach::Done).unwrap();
            burned.push((serial, seed));
            paris.clock.pass(3600);
            home.clock.pass(3600);
            assert_eq!(work.sync(false).unwrap_err().code(), "desk-away");
        }
        assert!(burn(work, escrow, "8659622000009", Reach::Done).is_none());
        assert!(at_desk(&desk, "8659622000001").is_empty() && work.may_grow());
        // The network is cut between the report and its answer: told again, it is done once.
        (*way.cut.lock().unwrap(), *way.deaf.lock().unwrap()) = (false, true);
        assert_eq!(work.sync(false).unwrap_err().code(), "desk-away");
        assert_eq!(at_desk(&desk, "8659622000001").len(), 1);
        *way.deaf.lock().unwrap() = false;
        work.sync(false).unwrap();
        assert!(!work.may_grow() && work.is_idle());
    });
    finished(&desk, id, &paris, &burned);
    // Whoever did it is on record: the station, and the account that it acts for.
    let events = desk.escrow.events(&EventFilter::default()).unwrap();
    let programmed: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Programmed).collect();
    assert_eq!(programmed.len(), 4);
    assert!(programmed.iter().all(
        |event| event.facts.text("station") == Some("P-1") && event.operator.as_deref() == Some("account-of-Paris")
    ));
}

/// Tokens are set by the station's clock.
#[test]
fn a_station_whose_clock_is_off_gives_its_lines_back() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 2, Audience::default());
    let way = paris.way(&desk);
    paris.clock.pass(CLOCK_TOLERANCE);
    paris.work(&way, 2, |work, _| work.sync(false).unwrap());
    paris.clock.pass(1);
    paris.work(&way, 2, |work, _| {
        assert!(matches!(work.sync(true), Err(RemoteError::ClockOff { seconds: 11 })));
        assert_eq!(work.lines_at_hand().unwrap(), 2);
        work.end(true).unwrap();
        assert_eq!((work.lines_at_hand().unwrap(), paris.portions()), (0, 0));
    });
    let rome = Far::new("R-1", "Rome");
    let way = rome.way(&desk);
    rome.work(&way, 2, |work, _| {
        work.sync(false).unwrap();
        assert_eq!(work.lines_at_hand().unwrap(), 2);
    });
    assert_eq!(line_states(&desk, id), [LineState::Open; 2]);
    is_sound(&desk);
}

/// Hears how many lines of the order are done, have failed and are left, and how many are at hand.
#[derive(Default)]
struct Heard(Mutex<Vec<[u64; 4]>>);

impl BatchObserver for Heard {
    fn event(&self, _: usize, event: &BatchEvent<'_>) {
        if let BatchEvent::Done(line) = event {
            let (counts, at_hand) = (line.counts, line.at_hand.unwrap());
            self.0.lock().unwrap().push([counts.done, counts.failed, counts.left(), at_hand]);
        }
    }

    fn ask_code(&self, _: usize, _: &SerialNumber, _: u32) -> Option<String> {
        None
    }
}

#[test]
fn a_station_says_how_far_the_order_is_and_what_is_at_hand() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, lyon) = (Far::new("P-1", "Paris"), Far::new("L-1", "Lyon"));
    let id = order(&desk, 7, Audience::default());
    let (way, other) = (paris.way(&desk), lyon.way(&desk));
    paris.work(&way, 4, |work, escrow| {
        let heard = Heard::default();
        let observer = OrderObserver { work, observer: &heard };
        let done = |number: u32| {
            let serial = SerialNumber::new(&format!("865962200000{number}")).unwrap();
            burn(work, escrow, serial.as_str(), Reach::Done).unwrap();
            let entry = escrow.find(&identity(serial.as_str())).unwrap().remove(0);
            // What the run itself counts: its own lines.
            let batch = entry.batch.unwrap();
            let counts = escrow.line_counts(batch).unwrap();
            let line = DoneLine {
                batch,
                line: entry.line.unwrap(),
                upn: None,
                issuer: None,
                label: None,
                serial: &serial,
                model: None,
                entry: entry.id,
                drift_seconds: None,
                counts,
                at_hand: None,
            };
            observer.event(0, &BatchEvent::Done(&line));
            heard.0.lock().unwrap().pop().unwrap()
        };
        work.sync(false).unwrap();
        assert_eq!(done(1), [1, 0, 6, 3]);
        lyon.work(&other, 2, |work, escrow| {
            work.sync(false).unwrap();
            burn(work, escrow, "8659622000011", Reach::Done).unwrap();
            work.sync(false).unwrap();
        });
        // What others do is heard of with the next answer; what was told is counted once.
        assert_eq!(done(2), [2, 0, 5, 2]);
        work.sync(false).unwrap();
        *way.cut.lock().unwrap() = true;
        assert_eq!(done(3)[..3], [4, 0, 3]);
        assert!(work.sync(false).is_err());
        assert_eq!(done(4)[..3], [5, 0, 2]);
        // Nobody knows whether there is a line for another one.
        assert!(work.is_unanswered(&SerialNumber::new("8659622000099").unwrap()));
        *way.cut.lock().unwrap() = false;
        work.sync(false).unwrap();
        assert!(!work.is_unanswered(&SerialNumber::new("8659622000099").unwrap()));
    });
    assert_eq!(desk.order(id).unwrap().batch.counts.done, 5);
}

#[test]
fn what_was_killed_goes_on_where_it_was() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 4, Audience::default());
    let way = paris.way(&desk);
    let mut burned = Vec::new();
    // Each of these ends without a word, at another moment.
    paris.work(&way, 4, |_, _| {});
    *way.deaf.lock().unwrap() = true;
    // Leased, and the answer was lost.
    assert!(paris.way(&desk).lease(&LeaseRequest { lines: 4, ..LeaseRequest::default() }).is_ok());
    *way.deaf.lock().unwrap() = false;
    paris.work(&way, 4, |work, _| work.sync(false).unwrap());
    *way.cut.lock().unwrap() = true;
    paris.work(&way, 4, |work, escrow| {
        assert_eq!(work.lines_at_hand().unwrap(), 4);
        burned.push(("8659622000001".to_owned(), burn(work, escrow, "8659622000001", Reach::Done).unwrap()));
    });
    paris.work(&way, 4, |work, escrow| {
        assert_eq!(work.lines_at_hand().unwrap(), 3);
        // Reserved, and killed before a byte was written.
        burn(work, escrow, "8659622000002", Reach::Reserved).unwrap();
    });
    *way.cut.lock().unwrap() = false;
    paris.work(&way, 4, |work, escrow| {
        work.sync(true).unwrap();
        assert_eq!(at_desk(&desk, "8659622000002")[0].state, EntryState::Unknown);
        assert_eq!(line_states(&desk, id)[..2], [LineState::Done, LineState::Reserved]);
        // The same token once more: it gets its own line, with its own seed.
        let own = escrow.find(&identity("8659622000002")).unwrap()[0].line;
        let batch = work.batches()[0].id;
        let serial = SerialNumber::new("8659622000002").unwrap();
        let Claim::Leased(lease) = escrow.claim(batch, &serial, own, &HashSet::new()).unwrap() else { panic!() };
        assert_eq!(Some(lease.line.number), own);
        escrow.release(&lease).unwrap();
        let seed = work.seed(batch, own.unwrap()).unwrap();
        let record = TokenRecord {
            identity: identity("8659622000002"),
            params: lease.line.params.into(),
            seed: seed.clone(),
            manufacturer: Some("Token2".into()),
            model: None,
            upn: lease.line.upn.clone(),
            issuer: None,
        };
        let Claim::Leased(lease) = escrow.claim(batch, &serial, own, &HashSet::new()).unwrap() else { panic!() };
        let entry = escrow.reserve_line(&lease, &record, Origin::Given).unwrap();
        let programmed = Programmed { model: Some("C202".into()), drift_seconds: Some(2), ..Programmed::default() };
        escrow.mark_programmed(entry, &programmed).unwrap();
        escrow.release(&lease).unwrap();
        for number in 3..=4 {
            let serial = format!("865962200000{number}");
            burned.push((serial.clone(), burn(work, escrow, &serial, Reach::Done).unwrap()));
        }
        work.sync(false).unwrap();
        // The first attempt at the second token is superseded, the second one counts.
        let entries = at_desk(&desk, "8659622000002");
        let states: Vec<_> = entries.iter().map(|entry| entry.state).collect();
        assert_eq!(states, [EntryState::Programmed, EntryState::Superseded]);
        assert_eq!(seed_of(&desk, &entries[0]), seed);
    });
    finished(&desk, id, &paris, &burned);
}

#[test]
fn nothing_is_burned_with_a_lease_that_has_ended() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 3, Audience::default());
    let way = paris.way(&desk);
    let mut sealed = Vec::new();
    paris.work(&way, 3, |work, escrow| {
        work.sync(false).unwrap();
        *way.cut.lock().unwrap() = true;
        let before = String::from_utf8_lossy(&paris.files()).into_owned();
        let cells = before.split("\"sealed\":\"").skip(1);
        sealed.extend(cells.map(|rest| rest.split('"').next().unwrap().to_owned()));
        assert_eq!(sealed.len(), 3);
        burn(work, escrow, "8659622000001", Reach::Unknown).unwrap();
        paris.clock.pass(LeaseTerms::default().seconds);
        home.clock.pass(LeaseTerms::default().seconds);
        let batch = work.lines_at_hand().unwrap();
        assert!(work.batches().is_empty() && batch == 3);
        assert!(burn(work, escrow, "8659622000002", Reach::Done).is_none());
        assert!(work.sync(false).is_err());
        assert_eq!(work.lines_at_hand().unwrap(), 0);
    });
    // No seed is left on the disk, sealed or not.
    let after = String::from_utf8_lossy(&paris.files()).into_owned();
    assert!(sealed.iter().all(|sealed| !after.contains(sealed)));
    // Back again, it tells what it began, gives the others back, and gets new leases.
    *way.cut.lock().unwrap() = false;
    paris.work(&way, 3, |work, escrow| {
        work.sync(true).unwrap();
        assert_eq!(at_desk(&desk, "8659622000001")[0].state, EntryState::Unknown);
        // The line that was begun comes for its token alone.
        assert_eq!(work.lines_at_hand().unwrap(), 3);
        burn(work, escrow, "8659622000002", Reach::Done).unwrap();
        burn(work, escrow, "8659622000003", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    assert_eq!(line_states(&desk, id), [LineState::Reserved, LineState::Done, LineState::Done]);
    paris.work(&way, 3, |work, escrow| {
        assert!(burn(work, escrow, "8659622000004", Reach::Done).is_none());
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    assert_eq!(desk.order(id).unwrap().batch.state, BatchState::Finished);
    assert_eq!(at_desk(&desk, "8659622000001")[0].state, EntryState::Programmed);
    is_sound(&desk);
}

#[test]
fn what_is_not_begun_is_given_back_and_the_files_hold_no_seed() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("R-1", "Rome"));
    let id = order(&desk, 3, Audience::default());
    let way = paris.way(&desk);
    paris.work(&way, 3, |work, escrow| {
        work.sync(false).unwrap();
        let seed = burn(work, escrow, "8659622000001", Reach::Done).unwrap();
        // Neither the file of leases nor the escrow holds it in any form that can be read.
        let files = paris.files();
        let text = String::from_utf8_lossy(&files).into_owned();
        assert!(!text.contains(seed.to_base32().as_str()) && !text.contains(seed.to_hex().as_str()));
        assert!(!files.windows(seed.len()).any(|window| Seed::new(window.to_vec()).unwrap() == seed));
        // Not even by itself: nobody at the station is an officer of its escrow.
        assert!(!escrow.roster().officers.iter().any(|officer| officer.keys == paris.key().public()));
        work.end(true).unwrap();
        assert!(work.is_idle());
    });
    assert_eq!(paris.portions(), 0);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(paris.path().join("work/portions")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o077, 0);
    let answer = desk.lease(&rome.worker(), &LeaseRequest { lines: 9, ..LeaseRequest::default() }).unwrap();
    assert_eq!(answer.portions[0].lines.iter().map(|line| line.line).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(line_states(&desk, id)[0], LineState::Done);
}

#[test]
fn two_programs_do_not_work_in_one_folder_and_damage_is_named() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    order(&desk, 2, Audience::default());
    let way = paris.way(&desk);
    paris.work(&way, 2, |work, _| {
        work.sync(false).unwrap();
        let second = RemoteHome::open(&paris.path().join("work"));
        assert!(matches!(second, Err(RemoteError::Taken { .. })));
    });
    let folder = paris.path().join("work/portions");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let whole = std::fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"{}", b""] {
        std::fs::write(&file, damaged).unwrap();
        let found = RemoteHome::open(&paris.path().join("work")).unwrap().has_work();
        assert!(matches!(found, Err(RemoteError::Damaged { .. })));
    }
    std::fs::write(&file, &whole).unwrap();
    // Left over from a write that was cut off.
    std::fs::write(file.with_extension("tmp"), b"{").unwrap();
    assert!(RemoteHome::open(&paris.path().join("work")).unwrap().has_work().unwrap());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, b"").unwrap();
    assert!(matches!(RemoteHome::open(&paris.path().join("work")), Err(RemoteError::File { .. })));
}

#[test]
fn an_answer_that_makes_no_sense_is_refused() {
    let portion = |change: &dyn Fn(&mut LeasedLine)| {
        let mut line = LeasedLine {
            line: 1,
            upn: None,
            serial: None,
            issuer: None,
            label: None,
            algorithm: "SHA-1".into(),
            digits: 6,
            step: 30,
            sealed: String::new(),
        };
        change(&mut line);
        let order = BatchId::new().to_string();
        Portion { order, name: "n".into(), options: oathburn_escrow::Facts::new(), lines: vec![line] }
    };
    let way = Answers(Mutex::new(Vec::new()), officers());
    let far = Far::new("P-1", "Paris");
    for change in [
        &(|line: &mut LeasedLine| line.algorithm = "MD5".into()) as &dyn Fn(&mut LeasedLine),
        &|line| line.digits = 99,
        &|line| line.step = 0,
        &|line| line.serial = Some("two words".into()),
    ] {
        way.0.lock().unwrap().push(portion(change));
        let home = RemoteHome::open(&far.path().join("work")).unwrap();
        let who = Writer { operator: None, uid: 1000, host: "P-1".into() };
        let escrow = home.escrow_for(&way.1, &who).unwrap();
        let (key, clocks) = (far.key(), &far.clock);
        let (home, escrow, key) = (&home, &escrow, &key);
        let parts = RemoteParts { home, escrow, key, desk: &way, clocks, ahead: 4, stay: false, told: &|_| {} };
        let work = RemoteWork::open(parts).unwrap();
        assert!(matches!(work.sync(false), Err(RemoteError::Answer { .. })));
        assert_eq!(far.portions(), 0);
    }
    let nobody = RemoteHome::open(&far.path().join("other")).unwrap();
    let who = Writer { operator: None, uid: 1000, host: "P-1".into() };
    assert!(matches!(nobody.escrow_for(&[], &who), Err(RemoteError::Answer { .. })));
    let no_line = ["oathburn-officer x".to_owned()];
    assert!(matches!(nobody.escrow_for(&no_line, &who), Err(RemoteError::Answer { .. })));
}

/// Revoked and provisioned again, with other keys: what it has burned is told, what it has not is given back.
#[test]
fn a_station_with_new_keys_still_tells_what_it_burned() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 3, Audience::default());
    let way = paris.way(&desk);
    paris.work(&way, 3, |work, escrow| {
        work.sync(false).unwrap();
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
    });
    std::fs::remove_file(paris.path().join("station.key")).unwrap();
    let way = paris.way(&desk);
    paris.work(&way, 3, |work, escrow| {
        assert!(work.batches().is_empty());
        work.sync(true).unwrap();
        assert_eq!(line_states(&desk, id), [LineState::Done, LineState::Open, LineState::Open]);
        burn(work, escrow, "8659622000002", Reach::Done).unwrap();
        burn(work, escrow, "8659622000003", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    assert_eq!(desk.order(id).unwrap().batch.state, BatchState::Finished);
    is_sound(&desk);
}

/// A desk that answers what it is told to.
struct Answers(Mutex<Vec<Portion>>, Vec<String>);

fn officers() -> Vec<String> {
    let home = Home::new();
    home.desk().lease(&Far::new("X", "x").worker(), &LeaseRequest::default()).unwrap().officers
}

impl RemoteDesk for Answers {
    fn lease(&self, _: &LeaseRequest) -> Result<LeaseAnswer, DeskTrouble> {
        let portions = self.0.lock().unwrap().pop().into_iter().collect();
        Ok(LeaseAnswer { seconds: 60, officers: self.1.clone(), portions, ..LeaseAnswer::default() })
    }

    fn report(&self, _: &ReportRequest) -> Result<ReportAnswer, DeskTrouble> {
        Ok(ReportAnswer::default())
    }

    fn token(&self, _: &TokenRequest) -> Result<TokenAnswer, DeskTrouble> {
        Ok(TokenAnswer { in_use: false })
    }
}
