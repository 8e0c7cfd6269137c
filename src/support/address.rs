//! Which addresses are no business of what comes from a model or from the network: everything that is not a public host
//! of the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses under which clouds hand out the credentials of their machines.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Names that lead there.
const METADATA_NAMES: [&str; 7] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Whether an address is one of this machine's own: what is sent there goes over loopback, past the machine's firewall,
/// however public the address is. The system is asked which way it would take; nothing is sent.
pub fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let way = std::net::UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    way.is_ok_and(|way| way.ip() == address)
}

/// What kind of address it is, where it is not a public one: "private address", "loopback" and so on. IPv6 addresses
/// that carry an IPv4 address are judged by that.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("cloud metadata address");
    }
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

/// Whether a name is one of a cloud's metadata service.
pub fn is_metadata_name(name: &str) -> bool {
    METADATA_NAMES.contains(&name)
}

/// Whether a name means the machine that asks.
pub fn is_loopback_name(name: &str) -> bool {
    let localhost =
        |name: &str| matches!(name, "localhost" | "localhost.localdomain" | "ip6-localhost" | "ip6-loopback");
    localhost(name) || name.ends_with(".localhost")
}

fn v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "unspecified address",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private address",
        (100, 64..=127, _) => "carrier's private address",
        (127, ..) => "loopback address",
        (169, 254, _) => "link-local address",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation address",
        (224..=239, ..) => "multicast address",
        (255, 255, 255) => "broadcast address",
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (240.., ..) => "reserved address",
        _ => return None,
    })
}

fn v6(address: Ipv6Addr) -> Option<&'static str> {
    let words = address.segments();
    let last = Ipv4Addr::from_bits(u32::from(words[6]) << 16 | u32::from(words[7]));
    match words {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback address"),
        // Mapped addresses and those of NAT64 lead to the IPv4 host that stands at their end.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => not_public(IpAddr::V4(last)),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("private address"),
        [0xfe80..=0xfebf, ..] => Some("link-local address"),
        [0xff00..=0xffff, ..] => Some("multicast address"),
        // Teredo and its neighbours, documentation, 6to4: where they lead is hidden, or nowhere.
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => Some("transition address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("documentation address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_of_this_machine_is_known_by_the_way_to_it() {
        assert!(is_of_this_machine(Ipv4Addr::LOCALHOST.into()));
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        assert!(!is_of_this_machine(Ipv4Addr::new(192, 0, 2, 1).into()));
    }

    #[test]
    fn only_public_addresses_pass() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(not_public(text.parse().expect(text)).is_some(), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.1.1.1",
            "128.0.0.1",
            "169.253.1.1",
            "172.15.1.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "192.169.1.1",
            "198.17.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "3ffe::1",
        ] {
            assert_eq!(not_public(text.parse().expect(text)), None, "{text}");
        }
        assert_eq!(not_public("169.254.169.254".parse().expect("address")), Some("cloud metadata address"));
        assert_eq!(not_public("::ffff:a9fe:a9fe".parse().expect("address")), Some("cloud metadata address"));
    }

    #[test]
    fn names_of_metadata_services_and_of_this_machine_are_known() {
        assert!(is_metadata_name("metadata.google.internal") && !is_metadata_name("google.internal"));
        assert!(is_loopback_name("localhost") && is_loopback_name("a.localhost") && !is_loopback_name("mylocalhost"));
    }

    proptest! {
        #[test]
        fn what_the_standard_library_calls_special_is_never_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_multicast()
                || address.is_unspecified();
            if special {
                prop_assert!(not_public(IpAddr::V4(address)).is_some());
            }
            let mapped = not_public(IpAddr::V6(address.to_ipv6_mapped()));
            prop_assert_eq!(mapped, not_public(IpAddr::V4(address)));
            prop_assert!(not_public(IpAddr::V6(address.to_ipv6_compatible())).is_some());
        }

        #[test]
        fn private_addresses_of_version_6_are_never_public(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast() {
                prop_assert!(not_public(IpAddr::V6(address)).is_some());
            }
        }
    }
}
