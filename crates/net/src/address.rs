//! Which addresses may be asked.
//!
//! A credential's `base_url` is chosen by a user of the database, who must not reach with it what
//! only the server can reach: its own services, the network behind it, the metadata of its cloud.
//! Names are judged by what they resolve to, and the connection goes to the very addresses that
//! were judged, so a name that changes in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// No address of a name is public.
#[derive(Debug, thiserror::Error)]
#[error("{address} is not a public address")]
pub(crate) struct Refused {
    /// One of them.
    pub(crate) address: IpAddr,
}

/// Whether `address` is on the public internet. Ranges: the IANA special-purpose registries
/// (RFC 6890 and its updates).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]            // this network, private, loopback
            | [100, 64..=127, ..]     // carrier-grade NAT (and a cloud's metadata: 100.100.100.200)
            | [169, 254, ..]          // link-local (and most clouds' metadata)
            | [172, 16..=31, ..]      // private
            | [192, 0, 0 | 2, _]      // protocol assignments, documentation
            | [192, 88, 99, _]        // 6to4 relays
            | [192, 168, ..]          // private
            | [198, 18 | 19, ..]      // benchmarking
            | [198, 51, 100, _]       // documentation
            | [203, 0, 113, _]        // documentation
            | [168, 63, 129, 16]      // Azure's host, reachable from within only
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., high, low] = segments;
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    let embedded = Ipv4Addr::new(a, b, c, d);
    match segments {
        // IPv4-mapped, and NAT64's well-known prefix: as public as the address within.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(embedded),
        // Protocol assignments with Teredo, documentation (two), 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => false,
        // Global unicast; all else is loopback, unique-local, link-local, multicast or reserved.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

/// Resolves names by the system, and leaves out what may not be asked.
pub(crate) struct Resolver {
    /// Every address may be asked.
    pub(crate) allow_private: bool,
    /// A name whose addresses may all be asked: the proxy that the operator has set.
    pub(crate) exempt: Option<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let all = self.allow_private || self.exempt.as_deref() == Some(name.as_str());
        Box::pin(resolve(name, all))
    }
}

async fn resolve(name: Name, all: bool) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
    let (usable, refused): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|found| all || is_public(found.ip()));
    match refused.first() {
        Some(found) if usable.is_empty() => Err(Refused { address: found.ip() }.into()),
        _ => Ok(Box::new(usable.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::8a",
            "2001:200::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address} is public");
        }
    }

    #[test]
    fn all_others_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address} is not public");
        }
    }
}
