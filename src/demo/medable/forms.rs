//! The storage host: signed downloads, and forms that must come exactly as they were given out (S3, "POST Object").

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ORG, files, objects};
use crate::demo::moment::now_ms;
use crate::demo::node::{Content, Node, NodeId};
use crate::demo::service::{API_USER, Service};
use crate::demo::transfer;

/// How long a form is good.
const FORM_LIFE: Duration = Duration::from_secs(15 * 60);
/// Larger files are refused.
const FILE_BYTES_MAX: u64 = 5 << 40;
const FILE_FIELD: &str = "file";
const SIGNATURE: &str = "x-amz-signature";

/// What a signature stands for.
#[derive(Serialize, Deserialize)]
struct Issued {
    file: u64,
    upload: String,
    fields: Vec<(String, String)>,
}

/// A new form for an upload; its key is that of the upload, so that a form sent twice writes the same.
pub fn upload_entry(service: &Service, node: &Node, upload: &str) -> Value {
    let expires_ms = now_ms() + FORM_LIFE.as_millis() as u64;
    let expires = jiff::Timestamp::from_millisecond(expires_ms as i64).unwrap_or_default().to_string();
    let key = format!("{ORG}/{}.{}/{upload}", objects::show(node.kind, node.id), objects::CONTENT);
    let policy = json!({ "expiration": expires, "conditions": [
        { "key": key }, ["content-length-range", 0, FILE_BYTES_MAX], { "content-type": node.mime } ] });
    let fields = [
        ("x-amz-credential", "AKIADEMO/us-east-1/s3/aws4_request".to_owned()),
        ("x-amz-server-side-encryption", "AES256".to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("success_action_status", "201".to_owned()),
        ("content-type", node.mime.clone()),
        ("key", key),
        ("policy", STANDARD.encode(policy.to_string())),
    ];
    let fields: Vec<_> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let issued = json!(Issued { file: node.id.0, upload: upload.to_owned(), fields: fields.clone() });
    let signature = service.tickets.issue(issued.to_string(), FORM_LIFE);
    let signed = std::iter::once((SIGNATURE.to_owned(), signature)).chain(fields);
    let fields: Vec<_> = signed.map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({
        "name": objects::FACET, "state": 0, "location": 5, "maxFileSize": FILE_BYTES_MAX, "fields": fields,
        "uploadKey": FILE_FIELD, "uploadMethod": "post", "uploadUrl": service.storage_url,
    })
}

pub fn storage_router(service: Arc<Service>) -> Router {
    let forms = Router::new().route("/", post(receive)).layer(DefaultBodyLimit::disable());
    forms.with_state(service.clone()).merge(transfer::storage_router(service)).layer(from_fn(refuse_credentials))
}

/// The API's credentials have no business here.
async fn refuse_credentials(request: Request, next: Next) -> Response {
    let foreign = |name: &str| name.starts_with("medable-") || name == "cookie" || name == "authorization";
    if request.headers().keys().any(|name| foreign(name.as_str())) {
        return refusal(400, "InvalidArgument", "Only one auth mechanism allowed").into_response();
    }
    next.run(request).await
}

/// `POST /`: the form's fields in their order, then the file.
async fn receive(State(service): State<Arc<Service>>, headers: HeaderMap, request: Request) -> Response {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        let words = "You must provide the Content-Length HTTP header.";
        return refusal(411, "MissingContentLength", words).into_response();
    }
    let Ok(form) = Multipart::from_request(request, &()).await else {
        let words = "Bucket POST must be of the enclosure-type multipart/form-data";
        return refusal(412, "PreconditionFailed", words).into_response();
    };
    match read_form(&service, form).await.and_then(|(issued, content)| store(&service, &issued, content)) {
        Ok(()) => (StatusCode::CREATED, "<PostResponse><Bucket>demo</Bucket></PostResponse>").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn read_form(service: &Service, mut form: Multipart) -> Result<(Issued, Content), Refusal> {
    let broken = |_| refusal(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed");
    let mut fields = Vec::new();
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name != FILE_FIELD {
            fields.push((name, part.text().await.map_err(broken)?));
            continue;
        }
        let issued = issued(service, fields)?;
        let content = service.store.blobs().receive_pieces(part.map_err(|e| e.body_text())).await;
        let content =
            content.map_err(|_| refusal(400, "IncompleteBody", "The request body terminated unexpectedly"))?;
        return match form.next_field().await.map_err(broken)? {
            // What follows the file is not looked at, so that a field there is missing.
            Some(_) => Err(refusal(403, "AccessDenied", "Invalid according to Policy: extra input")),
            None => Ok((issued, content)),
        };
    }
    Err(refusal(400, "InvalidArgument", "POST requires exactly one file upload per request."))
}

/// The upload that these fields were given out for.
fn issued(service: &Service, fields: Vec<(String, String)>) -> Result<Issued, Refusal> {
    let (signature, fields): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == SIGNATURE);
    let issued = signature.first().and_then(|(_, signature)| service.tickets.meaning(signature));
    let Some(issued) = issued.and_then(|text| serde_json::from_str::<Issued>(&text).ok()) else {
        return Err(refusal(403, "AccessDenied", "Invalid according to Policy: Policy expired."));
    };
    match issued.fields == fields {
        true => Ok(issued),
        false => Err(refusal(403, "SignatureDoesNotMatch", "The fields are not those that were signed.")),
    }
}

/// Bytes for an upload that is not waited for any more lie where nobody looks.
fn store(service: &Service, issued: &Issued, content: Content) -> Result<(), Refusal> {
    let failed = |_| refusal(500, "InternalError", "We encountered an internal error. Please try again.");
    let is_waited_for = |node: &Node| node.attributes.get(objects::PENDING) == Some(&issued.upload);
    let Some(node) = service.store.get(NodeId(issued.file)).filter(is_waited_for) else { return Ok(()) };
    service.store.revise(node.id, content, API_USER, |_| Ok(())).map_err(failed)?;
    let processed = service.store.edit(node.id, |node| {
        files::process(node);
        Ok(())
    });
    processed.map(|_| ()).map_err(failed)
}

/// An error in the form of storage hosts.
struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
}

fn refusal(status: u16, code: &'static str, message: &'static str) -> Refusal {
    Refusal { status, code, message }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal { code, message, .. } = self;
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    }
}
