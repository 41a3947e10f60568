//! Lists with `where`, `sort`, `limit` and `paths[]` (Querying pages), and single instances.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::api::Api;
use super::fault::{Answer, Fault};
use super::objects;
use crate::demo::node::{Kind, Node, NodeId};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

struct Wanted {
    after: Option<String>,
    project: Option<String>,
    /// The folder that a file or folder lies in.
    folder: Option<String>,
    name: Option<String>,
    limit: usize,
    paths: Vec<String>,
}

/// `GET /PLURAL`
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(object): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let kind = objects::kind_of(&object)?;
    let wanted = wanted(&query, kind, api.service.page_size)?;
    let mut nodes = match &wanted.project {
        Some(project) => match objects::parse(Kind::Project, project) {
            Some(project) => below(&api, project, kind),
            None => Vec::new(),
        },
        None => below(&api, NodeId::ROOT, kind),
    };
    nodes.sort_by_key(|node| node.id);
    nodes.retain(|node| wanted.fits(node));
    let has_more = nodes.len() > wanted.limit;
    nodes.truncate(wanted.limit);
    let data: Vec<_> = nodes.iter().map(|node| wanted.shown(objects::instance(&api.service, node))).collect();
    Ok(Json(json!({ "object": "list", "data": data, "hasMore": has_more })).into_response())
}

/// Nodes of one kind anywhere below.
fn below(api: &Api, top: NodeId, kind: Kind) -> Vec<Node> {
    let mut found = Vec::new();
    let mut above = vec![top];
    while let Some(parent) = above.pop() {
        for node in api.service.store.all_children(parent) {
            if matches!(node.kind, Kind::Project | Kind::Folder) {
                above.push(node.id);
            }
            if node.kind == kind {
                found.push(node);
            }
        }
    }
    found
}

fn wanted(query: &[(String, String)], kind: Kind, page_size: Option<usize>) -> Result<Wanted, Fault> {
    let mut wanted =
        Wanted { after: None, project: None, folder: None, name: None, limit: LIMIT_DEFAULT, paths: Vec::new() };
    for (name, value) in query {
        match name.as_str() {
            "where" => wanted.read_where(value, kind)?,
            "sort" if value == "_id" || value == r#"{"_id":1}"# => {}
            "limit" => match value.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => wanted.limit = limit,
                _ => return Err(Fault::argument("limit must be 1 to 1000")),
            },
            "paths[]" => wanted.paths.push(value.clone()),
            other => return Err(Fault::argument(format!("{other}={value} is not understood"))),
        }
    }
    wanted.limit = wanted.limit.min(page_size.unwrap_or(LIMIT_MAX));
    Ok(wanted)
}

impl Wanted {
    /// Only indexed properties can be asked for.
    fn read_where(&mut self, text: &str, kind: Kind) -> Result<(), Fault> {
        let conditions: Map<String, Value> = serde_json::from_str(text).map_err(|e| Fault::argument(e.to_string()))?;
        let folder = format!("{}._id", if kind == Kind::File { objects::FOLDER } else { objects::PARENT });
        for (property, condition) in conditions {
            let after = condition.get("$gt").and_then(Value::as_str);
            match (property.as_str(), condition.as_str(), after) {
                ("_id", _, Some(after)) => self.after = Some(after.to_owned()),
                ("c_project._id", Some(id), _) => self.project = Some(id.to_owned()),
                (objects::NAME, Some(name), _) => self.name = Some(name.to_owned()),
                (property, Some(id), _) if property == folder => self.folder = Some(id.to_owned()),
                _ => return Err(Fault::argument(format!("where: {property} is not indexed, or not understood"))),
            }
        }
        Ok(())
    }

    fn fits(&self, node: &Node) -> bool {
        let is_in = |folder: &String| objects::parse(Kind::Folder, folder) == Some(node.parent);
        self.after.as_ref().is_none_or(|after| objects::show(node.kind, node.id) > *after)
            && self.folder.as_ref().is_none_or(is_in)
            && self.name.as_ref().is_none_or(|name| node.name == *name)
    }

    fn shown(&self, mut instance: Map<String, Value>) -> Map<String, Value> {
        if !self.paths.is_empty() {
            instance.retain(|name, _| matches!(name.as_str(), "_id" | "object") || self.paths.contains(name));
        }
        instance
    }
}

/// `GET /PLURAL/ID`
pub async fn one(State(api): State<Arc<Api>>, Path((object, id)): Path<(String, String)>) -> Answer {
    let node = api.find(&object, &id)?;
    Ok(Json(objects::instance(&api.service, &node)).into_response())
}
