//! Content of a known length: what is shorter or longer never looks complete.

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::{ErrorKind, Result, fail};

/// The body, ending with an error unless it has exactly so many bytes.
pub fn exactly(body: BoxStream<'static, Result<Bytes>>, expected: Option<u64>) -> BoxStream<'static, Result<Bytes>> {
    let Some(expected) = expected else { return body };
    let pieces = stream::try_unfold((body, expected), |(mut body, rest_bytes)| async move {
        let Some(chunk) = body.next().await.transpose()? else {
            return match rest_bytes {
                0 => Ok(None),
                _ => fail(ErrorKind::Protocol, format!("the content ends {rest_bytes} bytes too early")),
            };
        };
        match rest_bytes.checked_sub(chunk.len() as u64) {
            Some(rest_bytes) => Ok(Some((chunk, (body, rest_bytes)))),
            None => fail(ErrorKind::Protocol, "more bytes came than the content has"),
        }
    });
    pieces.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_of_another_length_ends_with_an_error() {
        let body = || stream::iter([Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"de"))]).boxed();
        for (expected, fits) in [(5, true), (4, false), (6, false)] {
            let pieces: Vec<_> = exactly(body(), Some(expected)).collect().await;
            assert_eq!(pieces.iter().all(Result::is_ok), fits, "{expected}");
        }
    }
}
