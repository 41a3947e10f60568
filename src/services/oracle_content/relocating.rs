//! Renames and moves in one: the service has a call for each, and the way between must meet no taken name.

use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::provider::{Confirmation, Located};
use crate::services::oracle_content::OracleContent;
use crate::services::oracle_content::place::Place;

/// One call on the way.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Rename(String),
    Move(Place),
}

/// A thing on its way.
#[derive(Debug, Clone)]
struct Traveller {
    place: Place,
    parent: Place,
    name: String,
}

/// A way that could not be gone to its end.
struct Stopped {
    error: Error,
    /// Nothing was changed: another way may be tried.
    at_start: bool,
}

impl OracleContent {
    pub(super) async fn change_place(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        let (place, parent) = (Place::of(&entry.id)?, Place::folder_of(&entry.parent)?);
        if place.is_home() {
            return fail(ErrorKind::Unsupported, "the home folder stays where it is");
        }
        let traveller = Traveller { place, parent, name: entry.name.clone() };
        let mut last = Ok(());
        for way in ways(&traveller, &Place::folder_of(to_parent)?, to_name) {
            match self.go(traveller.clone(), way).await {
                Ok(()) => return Ok(()),
                Err(stopped) if stopped.at_start && stopped.error.kind() == ErrorKind::Exists => {
                    last = Err(stopped.error);
                }
                Err(stopped) => return Err(stopped.error),
            }
        }
        last
    }

    /// Goes a way; if a step is refused, the steps before it are taken back.
    async fn go(&self, mut traveller: Traveller, way: Vec<Step>) -> std::result::Result<(), Stopped> {
        let mut back = Vec::new();
        for step in way {
            let inverse = match step {
                Step::Rename(_) => Step::Rename(traveller.name.clone()),
                Step::Move(_) => Step::Move(traveller.parent.clone()),
            };
            if let Err(error) = self.take(&mut traveller, step).await {
                let at_start = back.is_empty();
                // Whoever finds out what became of an unclear step tries again from wherever the thing is.
                if !error.is_unclear() {
                    self.go_back(traveller, back).await;
                }
                return Err(Stopped { error, at_start });
            }
            back.push(inverse);
        }
        Ok(())
    }

    async fn go_back(&self, mut traveller: Traveller, mut back: Vec<Step>) {
        while let Some(step) = back.pop() {
            if let Err(error) = self.take(&mut traveller, step).await {
                let Traveller { name, parent, .. } = traveller;
                return log::warn!("{name:?} stays in folder {} on the service, half moved: {error}", parent.id);
            }
        }
    }

    async fn take(&self, traveller: &mut Traveller, step: Step) -> Result<()> {
        match step {
            Step::Rename(name) => {
                self.rename(&traveller.place, &traveller.parent, &traveller.name, &name).await?;
                traveller.name = name;
            }
            Step::Move(to) => {
                self.move_to(&traveller.place, &traveller.name, &to).await?;
                traveller.parent = to;
            }
        }
        Ok(())
    }

    /// After an unclear answer to a rename or move: the item itself tells its name and folder.
    pub(super) async fn is_relocated(
        &self,
        entry: &Located,
        to_parent: &RemoteId,
        to_name: &str,
    ) -> Result<Confirmation> {
        let item = self.look_at(&Place::of(&entry.id)?).await?;
        let there = item.parent().is_none_or(|parent| Place::folder(parent).remote_id() == *to_parent);
        let done = there && item.name().as_deref() == Some(to_name);
        Ok(if done { Confirmation::Done } else { Confirmation::NotDone })
    }
}

/// The ways to try, best first: each next one only if a name on the first step of the one before is taken.
fn ways(from: &Traveller, to_parent: &Place, to_name: &str) -> Vec<Vec<Step>> {
    let rename = || Step::Rename(to_name.to_owned());
    let go = || Step::Move(to_parent.clone());
    match (to_name != from.name, *to_parent != from.parent) {
        (false, false) => vec![Vec::new()],
        (true, false) => vec![vec![rename()]],
        (false, true) => vec![vec![go()]],
        (true, true) => {
            let passing = Step::Rename(format!("collabfs-{:016x}", rand::random::<u64>()));
            vec![vec![rename(), go()], vec![go(), rename()], vec![passing, go(), rename()]]
        }
    }
}
