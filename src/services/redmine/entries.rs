//! What the service tells, as entries.

use crate::provider::Entry;
use crate::services::redmine::Redmine;
use crate::services::redmine::model::{Attachment, Item, Version, revision_of};
use crate::services::redmine::names;
use crate::services::redmine::place::Place;
use crate::services::redmine::rights::{FILE_OFFERS, Rights, directory_offers, directory_permits, file_permits};

impl Redmine {
    pub(super) fn root_entry(&self) -> Entry {
        self.directory(&Place::Root, "")
    }

    /// A directory for which the account's rights make no difference.
    pub(super) fn directory(&self, place: &Place, name: impl Into<String>) -> Entry {
        self.directory_with(place, name, Rights::ALL)
    }

    pub(super) fn directory_with(&self, place: &Place, name: impl Into<String>, rights: Rights) -> Entry {
        let entry = Entry::directory(place.remote_id(), name);
        Entry { offers: directory_offers(place), permits: directory_permits(place, rights), ..entry }
    }

    pub(super) fn version_entry(&self, project: u64, version: &Version, rights: Rights) -> Entry {
        let place = Place::Version { project, version: version.id };
        Entry {
            created: version.created,
            modified: version.updated.or(version.created),
            description: version.description.clone(),
            url: Some(format!("{}/versions/{}", self.web_url, version.id)),
            ..self.directory_with(&place, &version.name, rights)
        }
    }

    /// An issue, news item or wiki page.
    pub(super) fn item_entry(&self, place: &Place, item: &Item, rights: Rights) -> Entry {
        let (name, url) = match place {
            Place::Page { project, title } => (title.clone(), format!("projects/{project}/wiki/{title}")),
            Place::News { news, .. } => (names::numbered(*news, &item.title), format!("news/{news}")),
            _ => (names::numbered(item.id, &item.title), format!("issues/{}", item.id)),
        };
        Entry {
            created: item.created,
            modified: item.updated,
            author: item.author.clone(),
            url: Some(format!("{}/{url}", self.web_url)),
            ..self.directory_with(place, name, rights)
        }
    }

    /// The files of a container, with names that are unique in it.
    pub(super) fn file_entries(&self, container: &Place, files: &[Attachment], rights: Rights) -> Vec<Entry> {
        let shown: Vec<_> = files.iter().map(|file| (file.id, names::shown(&file.name))).collect();
        let permits = match container {
            // Looked at alone, nobody knows where it is.
            Place::File(_) => FILE_OFFERS,
            container => file_permits(container, rights),
        };
        let entry = |(file, name)| Entry { permits, ..self.file_entry(file, name) };
        files.iter().zip(names::unique(&shown)).map(entry).collect()
    }

    fn file_entry(&self, file: &Attachment, name: String) -> Entry {
        let mut entry = Entry::file(Place::File(file.id).remote_id(), name, file.size);
        entry.revision = Some(revision_of(file));
        entry.created = file.created;
        // Its content never changes after that.
        entry.modified = file.created;
        entry.author = file.author.clone();
        entry.description = file.description.clone();
        // The address that the service tells may lead elsewhere behind a proxy that is set up wrongly.
        entry.url = Some(format!("{}/attachments/{}", self.web_url, file.id));
        entry.mime = file.mime.clone();
        entry.offers = FILE_OFFERS;
        let downloads = file.downloads.map(|downloads| ("downloads", downloads.to_string()));
        let digest = file.digest.clone().map(|digest| ("digest", digest));
        entry.attributes.extend(downloads.into_iter().chain(digest).map(|(key, value)| (key.to_owned(), value)));
        entry
    }
}

/// Whether a file of a project's list lies in this directory.
pub fn attached_here(container: &Place, file: &Attachment) -> bool {
    let version = file.version.as_ref().map(|(id, _)| *id);
    match container {
        Place::Version { version: here, .. } => version == Some(*here),
        _ => version.is_none(),
    }
}
