//! Which calls this service has: most are on no page, so that trying them is the only way to know.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::provider::{Operation, Operations};
use crate::services::imeet_central::assumptions::Kind;

/// A call, whatever thing it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Things of the second kind in one of the first.
    List(Kind, Kind),
    Stat(Kind),
    Download,
    Versions,
    Attach(Kind),
    Revise,
    CreateFolder(Kind),
    Change(Kind),
    Delete(Kind),
}

/// How long a reading call counts as missing.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What this session has seen of the routes. Bounded: there are some thirty.
#[derive(Default)]
pub struct Routes {
    seen: Mutex<HashMap<Route, Seen>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Working,
    Missing(Instant),
}

impl Routes {
    /// A call that only reads is tried again after a while: "not found" may have been one thing's trouble after all.
    pub fn is_missing(&self, route: Route) -> bool {
        match self.seen().get(&route) {
            Some(Seen::Missing(since)) => !only_reads(route) || since.elapsed() < READ_AGAIN_AFTER,
            _ => false,
        }
    }

    pub fn works(&self, route: Route) -> bool {
        self.seen().get(&route) == Some(&Seen::Working)
    }

    pub fn note_working(&self, route: Route) {
        self.seen().insert(route, Seen::Working);
    }

    /// Says once what the service lacks and what that means.
    pub fn note_missing(&self, route: Route) {
        let before = {
            let mut seen = self.seen();
            // What worked once is there: this was about the thing, not about the call.
            if seen.get(&route) == Some(&Seen::Working) {
                return;
            }
            seen.insert(route, Seen::Missing(Instant::now()))
        };
        if before.is_none() {
            log::warn!("the service has no call to {}: {}", words(route), consequence(route));
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Route, Seen>> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The operations that the service has for anything at all, and of these the ones that are not proven: not tried
    /// with files yet, or lacking there; those that files do not have count as tried with directories.
    pub fn operations(&self) -> (Operations, Operations) {
        let (mut offered, mut working) = (Operations::NONE, Operations::ALL);
        for (kind, operation, route) in OFFERS {
            if !self.is_missing(*route) {
                offered = offered.with(*operation);
            }
            let for_files = OFFERS.iter().any(|(kind, of_files, _)| *kind == Kind::File && of_files == operation);
            let counts = *kind == Kind::File || !for_files;
            if counts && !is_documented(*route) && !self.works(*route) {
                working = working.without(*operation);
            }
        }
        (offered, Operations::from_bits(offered.bits() & !working.bits()))
    }

    /// What a thing of this kind offers.
    pub fn offers(&self, kind: Kind) -> Operations {
        let present = OFFERS.iter().filter(|(of, _, route)| *of == kind && !self.is_missing(*route));
        present.fold(Operations::NONE, |offers, (_, operation, _)| offers.with(*operation))
    }
}

/// What can be done with which kind of thing, and the call it needs. A workspace takes no files (FileUpload page), and
/// is not renamed or removed: that is an administrator's act.
const OFFERS: &[(Kind, Operation, Route)] = &[
    (Kind::Workspace, Operation::MakeDir, Route::CreateFolder(Kind::Workspace)),
    (Kind::Folder, Operation::CreateFile, Route::Attach(Kind::Folder)),
    (Kind::Folder, Operation::MakeDir, Route::CreateFolder(Kind::Folder)),
    (Kind::Folder, Operation::Rename, Route::Change(Kind::Folder)),
    (Kind::Folder, Operation::Move, Route::Change(Kind::Folder)),
    (Kind::Folder, Operation::Describe, Route::Change(Kind::Folder)),
    (Kind::Folder, Operation::Delete, Route::Delete(Kind::Folder)),
    (Kind::Task, Operation::CreateFile, Route::Attach(Kind::Task)),
    (Kind::Milestone, Operation::CreateFile, Route::Attach(Kind::Milestone)),
    (Kind::Record, Operation::CreateFile, Route::Attach(Kind::Record)),
    (Kind::File, Operation::Revise, Route::Revise),
    (Kind::File, Operation::Read, Route::Download),
    (Kind::File, Operation::Rename, Route::Change(Kind::File)),
    (Kind::File, Operation::Move, Route::Change(Kind::File)),
    (Kind::File, Operation::Describe, Route::Change(Kind::File)),
    (Kind::File, Operation::Delete, Route::Delete(Kind::File)),
];

/// Whether documentation promises the call, or trying it takes nobody anything (reading).
fn is_documented(route: Route) -> bool {
    matches!(route, Route::Attach(_) | Route::Revise | Route::Download)
}

fn only_reads(route: Route) -> bool {
    matches!(route, Route::List(..) | Route::Stat(_) | Route::Download | Route::Versions)
}

fn words(route: Route) -> String {
    match route {
        Route::List(owner, items) => format!("list the {} of a {}", items.collection(), owner.word()),
        Route::Stat(kind) => format!("look at one {}", kind.word()),
        Route::Download => "read a file".to_owned(),
        Route::Versions => "list a file's versions".to_owned(),
        Route::Attach(kind) => format!("put files into a {}", kind.word()),
        Route::Revise => "revise a file".to_owned(),
        Route::CreateFolder(kind) => format!("make a folder in a {}", kind.word()),
        Route::Change(kind) => format!("rename or move a {}", kind.word()),
        Route::Delete(kind) => format!("remove a {}", kind.word()),
    }
}

fn consequence(route: Route) -> &'static str {
    match route {
        Route::List(..) => {
            "such directories look empty but for what this mount puts there (drop_folders in the account's settings \
             shows known folders); uploading works"
        }
        Route::Stat(_) => "listings are asked instead",
        _ => "it is refused from now on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_offers_what_its_calls_can_do() {
        let routes = Routes::default();
        let folder = [
            Operation::CreateFile,
            Operation::MakeDir,
            Operation::Rename,
            Operation::Move,
            Operation::Delete,
            Operation::Describe,
        ];
        assert_eq!(routes.offers(Kind::Folder), Operations::of(&folder));
        assert_eq!(routes.offers(Kind::Workspace), Operations::of(&[Operation::MakeDir]));
        assert_eq!(routes.offers(Kind::Task), Operations::of(&[Operation::CreateFile]));
        assert_eq!(routes.offers(Kind::Root), Operations::NONE);
        assert_eq!(routes.offers(Kind::Tasks), Operations::NONE);
        let not_for_files = Operations::of(&[Operation::CreateFile, Operation::MakeDir]);
        assert_eq!(routes.offers(Kind::File).bits(), Operations::ALL.bits() & !not_for_files.bits());
    }

    #[test]
    fn an_operation_is_proven_when_it_worked_for_files() {
        let routes = Routes::default();
        assert!(routes.operations().1.has(Operation::Delete));
        routes.note_working(Route::Delete(Kind::Folder));
        assert!(routes.operations().1.has(Operation::Delete));
        routes.note_working(Route::Delete(Kind::File));
        assert!(!routes.operations().1.has(Operation::Delete));
        routes.note_working(Route::CreateFolder(Kind::Folder));
        assert!(routes.operations().1.has(Operation::MakeDir), "a workspace may be different");
        assert!(!routes.operations().1.has(Operation::Revise), "that one is documented");
    }

    #[test]
    fn an_operation_leaves_when_every_call_for_it_is_missing() {
        let routes = Routes::default();
        routes.note_missing(Route::Change(Kind::Folder));
        assert!(routes.operations().0.has(Operation::Rename), "files may still be renamed");
        assert!(!routes.offers(Kind::Folder).has(Operation::Rename));
        routes.note_missing(Route::Change(Kind::File));
        let (offered, unproven) = routes.operations();
        assert!(!offered.has(Operation::Rename) && !unproven.has(Operation::Rename));
        assert!(offered.has(Operation::Delete));
    }
}
