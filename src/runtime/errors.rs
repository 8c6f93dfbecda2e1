//! Why a configuration cannot be served, for the operator.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::exchange::LiveError;
use crate::net::{ListenError, numbered};
use crate::source::Place;

/// What stands in the way.
#[derive(Debug)]
pub enum StartError {
    Listen {
        error: ListenError,
        place: Option<Place>,
    },
    /// A host of a `listen` has no address.
    Host {
        host: String,
        error: io::Error,
        place: Place,
    },
    Open {
        path: PathBuf,
        error: io::Error,
    },
    Log(LiveError),
    Nothing,
    Thread(io::Error),
    Daemon(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { error, place } => {
                write!(f, "{error}")?;
                place.as_ref().map_or(Ok(()), |place| write!(f, ", listen at {place}"))
            }
            StartError::Host { host, error, place } => {
                write!(f, "host not found in \"{host}\" of the \"listen\" directive in {place} ({error})")
            }
            StartError::Open { path, error } => {
                write!(f, "open() \"{}\" failed ({})", path.display(), numbered(error))
            }
            StartError::Log(error) => write!(f, "{error}"),
            StartError::Nothing => {
                f.write_str("nothing to serve: the configuration has no \"server\" in an \"http\" block")
            }
            StartError::Thread(error) => write!(f, "a worker could not be started ({error})"),
            StartError::Daemon(error) => write!(f, "going to the background failed ({error})"),
        }
    }
}

impl From<LiveError> for StartError {
    fn from(error: LiveError) -> StartError {
        StartError::Log(error)
    }
}
