//! What the standard library does not do with files: blocks allocated before they are needed, and locks that end with
//! the process that took them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Gives the first `len` bytes of `file` blocks of their own, so that no later write to them finds the disk full; the
/// file is made that long, and what it holds stays. False where the file system cannot do that.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<bool> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    loop {
        // SAFETY: the descriptor is open; no memory is passed.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return Ok(false),
            _ => return Err(error),
        }
    }
}

/// What became of an attempt to lock a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It is this process's, until any of its descriptors of that file is closed. Children do not inherit it.
    Taken,
    /// Another process has it: its id, if it can be seen from here.
    Held(Option<i32>),
}

/// The constants are of a wider type than the fields that they are for.
fn short(constant: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(constant).unwrap_or_default()
}

/// Locks a file for this process (a POSIX record lock), without waiting.
pub(crate) fn lock(file: &File) -> io::Result<Lock> {
    // SAFETY: all fields are numbers, for which zero is valid.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = short(libc::F_WRLCK);
    range.l_whence = short(libc::SEEK_SET);
    // SAFETY: the descriptor is open and the structure is of the kind that the command reads.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &range) } == 0 {
        return Ok(Lock::Taken);
    }
    let error = io::Error::last_os_error();
    if !matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) {
        return Err(error);
    }
    // SAFETY: as above; the command writes the structure.
    let told = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut range) } == 0;
    let seen = told && range.l_type != short(libc::F_UNLCK) && range.l_pid > 0;
    Ok(Lock::Held(seen.then_some(range.l_pid)))
}
