//! What a listing looked like, kept with it in the store, so that "unchanged" costs one small request.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::clock::parse_time;
use crate::error::Result;
use crate::http::header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use crate::http::{Request, Response};
use crate::provider::Validator;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::model::Project;

/// Pages whose marks are kept: of longer lists every full check reads everything.
const PAGE_MARKS_MAX: usize = 400;

/// What the service gave to recognise one answer by: it goes back as it came, weak tags whole (README page).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
}

/// A listing as it was known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Of the list of projects, or of the project.
    pub mark: Mark,
    /// `attachments.count` of the project.
    pub count: Option<u64>,
    /// `attachments.updated_at` of the project.
    pub updated: Option<String>,
    /// Of each page of the project's attachments, sorted by `oldest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Mark>,
}

impl Mark {
    pub fn of(response: &Response) -> Mark {
        let header = |name| response.header(name).map(str::to_owned);
        Mark { etag: header(ETAG), modified: header(LAST_MODIFIED) }
    }

    /// Asks for the answer only if it is another one.
    pub fn conditional(&self, request: Request) -> Result<Request> {
        let request = match &self.etag {
            Some(etag) => request.header(IF_NONE_MATCH, etag)?,
            None => request,
        };
        match &self.modified {
            Some(modified) => request.header(IF_MODIFIED_SINCE, modified),
            None => Ok(request),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Mark::default()
    }
}

impl Known {
    /// `None` for a listing that nothing is known of.
    pub fn read(validator: Option<&Validator>) -> Option<Known> {
        serde_json::from_str(&validator?.0).ok()
    }

    /// The validator of a listing. `None` where the service gave nothing to recognise it by.
    pub fn validator(mut self) -> Option<Validator> {
        if self.pages.len() > PAGE_MARKS_MAX || self.pages.iter().any(Mark::is_empty) {
            self.pages.clear();
        }
        if self.mark.is_empty() && self.updated.is_none() {
            return None;
        }
        serde_json::to_string(&self).ok().map(Validator)
    }

    /// Whether the project has the same files as far as one request can tell.
    pub fn has_same_files(&self, project: &Project) -> bool {
        let told = project.files_count.is_some() && project.files_updated.is_some();
        told && project.files_count == self.count && project.files_updated == self.updated
    }
}

/// Whether what was changed last at this time can change no more without showing it: times have no fractions, so that a
/// second change in the same moment would look like the first. Both times are the service's own.
pub fn is_settled(response: &Response, changed: Option<&str>) -> bool {
    let changed = changed.and_then(parse_time);
    let now = response.header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    settled(now, changed)
}

fn settled(now: Option<SystemTime>, changed: Option<SystemTime>) -> bool {
    match (now, changed) {
        (Some(now), Some(changed)) => now.duration_since(changed).is_ok_and(|age| age >= assumed::SAME_MOMENT),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn mark(etag: &str) -> Mark {
        Mark { etag: Some(etag.to_owned()), modified: None }
    }

    #[test]
    fn a_validator_survives_the_store() {
        let known =
            Known { mark: mark("W/\"a\""), count: Some(2), updated: Some("t".into()), pages: vec![mark("\"p\"")] };
        let validator = known.clone().validator().unwrap();
        assert_eq!(Known::read(Some(&validator)), Some(known));
        assert_eq!(Known::read(None), None);
        assert_eq!(Known::read(Some(&Validator("from elsewhere".into()))), None);
        assert_eq!(Known::default().validator(), None);
    }

    #[test]
    fn pages_without_marks_are_not_kept() {
        let known = Known { mark: mark("x"), pages: vec![mark("a"), Mark::default()], ..Known::default() };
        assert!(Known::read(known.validator().as_ref()).unwrap().pages.is_empty());
    }

    #[test]
    fn a_change_of_this_moment_is_not_settled() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let before = |seconds| Some(now - Duration::from_secs(seconds));
        assert!(!settled(Some(now), before(0)) && !settled(Some(now), before(1)));
        assert!(settled(Some(now), before(2)) && settled(Some(now), None) && settled(None, before(0)));
        assert!(!settled(before(5), Some(now)), "a change of the future");
    }
}
