//! What a location asks of its tunnels, out of what several features say.

use crate::features::{Set, client, log, proxy};
use crate::tunnel::{FrameRules, Limit, Ping, Rules};

use super::Settings;

/// The rules for the tunnels of a location where these settings hold.
pub fn rules(
    websocket: &Settings,
    proxy: &proxy::Settings,
    client: &client::Settings,
    log: &log::Settings,
) -> Rules {
    Rules {
        read: limit(&proxy.read_timeout),
        send_upstream: limit(&proxy.send_timeout),
        send_client: limit(&client.send_timeout),
        max_lifetime: websocket.max_lifetime.clone(),
        token_expiry: websocket.token_expiry.clone(),
        frames: frames(websocket, log),
    }
}

/// Frames are looked at where a directive asks something of them or a log shows what they say.
fn frames(websocket: &Settings, log: &log::Settings) -> Option<FrameRules> {
    let ping = websocket.ping.as_ref().map(|(interval, to)| Ping {
        to: *to,
        interval: limit(interval),
        timeout: limit(&websocket.ping_timeout),
    });
    let rules = FrameRules {
        close_notify: websocket.close_notify,
        ping,
        max_frame: websocket.max_frame.clone(),
        max_message: websocket.max_message.clone(),
        rate: websocket.rate.clone(),
    };
    (rules != FrameRules::default() || log.counts_frames()).then_some(rules)
}

fn limit(set: &Set<std::time::Duration>) -> Limit {
    Limit { after: set.value, place: set.place.clone() }
}
