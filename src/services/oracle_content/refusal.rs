//! What the service's answers mean: the error body of its pages, and failures that come with status 200.

use serde_json::Value;

use crate::error::{Advice, Error, ErrorKind, Result};
use crate::http::{HeaderName, Response, StatusCode, StatusTable};
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::text_of;

/// Oracle's number for one request, which its support asks for.
const TRACE_ID: HeaderName = HeaderName::from_static("x-oracle-dms-ecid");
/// Characters of the service's sentence that are shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// The JSON object of a successful answer (every page shows one); `Null` for a 204.
///
/// Errors: those of its status; `Server` (not to be repeated) for a 200 whose `errorCode` is not 0, since
/// `errorMessage` is filled on success too; `Protocol` when it is no JSON, unclear after a change.
pub fn answer(response: Response, table: StatusTable) -> Result<Value> {
    if !response.status.is_success() {
        return Err(refusal(&response, table));
    }
    if response.status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let value = Value::Object(response.json()?);
    match value.get("errorCode").and_then(text_of).as_deref() {
        None | Some("" | "0") => Ok(value),
        Some(_) => {
            let text = format!("the service says no{}", said(&response, &value));
            Err(Error::new(kind_of(ErrorKind::Server, &value), text).with_advice(Advice::Never))
        }
    }
}

/// The error of an answer that is no success: the service's own sentence, its key, and its trace id.
pub fn refusal(response: &Response, table: StatusTable) -> Error {
    let plain = response.error(table);
    let Ok(body) = response.json::<Value>() else { return plain };
    let reason = response.status.canonical_reason().unwrap_or("");
    let text = format!("the service answered {} {reason}{}", response.status.as_u16(), said(response, &body));
    let error = Error::new(kind_of(plain.kind(), &body), text);
    let error = if error.kind() == plain.kind() { error.with_advice(plain.advice()) } else { error };
    if plain.is_unclear() { error.unclear() } else { error }
}

fn kind_of(usual: ErrorKind, body: &Value) -> ErrorKind {
    let message = body.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let refused = matches!(usual, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::BadName | ErrorKind::Server);
    if refused && message.contains(assumed::QUOTA_WORD) { ErrorKind::Quota } else { usual }
}

fn said(response: &Response, body: &Value) -> String {
    let field = |name: &str| body.get(name).and_then(text_of).filter(|text| !text.is_empty());
    let mut said = field("errorMessage").or_else(|| field("title")).map(|text| format!(": {text}")).unwrap_or_default();
    if said.is_empty() {
        said = format!(": {}", response.excerpt());
    }
    let mut said: String = said.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
    if let Some(code) = field("errorCode") {
        said.push_str(&format!(" (errorCode {code})"));
    }
    if let Some(trace) = response.header(TRACE_ID) {
        said.push_str(&format!(" [ecid {}]", trace.chars().take(100).collect::<String>()));
    }
    said
}
