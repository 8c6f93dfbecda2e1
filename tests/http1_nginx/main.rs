//! HTTP/1 beside a real nginx: the same bytes go to nginx and through `http1`, and both have to see the
//! same request, or refuse it with the same status in the same words.
//!
//! nginx is Debian's 1.22. Where nginx 1.31, whose behaviour wsproxy has, differs from it, the case says
//! so with `Case::since`; where wsproxy is stricter on purpose, with `Case::stricter`.

mod answers;
#[path = "../fuzz/engine.rs"]
mod engine;
mod limits;
mod lines;
mod mutated;
mod nginx;
mod sight;
mod targets;
