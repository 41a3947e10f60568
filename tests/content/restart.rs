//! What the cache serves after a restart, and after what a crash can leave behind.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::*;

impl Fixture {
    /// Ends the cache as a crash would, or after everything was settled, and opens it anew.
    fn restart(self, settled: bool, damage: impl Fn(&Path)) -> Fixture {
        let Fixture { dir, cache } = self;
        if settled {
            assert!(cache.settle(PATIENCE));
        }
        drop(Arc::into_inner(cache).expect("no reader is left"));
        damage(dir.path());
        let cache = open_cache(dir.path(), 100 * MIB, PATIENCE);
        Fixture { dir, cache }
    }

    async fn closed(&self, reader: Arc<Reader>) {
        drop(reader);
        eventually("the fetches ended", || Arc::strong_count(&self.cache) == 1).await;
    }
}

fn data_files(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("data")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_none_or(|e| e != "map")).collect()
}

async fn kept(size: usize) -> (Fixture, Arc<Service>) {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(size));
    let reader = fixture.reader(&service);
    reader.fetch_all().await.unwrap();
    fixture.closed(reader).await;
    (fixture, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_contents_are_here_after_a_restart() {
    for size in [0, 10, 2 * MIB, 9 * MIB] {
        let (fixture, service) = kept(size).await;
        let requests = service.asked().len();
        let fixture = fixture.restart(true, |_| {});
        let reader = fixture.reader(&service);
        assert_bytes(read(&reader, 0, size).await, &service, 0, size);
        assert_eq!(service.asked().len(), requests, "size {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_large_content_are_here_after_a_restart() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(64 * MIB));
    let reader = fixture.reader(&service);
    for offset in [0, 33 * MIB, 63 * MIB] {
        read(&reader, offset, 10).await.unwrap();
    }
    fixture.closed(reader).await;
    let fixture = fixture.restart(true, |_| {});
    assert_eq!(fixture.cache.usage().bytes, 3 * BLOCK as u64);
    let reader = fixture.reader(&service);
    for offset in [0, 33 * MIB, 63 * MIB, 20 * MIB] {
        assert_bytes(read(&reader, offset, 1000).await, &service, offset, 1000);
    }
    assert_eq!(service.asked().len(), 4);
    reader.fetch_all().await.unwrap();
    fixture.closed(reader).await;
    let fixture = fixture.restart(true, |_| {});
    assert!(fixture.cache.contains(&id(), &RevisionId::new("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_nothing_wrong_is_served_and_no_file_is_left_over() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("none", |_| {}),
        ("data truncated", |dir| for_each_data_file(dir, |file| file.set_len(1000).unwrap())),
        ("data gone", |dir| data_files(dir).iter().for_each(|path| std::fs::remove_file(path).unwrap())),
        ("index torn", |dir| {
            let index = OpenOptions::new().write(true).open(dir.join("index")).unwrap();
            index.set_len(index.metadata().unwrap().len().saturating_sub(30)).unwrap();
        }),
        ("index garbled", |dir| std::fs::write(dir.join("index"), pattern(5000)).unwrap()),
    ];
    for (what, damage) in damages {
        for (size, settled) in [(MIB, true), (MIB, false), (9 * MIB, true), (9 * MIB, false)] {
            let (fixture, service) = kept(size).await;
            let fixture = fixture.restart(settled, damage);
            let reader = fixture.reader(&service);
            let bytes = read(&reader, 0, size).await;
            assert!(bytes.unwrap() == service.content[..], "{what}, size {size}, settled {settled}");
            eventually("leftovers are removed", || data_files(fixture.dir.path()).len() == 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_content_with_other_bytes_than_were_written_is_fetched_again() {
    let (fixture, service) = kept(MIB).await;
    let fixture = fixture.restart(true, |dir| {
        for_each_data_file(dir, |file| {
            // Power loss can leave zeros where the size is right already.
            file.set_len(0).unwrap();
            file.set_len(MIB as u64).unwrap();
        });
    });
    assert_bytes(read(&fixture.reader(&service), 0, MIB).await, &service, 0, MIB);
    assert_eq!(service.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_map_claims_nothing() {
    let fixture = Fixture::new(100 * MIB);
    let service = Arc::new(Service::new(64 * MIB));
    let reader = fixture.reader(&service);
    read(&reader, 33 * MIB, 10).await.unwrap();
    fixture.closed(reader).await;
    let fixture = fixture.restart(true, |dir| {
        for file in std::fs::read_dir(dir.join("data")).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|e| e == "map") {
                let mut bytes = std::fs::read(&file).unwrap();
                bytes[8] ^= 0xff;
                std::fs::write(&file, bytes).unwrap();
            }
        }
    });
    assert_bytes(read(&fixture.reader(&service), 0, 10).await, &service, 0, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_with_another_size_does_not_get_the_old_bytes() {
    let (fixture, old) = kept(MIB).await;
    let new = Arc::new(Service::new(MIB + 1));
    assert_bytes(read(&fixture.reader(&new), 0, 2 * MIB).await, &new, 0, 2 * MIB);
    assert_eq!((old.asked().len(), new.asked().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_is_kept_from_the_start_on() {
    let (fixture, _) = kept(9 * MIB).await;
    assert!(fixture.cache.settle(PATIENCE));
    let Fixture { dir, cache } = fixture;
    drop(cache);
    let cache = open_cache(dir.path(), MIB, PATIENCE);
    eventually("it is evicted", || cache.usage().bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_do_not_share_a_cache() {
    let fixture = Fixture::new(MIB);
    let second = Cache::open(fixture.dir.path(), 1, PATIENCE);
    assert_eq!(second.err().map(|e| e.kind()), Some(ErrorKind::Locked));
}

fn for_each_data_file(dir: &Path, damage: impl Fn(&mut std::fs::File)) {
    for path in data_files(dir) {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        damage(&mut file);
        file.flush().unwrap();
    }
}
