//! The spool against everything that can happen to its files.

use super::layout::{HEAD, RECORD, span};
use super::*;
use crate::error::Kind;
use crate::producer::settings::SpoolSync;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A folder that goes away with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let name =
            format!("firehose-spool-{}-{:x}", std::process::id(), crate::sys::random::Random::new().bits());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Place(path)
    }

    fn settings(&self, name: &str) -> SpoolSettings {
        SpoolSettings { dir: self.0.join(name), bytes: 8 << 20, sync: SpoolSync::Interval }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(settings: &SpoolSettings) -> Spool {
    Spool::open(settings, 4711, 12345).unwrap()
}

fn all(spool: &mut Spool) -> Vec<Spooled> {
    std::iter::from_fn(|| spool.take()).collect()
}

fn texts(puts: &[Spooled]) -> Vec<String> {
    puts.iter().map(|put| String::from_utf8_lossy(put.data()).into_owned()).collect()
}

fn lines(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line {n}\n")).collect()
}

/// A spool with these lines, left as by a process that was killed.
fn killed(settings: &SpoolSettings, range: std::ops::Range<u32>) {
    let mut spool = open(settings);
    for n in range {
        spool.append(format!("line {n}").as_bytes(), Some(b'\n'), u64::from(n), 1000 + u64::from(n)).unwrap();
    }
}

fn only_file(settings: &SpoolSettings) -> PathBuf {
    let mut files: Vec<PathBuf> =
        fs::read_dir(&settings.dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "segment"));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[test]
fn what_was_put_is_there_after_the_process_is_gone_and_goes_once_it_is_released() {
    let place = Place::new();
    let settings = place.settings("spool");
    let mut spool = open(&settings);
    assert_eq!((spool.found(), spool.used()), (Found::default(), 0));
    for n in 0..5_u32 {
        spool.append(format!("line {n}").as_bytes(), Some(b'\n'), 70 + u64::from(n), 1000).unwrap();
    }
    assert_eq!(spool.peek(), Some((7, 1000)));
    let puts = all(&mut spool);
    assert_eq!(texts(&puts), lines(0..5));
    assert_eq!((puts[3].tag(), puts[3].came(), puts[3].recovered()), (73, 1000, false));
    assert!(spool.peek().is_none());
    // Out of order, and one of them twice.
    for index in [3, 1, 1, 4] {
        puts[index].release();
    }
    drop((puts, spool));

    let mut spool = open(&settings);
    assert_eq!(spool.found(), Found { records: 2, bytes: 14, damaged: 0, orphans: 0 });
    spool.append(b"new\n", None, 1, 2000).unwrap();
    let puts = all(&mut spool);
    assert_eq!(texts(&puts), ["line 0\n", "line 2\n", "new\n"]);
    assert_eq!((puts[0].recovered(), puts[2].recovered()), (true, false));
    puts.iter().for_each(Spooled::release);
    for done in spool.close() {
        done.delete().unwrap();
    }
    let left: Vec<_> = fs::read_dir(&settings.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
    assert_eq!(open(&settings).found(), Found::default());
}

#[test]
fn files_are_for_their_owner_alone() {
    let place = Place::new();
    let settings = place.settings("deep/spool");
    killed(&settings, 0..1);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&settings.dir), 0o700);
    assert_eq!(mode(&only_file(&settings)), 0o600);
    assert_eq!(mode(&settings.dir.join("lock")), 0o600);
    fs::set_permissions(&settings.dir, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Spool::open(&settings, 1, 1).err().unwrap();
    assert!(error.kind == Kind::SpoolFailed && error.message.contains("chmod"), "{}", error.message);
}

#[test]
fn a_folder_is_one_producers() {
    let place = Place::new();
    let settings = place.settings("spool");
    let spool = open(&settings);
    let error = Spool::open(&settings, 1, 1).err().unwrap();
    let pid = std::process::id().to_string();
    assert!(error.kind == Kind::SpoolFailed && error.message.contains(&pid), "{}", error.message);
    drop(spool);
    open(&settings);
}

#[test]
fn a_full_spool_takes_no_more_until_a_segment_is_done() {
    let place = Place::new();
    let settings = place.settings("spool");
    let mut spool = open(&settings);
    let data = vec![b'x'; 100_000];
    let mut count = 0;
    while spool.append(&data, None, 0, 1000).is_ok() {
        count += 1;
    }
    assert!(matches!(spool.append(&data, None, 0, 1000), Err(Refusal::Full)));
    assert_eq!((count, spool.used()), (80, 8 << 20));
    assert!(spool.tidy().is_none());
    for _ in 0..10 {
        spool.take().unwrap().release();
    }
    let done = spool.tidy().unwrap();
    assert!(spool.tidy().is_none());
    for _ in 0..10 {
        spool.append(&data, None, 0, 1000).unwrap();
    }
    done.delete().unwrap();
    assert!(matches!(spool.append(&data, None, 0, 1000), Err(Refusal::Full)));
    assert_eq!(all(&mut spool).len(), 80);
    // The largest record there is fits a segment of the smallest spool.
    let settings = place.settings("other");
    let largest = vec![b'y'; 1_024_000];
    open(&settings).append(&largest, None, 0, 0).unwrap();
    let mut spool = open(&settings);
    assert!(spool.take().unwrap().data() == largest);
}

#[test]
fn segments_in_the_middle_go_as_they_are_done() {
    let place = Place::new();
    let mut spool = open(&place.settings("spool"));
    let data = vec![b'x'; 500_000];
    for n in 0..8 {
        spool.append(&data, None, n, 0).unwrap();
    }
    let puts = all(&mut spool);
    puts[2].release();
    puts[3].release();
    assert!(spool.tidy().is_some() && spool.tidy().is_none());
    spool.append(b"more", None, 9, 0).unwrap();
    assert_eq!(texts(&all(&mut spool)), ["more"]);
    puts.iter().for_each(Spooled::release);
    assert_eq!(std::iter::from_fn(|| spool.tidy()).count(), 2);
    assert_eq!(spool.used(), 1 << 20);
}

/// What is delivered of a spool whose file is `bytes` now: must be a part of what was put, in its order.
fn after(settings: &SpoolSettings, path: &Path, bytes: &[u8], count: u32) -> (Vec<String>, Found) {
    fs::write(path, bytes).unwrap();
    let mut spool = open(settings);
    let found = spool.found();
    let texts = texts(&all(&mut spool));
    let expected = lines(0..count);
    let mut rest = expected.iter();
    for text in &texts {
        assert!(rest.any(|line| line == text), "{text:?} was delivered wrong: {texts:?}");
    }
    (texts, found)
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    const COUNT: u32 = 6;
    let place = Place::new();
    let settings = place.settings("spool");
    killed(&settings, 0..COUNT);
    let path = only_file(&settings);
    let whole = fs::read(&path).unwrap();
    let records = HEAD..HEAD + COUNT as usize * span(7);
    let flags = whole.len() - HEAD - COUNT as usize..whole.len();
    for at in (0..records.end + 40).chain(flags.clone()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let (texts, found) = after(&settings, &path, &bytes, COUNT);
        let padding = records.contains(&at) && (at - HEAD) % span(7) >= RECORD + 7;
        let lost = usize::from(records.contains(&at) && !padding);
        assert_eq!(texts.len(), COUNT as usize - lost, "at {at}");
        if lost > 0 {
            assert_eq!(found.damaged, 1, "at {at}");
        }
    }
}

#[test]
fn a_cut_off_file_gives_all_that_is_whole() {
    const COUNT: u32 = 6;
    let place = Place::new();
    let settings = place.settings("spool");
    killed(&settings, 0..COUNT);
    let path = only_file(&settings);
    let whole = fs::read(&path).unwrap();
    for len in 0..HEAD + COUNT as usize * span(7) + 9 {
        let (texts, found) = after(&settings, &path, &whole[..len], COUNT);
        let fit = len.saturating_sub(HEAD + RECORD + 7) / span(7) + usize::from(len >= HEAD + RECORD + 7);
        assert_eq!(texts.len(), fit.min(COUNT as usize), "{len}");
        assert_eq!(found.damaged > 0, len > 0, "{len}");
    }
}

#[test]
fn a_kill_in_the_middle_of_a_put_loses_only_that_put() {
    const COUNT: u32 = 4;
    let place = Place::new();
    let settings = place.settings("spool");
    killed(&settings, 0..COUNT);
    let path = only_file(&settings);
    let whole = fs::read(&path).unwrap();
    // A put writes its bytes from the ninth on, and the first eight last.
    let last = HEAD + (COUNT as usize - 1) * span(7);
    for written in 0..=span(7) - 8 {
        let mut bytes = whole.clone();
        bytes[last..last + 8].fill(0);
        bytes[last + 8 + written..last + span(7)].fill(0);
        let (texts, found) = after(&settings, &path, &bytes, COUNT);
        assert_eq!(texts, lines(0..COUNT - 1));
        assert!(found.damaged <= 1);
    }
}

#[test]
fn what_is_no_segment_of_ours_is_refused_or_left_alone() {
    let place = Place::new();
    let settings = place.settings("spool");
    killed(&settings, 0..2);
    let path = only_file(&settings);
    let mut bytes = fs::read(&path).unwrap();
    fs::write(settings.dir.join("positions"), "somebody's own").unwrap();
    for side in [0, bytes.len() - HEAD] {
        bytes[side + 8] = 2;
        bytes[side + 12..side + 16].fill(0);
        let sum = crc32fast::hash(&bytes[side..side + HEAD]);
        bytes[side + 12..side + 16].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let error = Spool::open(&settings, 1, 1).err().unwrap();
    assert!(error.message.contains("spool format 2"), "{}", error.message);
    assert!(fs::read(&path).unwrap() == bytes);
    fs::write(&path, vec![b'z'; 5000]).unwrap();
    let spool = open(&settings);
    assert_eq!(spool.found(), Found { damaged: 1, ..Found::default() });
    assert!(settings.dir.join("positions").exists());
}

#[test]
fn folders_of_processes_that_are_gone_are_taken_over() {
    let place = Place::new();
    let settings = place.settings("spool-%p/records");
    let of = |pid: u32| Spool::open(&settings, pid, u64::from(pid) << 40).unwrap();
    let mut gone = of(1);
    gone.append(b"left", None, 1, 0).unwrap();
    drop(gone);
    let mut there = of(2);
    assert_eq!(there.found(), Found { records: 1, bytes: 4, damaged: 0, orphans: 1 });
    there.append(b"own", None, 2, 0).unwrap();
    let mut third = of(3);
    assert_eq!(third.found(), Found::default());
    assert!(third.take().is_none());
    let puts = all(&mut there);
    assert_eq!(texts(&puts), ["left", "own"]);
    puts.iter().for_each(Spooled::release);
    drop(puts);
    for done in there.close() {
        done.delete().unwrap();
    }
    // Both are empty now, and gone.
    assert!(!place.0.join("spool-1/records").exists() && !place.0.join("spool-2/records").exists());
    assert!(place.0.join("spool-3/records").exists());
}

#[test]
fn one_sync_serves_all_who_wait() {
    let place = Place::new();
    let mut spool = open(&place.settings("spool"));
    let syncer = Arc::clone(spool.syncer());
    assert!(!syncer.is_behind());
    syncer.sync().unwrap();
    let mut last = 0;
    for n in 0..40 {
        last = spool.append(&vec![b'x'; 100_000], None, n, 0).unwrap();
    }
    assert!(syncer.is_behind());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| syncer.wait(last).unwrap());
        }
    });
    assert!(!syncer.is_behind());
}
