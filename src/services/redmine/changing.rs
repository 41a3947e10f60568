//! Renaming, removing, describing, and making versions (Rest_Attachments, Rest_Versions and Rest_Issues pages). Nothing
//! can be moved to another container.

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, Response, StatusTable, path};
use crate::ids::RemoteId;
use crate::provider::{Entry, Located};
use crate::services::redmine::Redmine;
use crate::services::redmine::assumptions as assumed;
use crate::services::redmine::model::{Version, object, unreadable};
use crate::services::redmine::names;
use crate::services::redmine::place::Place;
use crate::services::redmine::rights::{Right, Rights, needed};

/// Times that a removal is sent while nobody can tell whether it took effect.
const REMOVALS_MAX: usize = 3;

impl Redmine {
    /// `POST /projects/ID/versions.json`. The name is unique in the project.
    pub(super) async fn make_version(&self, parent: &Place, name: &str) -> Result<Entry> {
        let Place::Files(project) = parent else {
            return fail(
                ErrorKind::Unsupported,
                "directories can be made in a project's files only: they are versions",
            );
        };
        names::check_version_name(name)?;
        let target = path(&["projects", &project.to_string(), "versions.json"])?;
        let request = Request::post("create-folder", target).json(&json!({ "version": { "name": name } }));
        let answer = self.change(&request, parent, Right::ManageVersions, assumed::NAMING).await;
        self.files.forget(project);
        // Made it is, whatever the answer means.
        let version = answer?.json().and_then(|answer| object(answer, "version")).map_err(Error::unclear)?;
        let version = Version::read(&version).ok_or_else(|| unreadable("version").unclear())?;
        Ok(self.version_entry(*project, &version, Rights::ALL))
    }

    pub(super) async fn rename(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        if *to_parent != entry.parent {
            return fail(ErrorKind::CrossDevice, "the service moves nothing; it can only be copied there");
        }
        let place = Place::of(&entry.id)?;
        if to_name == entry.name {
            return Ok(());
        }
        let table = if matches!(place, Place::File(_)) { assumed::RENAMING } else { assumed::NAMING };
        let fields = match &place {
            Place::File(_) => json!({ "filename": names::sent(to_name) }),
            Place::Version { .. } => {
                names::check_version_name(to_name)?;
                json!({ "name": to_name })
            }
            Place::Issue { issue, .. } => {
                let subject = names::subject_of(*issue, to_name)?;
                names::check_subject(subject)?;
                json!({ "subject": subject })
            }
            _ => return fail(ErrorKind::Unsupported, "only files, versions and issues can be renamed"),
        };
        self.set(&place, entry, fields, table).await
    }

    pub(super) async fn set_description(&self, entry: &Located, text: &str) -> Result<()> {
        let place = Place::of(&entry.id)?;
        if !matches!(place, Place::File(_) | Place::Version { .. }) {
            return fail(ErrorKind::Unsupported, "only files and versions can be described");
        }
        if text.chars().count() > assumed::TEXT_CHARS_MAX {
            let text = format!("the service takes descriptions of at most {} characters", assumed::TEXT_CHARS_MAX);
            return fail(ErrorKind::Invalid, text);
        }
        self.set(&place, entry, json!({ "description": text }), &[(422, ErrorKind::Invalid)]).await?;
        if let Place::File(file) = place {
            self.note_description(file, Some(text.to_owned()));
        }
        Ok(())
    }

    /// Sets fields of a file, version or issue. Setting the same again does no harm.
    async fn set(&self, place: &Place, entry: &Located, fields: Value, table: StatusTable) -> Result<()> {
        let container = Place::of(&entry.parent)?;
        let (request, right) = match place {
            Place::File(file) => {
                let request = Request::patch("change", format!("/attachments/{file}.json"));
                (request.json(&json!({ "attachment": fields })), renaming_right(&container))
            }
            Place::Version { version, .. } => {
                let request = Request::put("change", format!("/versions/{version}.json"));
                (request.json(&json!({ "version": fields })), Right::ManageVersions)
            }
            Place::Issue { issue, .. } => {
                let request = Request::put("change", format!("/issues/{issue}.json"));
                (request.json(&json!({ "issue": fields })), Right::EditIssues)
            }
            _ => return fail(ErrorKind::Unsupported, "only files, versions and issues can be changed"),
        };
        let answer = self.change(&request.repeatable(), &container, right, table).await;
        self.forget(&container);
        answer.map(|_| ())
    }

    /// For good: the service has no trash. Removing what is gone says so, which to whoever repeats means that it is done.
    pub(super) async fn remove(&self, entry: &Located) -> Result<()> {
        let container = Place::of(&entry.parent)?;
        let (target, right) = match Place::of(&entry.id)? {
            Place::File(file) => (format!("/attachments/{file}.json"), removing_right(&container)),
            Place::Version { version, .. } => (format!("/versions/{version}.json"), Right::ManageVersions),
            _ => return fail(ErrorKind::Unsupported, "only files and empty versions can be removed"),
        };
        let request = Request::delete("delete", target);
        let mut answer = self.change(&request, &container, right, assumed::REMOVING).await;
        // Not repeated blindly: the number may have been given to another file since.
        for _ in 1..REMOVALS_MAX {
            let unclear = matches!(&answer, Err(error) if error.is_unclear());
            if !unclear || !self.is_there(entry).await? {
                break;
            }
            answer = self.change(&request, &container, right, assumed::REMOVING).await;
        }
        self.forget(&container);
        match answer {
            Err(error) if error.is_unclear() && !self.is_there(entry).await? => Ok(()),
            // Its number is somebody else's file by now.
            Err(error) if error.kind() == ErrorKind::Denied && !self.is_there(entry).await? => {
                fail(ErrorKind::NotFound, "it is not on the service any more")
            }
            answer => answer.map(|_| ()),
        }
    }

    /// Whether this very file or version is still on the service.
    async fn is_there(&self, entry: &Located) -> Result<bool> {
        let there = match Place::of(&entry.id)? {
            Place::File(file) => self.attachment(file).await.map(|file| names::shown(&file.name) == entry.name),
            place => self.look_at(&place).await.map(|there| there.name == entry.name),
        };
        match there {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            // Somebody else's by now, who shows it to nobody here.
            Err(error) if error.kind() == ErrorKind::Denied => Ok(false),
            other => other.map_err(Error::unclear),
        }
    }

    async fn change(&self, request: &Request, place: &Place, right: Right, table: StatusTable) -> Result<Response> {
        let response = self.client.send(request).await?;
        match response.status.is_success() {
            true => Ok(response),
            false => Err(self.refused(place, right, response.error(table)).await),
        }
    }
}

fn removing_right(container: &Place) -> Right {
    needed(container).map_or(Right::ManageFiles, |(_, removing)| removing)
}

/// An attachment of a wiki page is renamed by those who may edit the page.
fn renaming_right(container: &Place) -> Right {
    match container {
        Place::Page { .. } => Right::EditWiki,
        container => removing_right(container),
    }
}
