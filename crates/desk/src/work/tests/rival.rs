//! Stations that get into each other's way, and what is no station's to say.

use super::*;

fn report(id: BatchId, line: u32, attempt: &str, state: ReportState) -> Report {
    let token = ReportedToken {
        family: "token2-single".into(),
        serial: "8659622000001".into(),
        slot: "0".into(),
        manufacturer: None,
        model: None,
        drift_seconds: Some(1),
        burned_at: 1_800_000_100,
    };
    let token = Some(token).filter(|_| state != ReportState::Returned && state != ReportState::Failed);
    Report { order: id.to_string(), line, attempt: attempt.into(), state, token, error: None }
}

fn outcome(desk: &Desk, far: &Far, report: Report) -> Outcome {
    desk.report(&far.worker(), &ReportRequest { reports: vec![report] }).unwrap().taken[0].outcome
}

fn lease(desk: &Desk, far: &Far, lines: usize) {
    desk.lease(&far.worker(), &LeaseRequest { lines, ..LeaseRequest::default() }).unwrap();
}

#[test]
fn a_report_that_is_told_again_changes_nothing() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 2, Audience::default());
    lease(&desk, &paris, 2);
    for _ in 0..3 {
        assert_eq!(outcome(&desk, &paris, report(id, 1, "a", ReportState::Unknown)), Outcome::Noted);
    }
    assert_eq!(at_desk(&desk, "8659622000001").len(), 1);
    for _ in 0..3 {
        assert_eq!(outcome(&desk, &paris, report(id, 1, "a", ReportState::Done)), Outcome::Noted);
    }
    // Late, or out of order.
    for state in [ReportState::Unknown, ReportState::Dropped] {
        assert_eq!(outcome(&desk, &paris, report(id, 1, "a", state)), Outcome::Noted);
    }
    let entries = at_desk(&desk, "8659622000001");
    assert_eq!((entries.len(), entries[0].state), (1, EntryState::Programmed));
    // The same attempt is not at another line, and does not become one of another token.
    assert_eq!(outcome(&desk, &paris, report(id, 2, "a", ReportState::Done)), Outcome::Refused);
    for _ in 0..2 {
        assert_eq!(outcome(&desk, &paris, report(id, 2, "b", ReportState::Failed)), Outcome::Noted);
    }
    assert_eq!(line_states(&desk, id), [LineState::Done, LineState::Failed]);
    assert_eq!(desk.retry_order("ann", id).unwrap(), 1);
    assert_eq!(outcome(&desk, &paris, report(id, 2, "b", ReportState::Failed)), Outcome::Noted);
    assert_eq!(line_states(&desk, id), [LineState::Done, LineState::Open]);
    is_sound(&desk);
}

#[test]
fn nobody_reports_what_was_not_given_to_them() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("R-1", "Rome"));
    let id = order(&desk, 3, at(&["Paris"]));
    lease(&desk, &paris, 2);
    for state in [ReportState::Done, ReportState::Unknown, ReportState::Failed, ReportState::Returned] {
        assert_eq!(outcome(&desk, &rome, report(id, 1, "a", state)), Outcome::Refused, "{state:?}");
        assert_eq!(outcome(&desk, &paris, report(id, 3, "a", state)), Outcome::Refused, "{state:?}");
        assert_eq!(outcome(&desk, &paris, report(BatchId::new(), 1, "a", state)), Outcome::Refused, "{state:?}");
    }
    let wrong: [fn(&mut Report); 6] = [
        |report| report.attempt = String::new(),
        |report| report.attempt = "a\nb".into(),
        |report| report.token = None,
        |report| report.order = "x".into(),
        |report| report.token.as_mut().unwrap().family = "desk-key".into(),
        |report| report.token.as_mut().unwrap().serial = "two words".into(),
    ];
    for change in wrong {
        let mut report = report(id, 1, "w", ReportState::Done);
        change(&mut report);
        assert_eq!(outcome(&desk, &paris, report.clone()), Outcome::Refused, "{report:?}");
    }
    assert_eq!(line_states(&desk, id), [LineState::Open; 3]);
    assert!(at_desk(&desk, "8659622000001").is_empty());
    let many = ReportRequest { reports: vec![report(id, 1, "a", ReportState::Done); 100] };
    assert_eq!(desk.report(&paris.worker(), &many).unwrap_err().code(), "request-malformed");
}

/// One was away for longer than its lease lasts; another got the line; both burned it.
#[test]
fn of_two_tokens_for_one_line_none_is_lost() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("R-1", "Rome"));
    let id = order(&desk, 1, Audience::default());
    let (first, second) = (paris.way(&desk), rome.way(&desk));
    let terms = LeaseTerms::default();
    paris.work(&first, 1, |work, escrow| {
        work.sync(false).unwrap();
        *first.cut.lock().unwrap() = true;
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
    });
    home.clock.pass(terms.seconds + terms.grace + 1);
    rome.clock.pass(terms.seconds + terms.grace + 1);
    rome.work(&second, 1, |work, escrow| {
        work.sync(false).unwrap();
        burn(work, escrow, "8659622000002", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    assert_eq!(desk.order(id).unwrap().batch.state, BatchState::Finished);
    *first.cut.lock().unwrap() = false;
    paris.clock.pass(terms.seconds + terms.grace + 1);
    paris.work(&first, 1, |work, _| work.sync(true).unwrap());
    let (late, counts) = (&at_desk(&desk, "8659622000001")[0], &at_desk(&desk, "8659622000002")[0]);
    assert_eq!((late.state, late.batch), (EntryState::Unknown, None));
    assert_eq!((counts.state, counts.batch), (EntryState::Programmed, Some(id)));
    assert_eq!(seed_of(&desk, late), seed_of(&desk, counts));
    let conflicts = desk.conflicts(Some(id)).unwrap();
    let (conflict_id, conflict) = &conflicts[0];
    assert_eq!((conflicts.len(), conflict.kind), (1, ConflictKind::SecondToken));
    assert_eq!((conflict.serial.as_str(), conflict.station.as_str()), ("8659622000001", "P-1"));
    assert_eq!((desk.progress(id).unwrap().conflicts, paris.portions()), (1, 0));
    desk.settle("ann", conflict_id, Settlement::Retired, "it was taken in").unwrap();
    assert_eq!(at_desk(&desk, "8659622000001")[0].state, EntryState::Retired);
    assert_eq!(desk.progress(id).unwrap().conflicts, 0);
    is_sound(&desk);
}

/// The one whose token is burned comes before the one that only holds the lease.
#[test]
fn a_late_token_takes_its_line_from_whoever_has_not_begun() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("R-1", "Rome"));
    let id = order(&desk, 1, Audience::default());
    lease(&desk, &paris, 1);
    let terms = LeaseTerms::default();
    home.clock.pass(terms.seconds + terms.grace + 1);
    rome.clock.pass(terms.seconds + terms.grace + 1);
    let way = rome.way(&desk);
    rome.work(&way, 1, |work, _| {
        work.sync(false).unwrap();
        // A burn that is not sure leaves the line where it is.
        assert_eq!(outcome(&desk, &paris, report(id, 1, "a", ReportState::Unknown)), Outcome::Conflict);
        assert_eq!(outcome(&desk, &paris, report(id, 1, "f", ReportState::Failed)), Outcome::Noted);
        assert_eq!(line_states(&desk, id), [LineState::Open]);
        assert_eq!(outcome(&desk, &paris, report(id, 1, "b", ReportState::Done)), Outcome::Noted);
        work.sync(false).unwrap();
        assert!(work.batches().is_empty() && !work.may_grow());
    });
    assert_eq!(line_states(&desk, id), [LineState::Done]);
    assert_eq!(desk.conflicts(None).unwrap()[0].1.kind, ConflictKind::Broken);
    is_sound(&desk);
}

/// Two at one place share the box: a token that is done must not become another user's.
#[test]
fn a_token_that_is_in_use_is_known_at_every_station() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("P-2", "Paris"));
    let id = order(&desk, 4, Audience::default());
    let (first, second) = (paris.way(&desk), rome.way(&desk));
    let token = |serial: &str| TokenRequest { family: "token2-single".into(), serial: serial.into() };
    paris.work(&first, 2, |work, escrow| {
        work.sync(false).unwrap();
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    assert!(desk.is_in_use(&token("8659622000001")).unwrap().in_use);
    assert!(!desk.is_in_use(&token("8659622000002")).unwrap().in_use);
    assert_eq!(desk.is_in_use(&token("")).unwrap_err().code(), "request-malformed");
    // Without a desk nobody could know. It is told then who needs another token: the first.
    rome.work(&second, 2, |work, escrow| {
        work.sync(false).unwrap();
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
        work.sync(false).unwrap();
    });
    let conflicts = desk.conflicts(Some(id)).unwrap();
    assert_eq!(conflicts[0].1.kind, ConflictKind::TookAnothers);
    desk.settle("ann", &conflicts[0].0, Settlement::Seen, "she gets another one").unwrap();
    let entries = at_desk(&desk, "8659622000001");
    assert_eq!(
        entries.iter().map(|entry| entry.state).collect::<Vec<_>>(),
        [EntryState::Programmed, EntryState::Superseded]
    );
    // Told in the other order: what was burned first was burned over, and its line is open again.
    let mut early = report(id, 2, "early", ReportState::Done);
    early.token.as_mut().unwrap().burned_at = 5;
    lease(&desk, &paris, 1);
    assert_eq!(outcome(&desk, &paris, early), Outcome::Conflict);
    assert_eq!(line_states(&desk, id)[1], LineState::Open);
    assert_eq!(at_desk(&desk, "8659622000001").len(), 3);
    let live = Filter { states: vec![EntryState::Programmed], ..Filter::identity(&identity("8659622000001")) };
    assert_eq!(desk.escrow.entries(&live).unwrap().len(), 1);
    is_sound(&desk);
}

/// The desk was killed while it noted a report: the next time it goes on where it was.
#[test]
fn a_report_that_was_noted_half_is_noted_whole() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 2, Audience::default());
    lease(&desk, &paris, 2);
    // Reserved, and then nothing: neither marked nor remembered.
    let Claim::Leased(held) =
        desk.escrow.lease_line(id, 1, (&paris.worker().holder(), false), desk.lease_end()).unwrap()
    else {
        panic!()
    };
    let seed = desk.escrow.entry(&held.line.seed.unwrap().to_string()).unwrap();
    let record = TokenRecord {
        identity: identity("8659622000001"),
        params: held.line.params.into(),
        seed: seed_of(&desk, &seed),
        manufacturer: None,
        model: None,
        upn: held.line.upn.clone(),
        issuer: None,
    };
    // A process at the desk itself has the other line.
    let (serial, skip) = (SerialNumber::new("8659622000005").unwrap(), HashSet::from([1]));
    desk.escrow.release_remote(&paris.worker().holder(), (None, Some(2))).unwrap();
    let Claim::Leased(here) = desk.escrow.claim(id, &serial, None, &skip).unwrap() else { panic!() };
    let busy = desk.report(&paris.worker(), &ReportRequest { reports: vec![report(id, 2, "x", ReportState::Done)] });
    let busy = busy.unwrap().taken.remove(0);
    assert_eq!((busy.outcome, busy.why.as_deref()), (Outcome::Later, Some("order-line-busy")));
    desk.escrow.release(&here).unwrap();
    desk.escrow.reserve_burned(Some(&held), &record, oathburn_escrow::Facts::new()).unwrap();
    assert_eq!(outcome(&desk, &paris, report(id, 1, "a", ReportState::Done)), Outcome::Noted);
    let entries = at_desk(&desk, "8659622000001");
    assert_eq!((entries.len(), entries[0].state), (1, EntryState::Programmed));
    // While one desk notes it another one asks for patience.
    let other = home.desk();
    other.begin_for_test(&paris.worker(), &report(id, 2, "b", ReportState::Failed));
    assert_eq!(outcome(&desk, &paris, report(id, 2, "b", ReportState::Failed)), Outcome::Later);
    home.clock.pass(120);
    assert_eq!(outcome(&desk, &paris, report(id, 2, "b", ReportState::Failed)), Outcome::Noted);
    is_sound(&desk);
}
