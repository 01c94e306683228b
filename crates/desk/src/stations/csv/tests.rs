use std::fmt::Write as _;

use super::StationsFault as E;
use super::*;

fn read(text: &str) -> Vec<(usize, String, String)> {
    let rows = read_stations(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    rows.into_iter().map(|row| (row.row, row.mac.to_string(), row.location)).collect()
}

fn problems(text: impl AsRef<[u8]>) -> Vec<(usize, Option<String>, E)> {
    let problems = read_stations(text.as_ref()).unwrap_err();
    problems.into_iter().map(|problem| (problem.row, problem.column, problem.fault)).collect()
}

fn ulm(row: usize) -> Vec<(usize, String, String)> {
    vec![(row, "00-1A-2B-3C-4D-5E".into(), "Ulm".into())]
}

#[test]
fn the_template_is_filled_in_by_anything_that_writes_csv() {
    assert_eq!(read(&format!("{TEMPLATE}00-1A-2B-3C-4D-5E,Ulm")), ulm(2));
    for (text, row) in [
        ("MAC ID,Location\n00:1a:2b:3c:4d:5e,Ulm\n", 2),
        ("\u{feff}MAC ID;Location\r\n001a.2b3c.4d5e;Ulm\r\n\r\n", 2),
        ("sep=;\r\nMAC ID;Location\r\n001A2B3C4D5E;Ulm\r\n", 3),
        ("sep=\t\nLocation\tMAC ID\n Ulm \t001A2B3C4D5E\n", 3),
        ("\"MAC ID\",\"Location\"\n\"00-1A-2B-3C-4D-5E\",\"Ulm\"", 2),
        ("mac address,LOCATION,,\n,,,\n\n00-1A-2B-3C-4D-5E,Ulm,,\n", 4),
    ] {
        assert_eq!(read(text), ulm(row), "{text:?}");
    }
    let quoted = read("MAC ID,Location\n00-1A-2B-3C-4D-5E,\"Ulm, 2nd \"\"floor\"\"\"\n");
    assert_eq!(quoted[0].2, "Ulm, 2nd \"floor\"");
}

#[test]
fn all_that_is_wrong_is_named_at_once_with_row_and_column() {
    let text = "MAC ID,Location\n1.1E+11,Ulm\n001A2B3C4D5E,\n1A2B3C4D5E,Bern\n00-1a-2b-3c-4d-5e,Rome\n\
                ff-ff-ff-ff-ff-ff,Paris\n02-00-00-00-00-01,Oslo,Kiel\nFINE,\u{202e}\n";
    let mac = || Some("MAC ID".to_owned());
    let location = || Some("Location".to_owned());
    assert_eq!(
        problems(text),
        [
            (2, mac(), E::MacNumber),
            (3, location(), E::LocationMissing),
            (4, mac(), E::MacLength { found: 10 }),
            (5, mac(), E::MacTwice { first: 3 }),
            (6, mac(), E::MacBroadcast),
            (7, None, E::OtherWidth { found: 3, expected: 2 }),
            (8, mac(), E::MacMalformed),
            (8, location(), E::LocationRefused),
        ]
    );
}

#[test]
fn what_is_no_list_is_refused_as_a_whole() {
    let whole = |text: &[u8]| problems(text).remove(0).2;
    assert_eq!(whole(b""), E::Empty);
    assert_eq!(whole(b"\n\n,\n"), E::Empty);
    assert_eq!(whole(b"MAC ID,Location\n"), E::NoRows);
    assert_eq!(whole(b"\xff\xfeM\0A\0C\0"), E::NotText);
    assert_eq!(whole(b"MAC ID,Location\n001A2B3C4D5E,Z\xfcrich\n"), E::NotText);
    assert_eq!(whole(b"PK\x03\x04\0\0"), E::NotText);
    assert_eq!(whole(&vec![b'x'; MAX_FILE + 1]), E::TooLarge);
    assert_eq!(whole(b"MAC ID,Location\n001A2B3C4D5E,\"Ulm\n001A2B3C4D5F,Bern\n"), E::LineBreak);
    let header = problems("MAC ID,mac,Serial\n");
    let column = |name: &str| Some(name.to_owned());
    assert_eq!(
        header,
        [(1, column("mac"), E::ColumnTwice), (1, column("Serial"), E::UnknownColumn), (1, None, E::NoLocationColumn)]
    );
    assert_eq!(problems("Location\n")[0].2, E::NoMacColumn);
    let mut many = TEMPLATE.to_owned();
    for number in 0..=MAX_ROWS {
        let _ = writeln!(many, "02-00-00-00-{:02X}-{:02X},Ulm", number / 256, number % 256);
    }
    assert_eq!(problems(&many), [(MAX_ROWS + 2, None, E::TooManyRows)]);
}

#[test]
fn nothing_that_we_write_is_computed_and_we_read_it_again() {
    for text in ["=1+1", "+49 711", "-1st floor", "@home", "\tx", "＝1"] {
        assert_eq!(guarded(text), format!("'{text}"));
    }
    assert_eq!(guarded("Ulm"), "Ulm");
    let written = write(&["MAC ID", "Location"], [vec!["00-1A-2B-3C-4D-5E", "=HYPERLINK(\"http://x\",\"y\")"]]);
    assert!(written.starts_with("\u{feff}MAC ID,Location\r\n"), "{written}");
    assert!(written.contains(",\"'=HYPERLINK("), "{written}");
    assert_eq!(read(&written)[0].2, "=HYPERLINK(\"http://x\",\"y\")");
}

#[test]
fn what_the_desk_has_is_refused_row_by_row() {
    let rows = read_stations(b"MAC ID,Location\n001A2B3C4D5E,Ulm\n001A2B3C4D5F,Bern\n").unwrap();
    assert_eq!(refuse_registered(&rows, |_| false), Ok(()));
    let problems = refuse_registered(&rows, |mac| mac == rows[1].mac).unwrap_err();
    assert_eq!((problems.len(), problems[0].row, &problems[0].fault), (1, 3, &E::MacRegistered));
}
