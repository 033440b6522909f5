//! A metadata service on loopback that keeps what it received and answers as it was told, well or badly.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Framing, RequestHead};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the service does with one request.
pub(crate) enum Act {
    /// Sends these bytes, and waits for the next request.
    Send(String),
    /// Sends these bytes, and closes.
    SendAndClose(String),
    /// Answers well when the gate is opened once more.
    Wait(Arc<Semaphore>),
    /// Sends these bytes as soon as the head is there, and nothing more.
    Stall(String),
}

/// A request as the service received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which of the service's connections, counted from 0.
    pub(crate) connection: usize,
    pub(crate) head: RequestHead,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.head.headers.get(name)?.to_str().unwrap())
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.head.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// The service; ends when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    plan: Mutex<VecDeque<Act>>,
    received: watch::Sender<Vec<Received>>,
    /// All that came of bodies.
    body: watch::Sender<Vec<u8>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers what nothing is planned for with 200.
    pub(crate) async fn start(plan: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            plan: Mutex::new(plan.into_iter().collect()),
            ..State::default()
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&serving);
                connections.spawn(async move { converse(stream, number, &state).await });
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.borrow().clone()
    }

    pub(crate) fn connections(&self) -> Vec<usize> {
        self.received().iter().map(|one| one.connection).collect()
    }

    /// Returns the only request.
    pub(crate) fn only(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    /// Waits until so many requests were received.
    pub(crate) async fn wait_for(&self, count: usize) {
        let mut received = self.state.received.subscribe();
        within(received.wait_for(|received| received.len() >= count)).await;
    }

    /// Waits until these bytes of bodies were received.
    pub(crate) async fn wait_for_body(&self, bytes: &[u8]) {
        let mut body = self.state.body.subscribe();
        within(body.wait_for(|body| body.windows(bytes.len()).any(|part| part == bytes))).await;
    }
}

/// Waits for what the gateway does; it does it soon, or never.
async fn within<T, E: std::fmt::Debug>(condition: impl Future<Output = Result<T, E>>) {
    let found = timeout(Duration::from_secs(20), condition).await;
    drop(found.unwrap().unwrap());
}

async fn converse(mut stream: TcpStream, connection: usize, state: &State) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Ok(Parsed::Complete(head, length)) = parse(&buffer) {
                drop(buffer.drain(..length));
                break *head;
            }
            if !read(&mut stream, &mut buffer).await {
                return;
            }
        };
        let act = state.plan.lock().unwrap().pop_front();
        let act = act.unwrap_or_else(|| Act::Send(OK.to_owned()));
        let framing = head.framing;
        let keep = |body| {
            let head = head.clone();
            let one = Received {
                connection,
                head,
                body,
            };
            state.received.send_modify(|received| received.push(one));
        };
        if let Act::Stall(bytes) = &act {
            keep(Vec::new());
            stream.write_all(bytes.as_bytes()).await.unwrap();
            while read(&mut stream, &mut buffer).await {}
            return;
        }
        while !is_whole(framing, &buffer) {
            state.body.send_modify(|body| body.clone_from(&buffer));
            if !read(&mut stream, &mut buffer).await {
                return;
            }
        }
        keep(std::mem::take(&mut buffer));
        if !perform(act, &mut stream).await {
            return;
        }
    }
}

/// Answers one request; tells whether there may be another.
async fn perform(act: Act, stream: &mut TcpStream) -> bool {
    let (bytes, is_last) = match act {
        Act::Send(bytes) => (bytes, false),
        Act::SendAndClose(bytes) | Act::Stall(bytes) => (bytes, true),
        Act::Wait(gate) => {
            gate.acquire().await.unwrap().forget();
            (OK.to_owned(), false)
        }
    };
    stream.write_all(bytes.as_bytes()).await.is_ok() && !is_last
}

fn is_whole(framing: Framing, body: &[u8]) -> bool {
    match framing {
        Framing::Empty => true,
        Framing::Length(length) => body.len() as u64 >= length,
        Framing::Chunked => body.ends_with(b"0\r\n\r\n"),
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(buffer).await, Ok(length) if length > 0)
}
