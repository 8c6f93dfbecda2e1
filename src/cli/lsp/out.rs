//! What goes to the client: nobody who sends has to wait until it reads.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use lsp_server::{Message, Notification, Request, Response};
use lsp_types::notification::{Notification as _, ShowMessage};
use lsp_types::{MessageType, ShowMessageParams};
use serde_json::Value;

use super::wire;

/// Where messages for the client are left.
#[derive(Clone)]
pub struct Out(Sender<Option<Value>>);

/// The thread that writes them.
pub struct Writer(JoinHandle<()>);

impl Out {
    /// Writes to standard output.
    pub fn stdout() -> (Out, Writer) {
        let (sender, messages) = mpsc::channel::<Option<Value>>();
        let write = move || {
            let mut stdout = io::stdout().lock();
            // A client that is gone reads nothing, and is not waited for.
            while let Ok(Some(message)) = messages.recv() {
                if wire::write(&mut stdout, &message).is_err() {
                    return;
                }
            }
        };
        (Out(sender), Writer(thread::spawn(write)))
    }

    pub fn response(&self, response: Response) {
        self.message(Message::Response(response));
    }

    pub fn notification(&self, notification: Notification) {
        self.message(Message::Notification(notification));
    }

    pub fn request(&self, request: Request) {
        self.message(Message::Request(request));
    }

    /// Tells whoever sits before the editor.
    pub fn complain(&self, message: &str) {
        let params = ShowMessageParams { typ: MessageType::WARNING, message: message.to_owned() };
        self.notification(Notification::new(ShowMessage::METHOD.to_owned(), params));
    }

    /// Sends what is a message already.
    pub fn raw(&self, message: Value) {
        let _ = self.0.send(Some(message));
    }

    fn message(&self, message: Message) {
        let mut value = serde_json::to_value(message).expect("a message can be written");
        value["jsonrpc"] = "2.0".into();
        self.raw(value);
    }
}

impl Writer {
    /// Waits until everything is written that was left so far.
    pub fn end(self, out: Out) {
        let _ = out.0.send(None);
        let _ = self.0.join();
    }
}
