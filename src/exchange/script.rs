//! Runs the steps of the rewrite module (`ngx_http_script.c`).

use std::sync::Arc;

use crate::features::rewrite::{self, Rewrite, Step, Then};
use crate::http1::{Target, escape};
use crate::request::Template;
use crate::source::Span;

use super::answer::Reply;
use super::life::Exchange;
use super::route::{Event, captured};

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// At its last step.
    End,
    /// By `break`, `last` or their like: steps behind it are not run.
    Stop,
}

impl Exchange<'_> {
    /// Runs a server's or a location's steps; `uri_changed` then tells whether to look for a location
    /// again.
    pub fn run(&mut self, script: &Arc<[rewrite::Line]>) -> Result<Flow, Reply> {
        for line in script.iter() {
            match &line.step {
                Step::Set { slot, value } => {
                    let mut text = Vec::new();
                    value.render(self.request, &mut text);
                    self.note(|_| Event::Set { span: line.span, value: text.clone() });
                    self.request.store(*slot, Some(&text));
                }
                Step::Args(value) => {
                    let mut text = Vec::new();
                    value.render(self.request, &mut text);
                    self.note(|_| Event::Set { span: line.span, value: text.clone() });
                    self.request.target.args = text;
                    self.request.target.unparsed_is_valid = false;
                }
                Step::Return { status, text } => {
                    let reply = self.returned(*status, text);
                    self.note(|_| Event::Return { span: line.span, status: *status });
                    return Err(reply);
                }
                Step::Break => {
                    self.note(|_| Event::Break { span: line.span });
                    self.uri_changed = false;
                    return Ok(Flow::Stop);
                }
                Step::Rewrite(rewrite) => {
                    if self.rewrite(rewrite, line.span)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Step::If { condition, then } => {
                    let holds = condition.holds(self.request);
                    self.note(|request| {
                        let captures = condition.captures().then(|| captured(request));
                        Event::If { span: line.span, holds, captures: captures.unwrap_or_default() }
                    });
                    if holds {
                        self.enter(*then);
                        let script = self.live.model.http.location(*then).script.clone();
                        if self.run(&script)? == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                    }
                }
            }
        }
        Ok(Flow::End)
    }

    fn returned(&mut self, status: u16, text: &Template) -> Reply {
        // What the text itself shows as `$status`.
        self.request.reply.status = self.status_override.unwrap_or(status);
        let mut value = self.worker.buffer();
        text.render(self.request, &mut value);
        match status {
            444 => Reply::Close,
            301 | 302 | 303 | 307 | 308 => Reply::Redirect(status, value),
            status if status < 400 || !text.pieces().is_empty() => Reply::Text(status, value),
            status => Reply::Status(status),
        }
    }

    fn rewrite(&mut self, rewrite: &Rewrite, span: Span) -> Result<Flow, Reply> {
        if !rewrite.pattern.matches_anew(self.request, &self.request.target.path) {
            self.note(|request| Event::missed(span, request));
            return Ok(Flow::End);
        }
        let before = self.worker.recorder.as_ref().map(|_| self.request.target.path.clone());
        let request = &mut *self.request;
        let redirect = matches!(rewrite.then, Then::Redirect(_));
        let quoted = request.target.quoted;
        let mut path = Vec::new();
        render(&rewrite.replacement, request, redirect && quoted, &mut path);
        let mut args = Vec::new();
        if let Some(template) = &rewrite.args {
            render(template, request, quoted, &mut args);
        }
        let own = &request.target.args;
        let keeps = rewrite.keep_args && !own.is_empty();
        if let Then::Redirect(status) = rewrite.then {
            if rewrite.args.is_some() {
                path.push(b'?');
                path.append(&mut args);
            }
            unescape_redirect(&mut path);
            if keeps {
                path.push(if rewrite.args.is_some() { b'&' } else { b'?' });
                path.extend_from_slice(own);
            }
            self.note(|request| Event::rewritten(span, before, &path, b"", request));
            return Err(Reply::Redirect(status, path));
        }
        if path.is_empty() {
            return Err(Reply::Status(500));
        }
        match &rewrite.args {
            Some(_) if keeps => {
                args.push(b'&');
                args.extend_from_slice(own);
                request.target.args = args;
            }
            Some(_) => request.target.args = args,
            None if !rewrite.keep_args => request.target.args.clear(),
            None => {}
        }
        request.target.path = path;
        request.target.unparsed_is_valid = false;
        request.internal = true;
        let Target { path, args, .. } = &self.request.target;
        self.note(|request| Event::rewritten(span, before, path, args, request));
        match rewrite.then {
            Then::Break => {
                self.request.location_valid = false;
                self.uri_changed = false;
                Ok(Flow::Stop)
            }
            Then::Last => {
                self.uri_changed = true;
                Ok(Flow::Stop)
            }
            Then::Next | Then::Redirect(_) => {
                self.uri_changed = true;
                Ok(Flow::End)
            }
        }
    }
}

/// Renders a replacement; what was captured from an escaped URI is escaped where it becomes part of
/// one again.
fn render(template: &Template, request: &crate::request::Request, escaped: bool, out: &mut Vec<u8>) {
    if !escaped {
        return template.render(request, out);
    }
    template.render_captures(request, out, escape::escape_args);
}

/// Takes back escapes that an address does not need, up to its `?` (`NGX_UNESCAPE_REDIRECT`).
fn unescape_redirect(address: &mut Vec<u8>) {
    let mut plain = Vec::with_capacity(address.len());
    let mut at = 0;
    while at < address.len() {
        let escape = address[at..].first_chunk::<3>().filter(|chunk| chunk[0] == b'%');
        let digits = escape.and_then(|chunk| std::str::from_utf8(&chunk[1..]).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(b'?') => {
                plain.push(b'?');
                plain.extend_from_slice(&address[at + 3..]);
                break;
            }
            Some(byte) if byte > b'%' && byte < 0x7f => {
                plain.push(byte);
                at += 3;
            }
            Some(_) => {
                plain.extend_from_slice(&address[at..at + 3]);
                at += 3;
            }
            None if address[at] == b'?' => {
                plain.extend_from_slice(&address[at..]);
                break;
            }
            None => {
                plain.push(address[at]);
                at += 1;
            }
        }
    }
    *address = plain;
}
