//! The service on a loopback socket, for what only a socket shows.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use volens::web::server;

use super::TestApp;

/// A server on a free port.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts it.
    pub(crate) async fn start(test: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let (router, web) = (test.router(), test.app.settings.web.clone());
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server::serve(listener, router, &web, stopped).await;
        });
        Self { address, stop: Some(stop), task }
    }

    /// Asks it to stop, without waiting.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) {
        self.task.await.expect("the server ends without a panic");
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it accepts")
    }

    /// One request on one connection; the whole answer as text.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: volens\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it is answered");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Whether the peer closes the connection within `patience`; reads and drops what it still sends.
pub(crate) async fn closes_within(stream: &mut TcpStream, patience: Duration) -> bool {
    let closed = async {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(patience, closed).await.is_ok()
}
