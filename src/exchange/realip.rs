//! Who the client is where proxies stand in front (`ngx_http_realip_handler`).

use std::mem;

use super::life::Exchange;
use super::route::Event;

impl Exchange<'_> {
    /// Has the request come from whom a trusted proxy names. nginx asks twice: with the settings of the server
    /// before anything else, and with those of the location before access; once is enough.
    pub fn real_ip(&mut self) {
        let settings = &self.settings.realip;
        if settings.is_off() || self.request.connection.proxy.is_some() {
            return;
        }
        let Some(client) = settings.client(self.request, &self.live.proxies) else { return };
        self.note(|_| Event::RealIp(client.clone()));
        let connection = &mut self.request.connection;
        connection.proxy = Some(mem::replace(&mut connection.peer, client));
    }
}
