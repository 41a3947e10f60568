//! The sample projects in this service's shape: folders become versions, which hold no others; milestones too; tasks
//! and records become issues.

use super::api::FILES;
use super::objects::{IDENTIFIER, PUBLIC, STATUS, TEXT, TEXT_VERSION};
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::samples;
use crate::demo::service::{API_USER, WEB_USER};
use crate::demo::store::Store;
use crate::error::Result;

pub fn seed(store: &Store) -> Result<()> {
    samples::seed(store)?;
    for project in store.children(NodeId::ROOT, Kind::Project, NodeId::ROOT, usize::MAX) {
        reshape(store, &project)?;
    }
    add_beginnings(store)
}

fn reshape(store: &Store, project: &Node) -> Result<()> {
    identify(store, project)?;
    let inside = store.all_children(project.id);
    let files = store.create(NewNode::new(project.id, Kind::Folder, FILES, API_USER))?;
    for node in inside {
        match node.kind {
            Kind::Task => {}
            Kind::Record => {
                edit(store, &node, |node| node.kind = Kind::Task)?;
            }
            _ => flatten(store, &node, files.id)?,
        }
    }
    Ok(())
}

/// Puts a node into the folder, and the folders in it beside it.
fn flatten(store: &Store, node: &Node, files: NodeId) -> Result<()> {
    for inner in store.children(node.id, Kind::Folder, NodeId::ROOT, usize::MAX) {
        flatten(store, &inner, files)?;
    }
    edit(store, node, |node| {
        node.parent = files;
        if !node.is_file() {
            node.kind = Kind::Folder;
        }
    })?;
    for file in store.children(node.id, Kind::File, NodeId::ROOT, usize::MAX) {
        // Of a slash the service would keep only what follows.
        edit(store, &file, |file| file.name = file.name.replace('/', " of "))?;
    }
    Ok(())
}

/// Identifiers are what addresses of projects are made of.
fn identify(store: &Store, project: &Node) -> Result<()> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let words: String = project.name.chars().map(plain).collect();
    let words: Vec<_> = words.split('-').filter(|word| !word.is_empty()).collect();
    edit(store, project, |project| {
        project.attributes.insert(IDENTIFIER.to_owned(), words.join("-"));
    })
}

/// A public project within another, a closed one, a wiki page and a news item.
fn add_beginnings(store: &Store) -> Result<()> {
    let Some(first) = store.find_child(NodeId::ROOT, |node| node.kind == Kind::Project) else { return Ok(()) };
    for (name, attribute, value, text) in
        [("Press kit", PUBLIC, "yes", "Free to use.\n"), ("Old pages", STATUS, "5", "Closed since the relaunch.\n")]
    {
        let project = store.create(NewNode::new(first.id, Kind::Project, name, WEB_USER))?;
        identify(store, &project)?;
        edit(store, &project, |project| {
            project.attributes.insert(attribute.to_owned(), value.to_owned());
        })?;
        let files = store.create(NewNode::new(project.id, Kind::Folder, FILES, API_USER))?;
        file(store, &files, "Read me.txt", text)?;
    }
    let page = store.create(NewNode::new(first.id, Kind::Document, "Wiki", WEB_USER))?;
    edit(store, &page, |page| {
        page.attributes.insert(TEXT.to_owned(), "# Website relaunch\n\nSee the attached sketch.\n".to_owned());
        page.attributes.insert(TEXT_VERSION.to_owned(), "1".to_owned());
    })?;
    file(store, &page, "Sketch.txt", "[ logo ]  [ menu ]\n[ picture       ]\n")?;
    let news = store.create(NewNode::new(first.id, Kind::Message, "Launch day is fixed", WEB_USER))?;
    file(store, &news, "Invitation.txt", "Cake at four.\n")
}

fn edit(store: &Store, node: &Node, change: impl FnOnce(&mut Node)) -> Result<()> {
    let edited = store.edit(node.id, |node| {
        change(node);
        Ok(())
    });
    edited.map(|_| ())
}

fn file(store: &Store, parent: &Node, name: &str, text: &str) -> Result<()> {
    let content = store.blobs().write(text.as_bytes())?;
    store.create(NewNode::file(parent.id, name, "text/plain", WEB_USER, content)).map(|_| ())
}
