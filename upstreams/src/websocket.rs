//! Sends every WebSocket message back (RFC 6455).

use crate::http1::Reader;
use crate::server::Connection;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

const MAX_MESSAGE: usize = 1024 * 1024;

/// Takes over a connection whose handshake is done.
pub(crate) async fn echo<R, W>(reader: Reader<R>, writer: W, connection: &Connection)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (read, buffer) = reader.into_parts();
    let stream = tokio::io::join(read, writer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut socket =
        WebSocketStream::from_partially_read(stream, buffer.to_vec(), Role::Server, Some(config))
            .await;
    let patience = connection.limits().progress;
    let reason = loop {
        let message = tokio::select! {
            biased;
            message = timeout(connection.limits().idle, socket.next()) => message,
            () = connection.stopped() => break CloseCode::Away,
        };
        match message {
            Ok(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                if !matches!(timeout(patience, socket.send(message)).await, Ok(Ok(()))) {
                    return;
                }
            }
            // The library answers pings and the closing handshake while it reads on.
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(Error::Capacity(_)))) => break CloseCode::Size,
            Ok(Some(Err(Error::Protocol(_)))) => break CloseCode::Protocol,
            Ok(Some(Err(Error::Utf8(_)))) => break CloseCode::Invalid,
            Ok(Some(Err(_)) | None) => return,
            Err(_) => break CloseCode::Away,
        }
    };
    let _ = timeout(
        patience,
        socket.close(Some(CloseFrame {
            code: reason,
            reason: "".into(),
        })),
    )
    .await;
}
