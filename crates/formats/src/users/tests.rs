use super::*;

fn faults(file: &str) -> Vec<(usize, String, &'static str)> {
    use oathburn_oath::Remedy as _;
    let problems = read_users(file.as_bytes()).unwrap_err();
    assert!(problems.iter().all(|one| one.fault.remedy().is_some_and(|remedy| !remedy.is_empty())));
    problems.into_iter().map(|one| (one.row, one.column.unwrap_or_default(), one.fault.code())).collect()
}

fn fault(file: &str) -> &'static str {
    let all = faults(file);
    let [(_, _, code)] = all.as_slice() else { panic!("{all:?}") };
    code
}

#[test]
fn columns_come_in_any_order_and_in_the_spellings_in_circulation() {
    let text = "\u{feff}Serial Number;UPN;timeinterval;seed (hex);Hash;issuer;label\r\n\
                8659622000001;bob@example.com;60;3132333435363738393031323334353637383930;sha256;ACME;\"desk 7; left\"\r\n\
                \r\n;carol@example.com;;;;;\r\n;;;;;;\r\n";
    let rows = read_users(text.as_bytes()).unwrap();
    assert_eq!(rows.len(), 2);
    let bob = &rows[0];
    assert_eq!((bob.row, bob.upn.as_str()), (2, "bob@example.com"));
    assert_eq!(bob.serial.as_ref().unwrap().as_str(), "8659622000001");
    assert_eq!((bob.step.unwrap().seconds(), bob.algorithm), (60, Some(Algorithm::Sha256)));
    assert_eq!(bob.seed.as_ref().unwrap().expose(), b"12345678901234567890");
    assert_eq!((bob.issuer.as_deref(), bob.label.as_deref()), (Some("ACME"), Some("desk 7; left")));
    assert_eq!((rows[1].row, rows[1].serial.is_none(), rows[1].seed.is_none()), (4, true, true));
    // What spreadsheets write first, tabs, and a last row without an end.
    assert_eq!(read_users(b"sep=;\nupn;serial\na;1").unwrap()[0].row, 3);
    assert_eq!(read_users(b"upn\tserial\na\t1").unwrap()[0].serial.as_ref().unwrap().as_str(), "1");
}

#[test]
fn a_key_uri_says_the_parameters_unless_the_columns_do() {
    let uri = "otpauth://totp/ACME:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME&period=60";
    let rows = read_users(format!("upn,seed\nbob,{uri}\n").as_bytes()).unwrap();
    assert_eq!((rows[0].step.unwrap().seconds(), rows[0].issuer.as_deref()), (60, Some("ACME")));
    assert_eq!(
        faults(&format!("upn,seed,time step\nbob,{uri},30\n")),
        [(2, "time step".into(), "users-contradiction")]
    );
    let rows = read_users(format!("upn,seed\nbob,{uri}&digits=8\n").as_bytes()).unwrap();
    assert_eq!(rows[0].digits, Some(Digits::EIGHT));
}

#[test]
fn every_problem_is_named_at_once_with_row_and_column() {
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let text = format!(
        "upn,serial,seed,algorithm,time step\n\
         bob@example.com,8659622000001,{seed},sha1,30\n\
         BOB@example.com,8659622000001,{seed},md5,0\n\
         carol@,8.65962E+12,2.71828E+40,,\n\
         ,8659622000002,,,\n\
         dave@example.com\n\
         =cmd,#N/A,#####,,\n\
         eve e@example.com,\"8,659,622\",hello!,,\n"
    );
    let expected = [
        (3, "upn", "users-upn-twice"),
        (3, "serial", "users-serial-twice"),
        (3, "seed", "users-seed-twice"),
        (3, "algorithm", "algorithm-unknown"),
        (3, "time step", "time-step-invalid"),
        (4, "upn", "users-upn-malformed"),
        (4, "serial", "spreadsheet-number"),
        (4, "seed", "spreadsheet-number"),
        (5, "upn", "users-upn-missing"),
        (6, "", "users-row-width"),
        (7, "upn", "spreadsheet-formula"),
        (7, "serial", "spreadsheet-error"),
        (7, "seed", "spreadsheet-error"),
        (8, "upn", "users-upn-malformed"),
        (8, "serial", "spreadsheet-number"),
        (8, "seed", "not-a-seed"),
    ];
    let found = faults(&text);
    let found: Vec<_> = found.iter().map(|(row, column, code)| (*row, column.as_str(), *code)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_header_says_what_it_means() {
    assert_eq!(fault(""), "users-empty");
    assert_eq!(fault("\n\n"), "users-empty");
    assert_eq!(fault("upn\n"), "users-no-rows");
    assert_eq!(fault("upn,serial\n,\n ,\n"), "users-no-rows");
    assert_eq!(fault("serial\n1\n"), "users-no-upn-column");
    assert_eq!(
        faults("upm,serial,serial number,colour\na,1,1,\n"),
        [
            (1, "upm".into(), "users-unknown-column"),
            (1, "serial number".into(), "users-column-twice"),
            (1, "colour".into(), "users-unknown-column")
        ]
    );
    let problems = read_users(b"upm\na\n").unwrap_err();
    assert_eq!(problems[0].fault, UsersFault::UnknownColumn { meant: Some("upn") });
}

#[test]
fn files_that_are_no_lists_are_told_apart() {
    assert_eq!(fault("upn\n\"bob\nname\n"), "users-line-break");
    assert_eq!(fault(&format!("upn\n\"{}\n", "x".repeat(20_000))), "users-row-too-long");
    assert_eq!(fault(&format!("upn,label\nbob,{}\n", "x".repeat(257))), "users-text");
    let codes = |file: &[u8]| {
        use oathburn_oath::Remedy as _;
        read_users(file).unwrap_err().iter().map(|one| one.fault.code()).collect::<Vec<_>>()
    };
    assert_eq!(codes(b"upn,label\nbob,M\xfcller\n"), ["users-not-utf8"]);
    assert_eq!(codes(b"\xff\xfeu\0p\0n\0"), ["users-utf16"]);
    assert_eq!(codes(b"u\0p\0n\0"), ["users-utf16"]);
}

#[test]
fn so_many_rows_are_read_and_no_more() {
    let text = "upn\na\nb\n\nc\n";
    assert_eq!(read_up_to(text.as_bytes(), 3).unwrap().len(), 3);
    let problems = read_up_to(text.as_bytes(), 2).unwrap_err();
    assert_eq!((problems.len(), problems[0].row, &problems[0].fault), (1, 5, &UsersFault::TooManyRows));
    let large = vec![b'a'; MAX_USERS_FILE + 1];
    assert_eq!(read_users(&large).unwrap_err()[0].fault, UsersFault::TooLarge);
}

#[test]
fn a_seed_is_what_its_column_says() {
    let seed = |header: &str, cell: &str| {
        let rows = read_users(format!("upn,{header}\nbob,{cell}\n").as_bytes());
        rows.map(|rows| rows[0].seed.as_ref().unwrap().len()).map_err(|problems| problems[0].fault.clone())
    };
    assert_eq!((seed("seed hex", "ABCDEF23"), seed("secret key", "ABCDEF23")), (Ok(4), Ok(5)));
    assert_eq!(seed("seed", "ABCDEF23"), Err(UsersFault::Seed(crate::FormatError::AmbiguousEncoding)));
    assert_eq!(seed("seed hex", &"0".repeat(40)), Err(UsersFault::SeedZero));
}

#[test]
fn every_fault_has_a_message_a_code_and_a_remedy() {
    use oathburn_oath::Remedy as _;
    let all = UsersFault::samples();
    assert!(UsersFault::VARIANTS.iter().all(|name| all.iter().any(|one| one.variant() == *name)));
    for fault in all {
        let message = fault.to_string();
        assert!(message.starts_with(char::is_lowercase) && !message.ends_with('.'), "{message}");
        assert!(fault.remedy().is_some_and(|remedy| !remedy.ends_with('.')), "{message}");
    }
}

#[test]
fn what_is_no_serial_number_is_told_by_the_house() {
    let problems = read_users(b"upn,serial\nbob,86596 22\n").unwrap_err();
    assert_eq!(problems[0].fault, UsersFault::Oath(oathburn_oath::OathError::Serial));
}
