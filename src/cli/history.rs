//! `collabfs history` and `collabfs restore`

use crate::cli::args::{PathArgs, RestoreArgs};
use crate::cli::{Environment, Outcome, locate, print_line, unexpected_answer};
use crate::daemon::control::{Answer, Request, RevisionLine, human_bytes};
use crate::error::Result;

pub fn run(args: &PathArgs, environment: &Environment) -> Result<Outcome> {
    let target = locate::target(&args.path, environment)?;
    match target.call(&Request::History { path: target.path.clone() }, |_| ())? {
        Answer::Revisions(revisions) => revisions.iter().for_each(|revision| print_line(shown(revision))),
        _ => return unexpected_answer(),
    }
    Ok(Outcome::Success)
}

pub fn restore(args: &RestoreArgs, environment: &Environment) -> Result<Outcome> {
    let target = locate::target(&args.path, environment)?;
    target.call(&Request::Restore { path: target.path.clone(), number: args.revision }, |_| ())?;
    Ok(Outcome::Success)
}

/// What the service does not tell is a dash.
fn shown(revision: &RevisionLine) -> String {
    let dash = || "-".to_owned();
    let size = revision.size_bytes.map_or_else(dash, human_bytes);
    let created = revision.created.clone().unwrap_or_else(dash);
    let author = revision.author.clone().unwrap_or_else(dash);
    let comment = revision.comment.clone().unwrap_or_default();
    format!("{:>4}  {created:<24}  {size:>10}  {author:<20}  {comment}", revision.number).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_of_which_little_is_known_is_still_a_line() {
        let revision = RevisionLine { number: 3, size_bytes: Some(2048), created: None, author: None, comment: None };
        assert_eq!(shown(&revision).split_whitespace().collect::<Vec<_>>(), ["3", "-", "2.0", "KiB", "-"]);
    }
}
