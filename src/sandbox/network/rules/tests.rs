//! Tables of what is admitted and what is not.

use proptest::prelude::*;

use super::*;

fn policy(change: impl FnOnce(&mut NetworkSection)) -> Policy {
    let mut section = NetworkSection::default();
    change(&mut section);
    Policy::new(&section)
}

fn place(text: &str) -> Place {
    Place::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn answer(policy: &Policy, text: &str) -> String {
    match policy.admit(Family::Shell, &place(text)) {
        Ok(Admission::ByName) => "yes".to_owned(),
        Ok(admission) => format!("yes: {admission:?}"),
        Err(refusal) => refusal.reason(),
    }
}

#[test]
fn by_default_public_hosts_are_admitted_at_the_two_ports_of_the_web() {
    let policy = policy(|_| {});
    for (text, expected) in [
        ("example.com:443", "yes"),
        ("EXAMPLE.com.:80", "yes"),
        ("8.8.8.8:443", "yes"),
        ("[2606:4700::1111]:443", "yes"),
        ("example.com:22", "port 22 not allowed"),
        ("example.com:8080", "port 8080 not allowed"),
        ("127.0.0.1:80", "loopback address"),
        ("0x7f000001:80", "loopback address"),
        ("2130706433:80", "loopback address"),
        ("0177.0.0.1:80", "loopback address"),
        ("127.1:80", "loopback address"),
        ("127.0.0.1.:80", "loopback address"),
        ("[::1]:80", "loopback address"),
        ("[::ffff:127.0.0.1]:80", "loopback address"),
        ("[::ffff:7f00:1]:80", "loopback address"),
        ("[64:ff9b::7f00:1]:80", "loopback address"),
        ("0.0.0.0:80", "unspecified address"),
        ("0:80", "unspecified address"),
        ("localhost:80", "loopback address"),
        ("LOCALHOST.:80", "loopback address"),
        ("a.localhost:80", "loopback address"),
        ("host.okcvm.internal:80", "loopback address"),
        ("10.0.0.1:80", "private address"),
        ("192.168.1.1:443", "private address"),
        ("169.254.169.254:80", "cloud metadata address"),
        ("2852039166:80", "cloud metadata address"),
        ("[fd00:ec2::254]:80", "cloud metadata address"),
        ("metadata.google.internal:80", "cloud metadata"),
        ("Metadata.Google.Internal.:80", "cloud metadata"),
        ("[2002:7f00:1::]:80", "transition address"),
    ] {
        assert_eq!(answer(&policy, text), expected, "{text}");
    }
}

#[test]
fn what_refuses_wins_and_ports_go_with_their_entry() {
    let policy = policy(|section| {
        section.allow = ["*.example.com", "pypi.org", "registry.test:8443", "1.1.1.1"].map(str::to_owned).into();
        section.deny = ["evil.example.com", "api.example.com:80", "1.0.0.1"].map(str::to_owned).into();
        section.allow_ports = vec![443];
        section.allow_private = ["10.0.0.1:8080", "pypi.corp:443", "127.0.0.1:9000"].map(str::to_owned).into();
    });
    for (text, expected) in [
        ("www.example.com:443", "yes"),
        ("www.example.com:80", "port 80 not allowed"),
        ("example.com:443", "not allowed"),
        ("evil.example.com:443", "denied"),
        ("EVIL.example.com.:443", "denied"),
        ("api.example.com:443", "yes"),
        ("api.example.com:80", "denied"),
        ("pypi.org:443", "yes"),
        ("files.pypi.org:443", "not allowed"),
        ("pypi.org.evil.test:443", "not allowed"),
        ("registry.test:8443", "yes"),
        ("registry.test:443", "port 443 not allowed"),
        ("1.1.1.1:443", "yes"),
        ("8.8.8.8:443", "not allowed"),
        ("10.0.0.1:8080", "yes: AnyAddress"),
        ("10.0.0.1:443", "not allowed"),
        ("10.0.0.2:8080", "not allowed"),
        ("pypi.corp:443", "yes: AnyAddress"),
        ("pypi.corp:80", "not allowed"),
        ("host.okcvm.internal:9000", "yes: Loopback"),
        ("host.okcvm.internal:9001", "loopback address"),
        ("127.0.0.1:9000", "yes: AnyAddress"),
        ("[::ffff:127.0.0.1]:9000", "not allowed"),
    ] {
        assert_eq!(answer(&policy, text), expected, "{text}");
    }
}

#[test]
fn every_address_of_a_name_is_judged() {
    let policy = policy(|section| {
        section.deny = vec!["93.184.216.34".to_owned()];
        section.allow_private = ["10.0.0.7:443", "inner.test:443"].map(str::to_owned).into();
    });
    let reason = |text: &str, address: &str| {
        let place = place(text);
        let admission = policy.admit(Family::Shell, &place).expect("admitted");
        policy
            .admits_address(admission, &place, address.parse().expect("address"))
            .err()
            .map(|refusal| refusal.reason())
    };
    assert_eq!(reason("example.com:443", "8.8.8.8"), None);
    assert_eq!(reason("example.com:443", "10.0.0.1").as_deref(), Some("private address"));
    assert_eq!(reason("example.com:443", "::ffff:127.0.0.1").as_deref(), Some("loopback address"));
    assert_eq!(reason("example.com:443", "93.184.216.34").as_deref(), Some("denied"));
    // The user named that address at that port, whoever leads there.
    assert_eq!(reason("example.com:443", "10.0.0.7"), None);
    assert_eq!(reason("example.com:80", "10.0.0.7").as_deref(), Some("private address"));
    assert_eq!(reason("inner.test:443", "10.9.9.9"), None);
}

#[test]
fn a_refusal_says_what_the_user_can_do() {
    let policy = policy(|section| {
        section.allow = vec!["*.test".to_owned(), "10.0.0.1".to_owned(), "169.254.169.254".to_owned()];
        section.deny = vec!["no.test".to_owned()];
    });
    let text = |place_text: &str| policy.admit(Family::Shell, &place(place_text)).expect_err(place_text).text();
    let start = "blocked by the okcvm network policy: ";
    assert_eq!(
        text("example.com:443"),
        format!("{start}example.com is not allowed. Ask the user to run /net allow example.com.")
    );
    assert_eq!(
        text("a.test:22"),
        format!("{start}port 22 of a.test is not allowed. Ask the user to run /net allow a.test:22.")
    );
    assert_eq!(
        text("10.0.0.1:80"),
        format!("{start}10.0.0.1 is a private address. Ask the user to run /net allow 10.0.0.1:80.")
    );
    assert!(text("no.test:443").contains("no.test is denied by the user"));
    assert!(text("localhost:3000").contains("/net allow 127.0.0.1:3000 and use host.okcvm.internal:3000"));
    assert!(text("169.254.169.254:80").ends_with("which tools cannot reach."));
    let led = policy.admits_address(Admission::ByName, &place("in.test:443"), "10.1.1.1".parse().expect("address"));
    assert_eq!(
        led.expect_err("private").text(),
        format!("{start}in.test leads to 10.1.1.1, a private address. Ask the user to run /net allow 10.1.1.1:443.")
    );
}

#[test]
fn modes_differ_by_family_and_only_the_proxy_admits() {
    let off = policy(|section| section.shell = Some(NetworkMode::Off));
    let web = place("example.com:443");
    assert_eq!(off.admit(Family::Shell, &web), Err(Refusal::Mode(NetworkMode::Off)));
    assert_eq!(off.admit(Family::Browser, &web), Ok(Admission::ByName));
    assert!(off.admit(Family::Shell, &web).expect_err("off").text().contains("Ask the user to run /net proxy."));
    let host = policy(|section| section.mode = NetworkMode::Host);
    assert_eq!(host.admit(Family::Shell, &web), Err(Refusal::Mode(NetworkMode::Host)));
}

#[test]
fn an_entry_that_cannot_be_read_closes_everything() {
    let broken = policy(|section| section.deny = vec!["*.a.*".to_owned()]);
    let refusal = broken.admit(Family::Shell, &place("example.com:443")).expect_err("closed");
    assert!(
        refusal.text().contains("\"*.a.*\"") && refusal.text().contains("nothing is allowed"),
        "{}",
        refusal.text()
    );
}

#[test]
fn the_user_changes_the_policy_while_it_runs() {
    let mut policy = policy(|section| section.allow = vec!["pypi.org".to_owned()]);
    let change = |policy: &mut Policy, word: &str, text: &str| {
        let text = text.to_owned();
        policy.change(&match word {
            "allow" => NetworkChange::Allow(text),
            "deny" => NetworkChange::Deny(text),
            _ => NetworkChange::Mode(text),
        })
    };
    assert_eq!(answer(&policy, "example.com:443"), "not allowed");
    change(&mut policy, "allow", " Example.com ").expect("allowed");
    change(&mut policy, "allow", "example.com").expect("twice is once");
    assert_eq!(answer(&policy, "example.com:443"), "yes");
    change(&mut policy, "deny", "example.com").expect("denied");
    assert_eq!(answer(&policy, "example.com:443"), "denied");
    assert_eq!(policy.state().allow, ["pypi.org"]);
    change(&mut policy, "allow", "example.com").expect("allowed again");
    assert_eq!((answer(&policy, "example.com:443").as_str(), policy.state().deny.len()), ("yes", 0));

    change(&mut policy, "allow", "10.0.0.1:8080").expect("a private place");
    assert_eq!(policy.state().private, ["10.0.0.1:8080"]);
    assert_eq!(answer(&policy, "10.0.0.1:8080"), "yes: AnyAddress");
    change(&mut policy, "deny", "10.0.0.1:8080").expect("no longer");
    assert_eq!(policy.state().private, [] as [&str; 0]);
    change(&mut policy, "allow", "example.com:8443").expect("a further port");
    assert_eq!(answer(&policy, "example.com:8443"), "yes");

    change(&mut policy, "deny", "*.evil.test").expect("denied");
    let wins = change(&mut policy, "allow", "a.evil.test").expect_err("what refuses wins");
    assert!(wins.contains("*.evil.test"), "{wins}");
    assert!(change(&mut policy, "allow", "10.0.0.1").expect_err("no port").contains("10.0.0.1:8080"));
    assert!(change(&mut policy, "allow", "metadata.google.internal").is_err());
    assert!(change(&mut policy, "allow", "https://example.com").expect_err("a URL").contains("only the name"));
    assert!(change(&mut policy, "mode", "nat").expect_err("no mode").contains("off, proxy or host"));
    change(&mut policy, "mode", "off").expect("off");
    assert_eq!((policy.mode(Family::Shell), policy.state().mode.as_str()), (NetworkMode::Off, "off"));
}

proptest! {
    #[test]
    fn no_spelling_of_a_private_address_is_admitted(a in prop::sample::select(vec![10u8, 127, 0]), b: u8, c: u8, d: u8) {
        let policy = policy(|_| {});
        let bits = u32::from_be_bytes([a, b, c, d]);
        let low = u32::from_be_bytes([0, b, c, d]);
        for text in [
            format!("{bits}:80"),
            format!("{bits:#x}:80"),
            format!("{bits:#o}:80").replace("0o", "0"),
            format!("{a}.{low}:80"),
            format!("{a}.{b}.{c}.{d}.:80"),
            format!("[::ffff:{a}.{b}.{c}.{d}]:80"),
            format!("[::{a}.{b}.{c}.{d}]:80"),
            format!("[64:ff9b::{a}.{b}.{c}.{d}]:80"),
            format!("[2002:{:x}:{:x}::1]:80", bits >> 16, bits & 0xffff),
        ] {
            if let Ok(place) = Place::parse(&text) {
                prop_assert!(policy.admit(Family::Shell, &place).is_err(), "{}", text);
            }
        }
    }

    #[test]
    fn only_names_that_the_list_means_are_admitted(name in "[a-zA-Z0-9.%@:/\\[\\]_-]{1,30}") {
        let policy = policy(|section| section.allow = vec!["*.example.com".to_owned()]);
        if let Ok(place) = Place::parse(&format!("{name}:443")) {
            let meant = place.host.name().is_some_and(|name| name.ends_with(".example.com"));
            prop_assert_eq!(policy.admit(Family::Shell, &place).is_ok(), meant);
        }
    }
}
