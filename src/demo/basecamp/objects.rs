//! JSON objects (projects, attachments, uploads and events pages). Times are whole seconds with an offset.

use serde_json::{Value, json};

use super::{ACCOUNT, ids};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::Service;

/// A file of a project, and what it hangs on.
pub struct Attached {
    pub file: Node,
    pub owner: Node,
}

/// Every live attachment of a project, oldest first.
pub fn attachments(service: &Service, project: &Node) -> Vec<Attached> {
    let store = &service.store;
    let files = |owner: &Node| store.children(owner.id, Kind::File, NodeId::ROOT, usize::MAX);
    let owners = [Kind::Message, Kind::Task, Kind::Record];
    let owners = owners.iter().flat_map(|kind| store.children(project.id, *kind, NodeId::ROOT, usize::MAX));
    let mut all: Vec<Attached> = std::iter::once(project.clone())
        .chain(owners)
        .flat_map(|owner| files(&owner).into_iter().map(move |file| Attached { file, owner: owner.clone() }))
        .collect();
    all.sort_by_key(|attached| (created_ms(&attached.file), ids::upload(&attached.file)));
    all
}

pub fn short_project(service: &Service, project: &Node) -> Value {
    json!({
        "id": project.id.0,
        "name": project.name,
        "description": project.description,
        "updated_at": time(changed_ms(service, project)),
        "url": format!("{}/projects/{}.json", api(service), project.id.0),
        "app_url": format!("{}/{ACCOUNT}/projects/{}", service.url, project.id.0),
        "template": false,
        "archived": false,
        "starred": false,
        "trashed": false,
        "draft": false,
        "is_client_project": is_client_project(project),
        "color": "3185c5",
    })
}

pub fn full_project(service: &Service, project: &Node) -> Value {
    let count = attachments(service, project).len();
    let mut full = short_project(service, project);
    full["created_at"] = time(project.created_ms).into();
    full["creator"] = creator(&project.created_by);
    full["attachments"] = json!({
        "count": count,
        "updated_at": files_changed_ms(service, project).map(time),
        "url": format!("{}/projects/{}/attachments.json", api(service), project.id.0),
    });
    full
}

pub fn is_client_project(project: &Node) -> bool {
    project.attributes.contains_key("client")
}

/// As in a list, or alone.
pub fn attachment(service: &Service, project: &Node, attached: &Attached) -> Value {
    let Attached { file, owner } = attached;
    let mut value = bare_attachment(service, project, file);
    value["id"] = ids::attachment(file).into();
    value["updated_at"] = time(file.modified_ms).into();
    value["private"] = is_private(file).into();
    value["trashed"] = false.into();
    value["tags"] = json!([]);
    let (kind, id, collection) = match owner.kind {
        Kind::Message => ("Message", owner.id.0, "messages"),
        Kind::Task => ("Todo", owner.id.0, "todos"),
        Kind::Record => ("Comment", owner.id.0, "comments"),
        _ => ("Upload", ids::upload(file), "uploads"),
    };
    let url = format!("{}/projects/{}/{collection}/{id}.json", api(service), project.id.0);
    value["attachable"] = json!({ "id": id, "type": kind, "url": url });
    value
}

/// The fields that an attachment has within an upload: no id.
fn bare_attachment(service: &Service, project: &Node, file: &Node) -> Value {
    let Some(newest) = file.newest() else { return json!({}) };
    let key = ids::key(file, newest);
    let name = percent_encoding::utf8_percent_encode(&file.name, percent_encoding::NON_ALPHANUMERIC);
    let path = format!("projects/{}/attachments/{}/{key}/original/{name}", project.id.0, ids::attachment(file));
    json!({
        "key": key,
        "name": file.name,
        "byte_size": newest.content.size_bytes,
        "content_type": file.mime,
        "created_at": time(newest.created_ms),
        "url": format!("{}/{path}", api(service)),
        "app_url": format!("{}/{ACCOUNT}/{path}", service.url),
        "creator": creator(&newest.author),
    })
}

pub fn upload(service: &Service, project: &Node, file: &Node) -> Value {
    json!({
        "id": ids::upload(file),
        "created_at": time(created_ms(file)),
        "updated_at": time(file.modified_ms),
        "content": file.description,
        "trashed": false,
        "private": is_private(file),
        "attachments": [bare_attachment(service, project, file)],
        "comments": [],
        "subscribers": [],
    })
}

pub fn upload_url(service: &Service, project: &Node, upload: u64) -> String {
    format!("{}/projects/{}/uploads/{upload}.json", api(service), project.id.0)
}

pub fn api(service: &Service) -> String {
    format!("{}/{ACCOUNT}/api/v1", service.url)
}

pub fn creator(email: &str) -> Value {
    json!({ "id": ids::person(email), "name": email, "avatar_url": "", "fullsize_avatar_url": "" })
}

/// Whole seconds, five hours behind UTC.
pub fn time(ms: u64) -> String {
    let stamp = jiff::Timestamp::from_second((ms / 1000) as i64).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-5))).strftime("%Y-%m-%dT%H:%M:%S.000%:z").to_string()
}

fn is_private(file: &Node) -> bool {
    file.attributes.contains_key("private")
}

fn created_ms(file: &Node) -> u64 {
    file.newest().map_or(file.created_ms, |newest| newest.created_ms)
}

/// When a project's files last changed, those in the trash included.
fn files_changed_ms(service: &Service, project: &Node) -> Option<u64> {
    let of_project = |node: &Node| service.store.nearest(node.id, Kind::Project) == Some(project.id);
    let trashed = service.store.trash().into_iter().filter(|node| node.is_file() && of_project(node));
    let live = attachments(service, project).into_iter().map(|attached| attached.file);
    live.chain(trashed).map(|file| file.modified_ms.max(created_ms(&file))).max()
}

fn changed_ms(service: &Service, project: &Node) -> u64 {
    project.modified_ms.max(files_changed_ms(service, project).unwrap_or(0))
}
