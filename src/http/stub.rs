//! A service made of a closure, on loopback: for tests of exact requests and of answers that no framework would give.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What the stub does with a request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Proper,
    /// Closes without any answer.
    NoAnswer,
    /// Announces the whole body and sends half of it.
    HalfBody,
    /// Says nothing and keeps the connection.
    Silence,
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new(), end: End::Proper }
    }

    pub fn text(status: u16, body: &str) -> Answer {
        Answer { body: body.as_bytes().to_vec(), ..Answer::status(status) }
    }

    pub fn json(status: u16, body: serde_json::Value) -> Answer {
        Answer::text(status, &body.to_string()).header("Content-Type", "application/json")
    }

    pub fn bytes(status: u16, body: &[u8]) -> Answer {
        Answer { body: body.to_vec(), ..Answer::status(status) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn lost() -> Answer {
        Answer { end: End::NoAnswer, ..Answer::status(200) }
    }

    pub fn silence() -> Answer {
        Answer { end: End::Silence, ..Answer::status(200) }
    }

    pub fn cut_in_half(mut self) -> Answer {
        self.end = End::HalfBody;
        self
    }
}

type Answering = dyn Fn(&Received) -> Answer + Send + Sync;

/// Listens until dropped.
pub struct Stub {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub async fn start(answering: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answering): (_, Arc<Answering>) = (received.clone(), Arc::new(answering));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), answering.clone()));
            }
        });
        Stub { url, received, task }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic holds it").clone()
    }

    /// Method and target of each request so far.
    pub fn lines(&self) -> Vec<String> {
        self.received().iter().map(Received::line).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, log: Arc<Mutex<Vec<Received>>>, answering: Arc<Answering>) {
    let mut stream = BufReader::new(stream);
    let Some(received) = receive(&mut stream).await else { return };
    let answer = answering(&received);
    log.lock().expect("no panic holds it").push(received);
    match answer.end {
        End::NoAnswer => return,
        End::Silence => return tokio::time::sleep(Duration::from_secs(3600)).await,
        End::Proper | End::HalfBody => {}
    }
    let mut head = format!("HTTP/1.1 {} Stub\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !matches!(answer.status, 204 | 304) {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    let body = if answer.end == End::HalfBody { &answer.body[..answer.body.len() / 2] } else { &answer.body };
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}

/// Reads one request with a length. A body that ends early is no request.
async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("no raw bytes in the head");
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers: Vec<_> = headers.map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let mut received = Received { method, target, headers, body: Vec::new() };
    let length = received.header("content-length").map_or(0, |text| text.parse().expect("a length"));
    received.body.resize(length, 0);
    stream.read_exact(&mut received.body).await.ok()?;
    Some(received)
}
