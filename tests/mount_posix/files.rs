//! What is promised of an open file's bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::noise;
use crate::{c, check, refused};

pub fn write_then_read(dir: &Path) {
    for length in [0, 1, 4095, 4096, 4097, 1 << 20, (3 << 20) + 7] {
        let path = dir.join(format!("f{length}"));
        let bytes = noise(length, 7);
        fs::write(&path, &bytes).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "{length} bytes");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (length as u64, (length as u64).div_ceil(512)));
    }
}

pub fn write_beyond_the_end_leaves_zeros(dir: &Path) {
    let file = File::create_new(dir.join("f")).unwrap();
    file.write_at(b"end", 10_000).unwrap();
    let bytes = fs::read(dir.join("f")).unwrap();
    assert_eq!(bytes.len(), 10_003);
    assert!(bytes[..10_000].iter().all(|byte| *byte == 0) && &bytes[10_000..] == b"end");
}

pub fn append_goes_to_the_end(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "one ").unwrap();
    let mut a = OpenOptions::new().append(true).open(&path).unwrap();
    let mut b = OpenOptions::new().append(true).open(&path).unwrap();
    a.write_all(b"two ").unwrap();
    b.write_all(b"three ").unwrap();
    a.write_all(b"four").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two three four");
}

pub fn truncate_grows_and_shrinks(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "0123456789").unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123");
    file.set_len(6).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123\0\0");
    drop(file);
    assert_eq!(check(unsafe { libc::truncate(c(&path).as_ptr(), 2) }.into()).unwrap(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"01");
}

pub fn open_with_truncate_empties(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "something").unwrap();
    let file = File::create(&path).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

pub fn exclusive_creation_fails_when_it_is_there(dir: &Path) {
    File::create_new(dir.join("f")).unwrap();
    refused(File::create_new(dir.join("f")), libc::EEXIST);
    refused(fs::create_dir(dir.join("f")), libc::EEXIST);
}

pub fn a_read_only_descriptor_refuses_to_write(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    refused(File::open(dir.join("f")).unwrap().write(b"y"), libc::EBADF);
    let write_only = OpenOptions::new().write(true).open(dir.join("f")).unwrap();
    refused((&write_only).read(&mut [0]), libc::EBADF);
}

pub fn an_unlinked_file_lives_until_closed(dir: &Path) {
    let path = dir.join("f");
    let mut file = OpenOptions::new().create_new(true).read(true).write(true).open(&path).unwrap();
    file.write_all(b"before").unwrap();
    fs::remove_file(&path).unwrap();
    refused(fs::metadata(&path), libc::ENOENT);
    file.write_all(b" after").unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before after");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    drop(file);
    File::create_new(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
}

pub fn a_replaced_file_lives_until_closed(dir: &Path) {
    fs::write(dir.join("f"), "old").unwrap();
    let mut old = File::open(dir.join("f")).unwrap();
    fs::write(dir.join("g"), "new").unwrap();
    fs::rename(dir.join("g"), dir.join("f")).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(fs::read_to_string(dir.join("f")).unwrap(), "new");
}

pub fn the_size_is_right_while_open(dir: &Path) {
    let path = dir.join("f");
    let mut file = File::create_new(&path).unwrap();
    for n in 1..=10u64 {
        file.write_all(&[b'x'; 1000]).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600 + n as u32 % 8)).unwrap();
        assert_eq!((file.metadata().unwrap().len(), fs::metadata(&path).unwrap().len()), (n * 1000, n * 1000));
    }
}

pub fn two_descriptors_see_each_other(dir: &Path) {
    let path = dir.join("f");
    let writer = File::create_new(&path).unwrap();
    let reader = File::open(&path).unwrap();
    for n in 0..50u64 {
        writer.write_at(&n.to_le_bytes(), n * 8).unwrap();
        let mut seen = [0; 8];
        reader.read_exact_at(&mut seen, n * 8).unwrap();
        assert_eq!(u64::from_le_bytes(seen), n);
    }
}

pub fn a_shared_mapping_is_written(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, [b'a'; 8192]).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // SAFETY: a fresh mapping of a file of this length; unmapped below.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let map = libc::mmap(std::ptr::null_mut(), 8192, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(map, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        map.cast::<u8>().add(5000).write(b'b');
        assert_eq!(libc::msync(map, 8192, libc::MS_SYNC), 0);
        libc::munmap(map, 8192);
    }
    drop(file);
    let bytes = fs::read(&path).unwrap();
    assert_eq!((bytes.len(), bytes[4999], bytes[5000], bytes[5001]), (8192, b'a', b'b', b'a'));
}

pub fn fallocate_and_seek(dir: &Path) {
    let path = dir.join("f");
    let file = File::create_new(&path).unwrap();
    // SAFETY: the descriptor is open.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, 5000) }.into()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
    check(unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, 9000) }.into()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    refused(check(unsafe { libc::fallocate(file.as_raw_fd(), punch, 0, 100) }.into()), libc::EOPNOTSUPP);
    assert_eq!(check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_DATA) }).unwrap(), 0);
    assert_eq!(check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_HOLE) }).unwrap(), 5000);
}

pub fn copy_file_range_copies(dir: &Path) {
    let bytes = noise(500_000, 3);
    fs::write(dir.join("a"), &bytes).unwrap();
    // fs::copy uses copy_file_range where it can.
    assert_eq!(fs::copy(dir.join("a"), dir.join("b")).unwrap(), 500_000);
    assert!(fs::read(dir.join("b")).unwrap() == bytes);
    let (from, to) = (File::open(dir.join("a")).unwrap(), File::create_new(dir.join("c")).unwrap());
    let (mut from_offset, mut to_offset) = (1000, 5);
    // SAFETY: both descriptors are open, the offsets are ours.
    let copied = check(unsafe {
        libc::copy_file_range(from.as_raw_fd(), &mut from_offset, to.as_raw_fd(), &mut to_offset, 2000, 0)
    } as i64);
    let copied = copied.unwrap() as usize;
    assert!((1..=2000).contains(&copied));
    assert_eq!(fs::read(dir.join("c")).unwrap()[5..], bytes[1000..1000 + copied]);
}

pub fn fsync_works_on_files_and_directories(dir: &Path) {
    let mut file = File::create_new(dir.join("f")).unwrap();
    file.write_all(b"x").unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    File::open(dir).unwrap().sync_all().unwrap();
}

pub fn many_writers_each_keep_their_bytes(dir: &Path) {
    std::thread::scope(|scope| {
        for writer in 0..8u64 {
            scope.spawn(move || {
                for n in 0..10 {
                    fs::write(dir.join(format!("{writer}-{n}")), noise(20_000, writer * 100 + n)).unwrap();
                }
            });
        }
    });
    for writer in 0..8u64 {
        for n in 0..10 {
            let path = dir.join(format!("{writer}-{n}"));
            assert!(fs::read(path).unwrap() == noise(20_000, writer * 100 + n), "{writer}-{n}");
        }
    }
}

pub fn a_descriptor_survives_rename(dir: &Path) {
    let mut file = File::create_new(dir.join("f")).unwrap();
    file.write_all(b"one ").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    fs::rename(dir.join("f"), dir.join("d/g")).unwrap();
    file.write_all(b"two").unwrap();
    drop(file);
    assert_eq!(fs::read_to_string(dir.join("d/g")).unwrap(), "one two");
}
