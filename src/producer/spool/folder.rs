//! The folder of a spool: made, locked, and looked through.

use crate::error::{Error, Kind, Result};
use crate::sys::file::{Lock, lock};
use crate::sys::fork::PerProcess;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The file whose lock says who has the folder; the process id is in it.
const LOCK: &str = "lock";
/// What the names of segments end with.
const SEGMENT: &str = ".segment";
/// What stands for the process id in a folder's name.
const PROCESS: &str = "%p";

/// Tries to lock a folder that is this process's own.
const PATIENCE: u32 = 100;
/// A folder without records whose lock nobody has touched for this long was left behind.
const ABANDONED: Duration = Duration::from_secs(60);

/// Folders that this process has: its own locks do not keep it out, and closing any descriptor of a lock's file would
/// give the lock away.
static TAKEN: OnceLock<PerProcess<Mutex<Vec<Identity>>>> = OnceLock::new();

/// The device and the number of a folder.
type Identity = (u64, u64);

fn taken<T>(look: impl FnOnce(&mut Vec<Identity>) -> T) -> T {
    let all = TAKEN.get_or_init(|| PerProcess::new(Mutex::default()));
    look(&mut all.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner))
}

/// Cannot do `what` with `path`.
pub(super) fn failed(what: &str, path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::SpoolFailed, format!("the spool cannot {what} {}: {why}", path.display()))
}

/// A folder that is this process's alone while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    identity: Identity,
    /// Goes away with its last segment: it is one process's own.
    passing: bool,
    _lock: File,
}

impl Folder {
    /// Makes the folder where there is none, and locks it.
    pub(super) fn open(path: &Path, passing: bool) -> Result<Folder> {
        for _ in 0..PATIENCE {
            let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
            made.map_err(|error| failed("make the folder", path, error))?;
            match Folder::claim(path, passing) {
                Ok(Some(folder)) => return Ok(folder),
                // Another process may be looking whether the one that had this process id has left something.
                Ok(None) if passing => std::thread::sleep(Duration::from_millis(10)),
                Err(_) if passing && !path.exists() => {}
                Ok(None) => break,
                Err(error) => return Err(error),
            }
        }
        let why = match holder(path) {
            Some(holder) => {
                format!("the process {holder} has it; give each process a folder of its own (%p)")
            }
            None => "another process has it; give each process a folder of its own (%p)".to_owned(),
        };
        Err(failed("use the folder", path, why))
    }

    /// Locks a folder that is there; `None` where somebody has it.
    fn claim(path: &Path, passing: bool) -> Result<Option<Folder>> {
        let about = fs::metadata(path).map_err(|error| failed("use the folder", path, error))?;
        if about.mode() & 0o022 != 0 {
            let why =
                format!("others may write to it (its mode is {:o}); chmod it to 700", about.mode() & 0o7777);
            return Err(failed("use the folder", path, why));
        }
        let identity = (about.dev(), about.ino());
        if taken(|all| all.contains(&identity) || (all.push(identity), false).1) {
            return Ok(None);
        }
        match take(path) {
            Ok(Some(lock)) => Ok(Some(Folder { path: path.into(), identity, passing, _lock: lock })),
            other => {
                taken(|all| all.retain(|one| *one != identity));
                other.map(|_| None).map_err(|error| failed("lock the folder", path, error))
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the segment is, or will be, whose first record has the number `first`.
    pub(super) fn segment(&self, first: u64) -> PathBuf {
        self.path.join(format!("{first:020}{SEGMENT}"))
    }

    /// The segments in it, the oldest first.
    pub(super) fn segments(&self) -> Result<Vec<PathBuf>> {
        segments(&self.path).map_err(|error| failed("read the folder", &self.path, error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.passing && self.segments().is_ok_and(|segments| segments.is_empty()) {
            // What else is in it is not ours: then the folder stays.
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
        taken(|all| all.retain(|one| *one != self.identity));
    }
}

fn segments(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SEGMENT));
        if number.is_some_and(|number| number.len() == 20 && number.bytes().all(|b| b.is_ascii_digit())) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.iter().map(|name| path.join(name)).collect())
}

fn has_segments(path: &Path) -> bool {
    segments(path).is_ok_and(|segments| !segments.is_empty())
}

/// Locks the folder's file; `None` where another process has it.
fn take(path: &Path) -> io::Result<Option<File>> {
    let name = path.join(LOCK);
    loop {
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&name)?;
        if lock(&file)? != Lock::Taken {
            return Ok(None);
        }
        // The one before may just have taken the folder away, with this file.
        let same = |other: fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == other.ino());
        if fs::metadata(&name).is_ok_and(same) {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            return Ok(Some(file));
        }
    }
}

/// The process that has a folder, as its lock's file says. Not asked of a folder that this process has.
fn holder(path: &Path) -> Option<u32> {
    let about = fs::metadata(path).ok()?;
    if taken(|all| all.contains(&(about.dev(), about.ino()))) {
        return Some(std::process::id());
    }
    let mut text = String::new();
    File::open(path.join(LOCK)).ok()?.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The folder of the process `pid`, where the name has a place for it, and whether it has.
pub(super) fn of_process(dir: &Path, pid: u32) -> (PathBuf, bool) {
    match dir.to_str().filter(|name| name.contains(PROCESS)) {
        Some(name) => (name.replace(PROCESS, &pid.to_string()).into(), true),
        None => (dir.into(), false),
    }
}

/// Folders of processes that are gone, each locked for this one.
pub(super) fn orphans(dir: &Path) -> Vec<Folder> {
    let names: Vec<Component<'_>> = dir.components().collect();
    let is_process =
        |name: &Component<'_>| name.as_os_str().to_str().is_some_and(|name| name.contains(PROCESS));
    // The process id is looked for in one place: a name with several has no orphans that could be told from others.
    let mut places = names.iter().enumerate().filter(|(_, name)| is_process(name));
    let (Some((place, name)), None) = (places.next(), places.next()) else { return Vec::new() };
    let Some((before, after)) = name.as_os_str().to_str().and_then(|name| name.split_once(PROCESS)) else {
        return Vec::new();
    };
    let parent: PathBuf = names.iter().take(place).collect();
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent.as_path() };
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(before)?.strip_suffix(after));
        if number.is_none_or(|number| number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit())) {
            continue;
        }
        let rest = names.iter().skip(place + 1).collect::<PathBuf>();
        let path = if rest.as_os_str().is_empty() { entry.path() } else { entry.path().join(rest) };
        // One that was never a spool has no lock's file, and is left alone, as is one that is just being made.
        let Ok(lock) = fs::symlink_metadata(path.join(LOCK)) else { continue };
        let idle = lock.modified().ok().and_then(|since| since.elapsed().ok()).unwrap_or_default();
        if lock.is_file() && (idle > ABANDONED || has_segments(&path)) {
            found.extend(Folder::claim(&path, true).ok().flatten());
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
