//! Uploads become attachments. A token works once; which bad ones spoil the call depends on the container.

use serde_json::Value;

use super::answer::{Answer, Outcome, Refusal};
use super::api::{Api, Call, UPLOADS};
use super::names;
use super::objects::{TEXT, TEXT_VERSION, text_version};
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;

const NO_TOKEN: Refusal = Refusal::Invalid("Attachments is invalid");

impl Api {
    /// `POST /projects/ID/files.json`: one `file`, or several `attachments`, of which bad ones are left out silently.
    pub fn attach_to_project(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        self.check_writable(call, &project)?;
        let folder = self.files_of(project.id).ok_or(Refusal::Denied)?;
        let body = call.body.as_ref().ok_or(Refusal::NotFound)?;
        let (fields, items) = match body.get("file") {
            Some(file) => (file, std::slice::from_ref(file)),
            None => (body, body.get("attachments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice)),
        };
        let container = match fields.get("version_id").filter(|version| !version.is_null()) {
            Some(version) => self.version_in(&folder, version)?,
            None => folder.id,
        };
        let uploads: Vec<_> = items.iter().filter_map(|item| self.find_upload(item)).collect();
        if uploads.is_empty() {
            return Err(Refusal::NotFound);
        }
        uploads.iter().try_for_each(|(upload, item)| self.attach(container, upload, item))?;
        Ok(Answer::Done)
    }

    /// The service fails over a version that is not the project's own.
    fn version_in(&self, folder: &Node, version: &Value) -> Result<NodeId, Refusal> {
        let version = version.as_u64().and_then(|id| self.service.store.get(NodeId(id)));
        let own = version.filter(|node| node.kind == Kind::Folder && node.parent == folder.id);
        own.map(|node| node.id).ok_or(Refusal::Failure)
    }

    /// `uploads` of an issue or a news item: all, or none if one is bad.
    pub fn attach_all(&self, container: &Node, fields: &Value) -> Result<(), Refusal> {
        let items = uploads_of(fields);
        let uploads: Vec<_> = items.iter().filter_map(|item| self.find_upload(item)).collect();
        if uploads.len() < items.len() {
            return Err(NO_TOKEN);
        }
        uploads.iter().try_for_each(|(upload, item)| self.attach(container.id, upload, item))
    }

    /// `PUT /projects/ID/wiki/TITLE.json`: the text is required; the same again makes no new version.
    pub fn save_page(&self, call: &Call, id: &str, title: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        self.check_writable(call, &project)?;
        if title.contains('.') {
            return Err(Refusal::NoRoute);
        }
        let fields = call.object("wiki_page")?;
        let text = fields.get("text").and_then(Value::as_str).ok_or(Refusal::Invalid("Text cannot be blank"))?;
        let known = self.find_page(&project, title);
        if let (Some(page), Some(version)) = (&known, fields.get("version").and_then(Value::as_u64))
            && version != text_version(page)
        {
            return Err(Refusal::Conflict);
        }
        let store = &self.service.store;
        let made = known.is_none();
        let page = match known {
            Some(page) => page,
            None => store.create(NewNode::new(project.id, Kind::Document, title.replace(' ', "_"), API_USER))?,
        };
        if made || page.attributes.get(TEXT).is_none_or(|old| old != text) {
            store.edit(page.id, |page| {
                let version = if made { 1 } else { text_version(page) + 1 };
                page.attributes.insert(TEXT.to_owned(), text.to_owned());
                page.attributes.insert(TEXT_VERSION.to_owned(), version.to_string());
                page.touch(API_USER);
                Ok(())
            })?;
        }
        for (upload, item) in uploads_of(fields).iter().filter_map(|item| self.find_upload(item)) {
            self.attach(page.id, &upload, item)?;
        }
        match made {
            true => Ok(Answer::Created(serde_json::json!({ "wiki_page": self.wiki_page(&page, true, false) }))),
            false => Ok(Answer::Done),
        }
    }

    /// The upload that an item's token names, if it waits to be attached.
    fn find_upload<'a>(&self, item: &'a Value) -> Option<(Node, &'a Value)> {
        let (id, digest) = item.get("token")?.as_str()?.split_once('.')?;
        let file = self.find_attachment(id).ok()?;
        let folder = self.service.store.get(file.parent)?;
        let good = folder.name == UPLOADS && folder.parent == NodeId::ROOT;
        let content = file.newest()?.content;
        (good && self.service.store.sha256(content).ok()? == digest).then_some((file, item))
    }

    fn attach(&self, container: NodeId, upload: &Node, item: &Value) -> Result<(), Refusal> {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let name = text("filename").map(names::stored);
        name.as_deref().map_or(Ok(()), names::check_file_name)?;
        text("description").map_or(Ok(()), names::check_description)?;
        self.service.store.edit(upload.id, |file| {
            file.parent = container;
            if let Some(name) = name {
                file.mime = mime_guess::from_path(&name).first_or_octet_stream().to_string();
                file.name = name;
            }
            if let Some(mime) = text("content_type") {
                file.mime = mime.to_owned();
            }
            file.description = text("description").unwrap_or_default().to_owned();
            Ok(())
        })?;
        Ok(())
    }
}

fn uploads_of(fields: &Value) -> &[Value] {
    fields.get("uploads").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
