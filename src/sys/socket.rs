//! The few things of a socket that the standard library does not offer.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Sends several pieces in one call. The standard library's `write_vectored` would raise SIGPIPE on a connection
/// that the peer has closed; this never does.
pub(crate) fn send_vectored(socket: &TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    const MOST: usize = 64;
    let count = pieces.len().min(MOST);
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have the layout of iovec.
    message.msg_iov = pieces.as_ptr().cast_mut().cast();
    message.msg_iovlen = count as _;
    // SAFETY: the descriptor is open while `socket` lives, and the pieces are readable for the length of the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Whether the peer has said anything (or good-bye) on a connection on which nothing is due. Does not block.
pub(crate) fn has_input(socket: &TcpStream) -> bool {
    let mut byte = 0u8;
    // SAFETY: one byte is read at most, into `byte`.
    let got = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            (&raw mut byte).cast(),
            1,
            libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    got >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
}

/// Whether the peer has closed its side; what it said before that does not count. Does not block.
pub(crate) fn is_closed(socket: &TcpStream) -> bool {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one entry is passed, which the kernel fills in.
    unsafe { libc::poll(&mut poll, 1, 0) > 0 }
}

/// Appends what the peer sent to `buffer`, at most `most` bytes, without clearing the memory first.
pub(crate) fn receive(socket: &TcpStream, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    buffer.reserve(most);
    let room = buffer.spare_capacity_mut();
    let most = most.min(room.len());
    // SAFETY: `room` is writable for `most` bytes.
    let got = unsafe { libc::recv(socket.as_raw_fd(), room.as_mut_ptr().cast(), most, 0) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has just initialised that many bytes behind the old length.
    unsafe { buffer.set_len(buffer.len() + got) };
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn pieces_arrive_in_order_and_silence_is_told_from_speech() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        assert!(!has_input(&here));
        assert_eq!(send_vectored(&here, &[IoSlice::new(b"ab"), IoSlice::new(b"cd")]).unwrap(), 4);
        let mut got = [0; 4];
        there.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"abcd");
        there.write_all(b"xy").unwrap();
        let mut buffer = b"w".to_vec();
        assert_eq!(receive(&here, &mut buffer, 100).unwrap(), 2);
        assert_eq!(buffer, b"wxy");
        drop(there);
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(has_input(&here));
    }
}
