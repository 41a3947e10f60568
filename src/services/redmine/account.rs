//! Who is signed in, and what that account may do where.
//!
//! On a service that is open to everybody a wrong key is no error: the request runs as nobody in particular. Only the
//! question who we are tells (Rest_Users page).

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lru::LruCache;

use crate::error::{Advice, Error, ErrorKind, Result};
use crate::http::{Request, path};
use crate::services::redmine::Redmine;
use crate::services::redmine::model::{object, text};
use crate::services::redmine::place::Place;
use crate::services::redmine::rights::{Person, Right, Rights};

/// How long memberships and roles are believed: an administrator's change shows within this time.
const RIGHTS_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// Refusals remembered: a right in a project each.
const DENIED_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// What was refused although nothing said that it would be.
pub struct Denied(Mutex<LruCache<(u64, Right), ()>>);

impl Default for Denied {
    fn default() -> Denied {
        Denied(Mutex::new(LruCache::new(DENIED_MAX)))
    }
}

impl Denied {
    fn note(&self, project: u64, right: Right) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).put((project, right), ());
    }

    fn taken_from(&self, project: u64, rights: Rights) -> Rights {
        let denied = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let here = denied.iter().filter(|((at, _), ())| *at == project);
        here.fold(rights, |rights, ((_, right), ())| rights.without(*right))
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }
}

impl Redmine {
    /// Asks anew who we are. Errors: `SignedOut`; `Denied` when the service's API is switched off.
    pub(super) async fn identify(&self) -> Result<Arc<Person>> {
        self.denied.clear();
        self.person(Duration::ZERO).await
    }

    pub(super) async fn person(&self, age_max: Duration) -> Result<Arc<Person>> {
        Ok(self.person.get(&(), age_max, self.fetch_person()).await?.0)
    }

    /// `GET /users/current.json`
    async fn fetch_person(&self) -> Result<Person> {
        let request = Request::get("account", "/users/current.json").query("include", "memberships");
        let response = self.client.send(&request).await?;
        if response.status.as_u16() == 403 {
            let text = "the service refuses its API to everybody: an administrator can switch it on at \
                        Administration > Settings > API";
            return Err(Error::new(ErrorKind::Denied, text).with_advice(Advice::TellUser));
        }
        Ok(Person::read(&object(response.checked()?.json()?, "user")?))
    }

    /// What the account may do in a project.
    pub(super) async fn rights(&self, project: u64) -> Result<Rights> {
        let (projects, _) = self.projects(RIGHTS_AGE_MAX).await?;
        if projects.get(project).is_ok_and(|project| !project.active) {
            return Ok(Rights::NONE);
        }
        let person = self.person(RIGHTS_AGE_MAX).await?;
        let granted = match person.roles(project) {
            Some(roles) if !person.admin => {
                let mut granted = Rights::NONE;
                for role in roles {
                    granted = granted.with(self.role(*role).await?);
                }
                granted
            }
            _ => Rights::ALL,
        };
        Ok(self.denied.taken_from(project, granted))
    }

    /// `GET /roles/ID.json`. A role that the service does not tell about may allow everything.
    async fn role(&self, id: u64) -> Result<Rights> {
        let fetch = async {
            let request = Request::get("account", path(&["roles", &format!("{id}.json")])?);
            let response = self.client.send(&request).await?;
            if response.status.is_client_error() {
                return Ok(Rights::ALL);
            }
            let role = object(response.checked()?.json()?, "role")?;
            let Some(permissions) = role.get("permissions").and_then(|list| list.as_array()) else {
                log::warn!("the role {} does not say what it allows", text(&role, "name").unwrap_or_default());
                return Ok(Rights::ALL);
            };
            Ok(Rights::of_permissions(permissions.iter().filter_map(|name| name.as_str())))
        };
        Ok(*self.roles.get(&id, RIGHTS_AGE_MAX, fetch).await?.0)
    }

    /// The error of a refused change, which is remembered so that the next one is refused at once.
    pub(super) async fn refused(&self, place: &Place, right: Right, error: Error) -> Error {
        let error = self.refusal(place, error).await;
        if let (ErrorKind::Denied, Some(project)) = (error.kind(), place.project()) {
            self.denied.note(project, right);
        }
        error
    }
}
