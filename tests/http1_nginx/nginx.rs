//! A real nginx, started for a test.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::{Framing, ResponseHead, framing, parse_response};

/// An nginx of our own in a directory of its own, stopped when dropped.
pub struct Nginx {
    process: Child,
    pub directory: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx with `http` inside its `http` block; `DIR` stands for the directory.
    pub fn start(http: &str) -> Nginx {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().to_str().expect("a path in UTF-8");
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log info;
             events {{ worker_connections 64; }}
             http {{
                 access_log off; server_tokens on; lingering_time 1s; lingering_timeout 100ms;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 {}
             }}",
            http.replace("DIR", path)
        );
        fs::write(directory.path().join("nginx.conf"), configuration).expect("nginx.conf");
        let process = Command::new("nginx")
            .args(["-p", path, "-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start nginx ({error}): apt-get install nginx-light"));
        Nginx { process, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn connect(&mut self, socket: &str) -> UnixStream {
        let path = self.path(socket);
        loop {
            if let Ok(stream) = UnixStream::connect(&path) {
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a read timeout");
                return stream;
            }
            if let Some(status) = self.process.try_wait().expect("nginx's state") {
                panic!("nginx ended with {status}:\n{}", self.log(0));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The error log behind its first `from` bytes; what is not printable ASCII is written as we write it.
    pub fn log(&self, from: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(self.path("error.log")) {
            file.seek(SeekFrom::Start(from)).expect("a place in the log");
            file.read_to_end(&mut bytes).expect("the log");
        }
        let printable = |byte: u8| match byte {
            b' '..=b'~' | b'\n' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02X}"),
        };
        bytes.into_iter().map(printable).collect()
    }

    pub fn log_length(&self) -> u64 {
        fs::metadata(self.path("error.log")).map_or(0, |log| log.len())
    }

    /// Sends `bytes` and reads the answer to its end.
    pub fn exchange(&mut self, socket: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(socket);
        // nginx may refuse and close before it has read everything.
        let _ = stream.write_all(bytes);
        read_answer(stream)
    }

    /// The same for a head that may not be whole: nginx gives it up when nothing more can come.
    pub fn exchange_all(&mut self, socket: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(socket);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        read_answer(stream)
    }
}

fn read_answer(mut stream: UnixStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..read]);
        if is_whole(&answer) {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether an answer has all its body; one without a head goes on until nginx closes.
fn is_whole(answer: &[u8]) -> bool {
    let mut head = ResponseHead::new();
    match parse_response(answer, usize::MAX, &mut head) {
        Ok(ParsedResponse::Head(length)) => match framing::response_framing(&head, false) {
            Ok(Framing::Length(body)) => answer.len() >= length + body as usize,
            _ => false,
        },
        _ => false,
    }
}
