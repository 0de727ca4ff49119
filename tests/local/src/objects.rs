//! Records on disk, laid out as Firehose lays its objects into a bucket.

use crate::chance::Ids;
use crate::clock;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LARGEST_OBJECT: u64 = 5 * 1024 * 1024;
const LONGEST_TIME: Duration = Duration::from_secs(60);

/// The object that a stream is writing.
#[derive(Debug)]
pub(crate) struct Object {
    file: File,
    written: u64,
    opened: Instant,
}

impl Object {
    fn create(data: &Path, stream: &str, ids: &Ids) -> io::Result<Self> {
        let at = clock::civil(clock::real_now());
        let hour = format!("{:04}/{:02}/{:02}/{:02}", at.year, at.month, at.day, at.hour);
        let folder = folder_of(data, stream).join(hour);
        fs::create_dir_all(&folder)?;
        let name = format!(
            "{stream}-1-{:04}-{:02}-{:02}-{:02}-{:02}-{:02}-{}",
            at.year,
            at.month,
            at.day,
            at.hour,
            at.minute,
            at.second,
            ids.uuid()
        );
        let file = File::options().create_new(true).append(true).open(folder.join(name))?;
        Ok(Self { file, written: 0, opened: Instant::now() })
    }

    fn is_full(&self) -> bool {
        self.written >= LARGEST_OBJECT || self.opened.elapsed() >= LONGEST_TIME
    }
}

/// `.` and `..` are good names for a stream but not for a folder.
fn folder_of(data: &Path, stream: &str) -> PathBuf {
    match stream {
        "." | ".." => data.join(stream.replace('.', "%2E")),
        _ => data.join(stream),
    }
}

/// Appends bytes to the stream's object, in a new one if the old is full. What is written is on disk, unbuffered, when
/// this returns.
pub(crate) fn append(
    object: &mut Option<Object>,
    data: &Path,
    stream: &str,
    ids: &Ids,
    bytes: &[u8],
) -> io::Result<()> {
    if object.as_ref().is_some_and(Object::is_full) {
        *object = None;
    }
    let object = match object {
        Some(open) => open,
        None => object.insert(Object::create(data, stream, ids)?),
    };
    object.file.write_all(bytes)?;
    object.written += bytes.len() as u64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn objects_are_named_and_filled_as_the_service_does() {
        let ids = Ids::new();
        let data = std::env::temp_dir().join(format!("firehose-objects-{}", ids.uuid()));
        let mut object = None;
        append(&mut object, &data, "clicks", &ids, b"one\n").unwrap();
        append(&mut object, &data, "clicks", &ids, &vec![b'x'; LARGEST_OBJECT as usize]).unwrap();
        append(&mut object, &data, "clicks", &ids, b"three\n").unwrap();
        let mut found = Vec::new();
        files(&data, &mut found);
        assert_eq!(found.len(), 2);
        let path = found[0].strip_prefix(&data).unwrap().to_str().unwrap().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!(parts.len(), 6);
        assert_eq!(parts[0], "clicks");
        let date = format!("clicks-1-{}-{}-{}-{}-", parts[1], parts[2], parts[3], parts[4]);
        assert!(parts[5].starts_with(&date), "{path}");
        assert_eq!(parts[5].len(), date.len() + "MM-SS-".len() + 36);
        fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn no_stream_leaves_the_data_folder() {
        assert_eq!(folder_of(Path::new("/data"), ".."), Path::new("/data/%2E%2E"));
        assert_eq!(folder_of(Path::new("/data"), "a..b"), Path::new("/data/a..b"));
    }
}
