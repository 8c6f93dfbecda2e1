//! The one buffer of a worker: borrowed while a socket is readable, so that nothing that idles owns one.

use std::cell::RefCell;

/// Bytes of the buffer each thread lends. nginx reads 4 KiB at a time, which is why bulk costs it four
/// times as much.
pub const BUFFER_SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_SIZE].into_boxed_slice());
}

/// Lends this thread's buffer to `read`; what it holds at the start is whatever was left there.
///
/// # Panics
/// If the thread has lent it already, further up the stack.
pub fn borrow_buffer<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| read(buffer))
}
