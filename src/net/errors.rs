//! What can go wrong with sockets, in nginx's words.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::Address;

/// An error as nginx writes it between brackets: `98: Address already in use`.
pub fn numbered(error: &io::Error) -> impl fmt::Display {
    let text = error.to_string();
    fmt::from_fn(move |f| match text.rsplit_once(" (os error ") {
        Some((text, number)) => write!(f, "{}: {text}", number.trim_end_matches(')')),
        None => f.write_str(&text),
    })
}

/// Why a socket could not be made to listen.
#[derive(Debug)]
pub struct ListenError {
    /// The call that failed, as nginx names it: `bind() to`, `setsockopt(SO_REUSEPORT)` …
    pub call: &'static str,
    pub address: Address,
    pub error: io::Error,
}

/// `bind() to 127.0.0.1:80 failed (98: Address already in use)`
impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} failed ({})", self.call, self.address, numbered(&self.error))
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What a failed `accept` means for the loop around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptTrouble {
    /// One connection was lost before it was taken, the next may be fine: go on at once.
    ThisConnection,
    /// The process or the system is out of descriptors or memory: accepting again at once would spin.
    /// nginx pauses for `accept_mutex_delay`, 500 ms by default.
    Exhausted,
    /// The socket itself does not accept.
    Listener,
}

/// Sorts an error of [`super::Listener::accept`]. On Linux accept(2) also hands over errors that are
/// already pending on the new connection.
pub fn accept_trouble(error: &io::Error) -> AcceptTrouble {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => AcceptTrouble::Exhausted,
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::AGAIN
            | Errno::PERM
            | Errno::PROTO
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH,
        ) => AcceptTrouble::ThisConnection,
        _ => AcceptTrouble::Listener,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_numbered_as_nginx_numbers_them() {
        let in_use = io::Error::from(Errno::ADDRINUSE);
        assert_eq!(numbered(&in_use).to_string(), "98: Address already in use");
        assert_eq!(numbered(&io::Error::other("odd")).to_string(), "odd");
        let address = Address::Ip("[::]:80".parse().unwrap());
        let error = ListenError { call: "bind() to", address, error: in_use };
        assert_eq!(error.to_string(), "bind() to [::]:80 failed (98: Address already in use)");
    }

    #[test]
    fn running_out_of_descriptors_is_not_one_lost_connection() {
        let sort = |errno: Errno| accept_trouble(&io::Error::from(errno));
        assert_eq!(sort(Errno::MFILE), AcceptTrouble::Exhausted);
        assert_eq!(sort(Errno::CONNABORTED), AcceptTrouble::ThisConnection);
        assert_eq!(sort(Errno::BADF), AcceptTrouble::Listener);
    }
}
