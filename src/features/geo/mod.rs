//! `geo`: a variable whose value depends on an address.
//!
//! `reading` reads the block, `table` finds the value of an address.

mod reading;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use crate::directive::Context;
use crate::directive::values::Cidr;
use crate::directive::variables::Protocol;
use crate::http1::Known;
use crate::net::{self, Address};
use crate::request::{Compute, Request, Template};

use super::{Call, Feature, Row};

use table::{Segments, Values};

pub use reading::read;

pub static FEATURE: Feature<Written> =
    Feature { name: "geo", contexts: Context::HTTP, rows: ROWS, at: |w| &mut w.geo };

const ROWS: &[Row<Written>] = &[Row {
    name: "geo",
    doc: "Gives a variable a value by the client's address: networks or ranges, a default.",
    set,
}];

/// A block is a variable; a block around it keeps nothing of it.
#[derive(Default)]
pub struct Written;

/// What a block maps addresses to.
#[derive(Debug)]
pub struct Geo {
    values: Values,
    table: Table,
    /// Who is believed about whom they ask for.
    proxies: Vec<Cidr>,
    proxy_recursive: bool,
}

#[derive(Debug)]
enum Table {
    /// Of IPv4 and of IPv6.
    Networks([Segments; 2]),
    /// Of IPv4 alone.
    Ranges(Segments),
}

/// A variable.
struct Mapped {
    /// Where the address comes from, if it is not the client's.
    address: Option<Template>,
    geo: Geo,
}

impl Compute for Mapped {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        let address = self.address(request, out);
        out.extend_from_slice(self.geo.find(address));
        true
    }
}

impl Mapped {
    /// `ngx_http_geo_addr`; nothing where there is no address. `out` is room for a value.
    fn address(&self, request: &Request, out: &mut Vec<u8>) -> Option<IpAddr> {
        let from = match &self.address {
            None => request.connection.peer.clone(),
            Some(address) => {
                let start = out.len();
                address.render(request, out);
                let ip = net::ip(&out[start..]);
                out.truncate(start);
                Address::Ip((ip?, 0).into())
            }
        };
        if self.geo.proxies.is_empty() || !request.head.headers.contains(Known::XForwardedFor) {
            return from.ip().map(|address| address.ip());
        }
        let lists = request.head.headers.all(Known::XForwardedFor).collect::<Vec<_>>().into_iter().rev();
        let trusts = |address: &Address| {
            let ip = address.ip().map(|address| address.ip().to_canonical());
            ip.is_some_and(|ip| self.geo.proxies.iter().any(|proxy| proxy.contains(ip)))
        };
        let named = net::forwarded(&from, lists, self.geo.proxy_recursive, trusts);
        named.unwrap_or(from).ip().map(|address| address.ip())
    }
}

impl Geo {
    /// The value of an address. What is none, and to ranges one of IPv6, is 255.255.255.255, as in nginx.
    fn find(&self, address: Option<IpAddr>) -> &[u8] {
        let old = |bits: u32| u128::from(bits);
        let value = match (&self.table, address.map(|address| address.to_canonical())) {
            (Table::Networks([_, new]), Some(IpAddr::V6(address))) => new.find(address.to_bits()),
            (Table::Networks([table, _]) | Table::Ranges(table), Some(IpAddr::V4(address))) => {
                table.find(old(address.to_bits()))
            }
            (Table::Networks([table, _]) | Table::Ranges(table), _) => table.find(old(u32::MAX)),
        };
        self.values.text(value)
    }
}

fn set(_: &mut Written, call: &mut Call) {
    let Some(geo) = read(call) else { return };
    let defined = call.args().len() - 1;
    let address = (defined == 1).then(|| call.template(0));
    let name = &call.arg(defined)[1..];
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(defined, "invalid-variable", message);
    }
    call.build.variables.computed(name, Arc::new(Mapped { address, geo }));
}
