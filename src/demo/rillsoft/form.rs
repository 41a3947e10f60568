//! The form of an upload: parts of known names, each at most once, a file of an allowed type.

use axum::RequestExt;
use axum::extract::multipart::Field;
use axum::extract::{Multipart, Request};
use axum::http::{StatusCode, header};

use super::refusal::Refusal;
use crate::demo::blobs::Blobs;
use crate::demo::node::Content;

/// "Allowed mime types" (both upload pages).
const TYPES_ALLOWED: [&str; 4] = ["image/", "application/", "text/", "video/"];
/// The value of `X-HTTP-Method-Override` that an update may have.
const METHOD_OVERRIDE: &str = "PUT";
const NAME_CHARS_MAX: usize = 255;

#[derive(Default)]
pub struct Form {
    pub file: Option<File>,
    pub folder: Option<u64>,
    pub parent: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
}

pub struct File {
    pub name: String,
    pub mime: String,
    pub content: Content,
}

impl Form {
    /// Reads a request whose parts may have these names; texts go to memory, the file to the store.
    pub async fn read(blobs: &Blobs, request: Request, allowed: &[&str]) -> Result<Form, Refusal> {
        check_head(&request)?;
        let mut parts = match request.extract::<Multipart, _>().await {
            Ok(parts) => parts,
            Err(e) => return Err(Refusal::bad_request(e.body_text())),
        };
        let mut form = Form::default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(|e| Refusal::bad_request(e.body_text()))? {
            let name = part.name().unwrap_or_default().to_owned();
            if !allowed.contains(&name.as_str()) || seen.contains(&name) {
                return Err(Refusal::bad_request(format!("no part {name:?} here, or only one")));
            }
            form.take(blobs, &name, part).await?;
            seen.push(name);
        }
        form.checked()
    }

    async fn take(&mut self, blobs: &Blobs, name: &str, part: Field<'_>) -> Result<(), Refusal> {
        if name == "file" {
            let file_name = part.file_name().map(str::to_owned);
            let file_name = file_name.ok_or_else(|| Refusal::bad_request("the file has no filename"))?;
            let mime = part.content_type().unwrap_or_default().to_owned();
            self.file = Some(File { name: file_name, mime, content: blobs.receive_pieces(part).await? });
            return Ok(());
        }
        let text = part.text().await.map_err(|e| Refusal::bad_request(e.body_text()))?;
        match name {
            "folderId" => {
                self.folder = Some(text.parse().map_err(|_| Refusal::bad_request("folderId must be a number"))?);
            }
            "parentUuid" => self.parent = Some(text),
            "name" => self.name = Some(text),
            _ => self.description = Some(text),
        }
        Ok(())
    }

    /// Without `name` a document takes the file's name.
    fn checked(mut self) -> Result<Form, Refusal> {
        if let Some(file) = &self.file {
            if !TYPES_ALLOWED.iter().any(|allowed| file.mime.starts_with(allowed)) {
                let text = format!("{:?} is no allowed type", file.mime);
                return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
            }
            self.name.get_or_insert_with(|| file.name.clone());
        }
        match &self.name {
            Some(name) if name.is_empty() || name.chars().count() > NAME_CHARS_MAX => {
                Err(Refusal::bad_request("a name has 1 to 255 characters"))
            }
            _ => Ok(self),
        }
    }
}

fn check_head(request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be multipart/form-data"));
    }
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "Content-Length is missing"));
    }
    match headers.get("x-http-method-override") {
        Some(method) if method != METHOD_OVERRIDE => Err(Refusal::no_such_method()),
        _ => Ok(()),
    }
}
