//! Sample projects with real documents: pictures, spreadsheets, PDF; several revisions; nested folders; names that a
//! file system cannot hold as they are.

mod documents;
mod pdf;
mod png;
mod sheet;
mod zip;

use super::node::{Kind, NewNode, Node, NodeId};
use super::service::{API_USER, WEB_USER};
use super::store::Store;
use crate::error::Result;

/// Who made the older revisions, besides the API's user and the usual web user.
const COLLEAGUE: &str = "alan@example.org";

/// Fills an empty store with the three sample projects.
pub fn seed(store: &Store) -> Result<()> {
    website(store)?;
    office_move(store)?;
    portal(store)
}

/// The same for services without folders, which want an extension in every name.
pub fn seed_flat(store: &Store) -> Result<()> {
    let website = project(store, "Website relaunch", "New pages, same address.")?;
    file(store, &website, "Read me first.txt", &["Plan and minutes are beside this file.\n"])?;
    file(store, &website, "Project plan.xlsx", &[documents::project_plan(4)])?;
    file(store, &website, "Budget.csv", &documents::budget()[..1])?;
    file(store, &website, "Style guide.pdf", &[documents::style_guide()])?;
    file(store, &website, "logo.png", &[documents::logo()])?;
    let kick_off = container(store, &website, Kind::Message, "Kick-off")?;
    file(store, &kick_off, "Agenda.txt", &["1. goals 2. dates 3. cake\n"])?;
    let office = project(store, "Office move", "Everything about the new rooms by the harbour.")?;
    file(store, &office, "Offer.txt", &["Quick & Careful: 4,300, two days.\n"])?;
    file(store, &office, "Offer.txt", &["Heavy Lifters: 3,900, three days.\n"])?;
    file(store, &office, "Floor plan.pdf", &[documents::floor_plan("1 of 1")])?;
    let task = container(store, &office, Kind::Task, "Order the furniture")?;
    file(store, &task, "Wish list.csv", &["item,count\ndesk,12\nchair,14\nlamp,12\n"])?;
    let portal = project(store, "Kundenportal – Phase 2", "Übersetzungen und Rückmeldungen")?;
    file(store, &portal, "Über uns.txt", &["Wir bauen Brücken, seit 1987.\n"])?;
    file(store, &portal, "会社案内.txt", &["橋を架けます。\n"])?;
    file(store, &portal, "empty.txt", &[""])
}

fn website(store: &Store) -> Result<()> {
    let project = project(store, "Website relaunch", "New pages, same address.")?;
    file(store, &project, "Read me first.txt", &["Plan and minutes are in Planning.\n"])?;
    let planning = folder(store, &project, "Planning")?;
    let plans = [2, 3, 4].map(documents::project_plan);
    file(store, &planning, "Project plan.xlsx", &plans)?;
    file(store, &planning, "Minutes.md", &documents::minutes())?;
    file(store, &planning, "Budget.csv", &documents::budget())?;
    let design = folder(store, &project, "Design")?;
    file(store, &design, "Style guide.pdf", &[documents::style_guide()])?;
    file(store, &design, "logo.png", &[documents::logo()])?;
    let mock_ups = folder(store, &design, "Mock-ups")?;
    file(store, &mock_ups, "Home page.png", &[documents::home_page(true), documents::home_page(false)])?;
    file(store, &mock_ups, "Home page (dark).png", &[documents::home_page(true)])?;
    file(store, &folder(store, &project, "Logs")?, "access.log", &[documents::access_log()])?;
    let launch = container(store, &project, Kind::Milestone, "Launch")?;
    file(store, &launch, "Checklist.txt", &["[x] domain\n[ ] redirects\n[ ] backup\n"])
}

fn office_move(store: &Store) -> Result<()> {
    let project = project(store, "Office move", "Everything about the new rooms by the harbour.")?;
    let plans = folder(store, &project, "Plans")?;
    file(store, &plans, "Floor plan 1/2.pdf", &[documents::floor_plan("1 of 2")])?;
    file(store, &plans, "Floor plan 2/2.pdf", &[documents::floor_plan("2 of 2")])?;
    // The service lets equal names stand side by side.
    let offers = folder(store, &project, "Offers")?;
    file(store, &offers, "Offer.txt", &["Quick & Careful: 4,300, two days.\n"])?;
    file(store, &offers, "Offer.txt", &["Heavy Lifters: 3,900, three days.\n"])?;
    let contracts = folder(store, &folder(store, &project, "Contracts")?, "2024")?;
    let signed = folder(store, &folder(store, &contracts, "Q2")?, "Signed")?;
    file(store, &signed, "Removal contract.pdf", &[documents::contract()])?;
    let task = container(store, &project, Kind::Task, "Order the furniture")?;
    file(store, &task, "Wish list.csv", &["item,count\ndesk,12\nchair,14\nlamp,12\n"])?;
    folder(store, &project, "Photos (empty so far)").map(drop)
}

fn portal(store: &Store) -> Result<()> {
    let project = project(store, "Kundenportal – Phase 2", "Übersetzungen und Rückmeldungen")?;
    let texts = folder(store, &project, "Texte & Übersetzungen")?;
    file(store, &texts, "Über uns.txt", &["Wir bauen Brücken.\n", "Wir bauen Brücken, seit 1987.\n"])?;
    file(store, &texts, "会社案内.txt", &["橋を架けます。\n"])?;
    file(store, &texts, "О нас.txt", &["Мы строим мосты.\n"])?;
    file(store, &texts, "Party 🎉.txt", &["Friday, 6 pm.\n"])?;
    let feedback = folder(store, &project, "Feedback")?;
    file(store, &feedback, "empty.txt", &[""])?;
    let record = container(store, &project, Kind::Record, "Ticket 17: upload fails")?;
    file(store, &record, "error message.txt", &["413 Payload Too Large\n"])
}

fn project(store: &Store, name: &str, description: &str) -> Result<Node> {
    let new = NewNode::new(NodeId::ROOT, Kind::Project, name, API_USER);
    store.create(NewNode { description: description.to_owned(), ..new })
}

fn folder(store: &Store, parent: &Node, name: &str) -> Result<Node> {
    container(store, parent, Kind::Folder, name)
}

fn container(store: &Store, parent: &Node, kind: Kind, name: &str) -> Result<Node> {
    store.create(NewNode::new(parent.id, kind, name, API_USER))
}

/// A file with these revisions, made by people in turn.
fn file(store: &Store, parent: &Node, name: &str, revisions: &[impl AsRef<[u8]>]) -> Result<()> {
    let mime = mime_guess::from_path(name).first_or_octet_stream().to_string();
    let mut authors = [COLLEAGUE, WEB_USER, API_USER].into_iter().cycle();
    let mut made: Option<Node> = None;
    for bytes in revisions {
        let content = store.blobs().write(bytes.as_ref())?;
        let author = authors.next().unwrap_or(API_USER);
        made = Some(match made {
            None => store.create(NewNode::file(parent.id, name, mime.as_str(), author, content))?,
            Some(file) => store.revise(file.id, content, author, |_| Ok(()))?,
        });
    }
    Ok(())
}
