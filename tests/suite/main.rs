//! The binary from outside: beside a real nginx on the same bytes (`differential`), with WebSocket
//! clients of somebody else's, in a browser, under signals; and the rules this crate's own source keeps (`layers`).

mod auth_basic;
mod auth_jwt;
mod auth_request;
mod balancing;
mod baseline;
mod browser;
mod check;
mod choosing;
mod ci;
mod command_line;
mod counting;
mod differential;
mod fmt;
mod handshakes;
mod health;
mod layers;
mod limits;
mod links;
mod living;
#[path = "../ruled/mending.rs"]
mod mending;
mod pages;
mod proxies;
mod reloads;
mod reports;
mod resolver;
mod retries;
mod route;
mod rules;
mod signals;
mod soak;
mod starting;
mod sticky;
mod support;
mod times;
mod token_command;
mod tokens;
mod tunnels_beside_nginx;
mod upgrades;
mod watching;
mod websocket;
mod websocket_clients;
mod websocket_frames;
mod websocket_handshakes;
mod websocket_logs;
