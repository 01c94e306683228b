//! Orders, and who gets lines of them.

use super::*;

#[test]
fn every_line_of_an_order_has_a_seed_from_the_first_minute() {
    let home = Home::new();
    let desk = home.desk();
    let mut lines = vec![line("a@example.com"), line("b@example.com")];
    lines[1].seed = Some(Seed::new(b"12345678901234567890".to_vec()).unwrap());
    let new = NewOrder { name: "users.csv", audience: Audience::default(), options: options(), lines };
    let id = desk.give_order("ann", new).unwrap();
    let seeds: Vec<_> = desk
        .order_lines(id, 0, 9)
        .unwrap()
        .iter()
        .map(|line| seed_of(&desk, &desk.escrow.entry(&line.seed.unwrap().to_string()).unwrap()))
        .collect();
    assert_eq!((seeds[0].len(), seeds[1].to_hex().as_str()), (20, "3132333435363738393031323334353637383930"));
    let orders = desk.orders().unwrap();
    assert_eq!((orders.len(), orders[0].by.as_str(), orders[0].batch.lines), (1, "ann", 2));
    // A batch that somebody burns beside the desk is no order, and no station gets lines of it.
    let foreign = [line("c@example.com")];
    let batch = oathburn_escrow::NewBatch { name: "n", options: options().to_facts(), lines: &foreign };
    let foreign = desk.escrow.create_batch(&batch).unwrap();
    assert_eq!(desk.order(foreign).unwrap_err().code(), "batch-unknown");
    // Nor one that was given at a desk by other means, without seeds.
    let marked = oathburn_escrow::NewBatch { options: options().to_facts().with("desk", 1), ..batch };
    let marked = desk.escrow.create_batch(&marked).unwrap();
    desk.redirect_order("ann", marked, &at(&["Rome"])).unwrap();
    let paris = Far::new("R-1", "Rome");
    let request = LeaseRequest { lines: 5, ..LeaseRequest::default() };
    let refused = desk.lease(&paris.worker(), &request).unwrap_err();
    assert_eq!(refused.code(), "order-foreign");
    desk.cancel_order("ann", marked, None).unwrap();
    assert_eq!(desk.orders().unwrap().len(), 2);
    let models = oathburn_station::Models::builtin();
    let mut impossible = [line("a@example.com")];
    impossible[0].params.algorithm = oathburn_oath::Algorithm::Sha512;
    let problems = desk.check_order(&impossible, &options(), &models).unwrap();
    assert_eq!((problems.len(), problems[0].what), (1, "algorithm"));
    // No line of any list can be burned today.
    home.clock.pass(4_000_000_000);
    let refused = desk.check_order(&[line("a@example.com")], &options(), &models).unwrap_err();
    assert!(matches!(refused, DeskError::Order(_)), "{refused}");
    let deeds = desk.escrow.events(&EventFilter::default()).unwrap();
    assert!(deeds.iter().any(|event| event.kind == EventKind::DeskDeed
        && event.operator.as_deref() == Some("ann")
        && event.facts.text("deed") == Some("order-given")));
    is_sound(&desk);
}

#[test]
fn lines_go_to_those_who_are_meant_and_to_each_but_one() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, second, rome) = (Far::new("P-1", "Paris"), Far::new("P-2", "Paris"), Far::new("R-1", "Rome"));
    let id = order(&desk, 6, at(&["Paris"]));
    let ask = |far: &Far, lines| desk.lease(&far.worker(), &LeaseRequest { lines, ..LeaseRequest::default() }).unwrap();
    let numbers = |answer: &LeaseAnswer| {
        answer.portions.iter().flat_map(|portion| portion.lines.iter().map(|line| line.line)).collect::<Vec<_>>()
    };
    let other = ask(&rome, 5);
    assert!(other.portions.is_empty() && other.orders.is_empty());
    let first = ask(&paris, 4);
    assert_eq!(numbers(&first), [1, 2, 3, 4]);
    assert_eq!(numbers(&ask(&second, 4)), [5, 6]);
    // Nobody but the one who was meant can open what was sealed.
    let sealed = &first.portions[0].lines[0].sealed;
    assert!(open_seed(&second.key(), id, 1, sealed).is_none());
    let line = &desk.order_lines(id, 0, 1).unwrap()[0];
    let entry = desk.escrow.entry(&line.seed.unwrap().to_string()).unwrap();
    assert_eq!(open_seed(&paris.key(), id, 1, sealed).unwrap(), seed_of(&desk, &entry));
    // Opened for a station: that is on record with its name, before it had anything.
    let opened = desk.escrow.events(&EventFilter::default()).unwrap();
    let mut opened = opened.iter().filter(|event| event.kind == EventKind::Opened);
    assert!(opened.any(
        |event| event.facts.text("station") == Some("P-1") && event.operator.as_deref() == Some("account-of-Paris")
    ));
    // An answer that was lost on its way: what was leased comes once more, and nothing else.
    assert_eq!(numbers(&ask(&paris, 1)), [1, 2, 3, 4]);
    // Who holds all that there is, gets nothing; what one holds is one's own until it ends.
    let held = vec![Held { order: id.to_string(), lines: vec![1, 2, 3, 4, 5] }];
    let request = LeaseRequest { lines: 9, held, ..LeaseRequest::default() };
    let answer = desk.lease(&paris.worker(), &request).unwrap();
    assert_eq!((numbers(&answer), &answer.held[0].lines), (vec![], &vec![1, 2, 3, 4]));
    assert_eq!((answer.orders[0].left, desk.progress(id).unwrap().on.len()), (6, 2));
    // Others are to have it: it is told so, and keeps nothing.
    desk.redirect_order("ann", id, &at(&["Rome"])).unwrap();
    let answer = desk.lease(&paris.worker(), &request).unwrap();
    assert!(answer.held[0].lines.is_empty() && answer.orders.is_empty());
    let too_many = LeaseRequest {
        held: vec![Held { order: id.to_string(), lines: (1..2000).collect() }],
        ..LeaseRequest::default()
    };
    assert_eq!(desk.lease(&paris.worker(), &too_many).unwrap_err().code(), "request-malformed");
}

#[test]
fn a_lease_ends_for_its_station_before_it_is_anybody_elses() {
    let home = Home::new();
    let desk = home.desk();
    let (paris, rome) = (Far::new("P-1", "Paris"), Far::new("R-1", "Rome"));
    order(&desk, 2, Audience::default());
    let ask = |far: &Far, request: &LeaseRequest| desk.lease(&far.worker(), request).unwrap();
    let two = LeaseRequest { lines: 2, ..LeaseRequest::default() };
    let answer = ask(&paris, &two);
    let terms = LeaseTerms::default();
    assert_eq!(answer.seconds, terms.seconds);
    home.clock.pass(terms.seconds + 1);
    assert!(ask(&rome, &two).portions.is_empty());
    home.clock.pass(terms.grace);
    assert_eq!(ask(&rome, &two).portions[0].lines.len(), 2);
    // Renewed before its end, it lasts longer; what is another's is not renewed.
    let held = vec![Held { order: answer.portions[0].order.clone(), lines: vec![1, 2] }];
    let renew = LeaseRequest { held, renew: true, ..LeaseRequest::default() };
    assert!(ask(&paris, &renew).held[0].lines.is_empty());
    home.clock.pass(terms.seconds / 2);
    assert_eq!(ask(&rome, &renew).held[0].lines, [1, 2]);
    home.clock.pass(terms.seconds / 2 + terms.grace + 1);
    assert!(ask(&paris, &two).portions.is_empty());
}

#[test]
fn a_line_that_names_a_token_goes_where_the_token_is() {
    let home = Home::new();
    let desk = home.desk();
    let mut lines = vec![line("a@example.com"), line("b@example.com")];
    lines[0].serial = Some(SerialNumber::new("8659622000001").unwrap());
    let new = NewOrder { name: "n", audience: Audience::default(), options: options(), lines };
    desk.give_order("ann", new).unwrap();
    let paris = Far::new("P-1", "Paris");
    let ask = |serials: &[&str]| {
        let serials = serials.iter().map(|&serial| serial.to_owned()).collect();
        let request = LeaseRequest { lines: 0, serials, ..LeaseRequest::default() };
        desk.lease(&paris.worker(), &request).unwrap().portions
    };
    let open = desk.lease(&paris.worker(), &LeaseRequest { lines: 9, ..LeaseRequest::default() }).unwrap();
    assert_eq!(open.portions[0].lines.iter().map(|line| line.line).collect::<Vec<_>>(), [2]);
    assert!(ask(&["8659622000009"]).is_empty());
    assert_eq!(ask(&["8659622000001"])[0].lines[0].line, 1);
}

#[test]
fn a_cancelled_order_is_taken_from_those_who_hold_it() {
    let home = Home::new();
    let desk = home.desk();
    let paris = Far::new("P-1", "Paris");
    let id = order(&desk, 3, Audience::default());
    let way = paris.way(&desk);
    paris.work(&way, 3, |work, escrow| {
        work.sync(false).unwrap();
        burn(work, escrow, "8659622000001", Reach::Done).unwrap();
        assert_eq!((work.lines_at_hand().unwrap(), work.batches().len()), (2, 1));
        desk.cancel_order("ann", id, Some("wrong list")).unwrap();
        work.sync(false).unwrap();
        assert_eq!((work.lines_at_hand().unwrap(), work.batches().len()), (0, 0));
        assert!(!work.may_grow());
    });
    // The token that was burned before the station knew is kept beside, and an admin decides.
    let conflicts = desk.conflicts(Some(id)).unwrap();
    let (conflict_id, conflict) = &conflicts[0];
    assert_eq!((conflicts.len(), conflict.kind, conflict.line), (1, ConflictKind::AfterCancel, 1));
    assert_eq!(at_desk(&desk, "8659622000001")[0].state, EntryState::Unknown);
    desk.settle("ann", conflict_id, Settlement::Accepted, "it is in use").unwrap();
    assert_eq!(at_desk(&desk, "8659622000001")[0].state, EntryState::Programmed);
    let again = desk.settle("bob", conflict_id, Settlement::Retired, "no");
    assert_eq!(again.unwrap_err().code(), "conflict-settled");
    assert_eq!(paris.portions(), 0);
    is_sound(&desk);
}
