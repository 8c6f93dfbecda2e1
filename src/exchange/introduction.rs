//! What a load balancer says of a connection before the client's first byte: `listen … proxy_protocol`.

use std::fmt::Display;
use std::sync::Arc;

use crate::features::Settings;
use crate::features::error_log::Level;
use crate::model::Listener;
use crate::net::{Host, ProxyHeader, ProxyRead, now, read_proxy_header};

use super::connection::{Client, Serving};
use super::io::fill;
use super::report::tell;
use super::route::Event;

impl Serving {
    /// Reads the header of the PROXY protocol and waits for what follows it; false where the connection is over.
    ///
    /// nginx wants all of the header in the first segment. Here it may come in several, in the time that a head
    /// has, and as long as `client_header_buffer_size`, which is nginx's limit too.
    pub(super) async fn read_introduction(&mut self, listener: &Listener, settings: &Settings) -> bool {
        let most = settings.client.head_limits.client_header_buffer_size;
        let deadline = now() + settings.client.header_timeout.value;
        loop {
            let missing = match read_proxy_header(self.client.unread(), most) {
                ProxyRead::Whole(length, header) => {
                    self.client.consume(length);
                    self.client.clear_read();
                    if header.as_ref().is_some_and(ProxyHeader::is_cut) {
                        self.tell_introduction(listener, settings, "broken PROXY protocol TLV");
                    }
                    self.facts.proxy_header = header.map(Arc::new);
                    return !self.client.unread().is_empty() || self.wait(true).await;
                }
                ProxyRead::Broken(error) => {
                    self.tell_introduction(listener, settings, error);
                    return false;
                }
                ProxyRead::Partial(error) => error,
            };
            let Client { stream, buffer, timer, .. } = &mut self.client;
            let left = deadline.saturating_duration_since(now());
            if !timer.within(left, fill(stream, buffer)).await.is_ok_and(|read| read.is_ok_and(|n| n > 0)) {
                self.tell_introduction(listener, settings, missing);
                return false;
            }
        }
    }

    fn tell_introduction(&self, listener: &Listener, settings: &Settings, error: impl Display) {
        self.note(|| Event::Told(Level::Error, error.to_string()));
        let (client, address) = (Host(&self.facts.peer), &listener.address);
        let message =
            format_args!("{error} while reading PROXY protocol, client: {client}, server: {address}");
        tell(&settings.error_log, Level::Error, self.facts.number, message);
    }
}
