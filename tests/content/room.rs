//! What is kept while there is room, and what becomes of the rest.

use std::sync::Arc;
use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::ids::{RemoteId, RevisionId};
use collabfs::provider::ReadTarget;
use futures::FutureExt;

use crate::service::{Fault, Service, id, pattern};
use crate::{BLOCK, Fixture, MIB, assert_bytes, eventually, read};

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_content_makes_room() {
    let fixture = Fixture::new(10 * MIB);
    let services: Vec<_> = (0..4).map(|_| Arc::new(Service::new(3 * MIB))).collect();
    let targets: Vec<_> = (0..4).map(|i| services[i].target(&format!("r{i}"))).collect();
    for i in [0, 1, 2, 0, 3] {
        let reader = fixture.cache.reader(services[i].clone(), targets[i].clone());
        reader.fetch_all().await.unwrap();
        drop(reader);
        // It is in use until its last fetch has ended, a moment after the last byte came.
        eventually("given back", || Arc::strong_count(&services[i]) == 1).await;
    }
    let here: Vec<_> = (0..4).filter(|i| fixture.cache.contains(&id(), &RevisionId::new(format!("r{i}")))).collect();
    assert_eq!(here, [0, 2, 3]);
    assert!(fixture.cache.usage().bytes <= 10 * MIB as u64);
    assert!(fixture.stored_bytes() <= 10 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_or_pinned_stays_and_the_others_are_read_through_memory() {
    let fixture = Fixture::new(10 * MIB);
    let pinned_id = RemoteId::new("file", "pinned");
    let service = Arc::new(Service::new(4 * MIB));
    let pinned = ReadTarget { id: pinned_id.clone(), ..service.target("1") };
    fixture.cache.pin(&pinned_id);
    fixture.cache.reader(service.clone(), pinned.clone()).fetch_all().await.unwrap();
    let open = fixture.reader(&service);
    open.fetch_all().await.unwrap();

    let big = Arc::new(Service::new(20 * MIB));
    let reader = fixture.cache.reader(big.clone(), big.target("big"));
    for offset in (0..20 * MIB).step_by(BLOCK) {
        assert_bytes(read(&reader, offset, BLOCK).await, &big, offset, BLOCK);
    }
    assert_bytes(read(&reader, 15 * MIB, 5 * MIB).await, &big, 15 * MIB, 5 * MIB);
    assert!(fixture.cache.contains(&pinned_id, &RevisionId::new("1")));
    assert!(open.complete().is_some());
    assert!(fixture.cache.usage().bytes <= 10 * MIB as u64);
    assert_eq!(reader.fetch_all().await.unwrap_err().kind(), ErrorKind::DiskFull);

    drop(reader);
    fixture.cache.unpin(&pinned_id);
    let next = Arc::new(Service::new(5 * MIB));
    // What the dropped reader was fetching may hold its room for a moment.
    let given_up = std::time::Instant::now() + Duration::from_secs(5);
    while let Err(e) = fixture.cache.reader(next.clone(), next.target("next")).fetch_all().await {
        assert!(e.kind() == ErrorKind::DiskFull && std::time::Instant::now() < given_up, "{e}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!fixture.cache.contains(&pinned_id, &RevisionId::new("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_a_service_without_ranges_is_still_read_with_one_stream() {
    let fixture = Fixture::new(MIB);
    let service = Service { ranges: false, claims_ranges: false, ..Service::new(16 * MIB) };
    let no_fault = Fault::CutAfter(u64::MAX / 2);
    let service = Arc::new(service.then(no_fault).then(Fault::CutAfter(5 * MIB as u64)));
    let reader = fixture.reader(&service);
    for offset in (0..16 * MIB).step_by(BLOCK) {
        assert_bytes(read(&reader, offset, BLOCK).await, &service, offset, BLOCK);
    }
    // One that filled the cache; one through memory that was cut; one that went on.
    assert_eq!(service.asked().len(), 3, "{:?}", service.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_here_needs_no_download() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(MIB + 7));
    let spool = fixture.dir.path().join("spool");
    std::fs::write(&spool, &service.content).unwrap();
    let key = (id(), RevisionId::new("1"));
    fixture.cache.adopt(key.clone(), &spool, service.content.len() as u64).unwrap();
    std::fs::remove_file(&spool).unwrap();
    assert!(fixture.cache.contains(&key.0, &key.1));
    let reader = fixture.reader(&service);
    assert_bytes(reader.read(0, 2 * MIB).now_or_never().expect("no waiting"), &service, 0, 2 * MIB);
    assert!(service.asked().is_empty());
    let copy = fixture.dir.path().join("copy");
    assert!(fixture.cache.copy_to(&key.0, &key.1, &copy).unwrap());
    assert!(std::fs::read(&copy).unwrap() == service.content);
    assert!(!fixture.cache.copy_to(&key.0, &RevisionId::new("2"), &copy).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_size_is_not_adopted() {
    let fixture = Fixture::new(100 * MIB);
    let spool = fixture.dir.path().join("spool");
    std::fs::write(&spool, pattern(1000)).unwrap();
    let key = (id(), RevisionId::new("1"));
    assert!(fixture.cache.adopt(key.clone(), &spool, 1001).is_err());
    assert!(!fixture.cache.contains(&key.0, &key.1));
    assert_eq!(fixture.cache.usage().bytes, 0);
    fixture.cache.adopt(key.clone(), &spool, 1000).unwrap();
    assert!(fixture.cache.contains(&key.0, &key.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_file_is_fetched_again_but_open_handles_read_on() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(MIB));
    let open = fixture.reader(&service);
    open.fetch_all().await.unwrap();
    fixture.cache.forget(&id());
    assert_bytes(read(&open, 0, MIB).await, &service, 0, MIB);
    drop(open);
    eventually("it is gone", || !fixture.cache.contains(&id(), &RevisionId::new("1"))).await;
    assert_eq!(fixture.cache.usage().bytes, 0);
    assert_bytes(read(&fixture.reader(&service), 0, 10).await, &service, 0, 10);
    assert_eq!(service.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_without_a_revision_is_never_shared_or_kept() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(MIB));
    let target = ReadTarget { revision: None, ..service.target("1") };
    let a = fixture.cache.reader(service.clone(), target.clone());
    let b = fixture.cache.reader(service.clone(), target);
    assert_bytes(read(&a, 0, MIB).await, &service, 0, MIB);
    assert_bytes(read(&b, 0, MIB).await, &service, 0, MIB);
    assert_eq!(service.asked().len(), 2);
    drop((a, b));
    eventually("nothing is kept", || fixture.cache.usage().bytes == 0 && fixture.stored_bytes() == 0).await;
}
