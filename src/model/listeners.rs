//! Listeners: one for each address, and the servers that answer there
//! (`ngx_http_add_listen`, `ngx_http_add_addresses`).

use std::collections::{HashMap, HashSet};

use crate::diagnostics::Diagnostic;
use crate::features::listen::{Listen, ListenAddress, Protocols, ServerName};
use crate::net;
use crate::source::{Place, Span};

use super::{Hosts, ServerId};

/// An address to accept connections on.
#[derive(Debug)]
pub struct Listener {
    pub address: ListenAddress,
    pub socket: net::ListenOptions,
    pub hosts: Hosts,
    /// Each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The line that named it first.
    pub place: Place,
    /// The servers that listen there, in order, and where each of them says so.
    pub servers: Vec<(ServerId, Span)>,
    /// The `listen` that is a `default_server`: without one the first server is it.
    pub default: Option<Span>,
}

/// What a server says of itself.
pub struct Listening<'a> {
    pub server: ServerId,
    pub listens: &'a [Listen],
    pub names: &'a [(ServerName, Span)],
}

/// Puts servers to addresses; conflicts are said.
pub fn gather(servers: &[Listening], found: &mut Vec<Diagnostic>) -> Vec<Listener> {
    let mut listeners: Vec<(Listener, State)> = Vec::new();
    // The same address may be listened on over TCP and over UDP.
    let mut by_address: HashMap<(ListenAddress, bool), usize> = HashMap::new();
    for server in servers {
        let mut own: HashMap<(&ListenAddress, bool), Span> = HashMap::new();
        for listen in server.listens {
            if let Some(earlier) = own.insert((&listen.address, listen.quic), listen.span) {
                let message = format!("a duplicate listen {}", listen.address);
                let finding = Diagnostic::error("duplicate-listen", listen.span, message);
                found.push(finding.also(earlier, "the earlier one of this server"));
                continue;
            }
            let index = *by_address.entry((listen.address.clone(), listen.quic)).or_insert_with(|| {
                listeners.push((
                    Listener {
                        address: listen.address.clone(),
                        socket: net::ListenOptions::default(),
                        hosts: Hosts::new(server.server),
                        proxy_protocol: false,
                        place: listen.place.clone(),
                        servers: Vec::new(),
                        default: None,
                    },
                    State::default(),
                ));
                listeners.len() - 1
            });
            let (listener, state) = &mut listeners[index];
            state.add(listener, listen, server.server, found);
            if state.spoken.differ(listen, state.servers == 0) {
                let message = format!("protocol options redefined for {}", listen.address);
                let finding = Diagnostic::warning("protocols-redefined", listen.span, message);
                found.push(
                    finding.help("a socket speaks what any \"listen\" at its address says: say it at all"),
                );
            }
            listener.proxy_protocol = state.spoken.all.proxy_protocol;
            state.servers += 1;
            listener.servers.push((server.server, listen.span));
            let unusable = server.names.iter().filter(|(name, _)| matches!(name, ServerName::Unusable(_)));
            state.unusable.extend(unusable.cloned());
            for (name, span) in server.names {
                if !listener.hosts.add(name, *span, server.server) {
                    let message = format!(
                        "conflicting server name \"{}\" on {}, ignored",
                        String::from_utf8_lossy(&name.text()),
                        listen.address
                    );
                    found.push(Diagnostic::warning("conflicting-server-name", *span, message));
                }
            }
        }
    }
    for (listener, state) in listeners.iter().filter(|(_, state)| state.servers > 1) {
        for (name, span) in &state.unusable {
            let name = name.text();
            let name = String::from_utf8_lossy(&name);
            let address = &listener.address;
            let message = format!("invalid server name or wildcard \"{name}\" on {address}");
            let finding = Diagnostic::error("invalid-server-name", *span, message);
            found.push(finding.help(
                "a \"*\" stands for whole labels at the start or the end: *.example.com, www.example.*",
            ));
        }
    }
    let over_udp: HashSet<usize> =
        by_address.iter().filter(|((_, quic), _)| *quic).map(|(_, at)| *at).collect();
    let listeners = listeners.into_iter().enumerate().filter(|(at, _)| !over_udp.contains(at));
    listeners.map(|(_, (listener, _))| listener).collect()
}

#[derive(Default)]
struct State {
    socket: Option<Span>,
    default: Option<Span>,
    servers: usize,
    unusable: Vec<(ServerName, Span)>,
    spoken: Spoken,
}

/// Which protocols the `listen` directives of an address ask for.
#[derive(Default)]
struct Spoken {
    all: Protocols,
    /// What those say that do not add to it.
    usual: Option<Protocols>,
    changed: bool,
    /// Options of the socket were written.
    set: bool,
}

impl Spoken {
    /// Takes another `listen` into account; true where nginx warns that it says something else
    /// (`ngx_http_add_addresses`).
    fn differ(&mut self, listen: &Listen, is_first: bool) -> bool {
        let (before, own) = (self.all, listen.protocols);
        self.all = before.with(own);
        let set = self.set;
        self.set |= listen.socket_written;
        if is_first {
            return false;
        }
        let is_unusual = self.usual.is_some_and(|usual| usual != own);
        let (usual, differs) = if self.all != before {
            let differs = set && !listen.socket_written || self.changed || self.all != own;
            self.changed = true;
            (before, differs)
        } else if self.all != own {
            self.changed = true;
            (own, listen.socket_written || is_unusual)
        } else {
            (own, listen.socket_written && self.changed || is_unusual)
        };
        self.usual = Some(usual);
        differs
    }
}

impl State {
    fn add(
        &mut self,
        listener: &mut Listener,
        listen: &Listen,
        server: ServerId,
        found: &mut Vec<Diagnostic>,
    ) {
        let address = &listen.address;
        if listen.socket_written {
            if let Some(earlier) = self.socket {
                let message = format!("duplicate listen options for {address}");
                let finding = Diagnostic::error("duplicate-listen", listen.span, message)
                    .also(earlier, "they were given here")
                    .help("an address has one socket: give its options at one \"listen\" only");
                found.push(finding);
                return;
            }
            self.socket = Some(listen.span);
            listener.socket = listen.socket.clone();
        }
        if listen.default_server {
            if let Some(earlier) = self.default {
                let message = format!("a duplicate default server for {address}");
                let finding = Diagnostic::error("duplicate-default-server", listen.span, message)
                    .also(earlier, "the default server of this address");
                found.push(finding);
                return;
            }
            self.default = Some(listen.span);
            listener.default = Some(listen.span);
            listener.hosts.default = server;
        }
    }
}
