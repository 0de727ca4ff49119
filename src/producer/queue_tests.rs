//! The queue at its limits.

use super::chunk::{New, OVERHEAD};
use super::pack::Limits;
use super::put::Put;
use super::queue::{Next, Queue, REPORT};
use super::settings::{Overflow, ProducerSettings, Reports};
use std::sync::Arc;
use std::time::Duration;

fn settings() -> ProducerSettings {
    ProducerSettings {
        batch_records: 500,
        batch_bytes: 4 << 20,
        linger: Duration::from_millis(100),
        queue_bytes: 64 << 20,
        max_in_flight: 4,
        delimiter: None,
        overflow: Overflow::Refuse,
        aggregate: None,
        gzip: false,
        max_bytes_per_second: None,
        delivery_timeout: Some(Duration::from_secs(300)),
        spool: None,
        reports: Reports::None,
    }
}

const LIMITS: Limits = Limits { lines: 1, record_bytes: 0, records: 500, bytes: 4 << 20 };

fn next(queue: &mut Queue, now: u64, hurry: bool) -> Next {
    queue.next(now, &LIMITS, hurry)
}

fn put(queue: &mut Queue, data: &[u8], now: u64) -> bool {
    queue.put(New { data, delimiter: None, tag: None, now }, data.len()).is_ok()
}

fn take(queue: &mut Queue, now: u64) -> (Vec<Put>, Vec<Put>) {
    let old = queue.expire(now);
    (queue.take(LIMITS).puts, old)
}

#[test]
fn a_batch_is_due_at_500_records_or_when_the_first_has_waited_long_enough() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    assert_eq!(next(&mut queue, 0, true), Next::Empty);
    for _ in 0..499 {
        assert!(put(&mut queue, b"x", 10));
    }
    assert_eq!(next(&mut queue, 20, false), Next::Wait(110));
    assert_eq!(next(&mut queue, 110, false), Next::Take);
    assert_eq!(next(&mut queue, 20, true), Next::Take);
    put(&mut queue, b"x", 20);
    assert_eq!(next(&mut queue, 20, false), Next::Take);
    put(&mut queue, b"y", 20);
    let (batch, old) = take(&mut queue, 20);
    assert_eq!((batch.len(), old.len(), queue.waiting()), (500, 0, (1, 1)));
    assert_eq!(next(&mut queue, 20, false), Next::Wait(120));
    assert_eq!(take(&mut queue, 20).0[0].data(), b"y");
}

#[test]
fn a_batch_is_due_at_4_mib_and_never_larger() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    let largest = vec![b'x'; 1_024_000];
    for _ in 0..4 {
        put(&mut queue, &largest, 0);
    }
    assert_eq!(next(&mut queue, 0, false), Next::Wait(100));
    put(&mut queue, &vec![b'y'; (4 << 20) - 4 * 1_024_000 - 1], 0);
    assert_eq!(next(&mut queue, 0, false), Next::Wait(100));
    put(&mut queue, b"z", 0);
    assert_eq!(next(&mut queue, 0, false), Next::Take);
    put(&mut queue, b"!", 0);
    let (batch, _) = take(&mut queue, 0);
    assert_eq!(batch.iter().map(|put| put.data().len()).sum::<usize>(), 4 << 20);
    assert_eq!(take(&mut queue, 0).0[0].data(), b"!");
}

#[test]
fn a_put_larger_than_a_batch_goes_alone() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    put(&mut queue, b"0123456789abc", 0);
    put(&mut queue, b"x", 0);
    let limits = Limits { bytes: 10, ..LIMITS };
    assert_eq!(queue.take(limits).ends, [1]);
    assert_eq!(queue.take(limits).puts[0].data(), b"x");
}

#[test]
fn what_came_back_goes_first_in_its_order() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    for data in [b"a", b"b", b"c"] {
        put(&mut queue, data, 0);
    }
    let (batch, _) = take(&mut queue, 0);
    put(&mut queue, b"d", 5);
    queue.give_back(batch.into_iter().skip(1));
    assert_eq!(next(&mut queue, 5, false), Next::Take);
    let all: Vec<u8> = take(&mut queue, 5).0.iter().flat_map(|put| put.data().to_vec()).collect();
    assert_eq!(all, b"bcd");
}

#[test]
fn the_bound_counts_all_that_is_held_until_its_fate_is_known() {
    let bound = 1000 * (100 + OVERHEAD);
    let mut queue = Queue::new(Arc::new(ProducerSettings { queue_bytes: bound, ..settings() }), None);
    for _ in 0..1000 {
        assert!(put(&mut queue, &[b'x'; 100], 0));
    }
    assert!(!put(&mut queue, b"", 0));
    let (batch, _) = take(&mut queue, 0);
    assert!(!put(&mut queue, b"", 0), "in flight");
    let (rest, _) = take(&mut queue, 0);
    for put in batch.into_iter().chain(rest) {
        queue.settle(&put);
    }
    assert_eq!(queue.used(), 0);
    assert!(put(&mut queue, b"", 0));
}

#[test]
fn a_report_counts_until_it_is_fetched() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    assert!(queue.put(New { data: b"x", delimiter: Some(b'\n'), tag: Some(7), now: 0 }, 2).is_ok());
    assert_eq!(queue.used(), 2 + OVERHEAD + REPORT);
    let (batch, _) = take(&mut queue, 200);
    for put in batch {
        queue.settle(&put);
    }
    assert_eq!(queue.used(), REPORT);
    queue.forget_report();
    assert_eq!(queue.used(), 0);
}

#[test]
fn the_old_are_given_up_even_during_a_pause() {
    let limit = Duration::from_millis(500);
    let mut queue =
        Queue::new(Arc::new(ProducerSettings { delivery_timeout: Some(limit), ..settings() }), None);
    put(&mut queue, b"a", 0);
    let (batch, _) = take(&mut queue, 100);
    queue.give_back(batch.into_iter());
    for _ in 0..4 {
        queue.went_badly(100, 1.0, false);
    }
    put(&mut queue, b"b", 450);
    assert_eq!(next(&mut queue, 450, false), Next::Wait(500));
    let old = queue.expire(500);
    assert_eq!((old.len(), old[0].data()), (1, b"a".as_slice()));
    assert_eq!(next(&mut queue, 500, false), Next::Wait(900));
    queue.went_well();
    assert_eq!(next(&mut queue, 560, false), Next::Take);
}

#[test]
fn pauses_double_up_to_20_seconds() {
    let mut queue = Queue::new(Arc::new(settings()), None);
    put(&mut queue, b"a", 0);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        queue.went_badly(1000, 1.0, false);
        let Next::Wait(until) = next(&mut queue, 1000, true) else { panic!("no pause") };
        pauses.push(until - 1000);
    }
    queue.went_well();
    queue.went_badly(1000, 1.0, true);
    assert_eq!(next(&mut queue, 1000, true), Next::Wait(2600), "what will hardly heal is tried slowly");
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000]);
}

#[test]
fn lines_are_aggregated_across_what_came_back_and_what_is_new() {
    let limits = Limits { lines: 3, record_bytes: 100, records: 2, bytes: 1000 };
    let mut queue = Queue::new(Arc::new(settings()), None);
    for data in [b"a", b"b", b"c", b"d"] {
        put(&mut queue, data, 0);
    }
    let batch = queue.take(limits);
    assert_eq!(batch.ends, [3, 4]);
    queue.give_back(batch.puts.into_iter().skip(2));
    for _ in 0..5 {
        put(&mut queue, b"e", 0);
    }
    let batch = queue.take(limits);
    let records: Vec<usize> = batch.records().map(<[Put]>::len).collect();
    assert_eq!((records.as_slice(), batch.puts[0].data()), ([3, 3].as_slice(), b"c".as_slice()));
    assert_eq!(queue.waiting(), (1, 1));
}
