//! Who may purge.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks, separated by commas: `127.0.0.0/8,::1/128`. Nothing at all is nobody.
///
/// # Errors
/// The entry that is no network, in words.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let entries = text.split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    let network = |entry: &str| match entry.parse() {
        Ok(network) => Ok(network),
        // One address is a network of one.
        Err(_) => entry.parse::<IpAddr>().map(IpNet::from).map_err(|_| {
            let entry = entry.escape_debug();
            format!("'{entry}' is neither a network nor an address: write 10.0.0.0/8 or 10.1.2.3")
        }),
    };
    entries.map(network).collect()
}

/// An IPv4 client of an IPv6 socket has an address of both kinds.
pub(crate) fn is_allowed(networks: &[IpNet], client: Option<IpAddr>) -> bool {
    let client = client.map(|client| client.to_canonical());
    client.is_some_and(|client| networks.iter().any(|network| network.contains(&client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_in_a_network() {
        let networks = networks("10.0.0.0/8, 192.0.2.1,").unwrap();
        let allowed = |client: &str| is_allowed(&networks, client.parse().ok());
        assert!(allowed("10.1.2.3"));
        assert!(allowed("::ffff:10.1.2.3"));
        assert!(allowed("192.0.2.1"));
        assert!(!allowed("192.0.2.2"));
        assert!(!is_allowed(&networks, None));
        assert!(super::networks("10.0.0.0/40").is_err());
    }
}
