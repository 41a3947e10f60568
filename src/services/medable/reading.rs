//! Reading content: the API tells a signed address at a storage host, and the bytes come from there.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::RANGE;
use crate::http::{Request, Response, StatusCode, exactly};
use crate::ids::RemoteId;
use crate::provider::{ByteRange, Download, ReadTarget};
use crate::services::medable::Medable;
use crate::services::medable::assumptions as assumed;
use crate::services::medable::content::{FileProperty, pauses};
use crate::services::medable::fault;
use crate::services::medable::model::{Facet, unwritten};
use crate::services::medable::place::Place;

/// Files whose signed address is remembered, some 1 KB each: as many as are read at the same time.
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Signed addresses of contents, good for about 15 minutes. They are secrets.
pub struct Addresses(Mutex<LruCache<RemoteId, Facet>>);

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses(Mutex::new(LruCache::new(ADDRESSES_MAX)))
    }
}

impl Addresses {
    fn lock(&self) -> MutexGuard<'_, LruCache<RemoteId, Facet>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The address of exactly this content.
    fn of(&self, target: &ReadTarget) -> Option<Facet> {
        let known = self.lock().get(&target.id).cloned()?;
        (target.revision.is_some() && known.revision() == target.revision).then_some(known)
    }

    pub fn forget(&self, file: &RemoteId) {
        self.lock().pop(file);
    }
}

impl Medable {
    pub(super) async fn download(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        if target.revision.as_ref() == Some(&unwritten()) {
            return self.read_nothing(target).await;
        }
        let file = self.file_property(&Place::of(&target.id)?)?;
        let known = self.addresses.of(target);
        let was_known = known.is_some();
        let mut facet = match known {
            Some(facet) => facet,
            None => self.locate(&file, target).await?,
        };
        let mut response = self.fetch(&facet, target, range).await?;
        if response.status == StatusCode::FORBIDDEN {
            // The address was good for a while only, or ran out on its way here: once more, at the same offset.
            log::debug!("a signed address is not good any more (was it remembered: {was_known})");
            facet = self.locate(&file, target).await?;
            response = self.fetch(&facet, target, range).await?;
        }
        let size = facet.size.or(target.size);
        match response.status {
            StatusCode::PARTIAL_CONTENT => part(range, size, response),
            status if status.is_success() => Ok(self.whole(target, range, size, response)?),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(changed()),
            _ => {
                self.addresses.forget(&target.id);
                Err(response.error(&[]))
            }
        }
    }

    /// A property that was never written has no content to be fetched, as long as that is so.
    async fn read_nothing(&self, target: &ReadTarget) -> Result<Download> {
        let now = self.look_at(&Place::of(&target.id)?).await?;
        match now.revision == target.revision {
            true => Ok(Download { start: 0, total: Some(0), stream: Box::pin(futures::stream::empty()) }),
            false => Err(changed()),
        }
    }

    /// Asks for the address, and waits a little for content that is not ready.
    /// Errors: `NotReady`; `Conflict` when the content is another one now.
    async fn locate(&self, file: &FileProperty, target: &ReadTarget) -> Result<Facet> {
        let deadline = Instant::now() + assumed::READ_WAIT_MAX;
        let mut pauses = pauses();
        let facet = loop {
            match self.facet_with_address(file).await {
                Err(error) if error.kind() == ErrorKind::NotReady => {
                    let pause = pauses.next().filter(|pause| Instant::now() + *pause < deadline);
                    tokio::time::sleep(pause.ok_or(error)?).await;
                }
                other => break other?,
            }
        };
        if target.revision.is_some() && facet.revision() != target.revision {
            return Err(changed());
        }
        self.addresses.lock().put(target.id.clone(), facet.clone());
        Ok(facet)
    }

    /// `GET /PLURAL/ID/PROPERTY/FACET`, whose answer is JSON because we accept nothing else.
    async fn facet_with_address(&self, file: &FileProperty) -> Result<Facet> {
        let request = Request::get("locate", format!("{}/{}", file.path, file.facet));
        // That a facet could not be processed has the status of a passing failure.
        let request = request.final_if(|answer| fault::failure(answer).is_some_and(|f| f.is(&[assumed::MEDIA_FAILED])));
        let facet = Facet::read(&fault::succeeded(&self.api.client.send(&request).await?)?)?;
        match facet.url {
            Some(_) => Ok(facet),
            None => fail(ErrorKind::Protocol, "the service tells no address of the content"),
        }
    }

    /// From the storage host, without anything that belongs to the API.
    async fn fetch(&self, facet: &Facet, target: &ReadTarget, range: ByteRange) -> Result<Response> {
        let address = facet.url.as_deref().unwrap_or_default();
        let mut request = Request::get("download", address).anonymous().streamed();
        let ranges_taken = !self.ranges_ignored.load(std::sync::atomic::Ordering::Relaxed);
        if let Some(header) = range.header(facet.size.or(target.size)).filter(|_| ranges_taken) {
            request = request.header(RANGE, &header)?;
        }
        self.api.storage.send_following(&request).await
    }

    fn whole(&self, target: &ReadTarget, range: ByteRange, size: Option<u64>, response: Response) -> Result<Download> {
        if range.header(size.or(target.size)).is_some() {
            self.ranges_ignored.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        if let (Some(announced), Some(size)) = (response.content_length(), size)
            && announced != size
        {
            return Err(changed());
        }
        let total = response.content_length().or(size);
        Ok(Download { start: 0, total, stream: exactly(response.into_stream(), total) })
    }

    /// The File property that holds a file's bytes.
    pub(super) fn file_property(&self, file: &Place) -> Result<FileProperty> {
        match file {
            Place::File(id) => {
                let file = &self.tree()?.file;
                let path = crate::http::path(&[&file.object, id, &file.content])?;
                Ok(FileProperty { path, facet: file.facet.clone() })
            }
            Place::Facet { property, facet } => {
                let parts: Vec<&str> = property.split('/').collect();
                Ok(FileProperty { path: crate::http::path(&parts)?, facet: facet.clone() })
            }
            _ => fail(ErrorKind::IsDirectory, "directories have no content"),
        }
    }
}

fn part(range: ByteRange, size: Option<u64>, response: Response) -> Result<Download> {
    let Some(brought) = response.content_range() else {
        return fail(ErrorKind::Protocol, "the storage sends a part and does not say which");
    };
    if brought.start != range.start || range.end.is_some_and(|end| brought.end > end) {
        return fail(ErrorKind::Protocol, "the storage sends another part than asked for");
    }
    if let (Some(total), Some(size)) = (brought.total, size)
        && total != size
    {
        return Err(changed());
    }
    let stream = exactly(response.into_stream(), Some(brought.end - brought.start));
    Ok(Download { start: brought.start, total: brought.total.or(size), stream })
}

fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "the file changed on the service since it was listed")
}
