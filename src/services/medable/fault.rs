//! Answers and faults (Faults page): an answer is judged by its member `object`, then by the fault's code, and only then
//! by its status, for two faults come with 200 and 202.

use serde_json::Value;

use crate::error::{Advice, Error, ErrorKind, Result};
use crate::http::{Response, status_kind};
use crate::services::medable::assumptions as assumed;

/// Characters of a fault's own words that go into a message.
const WORDS_CHARS_MAX: usize = 200;
/// Faults within a fault that are named in its message.
const CHILDREN_SHOWN: usize = 3;

/// `{"object": "fault", "code": "k...", ...}`
#[derive(Debug)]
pub struct Fault {
    pub code: String,
    /// Code, message and the children's codes, as one line.
    words: String,
    status: Option<u16>,
}

impl Fault {
    /// `None` when the value is no fault.
    pub fn read(value: &Value) -> Option<Fault> {
        if value.get("object").and_then(Value::as_str) != Some("fault") {
            return None;
        }
        let status = value.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        Some(Fault { code: text(value, "code").to_owned(), words: words(value), status })
    }

    pub fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }

    fn kind(&self, response: &Response) -> ErrorKind {
        if let Some((_, kind)) = assumed::CODES.iter().find(|(code, _)| *code == self.code) {
            return *kind;
        }
        let answered = response.status.as_u16();
        let status = if response.status.is_success() { self.status.unwrap_or(answered) } else { answered };
        status_kind(status)
    }

    /// The error that the fault means. Whether the request may have taken effect is told by the status alone, but for
    /// codes that are refusals.
    pub fn error(&self, response: &Response) -> Error {
        let plain = response.error(&[]);
        let kind = self.kind(response);
        let error = Error::new(kind, format!("the service answered {}", self.words));
        let error = match plain.advice() {
            Advice::AgainAfter(wait) if error.is_temporary() => error.with_advice(Advice::AgainAfter(wait)),
            _ if self.code == assumed::MEDIA_FAILED => error.with_advice(Advice::Never),
            _ => error,
        };
        let may_be_done = plain.is_unclear() && matches!(kind, ErrorKind::Server | ErrorKind::TimedOut);
        if may_be_done { error.unclear() } else { error }
    }
}

/// The fault that an answer without success is, if it is one.
pub fn failure(response: &Response) -> Option<Fault> {
    if response.status.is_success() {
        return None;
    }
    Fault::read(&serde_json::from_slice(response.bytes()).ok()?)
}

/// The JSON of an answer that is a success. Errors: those of faults and statuses; `Protocol` when it is no JSON, unclear
/// for a change.
pub fn succeeded(response: &Response) -> Result<Value> {
    if let Ok(value) = serde_json::from_slice::<Value>(response.bytes()) {
        return match Fault::read(&value) {
            Some(fault) => Err(fault.error(response)),
            None if response.status.is_success() => Ok(value),
            None => Err(response.error(&[])),
        };
    }
    if !response.status.is_success() {
        return Err(response.error(&[]));
    }
    // Not quoted: answers hold signed addresses and forms.
    Err(response.unreadable("the service's answer is no JSON"))
}

/// A call whose answer has no published form succeeded unless it is a fault or a failure. Some page in between is none
/// of the service's answers.
pub fn done(response: &Response) -> Result<()> {
    let says_nothing = response.bytes().iter().all(u8::is_ascii_whitespace);
    match succeeded(response) {
        Err(_) if response.status.is_success() && says_nothing => Ok(()),
        other => other.map(|_| ()),
    }
}

fn words(value: &Value) -> String {
    let code = text(value, "code");
    let mut words = if code.is_empty() { "a fault".to_owned() } else { code.to_owned() };
    for part in ["message", "reason", "path"].map(|member| text(value, member)).into_iter().filter(|p| !p.is_empty()) {
        words = format!("{words}: {part}");
    }
    let children = value.get("faults").and_then(Value::as_array).into_iter().flatten().take(CHILDREN_SHOWN);
    for child in children {
        words = format!("{words} ({} {})", text(child, "code"), text(child, "path"));
    }
    words.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
