//! What passes from one process to the next one that it starts: descriptors, and which signals are blocked.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::SigSet;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use rustix::io::{Errno, FdFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Takes the descriptor that whoever started this process left open under a number, and frees the number.
///
/// The number is sent to ourselves through a pair of sockets and comes back as a descriptor that is owned;
/// `pidfd_getfd(2)` would do as well, but containers often forbid it.
///
/// To be called before anything else of the process opens files: a number that the starter did not leave
/// open could be theirs.
///
/// # Errors
/// `EBADF`, if nothing is open under that number; the standard streams are not given away.
pub fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(Errno::BADF.into());
    }
    let (near, far) = UnixStream::pair()?;
    let passed = [number];
    let rights = [ControlMessage::ScmRights(&passed)];
    sendmsg::<UnixAddr>(near.as_raw_fd(), &[IoSlice::new(b"!")], &rights, MsgFlags::empty(), None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&far, &mut [IoSliceMut::new(&mut [0])], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut messages = ancillary.drain();
    let Some(RecvAncillaryMessage::ScmRights(mut descriptors)) = messages.next() else {
        return Err(Errno::BADF.into());
    };
    let taken = descriptors.next().ok_or(Errno::BADF)?;
    nix::unistd::close(number)?;
    Ok(taken)
}

/// Lets every signal through to this thread and to those it starts from now on. nginx's master, for one,
/// starts its successor with the signals blocked that steer it.
pub fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Says whether a descriptor stays open in a process that this one starts.
pub fn keep_open(descriptor: impl AsFd, keep: bool) -> io::Result<()> {
    let flags = if keep { FdFlags::empty() } else { FdFlags::CLOEXEC };
    Ok(rustix::io::fcntl_setfd(descriptor, flags)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn a_descriptor_is_taken_by_its_number() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let mut taken = UnixStream::from(take_descriptor(there.into_raw_fd()).unwrap());
        here.write_all(b"hello").unwrap();
        drop(here);
        let mut said = String::new();
        taken.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
    }

    #[test]
    fn a_number_that_nothing_has_is_refused() {
        assert_eq!(take_descriptor(1).unwrap_err().raw_os_error(), Some(Errno::BADF.raw_os_error()));
        assert_eq!(take_descriptor(-1).unwrap_err().raw_os_error(), Some(Errno::BADF.raw_os_error()));
        assert_eq!(take_descriptor(1 << 20).unwrap_err().raw_os_error(), Some(Errno::BADF.raw_os_error()));
    }
}
