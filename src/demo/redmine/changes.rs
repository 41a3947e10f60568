//! Changing and removing: attachments, versions, issues, news. There is no trash.

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::api::{Api, Call};
use super::names;
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;

impl Api {
    /// `PATCH` or `PUT /attachments/ID.json`: fields that cannot be set are ignored.
    pub fn change_attachment(&self, call: &Call, id: &str) -> Outcome {
        let file = self.find_attachment(id)?;
        self.check_change(call, &file)?;
        let fields = call.object("attachment")?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let name = text("filename").map(names::stored);
        name.as_deref().map_or(Ok(()), names::check_file_name)?;
        text("description").map_or(Ok(()), names::check_description)?;
        self.service.store.edit(file.id, |file| {
            file.name = name.unwrap_or_else(|| file.name.clone());
            file.description = text("description").map_or_else(|| file.description.clone(), str::to_owned);
            file.mime = text("content_type").map_or_else(|| file.mime.clone(), str::to_owned);
            Ok(())
        })?;
        Ok(Answer::Done)
    }

    /// `DELETE /attachments/ID.json`: for good.
    pub fn delete_attachment(&self, call: &Call, id: &str) -> Outcome {
        let file = self.find_attachment(id)?;
        self.check_change(call, &file)?;
        self.service.store.remove(file.id)?;
        Ok(Answer::Done)
    }

    fn check_change(&self, call: &Call, file: &Node) -> Result<(), Refusal> {
        self.check_attachment(call, file)?;
        match self.project_of(file) {
            Ok(project) => self.check_writable(call, &project),
            Err(_) => Ok(()),
        }
    }

    /// `POST /projects/ID/versions.json`: the name is unique in the project, with case.
    pub fn create_version(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        self.check_writable(call, &project)?;
        let folder = self.files_of(project.id).ok_or(Refusal::Denied)?;
        let fields = call.object("version")?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        self.check_version_name(&folder, text("name"))?;
        let new = NewNode::new(folder.id, Kind::Folder, text("name"), API_USER);
        let version = self.service.store.create(NewNode { description: text("description").to_owned(), ..new })?;
        Ok(Answer::Created(json!({ "version": self.version(&project, &version) })))
    }

    fn check_version_name(&self, folder: &Node, name: &str) -> Result<(), Refusal> {
        names::check_version_name(name)?;
        match self.service.store.find_child(folder.id, |node| node.kind == Kind::Folder && node.name == name) {
            Some(_) => Err(Refusal::Invalid("Name has already been taken")),
            None => Ok(()),
        }
    }

    /// A version with its project and the folder that holds it.
    fn find_version(&self, call: &Call, id: &str) -> Result<(Node, Node), Refusal> {
        let (version, project) = self.find(call, Kind::Folder, id)?;
        let folder = self.files_of(project.id).filter(|folder| folder.id == version.parent);
        let folder = folder.ok_or(Refusal::NotFound)?;
        self.check_writable(call, &project)?;
        Ok((version, folder))
    }

    /// `PUT /versions/ID.json`
    pub fn change_version(&self, call: &Call, id: &str) -> Outcome {
        let (version, folder) = self.find_version(call, id)?;
        let fields = call.object("version")?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        if let Some(name) = text("name").filter(|name| *name != version.name) {
            self.check_version_name(&folder, name)?;
        }
        self.service.store.edit(version.id, |version| {
            version.name = text("name").map_or_else(|| version.name.clone(), str::to_owned);
            version.description = text("description").map_or_else(|| version.description.clone(), str::to_owned);
            version.touch(API_USER);
            Ok(())
        })?;
        Ok(Answer::Done)
    }

    /// `DELETE /versions/ID.json`: refused while it has files.
    pub fn delete_version(&self, call: &Call, id: &str) -> Outcome {
        let (version, _) = self.find_version(call, id)?;
        if !self.service.store.children(version.id, Kind::File, NodeId::ROOT, 1).is_empty() {
            return Err(Refusal::Invalid(""));
        }
        self.service.store.remove(version.id)?;
        Ok(Answer::Done)
    }

    /// `PUT /issues/ID.json`: subject and uploads.
    pub fn change_issue(&self, call: &Call, id: &str) -> Outcome {
        let (issue, project) = self.find(call, Kind::Task, id)?;
        self.check_writable(call, &project)?;
        let fields = call.object("issue")?;
        let subject = fields.get("subject").and_then(Value::as_str);
        subject.map_or(Ok(()), names::check_subject)?;
        self.attach_all(&issue, fields)?;
        self.service.store.edit(issue.id, |issue| {
            issue.name = subject.map_or_else(|| issue.name.clone(), str::to_owned);
            issue.touch(API_USER);
            Ok(())
        })?;
        Ok(Answer::Done)
    }

    /// `PUT /news/ID.json`: uploads.
    pub fn change_news(&self, call: &Call, id: &str) -> Outcome {
        let (news, project) = self.find(call, Kind::Message, id)?;
        self.check_writable(call, &project)?;
        self.attach_all(&news, call.object("news")?)?;
        Ok(Answer::Done)
    }
}
