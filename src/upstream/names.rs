//! Names of servers, looked up through the system's resolver.

use std::io;
use std::time::Duration;

use crate::net::Address;

use super::{Endpoint, Group};

/// How often the names of a group are looked up again: the system's resolver tells no times to live.
pub const RESOLVE_AGAIN: Duration = Duration::from_secs(30);

/// The same for a name that did not resolve.
pub const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// How long a look-up may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks one `server` line's name up and gives the group what it finds; true if that is new. An address
/// needs nothing.
///
/// # Errors
/// What the resolver says. The addresses of an earlier look-up stay.
pub async fn resolve(group: &Group, server: usize) -> io::Result<bool> {
    let Endpoint::Name { host, port } = &group.spec.servers[server].endpoint else { return Ok(false) };
    let addresses = lookup(host, *port).await?;
    Ok(group.set_addresses(server, &addresses))
}

/// Every address of a name, in the resolver's order.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<Address>> {
    let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, port)));
    let found = found.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))??;
    let mut addresses: Vec<Address> = Vec::new();
    for address in found.map(Address::Ip) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        false => Ok(addresses),
    }
}
