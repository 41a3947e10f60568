//! The routes, who asks, and what every call needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::{Answer, Outcome, Refusal};
use super::objects::{identifier, is_closed, node_of, public_id};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::server::blocking;
use crate::demo::service::Service;

const KEY_HEADER: &str = "x-redmine-api-key";
/// JSON that describes anything; files go elsewhere.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Name of the folder that is a project's module "files".
pub const FILES: &str = "Files";
/// Name of the folder at the top for what is not attached to anything yet.
pub const UPLOADS: &str = "(uploads)";

pub struct Api {
    pub service: Arc<Service>,
    key: String,
    downloads: Mutex<HashMap<NodeId, u64>>,
}

/// One call, with its JSON body if it has one.
pub struct Call {
    pub method: Method,
    /// Of the path, decoded, without the ending.
    pub segments: Vec<String>,
    pub query: HashMap<String, String>,
    pub body: Option<Value>,
    /// The key is the account's. Otherwise it is nobody in particular who asks.
    pub signed_in: bool,
}

pub fn router(service: Arc<Service>, key: String) -> Router {
    let api = Arc::new(Api { service, key, downloads: Mutex::default() });
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let Some(path) = request.uri().path().strip_suffix(".json") else { return page_for_people(&request) };
    let Some(segments) = decoded(path) else { return Refusal::BadRequest.into_response() };
    let Ok(Query(query)) = Query::try_from_uri(request.uri()) else { return Refusal::BadRequest.into_response() };
    let signed_in = request.headers().get(KEY_HEADER).is_some_and(|key| key.as_bytes() == api.key.as_bytes());
    let mut call = Call { method: request.method().clone(), segments, query, body: None, signed_in };
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["uploads"]) => api.upload(&call, request).await.unwrap_or_else(IntoResponse::into_response),
        ("GET", ["attachments", "download", id]) => api.download(&call, id).unwrap_or_else(IntoResponse::into_response),
        _ => {
            match json_body(request).await {
                Ok(body) => call.body = body,
                Err(refusal) => return refusal.into_response(),
            }
            // Digests are worked out from files.
            let outcome = blocking(move || Ok(api.perform(&call).unwrap_or_else(Answer::Refused))).await;
            outcome.map_or_else(|_| Refusal::Failure.into_response(), IntoResponse::into_response)
        }
    }
}

/// Without the ending the same address is a web page: reading leads to the login, writing lacks the page's token.
fn page_for_people(request: &Request) -> Response {
    match request.method().is_safe() {
        true => {
            let login = format!("/login?back_url={}", request.uri().path());
            (StatusCode::FOUND, [(header::LOCATION, login)]).into_response()
        }
        false => Refusal::Invalid("Invalid form authenticity token.").into_response(),
    }
}

fn decoded(path: &str) -> Option<Vec<String>> {
    let decoded = path.split('/').skip(1).map(|segment| percent_decode_str(segment).decode_utf8());
    decoded.map(|segment| segment.ok().map(|segment| segment.into_owned())).collect()
}

/// A body counts only with its type; without one the fields are missing.
async fn json_body(request: Request) -> Result<Option<Value>, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|text| text.starts_with("application/json"));
    let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| Refusal::BadRequest)?;
    if !is_json || bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|_| Refusal::BadRequest)
}

impl Api {
    fn perform(&self, call: &Call) -> Outcome {
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("GET", ["users", "current"]) => self.current_user(call),
            ("GET", ["roles", id]) => self.role(call, id),
            ("GET", ["projects"]) => self.projects(call),
            ("GET", ["projects", id]) => self.one_project(call, id),
            ("GET", ["projects", id, "files"]) => self.project_files(call, id),
            ("POST", ["projects", id, "files"]) => self.attach_to_project(call, id),
            ("GET", ["projects", id, "versions"]) => self.versions(call, id),
            ("POST", ["projects", id, "versions"]) => self.create_version(call, id),
            ("PUT", ["versions", id]) => self.change_version(call, id),
            ("DELETE", ["versions", id]) => self.delete_version(call, id),
            ("GET", ["projects", id, "wiki", "index"]) => self.pages(call, id),
            ("GET", ["projects", id, "wiki", title]) => self.one_page(call, id, title),
            ("PUT", ["projects", id, "wiki", title]) => self.save_page(call, id, title),
            ("GET", ["projects", id, "news"]) => self.news_list(call, id),
            ("GET", ["news", id]) => self.one_news(call, id),
            ("PUT", ["news", id]) => self.change_news(call, id),
            ("GET", ["issues"]) => self.issues(call),
            ("GET", ["issues", id]) => self.one_issue(call, id),
            ("PUT", ["issues", id]) => self.change_issue(call, id),
            ("GET", ["attachments", id]) => Ok(self.one_attachment(call, id)?),
            ("PUT" | "PATCH", ["attachments", id]) => self.change_attachment(call, id),
            ("DELETE", ["attachments", id]) => self.delete_attachment(call, id),
            _ => Err(Refusal::NoRoute),
        }
    }

    /// A project by number or identifier, as far as whoever asks may see it.
    pub fn find_project(&self, call: &Call, id: &str) -> Result<Node, Refusal> {
        let by_number = id.parse().ok().and_then(|number| self.service.store.get(NodeId(number)));
        let found = by_number.filter(|node| node.kind == Kind::Project).or_else(|| {
            let mut projects = self.all_projects(NodeId::ROOT).into_iter();
            projects.find(|project| identifier(project) == id)
        });
        let project = found.ok_or(Refusal::NotFound)?;
        self.check_visible(call, &project)?;
        Ok(project)
    }

    pub fn check_visible(&self, call: &Call, project: &Node) -> Result<(), Refusal> {
        let public = project.attributes.contains_key(super::objects::PUBLIC);
        if call.signed_in || public { Ok(()) } else { Err(Refusal::Unknown) }
    }

    /// Projects below a node, each before those in it.
    pub fn all_projects(&self, parent: NodeId) -> Vec<Node> {
        let mut found = Vec::new();
        for project in self.service.store.children(parent, Kind::Project, NodeId::ROOT, usize::MAX) {
            let inner = self.all_projects(project.id);
            found.push(project);
            found.extend(inner);
        }
        found
    }

    /// The folder that holds a project's files, if it has that module.
    pub fn files_of(&self, project: NodeId) -> Option<Node> {
        self.service.store.find_child(project, |child| child.kind == Kind::Folder && child.name == FILES)
    }

    /// A thing of one kind with the project that holds it.
    pub fn find(&self, call: &Call, kind: Kind, id: &str) -> Result<(Node, Node), Refusal> {
        let node = id.parse().ok().and_then(|number| self.service.store.get(NodeId(number)));
        let node = node.filter(|node| node.kind == kind).ok_or(Refusal::NotFound)?;
        let project = self.project_of(&node)?;
        self.check_visible(call, &project)?;
        Ok((node, project))
    }

    pub fn project_of(&self, node: &Node) -> Result<Node, Refusal> {
        let project = self.service.store.nearest(node.id, Kind::Project);
        project.and_then(|id| self.service.store.get(id)).ok_or(Refusal::NotFound)
    }

    /// An attachment by its number, attached or not.
    pub fn find_attachment(&self, id: &str) -> Result<Node, Refusal> {
        let number: u64 = id.parse().map_err(|_| Refusal::NotFound)?;
        let file = self.service.store.get(node_of(number)).filter(|node| node.is_file() && public_id(node) == number);
        file.ok_or(Refusal::NotFound)
    }

    /// Whether whoever asks may see an attachment: one without a container only who uploaded it.
    pub fn check_attachment(&self, call: &Call, file: &Node) -> Result<(), Refusal> {
        match self.project_of(file) {
            Ok(project) => self.check_visible(call, &project),
            Err(_) if call.signed_in => Ok(()),
            Err(_) => Err(Refusal::Unknown),
        }
    }

    /// Whether whoever asks may change something in a project.
    pub fn check_writable(&self, call: &Call, project: &Node) -> Result<(), Refusal> {
        match (call.signed_in, is_closed(project)) {
            (true, false) => Ok(()),
            (true, true) => Err(Refusal::Denied),
            (false, _) => Err(Refusal::Unknown),
        }
    }

    pub fn downloads(&self, file: NodeId) -> u64 {
        self.counters().get(&file).copied().unwrap_or(0)
    }

    pub fn count_download(&self, file: NodeId) {
        *self.counters().entry(file).or_default() += 1;
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<NodeId, u64>> {
        self.downloads.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Call {
    /// The object in the body that is named after the resource.
    pub fn object(&self, name: &str) -> Result<&Value, Refusal> {
        let object = self.body.as_ref().and_then(|body| body.get(name)).filter(|object| object.is_object());
        object.ok_or(Refusal::Invalid("Parameter missing"))
    }

    pub fn includes(&self, what: &str) -> bool {
        self.query.get("include").is_some_and(|list| list.split(',').any(|item| item.trim() == what))
    }
}
