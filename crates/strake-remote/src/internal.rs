//! Addresses that only mean something here: of this machine, its link, or a private network.
//!
//! A registry that sends its clients to one may be after what answers there: a cloud's metadata service, a database, a router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::settings::is_loopback;

/// Whether a host, without a port, is such an address, in any form that a resolver takes. Names are not looked up, but for
/// those of this machine.
pub(crate) fn is_internal(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
        }
        Some(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
        }
        None => is_loopback(host),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(address).to_canonical());
    }
    old_form(bare).map(IpAddr::V4)
}

/// An IPv4 address as `inet_aton(3)` reads it: one to four numbers in base 8, 10 or 16, the last for all bytes that are left.
fn old_form(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last().filter(|(_, first)| first.len() < 4)?;
    let left = 4 - first.len();
    let mut address = if left == 4 || *last < 1 << (8 * left) { *last } else { return None };
    for (place, byte) in first.iter().enumerate() {
        address |= u32::from(u8::try_from(*byte).ok()?) << (8 * (3 - place));
    }
    Some(address.into())
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.1", true),
            ("2130706433", true),
            ("0x7f000001", true),
            ("0x7f.1", true),
            ("0177.0.0.01", true),
            ("10.0.0.1", true),
            ("172.16.5.4", true),
            ("192.168.1.1", true),
            ("169.254.169.254", true),
            ("0.0.0.0", true),
            ("[::1]", true),
            ("[::]", true),
            ("[::ffff:127.0.0.1]", true),
            ("[fe80::1%25eth0]", true),
            ("[fd00:ec2::254]", true),
            ("localhost", true),
            ("a.localhost", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("[2606:4700::1]", false),
            ("registry.example.org", false),
            ("10.example.org", false),
            ("256.0.0.1", false),
            ("10.0.0.0.1", false),
            ("10.0.0.256", false),
            ("4294967296", false),
            ("+127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_internal(host), expected, "{host}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_form(bytes: [u8; 4], hosts in "[0-9a-fx.:%\\[\\]]{0,20}") {
            let address = Ipv4Addr::from(bytes);
            let expected = is_internal(&address.to_string());
            let [a, b, c, d] = bytes;
            for form in [
                u32::from(address).to_string(),
                format!("{:#x}", u32::from(address)),
                format!("0{a:o}.{b:#x}.{}", u32::from(c) * 256 + u32::from(d)),
                format!("[::ffff:{address}]"),
            ] {
                proptest::prop_assert_eq!(is_internal(&form), expected, "{}", form);
            }
            is_internal(&hosts);
        }
    }
}
