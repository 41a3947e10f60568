//! Reading content. The service sends a file whole, and drops whoever pauses for ten seconds: what arrives is checked
//! against the known length.

use crate::error::{ErrorKind, Result, fail};
use crate::http::{Request, StatusCode, exactly};
use crate::provider::{Download, ReadTarget};
use crate::services::redmine::Redmine;
use crate::services::redmine::place::file_number;

impl Redmine {
    /// `GET /attachments/download/ID.json`: the bytes, although the address ends so; unlike the address that the lists
    /// tell, it is refused and not redirected without a valid key.
    pub(super) async fn download(&self, target: &ReadTarget) -> Result<Download> {
        let id = file_number(&target.id)?;
        if target.old {
            return fail(ErrorKind::Unsupported, "the service keeps no old revisions");
        }
        let request = Request::get("download", format!("/attachments/download/{id}.json")).streamed();
        let response = self.client.send(&request).await?.checked()?;
        if response.status != StatusCode::OK {
            let status = response.status.as_u16();
            return fail(ErrorKind::Protocol, format!("the service answered {status} instead of sending the file"));
        }
        let announced = response.content_length();
        if let (Some(announced), Some(size)) = (announced, target.size)
            && announced != size
        {
            // The content behind an id never changes.
            return fail(ErrorKind::Protocol, format!("the service sends {announced} of the file's {size} bytes"));
        }
        let total = target.size.or(announced);
        Ok(Download { start: 0, total, stream: exactly(response.into_stream(), total) })
    }
}
