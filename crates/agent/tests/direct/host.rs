//! A host on loopback that keeps the very bytes it received and answers as it was told, well or badly.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latchkey_protocol::head::{self, Parsed};
use latchkey_protocol::signature::{Authorization, Signable};
use latchkey_protocol::{Framing, RequestHead, SigningKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

/// What the host does with one request.
pub(crate) enum Answer {
    /// Sends these bytes and waits for the next request.
    Reply(Vec<u8>),
    /// Sends these bytes and closes the connection.
    ReplyAndClose(Vec<u8>),
    /// Sends the pieces, each after the first when the gate is opened once more, and then closes
    /// or waits for the next request.
    Gated(Vec<Vec<u8>>, Arc<Semaphore>),
    /// As [`Answer::Gated`], but begins as soon as the head is there, and takes the body for noise.
    Early(Vec<Vec<u8>>, Arc<Semaphore>),
    /// Says nothing until the agent closes.
    Silence,
}

impl Answer {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Reply(ok(body))
    }

    /// Closes the connection without a word.
    pub(crate) fn nothing() -> Self {
        Self::ReplyAndClose(Vec::new())
    }

    pub(crate) fn reply(bytes: &str) -> Self {
        Self::Reply(bytes.as_bytes().to_vec())
    }

    pub(crate) fn reply_and_close(bytes: &str) -> Self {
        Self::ReplyAndClose(bytes.as_bytes().to_vec())
    }
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request as the host received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which of the host's connections, counted from 0.
    pub(crate) connection: usize,
    pub(crate) head: RequestHead,
    /// The head byte for byte.
    pub(crate) bytes: Vec<u8>,
    /// The body without transfer coding.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(crate) is_whole: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn authorization(&self) -> Option<Authorization> {
        let value = self.head.headers.get("x-ms-azure-host-authorization")?;
        Some(Authorization::parse(value.as_bytes()).unwrap())
    }

    /// Whether nothing of the protocol's own is in it.
    pub(crate) fn is_bare(&self) -> bool {
        let mut names = self.head.headers.keys();
        names.all(|name| !name.as_str().starts_with("x-ms-azure-host-"))
    }

    pub(crate) fn is_signed_by(&self, key: &SigningKey) -> bool {
        let Some(authorization) = self.authorization() else {
            return false;
        };
        let signable = Signable {
            method: &self.head.method,
            target: &self.head.target,
            headers: &self.head.headers,
            body: &self.body,
        };
        authorization.key == *key.id() && key.verify(&signable, &authorization.mac).is_ok()
    }
}

type Script = Box<dyn FnMut(&Received) -> Answer + Send>;

struct State {
    script: Mutex<Script>,
    planned: Mutex<VecDeque<Answer>>,
    received: watch::Sender<Vec<Received>>,
    open: watch::Sender<usize>,
    /// All body bytes as they came, and what came after an early answer.
    body: watch::Sender<Vec<u8>>,
    close: Notify,
}

/// The host; ends when dropped.
pub(crate) struct FakeHost {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeHost {
    /// Answers 200 to everything that nothing else is planned for.
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), |_| Answer::ok("ok")).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        script: impl FnMut(&Received) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(State {
            script: Mutex::new(Box::new(script)),
            planned: Mutex::default(),
            received: watch::Sender::new(Vec::new()),
            open: watch::Sender::new(0),
            body: watch::Sender::default(),
            close: Notify::new(),
        });
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    /// Plans the answer to the next request that nothing is planned for yet.
    pub(crate) fn plan(&self, answer: Answer) {
        self.state.planned.lock().unwrap().push_back(answer);
    }

    /// Answers what nothing is planned for.
    pub(crate) fn script(&self, script: impl FnMut(&Received) -> Answer + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// Closes all open connections, whatever they are in.
    pub(crate) fn close_connections(&self) {
        self.state.close.notify_waiters();
    }

    /// Waits until these bytes of a body were received.
    pub(crate) async fn wait_for_body(&self, bytes: &[u8]) {
        let mut body = self.state.body.subscribe();
        let is_there = |body: &Vec<u8>| body.windows(bytes.len()).any(|found| found == bytes);
        drop(within(body.wait_for(is_there)).await.unwrap());
    }

    /// Returns the raw bytes that were received and not understood as a head.
    pub(crate) fn drained(&self) -> Vec<u8> {
        self.state.body.borrow().clone()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.borrow().clone()
    }

    pub(crate) fn last(&self) -> Received {
        self.received().pop().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.state.received.borrow().len()
    }

    /// Waits until more than so many requests were received.
    pub(crate) async fn wait_for_more_than(&self, count: usize) {
        let mut received = self.state.received.subscribe();
        let more = received.wait_for(|received| received.len() > count);
        drop(within(more).await.unwrap());
    }

    /// Waits until so many requests, or beginnings of one, were received.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.state.received.subscribe();
        let found = received.wait_for(|received| received.len() >= count);
        within(found).await.unwrap().clone()
    }

    /// Waits until the agent has closed all its connections.
    pub(crate) async fn wait_until_left(&self) {
        let mut open = self.state.open.subscribe();
        drop(within(open.wait_for(|open| *open == 0)).await.unwrap());
    }
}

async fn within<T>(condition: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), condition).await;
    waited.expect("the agent does what the test waits for")
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    for number in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        state.open.send_modify(|open| *open += 1);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            tokio::select! {
                () = converse(stream, number, &state) => {}
                () = state.close.notified() => {}
            }
            state.open.send_modify(|open| *open -= 1);
        });
    }
}

async fn converse(mut stream: TcpStream, number: usize, state: &State) {
    let mut buffer = Vec::new();
    while let Some(mut request) = read_head(&mut stream, &mut buffer, number).await {
        let early = {
            let mut planned = state.planned.lock().unwrap();
            planned.pop_front_if(|answer| matches!(answer, Answer::Early(..)))
        };
        if let Some(Answer::Early(pieces, gate)) = early {
            state
                .received
                .send_modify(|received| received.push(request));
            state.body.send_modify(|body| body.append(&mut buffer));
            let (rest, mut sender) = stream.into_split();
            tokio::join!(drain(rest, state), async {
                send_gated(&mut sender, pieces, &gate).await;
            });
            return;
        }
        let reader = BodyReader {
            stream: &mut stream,
            buffer: &mut buffer,
            state,
        };
        request.is_whole = reader.read(&mut request).await;
        let is_whole = request.is_whole;
        state
            .received
            .send_modify(|received| received.push(request.clone()));
        if !is_whole {
            return;
        }
        let planned = state.planned.lock().unwrap().pop_front();
        let answer = planned.unwrap_or_else(|| (state.script.lock().unwrap())(&request));
        match answer {
            Answer::Reply(bytes) => stream.write_all(&bytes).await.unwrap(),
            Answer::ReplyAndClose(bytes) => return stream.write_all(&bytes).await.unwrap(),
            Answer::Early(..) => panic!("planned before the head came"),
            Answer::Silence => return drain(stream, state).await,
            Answer::Gated(pieces, gate) => {
                if !send_gated(&mut stream, pieces, &gate).await {
                    return;
                }
            }
        }
    }
}

/// Sends the pieces, each after the first when the gate lets one more pass; false when the agent is gone.
async fn send_gated(
    stream: &mut (impl AsyncWrite + Unpin),
    pieces: Vec<Vec<u8>>,
    gate: &Semaphore,
) -> bool {
    for (index, piece) in pieces.into_iter().enumerate() {
        if index > 0 {
            gate.acquire().await.unwrap().forget();
        }
        if stream.write_all(&piece).await.is_err() {
            return false;
        }
    }
    true
}

async fn drain(mut stream: impl AsyncRead + Unpin, state: &State) {
    let mut rest = Vec::new();
    while fill(&mut stream, &mut rest).await {
        state.body.send_modify(|body| body.append(&mut rest));
    }
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> bool {
    stream.read_buf(buffer).await.is_ok_and(|read| read > 0)
}

async fn read_head(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Received> {
    loop {
        if let Parsed::Complete(head, length) = head::parse(buffer).expect("a strict head") {
            let bytes = buffer.drain(..length).collect();
            return Some(Received {
                connection,
                head: *head,
                bytes,
                body: Vec::new(),
                is_whole: false,
            });
        }
        if !fill(stream, buffer).await {
            return None;
        }
    }
}

/// Reads one body as far as it comes.
struct BodyReader<'a> {
    stream: &'a mut TcpStream,
    buffer: &'a mut Vec<u8>,
    state: &'a State,
}

impl BodyReader<'_> {
    /// Reads the body into the request; returns whether it came to its end.
    async fn read(mut self, request: &mut Received) -> bool {
        match request.head.framing {
            Framing::Empty => true,
            Framing::Length(length) => {
                let length = usize::try_from(length).unwrap();
                self.take(length, &mut request.body).await
            }
            Framing::Chunked => loop {
                let Some(line) = self.line().await else {
                    return false;
                };
                let size = usize::from_str_radix(&line, 16).unwrap();
                let is_whole = self.take(size, &mut request.body).await;
                if !is_whole || self.line().await.is_none() {
                    return false;
                }
                if size == 0 {
                    return true;
                }
            },
        }
    }

    async fn take(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        let end = body.len() + length;
        loop {
            let wanted = (end - body.len()).min(self.buffer.len());
            let piece: Vec<_> = self.buffer.drain(..wanted).collect();
            self.state.body.send_modify(|all| all.extend(&piece));
            body.extend(piece);
            if body.len() == end {
                return true;
            }
            if !fill(self.stream, self.buffer).await {
                return false;
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if !fill(self.stream, self.buffer).await {
                return None;
            }
        }
    }
}
