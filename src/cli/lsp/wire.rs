//! Messages on a pair of streams. What is no message costs that message and nothing else.

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

/// How many bytes a message may have. The largest hold the text of a file.
const MAX_MESSAGE: u64 = 64 << 20;
/// How many bytes a line of a message's head may have.
const MAX_LINE: u64 = 4096;

/// A message, or why it is none: what to answer.
pub type Received = Result<Message, Value>;

/// The next message; `None` at the end of the stream.
///
/// # Errors
///
/// That the stream cannot be read.
pub fn read(input: &mut impl BufRead) -> io::Result<Option<Received>> {
    let Some(length) = head(input)? else { return Ok(None) };
    let length = match length {
        Ok(length) if length <= MAX_MESSAGE => length,
        Ok(length) => {
            io::copy(&mut input.take(length), &mut io::sink())?;
            let why = format!("a message of {length} bytes is longer than {MAX_MESSAGE}");
            return Ok(Some(Err(refusal(Value::Null, ErrorCode::InvalidRequest, &why))));
        }
        Err(why) => return Ok(Some(Err(refusal(Value::Null, ErrorCode::ParseError, &why)))),
    };
    let mut body = Vec::new();
    if input.take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(None);
    }
    Ok(Some(message(&body)))
}

/// Writes a message, or what stands for one.
///
/// # Errors
///
/// That the stream cannot be written.
pub fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

/// An answer to what cannot be answered otherwise.
pub fn refusal(id: Value, code: ErrorCode, why: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": why } })
}

/// The `Content-Length` of the next message, or what is wrong with its head.
fn head(input: &mut impl BufRead) -> io::Result<Option<Result<u64, String>>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        input.take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        match line.split_once(':') {
            // Empty lines between messages mean nothing.
            None if line.is_empty() => {
                if length.is_some() {
                    return Ok(length);
                }
            }
            Some((name, value)) if name.eq_ignore_ascii_case("Content-Length") => {
                let wrong = |_| format!("\"{value}\" is no Content-Length");
                length = Some(value.trim().parse::<u64>().map_err(wrong));
            }
            Some(_) => {}
            None => return Ok(Some(Err(format!("\"{line}\" is no line of a message's head")))),
        }
    }
}

fn message(body: &[u8]) -> Received {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| refusal(Value::Null, ErrorCode::ParseError, &error.to_string()))?;
    let id = value.get("id").filter(|id| id.is_number() || id.is_string()).cloned().unwrap_or(Value::Null);
    serde_json::from_value(value)
        .map_err(|_| refusal(id, ErrorCode::InvalidRequest, "this is no message of JSON-RPC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a stream: methods of messages and codes of refusals.
    fn all(mut input: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(received) = read(&mut input).unwrap() {
            found.push(match received {
                Ok(Message::Request(request)) => request.method,
                Ok(Message::Notification(notification)) => notification.method,
                Ok(Message::Response(_)) => "response".to_owned(),
                Err(refusal) => refusal["error"]["code"].to_string(),
            });
        }
        found
    }

    #[test]
    fn what_is_no_message_costs_that_message() {
        let good = "Content-Length: 14\r\nContent-Type: any\r\n\r\n{\"method\":\"a\"}";
        for (bad, code) in [
            ("Content-Length: 3\r\n\r\n{]}", "-32700"),
            ("Content-Length: 2\r\n\r\n\u{80}", "-32700"),
            ("Content-Length: 12\r\n\r\n{\"id\":true }", "-32600"),
            ("Content-Length: two\r\n\r\n", "-32700"),
            ("nonsense\r\n", "-32700"),
        ] {
            assert_eq!(all(format!("{good}{bad}{good}").as_bytes()), ["a", code, "a"], "{bad}");
        }
    }

    #[test]
    fn what_is_cut_off_is_the_end() {
        assert!(all(b"Content-Length: 14\r\n\r\n{\"meth").is_empty());
        assert!(all(b"Content-Len").len() < 2);
        assert_eq!(all(b"Content-Length: 99999999999999\r\n\r\n{}"), ["-32600"]);
    }
}
