use proptest::prelude::*;

use super::*;
use crate::StoreUrl;

fn postgres(text: &str) -> PostgresUrl {
    match text.parse::<StoreUrl>().unwrap() {
        StoreUrl::Postgres(url) => url,
        other => panic!("{other}"),
    }
}

fn problem(text: &str) -> String {
    match text.parse::<StoreUrl>().unwrap_err() {
        EscrowError::UrlRefused { problem } => problem,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn servers_databases_and_users_are_read() {
    let url = postgres("postgres://burner@db1.example.com/escrow");
    assert_eq!(
        (url.user.as_str(), url.database.as_str(), url.tls.clone()),
        ("burner", "escrow", Tls::VerifyFull(None))
    );
    assert_eq!(url.hosts, [Host { at: At::Network("db1.example.com".into()), port: 5432 }]);
    assert_eq!(url.to_string(), "postgres://burner@db1.example.com/escrow");
    let url = postgres("postgresql://alice%40corp@DB1:6000,[::1],10.0.0.7:5433/my%20db?sslrootcert=/etc/ca.pem");
    assert_eq!((url.user.as_str(), url.database.as_str()), ("alice@corp", "my db"));
    let hosts: Vec<_> = url.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["db1:6000", "[::1]:5432", "10.0.0.7:5433"]);
    assert_eq!(url.tls, Tls::VerifyFull(Some("/etc/ca.pem".into())));
    let url = postgres("postgres:///escrow?user=burner&host=/run/postgresql&port=5433&passfile=/etc/pass");
    assert_eq!(url.hosts, [Host { at: At::Socket("/run/postgresql".into()), port: 5433 }]);
    assert_eq!((url.tls.clone(), url.passfile.clone()), (Tls::Disabled, Some("/etc/pass".into())));
    let url = postgres("postgres://u@localhost/d?sslmode=disable");
    assert_eq!(url.tls, Tls::Disabled);
    assert_eq!(postgres("postgres://u@db/d?sslmode=disable&cleartext=yes").tls, Tls::Disabled);
    assert_eq!(postgres("postgres://u@db/d?sslrootcert=system").tls, Tls::VerifyFull(None));
}

#[test]
fn a_store_is_the_same_whoever_asks() {
    let places = |text| postgres(text).places();
    let one = places("postgres://alice@db1,db2/escrow?sslmode=verify-full");
    assert_eq!(one, ["postgres://db1:5432/escrow", "postgres://db2:5432/escrow"]);
    assert_eq!(places("postgresql://bob@DB1:5432,db2:5432/escrow?password_file=/p"), one);
    assert_eq!(places("postgres://bob@db2/escrow"), one[1..]);
    assert_ne!(places("postgres://bob@db2/other"), one[1..]);
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    for (text, wanted) in [
        ("postgres:escrow", "postgres://"),
        ("postgres://db/escrow", "no user"),
        ("postgres://u@db", "no database"),
        ("postgres://u@/escrow", "no server"),
        ("postgres://u@db/escrow?host=/run", "servers twice"),
        ("postgres://u@db/escrow?user=v", "user twice"),
        ("postgres://u@db/escrow?dbname=v", "database twice"),
        ("postgres://u@db/escrow?sslmode=require", "sslmode=require"),
        ("postgres://u@db/escrow?sslmode=prefer", "sslmode=prefer"),
        ("postgres://u@db/escrow?sslmode=disable", "cleartext=yes"),
        ("postgres://u@127.0.0.1,db/escrow?sslmode=disable", "cleartext=yes"),
        ("postgres://u@db/escrow?cleartext=true", "cleartext"),
        ("postgres://u@db/escrow?options=-c", "\"options\""),
        ("postgres://u@db/escrow?port", "\"port\""),
        ("postgres://u@db/escrow?port=1&port=2", "twice"),
        ("postgres://u@db:1/escrow?port=2", "ports twice"),
        ("postgres://u@a,b,c/escrow?port=1,2", "2 ports for 3 servers"),
        ("postgres://u@db:0/escrow", "\"0\""),
        ("postgres://u@db:65536/escrow", "\"65536\""),
        ("postgres://u@d b/escrow", "\"d b\""),
        ("postgres://u@[::1/escrow", "no ]"),
        ("postgres://u@[::1]x/escrow", "between"),
        ("postgres://u@[db:1]/escrow", "\"db:1\""),
        ("postgres://u@db/%e", "hexadecimal"),
        ("postgres://u@db/%00", "no text"),
        ("postgres://u@db/%ff", "no text"),
        ("postgres://u@db/escrow#x", "#"),
        ("postgres://u@db/escrow?passfile=", "no file"),
        ("postgres://u@db/escrow?passfile=/a&password_file=/b", "both"),
        ("postgres://u@db/escrow?sslmode=disable&sslrootcert=/a&cleartext=yes", "no use"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(wanted), "{text}: {problem}");
    }
    assert!(problem(&format!("postgres://u@{}/d", vec!["h"; 17].join(","))).contains("16"));
    assert!(problem(&format!("postgres://u@h/{}", "d".repeat(5000))).contains("4096"));
}

proptest! {
    #[test]
    fn any_text_is_an_address_or_none(text in "postgres(ql)?:(//)?[a-z0-9@:/?=&%,.\\[\\]#é -]{0,60}") {
        if let Ok(url) = text.parse::<StoreUrl>() {
            prop_assert_eq!(url.to_string(), text.clone());
            prop_assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url);
        }
    }

    #[test]
    fn what_was_put_together_is_taken_apart(
        user in "[a-z]{1,8}", hosts in proptest::collection::vec(("[a-z]{1,6}", 1u16..), 1..4), database in "[a-z]{1,8}",
    ) {
        let list: Vec<_> = hosts.iter().map(|(name, port)| format!("{name}:{port}")).collect();
        let url = postgres(&format!("postgres://{user}@{}/{database}", list.join(",")));
        prop_assert_eq!((&url.user, &url.database), (&user, &database));
        let found: Vec<_> = url.hosts.iter().map(ToString::to_string).collect();
        prop_assert_eq!(found, list);
    }
}
