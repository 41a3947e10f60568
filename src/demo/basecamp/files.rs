//! Attachments and uploads (the pages of these names).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Api, Handler, JsonBody, page_of};
use super::objects::{self, Attached};
use super::refusal::{Answer, Refusal};
use super::{content, ids};
use crate::demo::node::{NewNode, Node, NodeId};
use crate::demo::service::API_USER;

/// Items of a page.
pub const PAGE_ITEMS: usize = 50;

#[derive(Deserialize)]
pub struct ListQuery {
    sort: Option<String>,
    page: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewName {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    #[serde(default)]
    content: String,
    attachments: Vec<NewAttachment>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    subscribers: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAttachment {
    token: String,
    name: String,
}

/// `GET /projects/P/attachments.json`
pub async fn list(State(api): Handler, Path(project): Path<String>, Query(query): Query<ListQuery>) -> Answer {
    let project = api.project(&project)?;
    let mut all = objects::attachments(&api.service, &project);
    match query.sort.as_deref() {
        None | Some("newest") => all.reverse(),
        Some("oldest") => {}
        Some("az") => all.sort_by(|a, b| a.file.name.cmp(&b.file.name)),
        Some(other) => return Err(Refusal::new(StatusCode::BAD_REQUEST, format!("no sorting by {other}"))),
    }
    let all: Vec<Value> = all.iter().map(|attached| objects::attachment(&api.service, &project, attached)).collect();
    let size = api.service.page_size.unwrap_or(PAGE_ITEMS).clamp(1, PAGE_ITEMS);
    Ok(Json(page_of(all, query.page, size)).into_response())
}

/// `GET /projects/P/attachments/A.json`
pub async fn one(State(api): Handler, Path((project, id)): Path<(String, String)>) -> Answer {
    let project = api.project(&project)?;
    let file = api.file_of_attachment(&project, &id)?;
    show(&api, &project, file)
}

fn show(api: &Api, project: &Node, file: Node) -> Answer {
    let owner = api.service.store.get(file.parent).ok_or_else(Refusal::not_found)?;
    Ok(Json(objects::attachment(&api.service, project, &Attached { file, owner })).into_response())
}

/// `PUT /projects/P/attachments/A.json`
pub async fn rename(
    State(api): Handler,
    Path((project, id)): Path<(String, String)>,
    JsonBody(wanted): JsonBody<NewName>,
) -> Answer {
    let project = api.project(&project)?;
    let file = api.file_of_attachment(&project, &id)?;
    check_name(&wanted.name)?;
    let renamed = api.service.store.edit(file.id, |file| {
        file.name = wanted.name;
        file.touch(API_USER);
        Ok(())
    })?;
    show(&api, &project, renamed)
}

/// `DELETE /projects/P/attachments/A.json`: its upload goes with it.
pub async fn delete(State(api): Handler, Path((project, id)): Path<(String, String)>) -> Answer {
    let file = api.file_of_attachment(&api.project(&project)?, &id)?;
    trash(&api, file.id)
}

/// `DELETE /projects/P/uploads/U.json`
pub async fn delete_upload(State(api): Handler, Path((project, id)): Path<(String, String)>) -> Answer {
    let file = api.file_of_upload(&api.project(&project)?, &id)?;
    trash(&api, file.id)
}

fn trash(api: &Api, file: NodeId) -> Answer {
    api.service.store.edit(file, |file| {
        file.trashed = true;
        file.touch(API_USER);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /projects/P/uploads/U.json`
pub async fn upload(State(api): Handler, Path((project, id)): Path<(String, String)>) -> Answer {
    let project = api.project(&project)?;
    let file = api.file_of_upload(&project, &id)?;
    Ok(Json(objects::upload(&api.service, &project, &file)).into_response())
}

/// `POST /projects/P/uploads.json`: one attachment, by its token.
pub async fn create(State(api): Handler, Path(project): Path<String>, JsonBody(wanted): JsonBody<NewUpload>) -> Answer {
    let project = api.project(&project)?;
    let [attachment] = wanted.attachments.as_slice() else {
        return Err(Refusal::unprocessable("an upload has one attachment"));
    };
    check_name(&attachment.name)?;
    if wanted.private && !objects::is_client_project(&project) {
        return Err(Refusal::unprocessable("only client projects have anything private"));
    }
    if wanted.subscribers.contains(&0) {
        return Err(Refusal::unprocessable("no such person"));
    }
    let staged = content::claim(&api, &attachment.token)?;
    let new = NewNode::file(project.id, &attachment.name, staged.mime, API_USER, staged.content);
    let mut file = api.service.store.create(NewNode { description: wanted.content, ..new })?;
    if wanted.private {
        file = api.service.store.edit(file.id, |file| {
            file.attributes.insert("private".to_owned(), "true".to_owned());
            Ok(())
        })?;
    }
    let location = objects::upload_url(&api.service, &project, ids::upload(&file));
    let body = Json(objects::upload(&api.service, &project, &file));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// "A valid filename with an extension" (uploads page).
fn check_name(name: &str) -> Result<(), Refusal> {
    let extended = name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty());
    let clean = !name.contains(['/', '\\']) && !name.contains(char::is_control) && name.trim() == name;
    match extended && clean && name.len() <= 255 {
        true => Ok(()),
        false => Err(Refusal::unprocessable("name must be a valid filename with an extension")),
    }
}
