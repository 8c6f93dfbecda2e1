//! wsproxy reads an nginx configuration, says what is wrong with it (`wsproxy check`) and serves
//! what is right (`wsproxy -c`), WebSocket first.
//!
//! The rooms, lowest first; imports point up this list, never down. `ARCHITECTURE.md` is the map.

pub mod source;

pub mod diagnostics;
pub mod syntax;

pub mod layout;

pub mod fetch;
pub mod http1;
pub mod hub;
pub mod jwt;
pub mod limits;
pub mod net;
pub mod passwords;
pub mod tunnel;
pub mod upstream;
pub mod websocket;

pub mod directive;
pub mod request;

pub mod features;

pub mod model;

pub mod exchange;

pub mod runtime;

pub mod lint;

pub mod cli;
