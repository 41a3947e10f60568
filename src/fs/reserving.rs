//! Reservations on the service: taken when a file is opened for writing, given back when nobody writes it any more and
//! its content is there. Which we hold is remembered, so that a crash leaves none for ever.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::fs::state::{Inner, State};
use crate::ids::{Ino, RemoteId};
use crate::provider::{EntryKind, Located};
use crate::store::{Node, Store, Write};

/// How often reservations that we hold are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after the service would not take one back.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
const HELD: &str = "reservations";

/// A reservation that we hold, or may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reservation {
    ino: Ino,
    id: RemoteId,
    parent: RemoteId,
    name: String,
}

impl Reservation {
    fn located(&self) -> Located {
        Located { id: self.id.clone(), parent: self.parent.clone(), name: self.name.clone(), kind: EntryKind::File }
    }
}

/// What an earlier process held.
pub(super) fn remembered(store: &Store) -> Vec<Reservation> {
    let text = store.fact(HELD).unwrap_or(None).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

impl Inner {
    /// Reserves the file, where that is wished and the service can. Only somebody else's reservation is an error
    /// (`Locked`): a service that cannot be asked, or does not let us, keeps nobody from writing.
    pub async fn reserve(self: &Arc<Self>, node: &Node) -> Result<()> {
        let Some(remote) = node.remote.as_ref().filter(|_| self.may_reserve()) else { return Ok(()) };
        let (id, parent, name) = (remote.id.clone(), remote.parent.clone(), remote.name.clone());
        let reservation = Reservation { ino: node.ino, id, parent, name };
        let durable = {
            let mut state = self.lock();
            if state.reserved.contains(&reservation) {
                return Ok(());
            }
            state.reserved.push(reservation.clone());
            self.remember_reservations(&state);
            self.commit_durable(&mut state)
        };
        durable.wait().await?;
        let file = reservation.located();
        let asked = tokio::time::timeout(self.options.timeout, self.provider.reserve(&file, true)).await;
        let Ok(Err(e)) = asked else { return Ok(()) };
        if !e.is_unclear() {
            self.forget_reservation(&reservation);
        }
        match e.kind() {
            ErrorKind::Locked => {
                log::warn!("{} cannot be written: {e}", node.name);
                Err(e)
            }
            _ => {
                log::info!("{} is written without a reservation: {e}", node.name);
                Ok(())
            }
        }
    }

    fn may_reserve(&self) -> bool {
        self.options.reserve && self.provider.capabilities().reservations
    }

    /// Gives back what is not needed any more, until the process ends.
    pub async fn give_back_reservations(self: Arc<Self>) {
        // What was held by a process before may be there without the option.
        while self.provider.capabilities().reservations {
            let mut pause = LOOK_INTERVAL;
            let idle = self.lock().idle_reservations();
            for reservation in idle {
                match self.provider.reserve(&reservation.located(), false).await {
                    Err(e) if e.is_temporary() => {
                        log::debug!("the reservation of {} stays for now: {e}", reservation.name);
                        pause = RETRY_INTERVAL;
                    }
                    // Gone, or not ours: there is nothing to give back.
                    _ => self.forget_reservation(&reservation),
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn forget_reservation(&self, reservation: &Reservation) {
        let mut state = self.lock();
        state.reserved.retain(|held| held != reservation);
        self.remember_reservations(&state);
    }

    fn remember_reservations(&self, state: &State) {
        // Plain data: nothing in it can fail to become JSON.
        let text = serde_json::to_string(&state.reserved).unwrap_or_default();
        self.store.write(vec![Write::PutFact(HELD, text)]);
    }
}

impl State {
    /// Reservations of files that nobody writes and of which nothing waits to be sent.
    fn idle_reservations(&self) -> Vec<Reservation> {
        let idle = |held: &&Reservation| !self.changes.is_held(held.ino) && self.changes.get(held.ino).is_none();
        self.reserved.iter().filter(idle).cloned().collect()
    }
}
