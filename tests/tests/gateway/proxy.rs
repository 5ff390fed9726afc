//! A small HTTP proxy that lets everything through, or makes of it what a bad line and a server under load make, or what
//! a server makes that can do less.

use std::sync::{Arc, Mutex};

use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is done to the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status, without asking the server; 429 with a wait of 120 seconds.
    Status(u16),
    /// The server does what was asked, and half of its answer arrives.
    HalfBody,
    /// The server does what was asked, and something else arrives.
    WrongJson,
}

#[derive(Default)]
struct Shared {
    target: String,
    fault: Option<Fault>,
    is_plain: bool,
    refused: usize,
}

/// A proxy that runs until the test ends.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        let shared = Arc::clone(&proxy.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the middle is no fault of the proxy's.
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn forward_to(&self, base: &str) {
        base.clone_into(&mut self.shared.lock().unwrap().target);
    }

    /// Stands for a server that has neither a history of everything, nor everything of a patient at once, nor creates
    /// on a condition, and says so.
    pub(crate) fn be_plain(&self) {
        self.shared.lock().unwrap().is_plain = true;
    }

    /// How often something was asked for that the plain server cannot do.
    pub(crate) fn refused(&self) -> usize {
        self.shared.lock().unwrap().refused
    }

    pub(crate) fn break_with(&self, fault: Option<Fault>) {
        self.shared.lock().unwrap().fault = fault;
    }
}

/// Serves one request and closes, so that a fault that is set counts from the next request on.
async fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    read.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        read.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse()?;
        } else if !["host", "accept-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await?;
    let (target, fault, is_plain) = {
        let shared = shared.lock().unwrap();
        (shared.target.clone(), shared.fault, shared.is_plain)
    };
    let is_conditional = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("if-none-exist"));
    if is_plain && (path.starts_with("/_history") || path.contains("$everything")) {
        shared.lock().unwrap().refused += 1;
        write.write_all(b"HTTP/1.1 400 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
        return Ok(());
    }
    if is_plain && is_conditional {
        // A header that a server does not know is passed over.
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("if-none-exist"));
    }
    if let Some(Fault::Status(status)) = fault {
        let answer = format!(
            "HTTP/1.1 {status} No\r\nretry-after: 120\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        write.write_all(answer.as_bytes()).await?;
        return Ok(());
    }
    let mut request = Client::new().request(method.parse()?, format!("{target}{path}")).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    let mut head = format!("HTTP/1.1 {} Ok\r\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            head.extend([name.as_str(), ": ", value.to_str()?, "\r\n"]);
        }
    }
    // Further pages are asked for here too.
    let mut body = answer.text().await?.replace(&target, &format!("http://{}", write.local_addr()?));
    if is_plain && path.starts_with("/metadata") {
        body = plain(&body)?;
    }
    let (length, sent) = match fault {
        Some(Fault::HalfBody) => (body.len(), body.get(..body.len() / 2).unwrap_or_default().to_owned()),
        Some(Fault::WrongJson) => (13, "{\"wrong\": [1}".to_owned()),
        Some(Fault::Status(_)) | None => (body.len(), body),
    };
    head.extend(["content-length: ", &length.to_string(), "\r\nconnection: close\r\n\r\n"]);
    write.write_all(head.as_bytes()).await?;
    write.write_all(sent.as_bytes()).await?;
    write.shutdown().await?;
    Ok(())
}

/// A server's statement without what a plain one cannot do.
fn plain(statement: &str) -> anyhow::Result<String> {
    let mut statement: Value = serde_json::from_str(statement)?;
    let rest = statement["rest"][0].as_object_mut().unwrap();
    rest.remove("interaction");
    for resource in rest.get_mut("resource").unwrap().as_array_mut().unwrap() {
        let resource = resource.as_object_mut().unwrap();
        resource.remove("operation");
        resource.insert("conditionalCreate".to_owned(), false.into());
    }
    Ok(statement.to_string())
}
