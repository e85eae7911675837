//! Where the lab's images and kernels are: a server that has whatever it is asked for, and nothing in it.
//!
//! The control plane asks whether an image exists before it accepts it. Simulated machines do not read images.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use metal_runtime::TaskTree;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const REFUSAL: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const LONGEST_REQUEST: usize = 8192;

/// Starts the server; it ends with the tree.
pub async fn start(port: u16, tree: &TaskTree) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("listen on port {port} for image requests"))?;
    let port = listener.local_addr().context("tell the image port")?.port();
    let branch = tree.clone();
    tree.spawn_essential("image server", async move {
        loop {
            let accepted = tokio::select! {
                () = branch.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                branch.spawn("image request", async move {
                    // A client that does not finish its request gets no answer, which is its own fault.
                    let _ = timeout(Duration::from_secs(5), answer(stream)).await;
                });
            }
        }
    });
    Ok(port)
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 || request.len() + read > LONGEST_REQUEST {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let is_reading = request.starts_with(b"GET ") || request.starts_with(b"HEAD ");
    stream.write_all(if is_reading { ANSWER } else { REFUSAL }).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_image_exists() {
        let tree = TaskTree::root("test");
        let port = start(0, &tree).await.unwrap();
        for (request, status) in
            [("HEAD /any HTTP/1.1\r\n\r\n", "200"), ("POST /any HTTP/1.1\r\n\r\n", "405")]
        {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
        assert!(tree.shutdown(Duration::from_secs(10)).await.is_clean());
    }
}
