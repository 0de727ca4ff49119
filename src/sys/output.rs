//! Writing a line to a descriptor that the host opened, without ever raising SIGPIPE.

use std::mem::MaybeUninit;
use std::ptr;

/// Writes `line` to `fd` in one system call where the kernel takes it whole. Whatever goes wrong is the log's own
/// loss: a line for which a pipe has no room now is dropped, so that a reader that hangs does not hang the host.
pub(crate) fn write_line(fd: i32, line: &[u8]) {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry is passed, which the kernel fills in.
    if unsafe { libc::poll(&mut poll, 1, 0) } != 1 || poll.revents & libc::POLLOUT == 0 {
        return;
    }
    // A pipe that can be written to takes this much at once.
    let (line, end) = match line.get(..libc::PIPE_BUF - 1) {
        Some(cut) if line.len() > libc::PIPE_BUF => (cut, &b"\n"[..]),
        _ => (line, &b""[..]),
    };
    let line = [line, end].concat();
    let mut pipe = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are valid to write and are initialised before they are read. A pipe without a reader raises
    // SIGPIPE in this thread only, so blocking it here and taking it back is invisible to the host.
    unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        libc::sigpending(pending.as_mut_ptr());
        let was_pending = libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1;
        libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), before.as_mut_ptr());
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            let wrote = libc::write(fd, rest.as_ptr().cast(), rest.len());
            match usize::try_from(wrote) {
                Ok(wrote) if wrote > 0 => rest = rest.get(wrote..).unwrap_or_default(),
                _ if *libc::__errno_location() == libc::EINTR => {}
                _ => break,
            }
        }
        if !rest.is_empty() && *libc::__errno_location() == libc::EPIPE && !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            while libc::sigtimedwait(pipe.as_ptr(), ptr::null_mut(), &now) == -1
                && *libc::__errno_location() == libc::EINTR
            {}
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_reader_that_hangs_hangs_nobody() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for _ in 0..40 {
                write_line(writer.as_raw_fd(), &[b'x'; 3000]);
                write_line(writer.as_raw_fd(), &[b'x'; 9000]);
            }
            let _ = done.send(());
        });
        ended.recv_timeout(std::time::Duration::from_secs(5)).expect("the log blocks its host");
        drop(reader);
    }

    #[test]
    fn a_line_arrives_and_a_pipe_without_a_reader_kills_nobody() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        write_line(writer.as_raw_fd(), b"hello\n");
        let mut got = [0; 6];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello\n");
        drop(reader);
        // SAFETY: SIGPIPE is at its default for the length of this test process only from here on.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        write_line(writer.as_raw_fd(), b"nobody reads\n");
        write_line(-1, b"no such descriptor\n");
    }
}
