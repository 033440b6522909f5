//! What answers behind the gateway: the emulators, or a metadata service of the operator.
//!
//! Only requests that the gateway let pass get here; nothing here decides about signatures.

use std::net::IpAddr;

use bytes::Bytes;
use http::Response;
use http_body_util::{Either, Full};
use jiff::Timestamp;
use latchkey_http1::Connection;
use latchkey_http1::client::{Place, ResponseBody};
use latchkey_protocol::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answer::Answer;
use crate::emulator::Emulator;
use crate::machine::Machine;
use crate::upstream::{ForwardError, Upstream};

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) machine: &'a Machine,
    /// The packet's source.
    pub(crate) source: IpAddr,
    pub(crate) now: Timestamp,
}

/// What answers the requests to one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend<'a> {
    Emulator(&'a Emulator),
    Upstream(&'a Upstream),
}

/// An answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response<Either<Full<Bytes>, ResponseBody>>,
    /// A place among the requests under way, taken until the client has the whole answer.
    pub(crate) place: Option<Place>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            response: answer.map(Either::Left),
            place: None,
        }
    }
}

impl Reply {
    /// A reply that arrives piece by piece.
    pub(crate) fn streaming(response: Response<ResponseBody>, place: Place) -> Self {
        Self {
            response: response.map(Either::Right),
            place: Some(place),
        }
    }
}

impl Backend<'_> {
    /// Answers a request whose body was read whole.
    pub(crate) async fn answer(
        &self,
        asker: &Asker<'_>,
        request: Request,
        body: Bytes,
    ) -> Result<Reply, ForwardError> {
        match self {
            Self::Emulator(emulator) => {
                let (kind, head) = (request.endpoint(), request.head());
                Ok(emulator
                    .answer(asker.machine, kind, head, &body, asker.now)
                    .into())
            }
            Self::Upstream(upstream) => upstream.forward(asker, request.into_head(), body).await,
        }
    }

    /// Answers an upload while it arrives.
    pub(crate) async fn upload<S>(
        &self,
        asker: &Asker<'_>,
        request: Request,
        connection: &mut Connection<S>,
    ) -> Result<Reply, ForwardError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        match self {
            Self::Emulator(emulator) => {
                let upload =
                    emulator.upload(asker.machine, request.endpoint(), &request, asker.now);
                Ok(upload.receive(connection).await?.into())
            }
            Self::Upstream(upstream) => {
                upstream
                    .stream(asker, request.into_head(), connection)
                    .await
            }
        }
    }
}
