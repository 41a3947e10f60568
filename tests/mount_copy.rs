//! Copying within the mount, where the service can copy by itself: the bytes need not go there again.

mod support;

use std::fs;

use collabfs::demo::DemoOptions;
use support::service::in_folder;
use support::{Mount, Setup, noise};

/// A service, the kinds of requests that carry content there, and the kind that copies.
const SERVICES: [(&str, &[&str], &str); 2] =
    [("oracle-content", &["attach", "revise"], "copy"), ("medable", &["upload"], "attach")];
const SIZE: usize = 600_000;

/// A mount with one file that is on the service.
fn with_document(service: &str, settle: &str) -> (Mount, Vec<u8>) {
    let demo = DemoOptions { seed_samples: false, ..DemoOptions::new(service) };
    let mount = Setup { demo, ..Setup::options(&format!("settle={settle},timeout=10")) }.mount();
    let bytes = noise(SIZE, 7);
    fs::write(mount.path("plan.txt"), &bytes).unwrap();
    mount.sync();
    mount.service.forget_requests();
    (mount, bytes)
}

fn uploads(mount: &Mount, kinds: &[&str]) -> usize {
    mount.service.changes_asked().iter().filter(|request| kinds.contains(&request.kind)).count()
}

#[test]
fn a_copy_is_made_by_the_service() {
    for (service, kinds, _) in SERVICES {
        let (mount, bytes) = with_document(service, "0.2");
        mount.works("mkdir below && cp plan.txt below");
        assert_eq!(fs::read(mount.path("below/plan.txt")).unwrap(), bytes, "{service}");
        mount.sync();
        mount.service.expect("below/plan.txt", &bytes, 1);
        assert_ne!(mount.service.file("below/plan.txt").id, mount.service.file("plan.txt").id);
        assert_eq!(uploads(&mount, kinds), 0, "{service}: {:?}", mount.service.changes_asked());
        // The copy is a document of its own.
        mount.works("echo more >> below/plan.txt");
        mount.sync();
        mount.service.expect("below/plan.txt", &[bytes.as_slice(), b"more\n"].concat(), 2);
        mount.service.expect("plan.txt", &bytes, 1);
    }
}

#[test]
fn what_is_changed_after_copying_is_sent() {
    for (service, ..) in SERVICES {
        let (mount, bytes) = with_document(service, "0.2");
        mount.works("cp plan.txt copy.txt; echo more >> copy.txt");
        mount.sync();
        let file = mount.service.file("copy.txt");
        assert_eq!(file.revisions.last().unwrap().size_bytes, bytes.len() as u64 + 5, "{service}");
    }
}

#[test]
fn a_copy_is_of_what_was_copied_whatever_becomes_of_the_original() {
    for (service, ..) in SERVICES {
        let (mount, bytes) = with_document(service, "2");
        mount.works("cp plan.txt copy.txt && cp plan.txt second.txt");
        mount.service.web_user().revise(&in_folder("plan.txt"), b"another content").unwrap();
        mount.sync();
        mount.service.expect("copy.txt", &bytes, 1);
        mount.works("rm second.txt && cp copy.txt third.txt && rm copy.txt");
        mount.sync();
        mount.service.expect("third.txt", &bytes, 1);
    }
}

#[test]
fn a_refused_copy_is_uploaded() {
    for (service, kinds, copy) in SERVICES {
        let (mount, bytes) = with_document(service, "0.2");
        mount.works("mkdir below");
        mount.service.fault(&format!("{copy}:400:next=1"));
        mount.works("cp plan.txt below");
        mount.sync();
        mount.service.heal();
        mount.service.expect("below/plan.txt", &bytes, 1);
        assert!(uploads(&mount, kinds) >= 1, "{service}: {:?}", mount.service.changes_asked());
    }
}

#[test]
fn a_copy_whose_answer_is_lost_is_there_once() {
    for (service, kinds, copy) in SERVICES {
        let (mount, bytes) = with_document(service, "0.2");
        mount.works("mkdir below");
        mount.service.fault(&format!("{copy}:lost:next=1"));
        mount.works("cp plan.txt below");
        mount.sync();
        mount.service.heal();
        assert_eq!(mount.service.files().len(), 2, "{service}: {:?}", mount.service.files());
        mount.service.expect("below/plan.txt", &bytes, 1);
        assert_eq!(uploads(&mount, kinds), 0, "{service}: {:?}", mount.service.changes_asked());
    }
}
