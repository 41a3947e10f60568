//! The content cache and its readers, against a service made of memory and faults.

mod restart;
mod room;
mod service;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use collabfs::content::{Cache, Reader};
use collabfs::error::{ErrorKind, Result};
use collabfs::ids::RevisionId;
use collabfs::provider::ReadTarget;
use futures::FutureExt;
use service::{Fault, Service, id, pattern};
use tokio::sync::Semaphore;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const BLOCK: usize = 128 * KIB;
/// No test here needs longer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Fixture {
    dir: tempfile::TempDir,
    cache: Arc<Cache>,
}

impl Fixture {
    fn new(limit_bytes: usize) -> Fixture {
        Fixture::with_timeout(limit_bytes, PATIENCE)
    }

    fn with_timeout(limit_bytes: usize, timeout: Duration) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let cache = open_cache(dir.path(), limit_bytes, timeout);
        Fixture { dir, cache }
    }

    fn reader(&self, service: &Arc<Service>) -> Arc<Reader> {
        self.cache.reader(service.clone(), service.target("1"))
    }

    /// The bytes of all data files.
    fn stored_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let files = std::fs::read_dir(self.dir.path().join("data")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
    }
}

fn open_cache(dir: &Path, limit_bytes: usize, timeout: Duration) -> Arc<Cache> {
    Cache::open(dir, limit_bytes as u64, timeout).unwrap()
}

async fn read(reader: &Reader, offset: usize, len: usize) -> Result<Bytes> {
    tokio::time::timeout(PATIENCE, reader.read(offset as u64, len)).await.expect("the read ends")
}

#[track_caller]
fn assert_bytes(got: Result<Bytes>, service: &Service, offset: usize, len: usize) {
    let end = (offset + len).min(service.content.len());
    assert!(got.unwrap() == service.content[offset.min(end)..end], "other bytes at {offset}, {len} long");
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_is_fetched_whole_with_one_request_and_then_served_at_the_first_poll() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(300 * KIB));
    let reader = fixture.reader(&service);
    assert_bytes(read(&reader, 1000, 100 * KIB).await, &service, 1000, 100 * KIB);
    reader.fetch_all().await.unwrap();
    let again = reader.read(200 * KIB as u64, 200 * KIB).now_or_never().expect("no waiting");
    assert_bytes(again, &service, 200 * KIB, 200 * KIB);
    assert_eq!(service.asked().len(), 1);
    assert!(reader.complete().is_some());
}

/// File managers look into hundreds of pictures to tell their types.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_into_a_file_fetches_a_part_and_reading_on_the_rest_at_once() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(3 * MIB));
    let reader = fixture.reader(&service);
    for offset in [0, 16 * KIB, 32 * KIB] {
        assert_bytes(read(&reader, offset, 16 * KIB).await, &service, offset, 16 * KIB);
    }
    let asked = service.asked();
    assert!(asked.len() == 1 && asked[0].end.unwrap() <= 128 * KIB as u64, "{asked:?}");
    for offset in (48 * KIB..3 * MIB).step_by(16 * KIB) {
        assert_bytes(read(&reader, offset, 16 * KIB).await, &service, offset, 16 * KIB);
    }
    assert_eq!(service.asked().len(), 2, "{:?}", service.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_at_or_after_the_end_gives_nothing() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(1000));
    let reader = fixture.reader(&service);
    assert_eq!(read(&reader, 1000, 10).await.unwrap().len(), 0);
    assert_eq!(read(&reader, 5000, 10).await.unwrap().len(), 0);
    assert_eq!(read(&reader, 990, 100).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_needs_no_request() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(0));
    let reader = fixture.reader(&service);
    assert_eq!(read(&reader, 0, 10).await.unwrap().len(), 0);
    assert!(service.asked().is_empty());
    assert_eq!(reader.fetch_all().await.unwrap().metadata().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_the_same_bytes_share_one_request() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service { latency: Duration::from_millis(50), ..Service::new(64 * MIB) });
    let (a, b) = (fixture.reader(&service), fixture.reader(&service));
    assert!(Arc::ptr_eq(&a, &b));
    let reads = (0..20).map(|i| read(if i % 2 == 0 { &a } else { &b }, 40 * MIB + i * KIB, 4 * KIB));
    for (i, bytes) in futures::future::join_all(reads).await.into_iter().enumerate() {
        assert_bytes(bytes, &service, 40 * MIB + i * KIB, 4 * KIB);
    }
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_read_in_a_large_file_asks_for_one_block() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(64 * MIB));
    let reader = fixture.reader(&service);
    for offset in [50 * MIB + 77, 3 * MIB, 20 * MIB, 61 * MIB - 1] {
        assert_bytes(read(&reader, offset, 4 * KIB).await, &service, offset, 4 * KIB);
    }
    let asked = service.asked();
    // The last one lies on a border of blocks.
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|range| range.end.unwrap() - range.start <= 2 * BLOCK as u64), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_fetches_a_small_part_of_a_large_file() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(64 * MIB));
    let reader = fixture.reader(&service);
    for i in 0..4 {
        assert_bytes(read(&reader, i * 16 * KIB, 16 * KIB).await, &service, i * 16 * KIB, 16 * KIB);
    }
    let bytes: u64 = service.asked().iter().map(|range| range.end.unwrap() - range.start).sum();
    assert!(bytes <= BLOCK as u64, "{bytes} bytes were asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_in_sequence_asks_for_each_byte_once_and_in_large_pieces() {
    let fixture = Fixture::new(500 * MIB);
    let service = Arc::new(Service::new(96 * MIB + 12_345));
    let reader = fixture.reader(&service);
    for offset in (0..service.content.len()).step_by(BLOCK) {
        assert_bytes(read(&reader, offset, BLOCK).await, &service, offset, BLOCK);
    }
    let asked = service.asked();
    let bytes: u64 = asked.iter().map(|range| range.end.unwrap() - range.start).sum();
    assert_eq!(bytes, service.content.len() as u64, "each byte once: {asked:?}");
    assert!(asked.len() <= 40, "{} requests: {asked:?}", asked.len());
    eventually("it is complete", || reader.complete().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_in_sequence_hides_the_latency() {
    let fixture = Fixture::new(500 * MIB);
    let service = Arc::new(Service { latency: Duration::from_millis(20), ..Service::new(64 * MIB) });
    let reader = fixture.reader(&service);
    let start = Instant::now();
    for offset in (0..service.content.len()).step_by(BLOCK) {
        read(&reader, offset, BLOCK).await.unwrap();
    }
    // 512 reads, each waiting for a round trip, would take ten seconds.
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_served_while_it_arrives() {
    let fixture = Fixture::new(100 * MIB);
    let gate = Arc::new(Semaphore::new(0));
    let gated = Service { gate: Some(gate.clone()), ..Service::new(8 * MIB) };
    let service = Arc::new(Service { ranges: false, claims_ranges: false, ..gated });
    let reader = fixture.reader(&service);
    gate.add_permits(4);
    assert_bytes(read(&reader, 0, 256 * KIB).await, &service, 0, 256 * KIB);
    let far = read(&reader, 4 * MIB, 4 * KIB);
    gate.add_permits(1000);
    assert_bytes(far.await, &service, 4 * MIB, 4 * KIB);
    assert_bytes(read(&reader, 8 * MIB - 10, 10).await, &service, 8 * MIB - 10, 10);
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ignores_ranges_sends_its_content_once() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service { ranges: false, ..Service::new(16 * MIB) });
    let reader = fixture.reader(&service);
    for offset in [12 * MIB, 3 * MIB, 8 * MIB, 0] {
        assert_bytes(read(&reader, offset, 4 * KIB).await, &service, offset, 4 * KIB);
    }
    reader.fetch_all().await.unwrap();
    assert_eq!(service.asked().len(), 1, "{:?}", service.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ignores_the_range_of_the_first_block_is_noticed_too() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service { ranges: false, announces_total: false, ..Service::new(16 * MIB) });
    let reader = fixture.reader(&service);
    for offset in (0..16 * MIB).step_by(BLOCK) {
        assert_bytes(read(&reader, offset, BLOCK).await, &service, offset, BLOCK);
    }
    assert_eq!(service.asked().len(), 1, "{:?}", service.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_nobody_told_is_learned_by_the_first_download() {
    for (announces_total, size) in [(true, 5 * MIB + 3), (false, 5 * MIB + 3), (false, 2 * BLOCK), (false, 0)] {
        let fixture = Fixture::new(100 * MIB);
        let service = Arc::new(Service { announces_total, ..Service::new(size) });
        let target = ReadTarget { size: None, ..service.target("1") };
        let reader = fixture.cache.reader(service.clone(), target);
        assert_eq!(reader.size(), None);
        assert_bytes(read(&reader, 0, 10).await, &service, 0, 10);
        assert_eq!(read(&reader, size + MIB, 10).await.unwrap().len(), 0);
        assert_eq!(reader.fetch_all().await.unwrap().metadata().unwrap().len(), size as u64);
        assert_eq!(reader.size(), Some(size as u64));
        assert_eq!(service.asked().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_goes_on_where_it_stood() {
    let fixture = Fixture::new(100 * MIB);
    let service = Service::new(3 * MIB).then(Fault::CutAfter(MIB as u64)).then(Fault::Refuse(ErrorKind::Offline));
    let service = Arc::new(service);
    let reader = fixture.reader(&service);
    assert_bytes(read(&reader, 0, 3 * MIB).await, &service, 0, 3 * MIB);
    let starts: Vec<_> = service.asked().iter().map(|range| range.start).collect();
    assert_eq!(starts, [0, MIB as u64, MIB as u64]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_without_ranges_starts_again() {
    let fixture = Fixture::new(100 * MIB);
    let service = Service { ranges: false, claims_ranges: false, ..Service::new(8 * MIB) };
    let service = Arc::new(service.then(Fault::CutAfter(MIB as u64 + 5)));
    let reader = fixture.reader(&service);
    assert_bytes(read(&reader, 7 * MIB, MIB).await, &service, 7 * MIB, MIB);
    assert_bytes(read(&reader, 0, 3 * MIB).await, &service, 0, 3 * MIB);
    assert_eq!(service.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stays_away_gives_its_error_after_a_few_tries_and_may_come_back() {
    let fixture = Fixture::new(100 * MIB);
    let refuse = || Fault::Refuse(ErrorKind::Offline);
    let service = Arc::new(Service::new(MIB).then(refuse()).then(refuse()).then(refuse()));
    let reader = fixture.reader(&service);
    assert_eq!(read(&reader, 0, 10).await.unwrap_err().kind(), ErrorKind::Offline);
    assert_eq!(service.asked().len(), 3);
    assert_bytes(read(&reader, 0, 10).await, &service, 0, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_service_ends_a_read_by_the_time_of_the_mount() {
    let fixture = Fixture::with_timeout(100 * MIB, Duration::from_millis(200));
    let service = Arc::new(Service::new(MIB).then(Fault::Silence));
    let reader = fixture.reader(&service);
    let start = Instant::now();
    assert_eq!(read(&reader, 0, 10).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(2));
    // The kernel asks a second time for what its read-ahead did not get; the program has waited enough.
    let asked = service.asked().len();
    assert_eq!(read(&reader, 0, 10).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(service.asked().len(), asked);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_bytes(read(&reader, 0, 10).await, &service, 0, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_drips_ends_a_read_by_the_time_of_the_mount() {
    let fixture = Fixture::with_timeout(100 * MIB, Duration::from_millis(300));
    let gate = Arc::new(Semaphore::new(0));
    let service = Service { gate: Some(gate.clone()), piece_bytes: 1, ..Service::new(MIB) };
    let service = Arc::new(service);
    let drip = tokio::spawn(async move {
        loop {
            gate.add_permits(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let reader = fixture.reader(&service);
    let start = Instant::now();
    assert_eq!(read(&reader, 0, 10 * KIB).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(2));
    drip.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_length_than_was_told_is_an_error_and_nothing_of_it_is_kept() {
    let faults = [Fault::AnnounceTotal(3 * MIB as u64), Fault::EndAfter(MIB as u64)];
    for fault in faults {
        let fixture = Fixture::new(100 * MIB);
        let announces_total = matches!(fault, Fault::AnnounceTotal(_));
        let service = Service { announces_total, ..Service::new(2 * MIB) };
        let service = Arc::new(service.then(fault));
        let reader = fixture.reader(&service);
        assert_eq!(read(&reader, MIB, MIB).await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(read(&reader, 0, 10).await.unwrap_err().kind(), ErrorKind::Protocol);
        drop(reader);
        eventually("nothing is kept", || fixture.cache.usage().bytes == 0 && fixture.stored_bytes() == 0).await;
        // The next one who opens the file gets another chance.
        assert_bytes(read(&fixture.reader(&service), 0, 10).await, &service, 0, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_content_than_was_told_is_an_error() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service { announces_total: false, ..Service::new(2 * MIB) });
    let target = ReadTarget { size: Some(MIB as u64), ..service.target("1") };
    let reader = fixture.cache.reader(service.clone(), target);
    assert_eq!(reader.fetch_all().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_gone_makes_the_handle_stale_but_what_is_here_can_be_read() {
    for kind in [ErrorKind::Conflict, ErrorKind::NotFound] {
        let fixture = Fixture::new(100 * MIB);
        let service = Arc::new(Service::new(16 * MIB));
        let reader = fixture.reader(&service);
        assert_bytes(read(&reader, 0, 10).await, &service, 0, 10);
        service.faults.lock().unwrap().push_back(Fault::Refuse(kind));
        assert_eq!(read(&reader, 8 * MIB, 10).await.unwrap_err().kind(), ErrorKind::Stale);
        assert_eq!(read(&reader, 9 * MIB, 10).await.unwrap_err().kind(), ErrorKind::Stale);
        assert_bytes(read(&reader, 20, 10).await, &service, 20, 10);
        assert_eq!(service.asked().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_file_ends_its_fetches() {
    let fixture = Fixture::new(500 * MIB);
    let gate = Arc::new(Semaphore::new(100));
    let service = Arc::new(Service { gate: Some(gate), ..Service::new(256 * MIB) });
    let reader = fixture.reader(&service);
    for offset in (0..2 * MIB).step_by(BLOCK) {
        read(&reader, offset, BLOCK).await.unwrap();
    }
    drop(reader);
    // They wait at the gate, which stays closed: only being dropped ends them. Whoever could still ask or send holds
    // the service, a fetch that has not begun to stream too.
    eventually("its fetches are dropped", || Arc::strong_count(&service) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_from_a_thread_outside_the_runtime_may_be_polled_there_first() {
    let fixture = Fixture::new(100 * MIB);
    // Nothing arrives before the first poll has ended.
    let gate = Arc::new(Semaphore::new(0));
    let service = Arc::new(Service { gate: Some(gate.clone()), ..Service::new(MIB) });
    let reader = fixture.reader(&service);
    let bytes = tokio::task::spawn_blocking({
        let reader = reader.clone();
        move || {
            let mut read = Box::pin(async move { reader.read(0, 10).await });
            let outside = std::thread::spawn(move || (read.as_mut().now_or_never().is_some(), read));
            outside.join().unwrap()
        }
    });
    let (answered, reading) = bytes.await.unwrap();
    assert!(!answered);
    gate.add_permits(1000);
    assert_bytes(reading.await, &service, 0, 10);
}
