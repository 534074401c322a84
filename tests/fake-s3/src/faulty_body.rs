//! Bodies that are slow, wrong or broken off.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use s3s::StdError;
use tokio::time::{Sleep, sleep};

use crate::connection::CountedConnection;

/// What is wrong with a body.
pub(crate) enum Defect {
    /// A pause before each chunk.
    Slow { chunk_bytes: usize, pause: Duration },
    /// The connection breaks after these bytes have been sent.
    Truncated { after_bytes: u64, connection: Arc<CountedConnection> },
    /// The connection breaks after these bytes have been received.
    Cut { after_bytes: u64, connection: Arc<CountedConnection> },
    /// A bit of this byte is wrong.
    Corrupt { at: u64 },
}

/// A body with a defect.
pub(crate) struct FaultyBody {
    inner: s3s::Body,
    defect: Defect,
    /// The rest of a frame that was too long for the defect.
    rest: Bytes,
    passed_bytes: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl FaultyBody {
    pub(crate) fn wrap(inner: s3s::Body, defect: Defect) -> s3s::Body {
        s3s::Body::http_body(Self {
            inner,
            defect,
            rest: Bytes::new(),
            passed_bytes: 0,
            pause: None,
        })
    }

    /// Waits for the pause before the next chunk, where there is one.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Defect::Slow { pause, .. } = self.defect {
            let sleep = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
        }
        Poll::Ready(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StdError>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let max_bytes = match self.defect {
            Defect::Slow { chunk_bytes, .. } => chunk_bytes.max(1),
            Defect::Truncated { after_bytes, .. } | Defect::Cut { after_bytes, .. } => {
                usize::try_from(after_bytes - self.passed_bytes).unwrap_or(usize::MAX)
            }
            Defect::Corrupt { .. } => usize::MAX,
        };
        let data = self.rest.split_to(self.rest.len().min(max_bytes));
        Poll::Ready(Some(Ok(data)))
    }

    /// Breaks the connection where the defect says so.
    fn poll_break(&self) -> Poll<Option<StdError>> {
        match &self.defect {
            Defect::Truncated { after_bytes, connection } if self.passed_bytes >= *after_bytes => {
                // The connection breaks once it has sent everything before this point.
                connection.cut();
                Poll::Pending
            }
            Defect::Cut { after_bytes, connection } if self.passed_bytes >= *after_bytes => {
                connection.cut();
                Poll::Ready(Some("the connection was cut".into()))
            }
            _ => Poll::Ready(None),
        }
    }

    /// Flips the bit of a corrupt body if it lies in this piece.
    fn corrupt(&self, data: Bytes) -> Bytes {
        let Defect::Corrupt { at } = self.defect else { return data };
        let is_last = self.inner.is_end_stream();
        let end = self.passed_bytes + data.len() as u64;
        if at < self.passed_bytes || (at >= end && !is_last) {
            return data;
        }
        let place = usize::try_from(at - self.passed_bytes).unwrap_or(usize::MAX);
        let place = place.min(data.len().saturating_sub(1));
        let mut data = BytesMut::from(data);
        if let Some(byte) = data.get_mut(place) {
            *byte ^= 1;
        }
        data.freeze()
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if let Some(error) = ready!(this.poll_break()) {
            return Poll::Ready(Some(Err(error)));
        }
        ready!(this.poll_pause(cx));
        let data = match ready!(this.poll_data(cx)) {
            Some(Ok(data)) => data,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        this.pause = None;
        let data = this.corrupt(data);
        this.passed_bytes += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        match self.inner.size_hint().exact() {
            Some(bytes) => SizeHint::with_exact(bytes + rest),
            None => SizeHint::default(),
        }
    }
}
