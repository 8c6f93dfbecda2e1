//! The life of a language server: what each message from the client brings about.

use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{
    Cancel, DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument,
    DidSaveTextDocument, Exit, Initialized, Notification as Kind,
};
use lsp_types::request::{Initialize, RegisterCapability, Request as _, Shutdown};
use lsp_types::{InitializeParams, NumberOrString};
use serde_json::Value;

use super::capabilities;
use super::out::Out;
use super::settings::Settings;
use super::wire::{self, Received};
use super::worker::{self, Desk};
use crate::cli::chosen::Chosen;

/// How many messages may have been read before anybody has looked at the first.
const MAX_MESSAGES: usize = 256;
/// What the thread that looks may need for blocks in blocks: as much as a main thread has.
const STACK: usize = 8 << 20;

/// Speaks with a client over standard input and output until it says `exit`, or is gone.
pub fn run(rules: Chosen) -> ExitCode {
    let (out, writer) = Out::stdout();
    let mut server =
        Server { out: out.clone(), desk: Arc::default(), rules, settings: OnceLock::new(), ends: false };
    server.serve(&messages());
    writer.end(out);
    // The protocol's codes: who leaves without having asked for the end has left by mistake.
    ExitCode::from(if server.ends { 0 } else { 1 })
}

/// The messages of standard input, read by a thread of their own.
fn messages() -> Receiver<Received> {
    let (sender, messages) = mpsc::sync_channel(MAX_MESSAGES);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(received)) = wire::read(&mut input) {
            if sender.send(received).is_err() {
                return;
            }
        }
    });
    messages
}

struct Server {
    out: Out,
    desk: Arc<Desk>,
    rules: Chosen,
    /// Once the client has begun.
    settings: OnceLock<Arc<Settings>>,
    /// Whether the client has asked for the end.
    ends: bool,
}

impl Server {
    /// Does what messages say until there are no more, or one says `exit`.
    fn serve(&mut self, messages: &Receiver<Received>) {
        while let Ok(received) = messages.recv() {
            match received {
                Ok(Message::Request(request)) => self.request(request),
                Ok(Message::Notification(notification)) if notification.method == Exit::METHOD => return,
                Ok(Message::Notification(notification)) => self.notification(notification),
                // An answer to what we asked of the client: there is nothing to do with it.
                Ok(Message::Response(_)) => {}
                Err(refusal) => self.out.raw(refusal),
            }
        }
    }

    fn request(&mut self, request: Request) {
        let begun = self.settings.get().is_some();
        match request.method.as_str() {
            _ if self.ends => self.refuse(request.id, ErrorCode::InvalidRequest, "the end was asked for"),
            Initialize::METHOD if begun => {
                self.refuse(request.id, ErrorCode::InvalidRequest, "this was asked already");
            }
            Initialize::METHOD => self.initialize(request),
            _ if !begun => self.refuse(request.id, ErrorCode::ServerNotInitialized, "initialize comes first"),
            Shutdown::METHOD => {
                self.ends = true;
                self.out.response(Response::new_ok(request.id, Value::Null));
            }
            _ => {
                let id = request.id.clone();
                if !self.desk.ask(request) {
                    self.refuse(id, ErrorCode::ServerCancelled, "too many requests wait");
                }
            }
        }
    }

    fn refuse(&self, id: RequestId, code: ErrorCode, why: &str) {
        self.out.response(Response::new_err(id, code as i32, why.to_owned()));
    }

    fn initialize(&mut self, request: Request) {
        let params = match serde_json::from_value::<InitializeParams>(request.params) {
            Ok(params) => params,
            Err(error) => {
                return self.refuse(request.id, ErrorCode::InvalidParams, &format!("initialize: {error}"));
            }
        };
        let (settings, complaint) = Settings::of(&params, self.rules.clone());
        let settings = Arc::new(settings);
        if let Some(complaint) = complaint {
            self.out.complain(&complaint);
        }
        self.out.response(Response::new_ok(request.id, capabilities::offered(&settings)));
        let (desk, out) = (self.desk.clone(), self.out.clone());
        let for_work = settings.clone();
        let work = move || worker::work(&desk, &for_work, &out);
        thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
        let _ = self.settings.set(settings);
    }

    fn notification(&mut self, notification: Notification) {
        let Some(settings) = self.settings.get().cloned() else { return };
        let desk = self.desk.clone();
        let method = notification.method.clone();
        let understood = match method.as_str() {
            Initialized::METHOD => {
                if settings.watches {
                    let id = RequestId::from("watch".to_owned());
                    let method = RegisterCapability::METHOD.to_owned();
                    self.out.request(Request::new(id, method, capabilities::watched()));
                }
                true
            }
            DidOpenTextDocument::METHOD => told::<DidOpenTextDocument>(notification, |params| {
                let text = params.text_document;
                desk.change(|documents| documents.open(text.uri, text.version, text.text));
            }),
            DidChangeTextDocument::METHOD => told::<DidChangeTextDocument>(notification, |params| {
                let text = params.text_document;
                desk.change(|documents| {
                    documents.change(&text.uri, text.version, params.content_changes, settings.encoding);
                });
            }),
            DidCloseTextDocument::METHOD => told::<DidCloseTextDocument>(notification, |params| {
                desk.change(|documents| documents.close(&params.text_document.uri));
            }),
            DidSaveTextDocument::METHOD | DidChangeWatchedFiles::METHOD => {
                desk.change(|documents| documents.disk += 1);
                true
            }
            Cancel::METHOD => told::<Cancel>(notification, |params| {
                let id = match params.id {
                    NumberOrString::Number(id) => RequestId::from(id),
                    NumberOrString::String(id) => RequestId::from(id),
                };
                if desk.take_back(&id) {
                    self.refuse(id, ErrorCode::RequestCanceled, "taken back");
                }
            }),
            _ => true,
        };
        if !understood {
            self.out.complain(&format!("wsproxy could not read a message: {method}"));
        }
    }
}

/// Reads the parameters that a kind of notification has; false if they are others.
fn told<K: Kind>(notification: Notification, act: impl FnOnce(K::Params)) -> bool {
    serde_json::from_value(notification.params).map(act).is_ok()
}
