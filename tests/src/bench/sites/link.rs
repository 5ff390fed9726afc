//! One connection of a light site: the streams of a session, their frames in and out.

use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, FrameDecoder, Message, frame};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;

const READ_BYTES: usize = 4 * 1024;
const EVENTS: usize = 64;

/// What comes from a link: a message, or nothing more.
pub(super) type Event = Option<(Channel, Message)>;

/// An open link. Its readers end with it.
pub(super) struct Link {
    connection: Connection,
    control: SendStream,
    push: SendStream,
    /// The push stream begins with its name.
    push_header: Option<Channel>,
    pub(super) events: mpsc::Receiver<Event>,
}

impl Link {
    /// Opens the streams that a node opens and reads those that the hub opens.
    pub(super) async fn open(connection: Connection) -> anyhow::Result<Self> {
        let (tell, events) = mpsc::channel(EVENTS);
        let (control, from_hub) = connection.open_bi().await?;
        let push = connection.open_uni().await?;
        tokio::task::spawn(read(from_hub, Channel::Control, tell.clone()));
        tokio::task::spawn(accept(connection.clone(), tell));
        Ok(Self { connection, control, push, push_header: Some(Channel::Push), events })
    }

    /// Why the connection is closed.
    pub(super) fn ended(&self) -> String {
        let reason = self.connection.close_reason();
        reason.map_or_else(|| "a stream ended".to_owned(), |reason| format!("the link ended: {reason}"))
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, channel: Channel, message: &Message) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let stream = if channel == Channel::Push {
            bytes.extend(self.push_header.take().map(Channel::to_header).into_iter().flatten());
            &mut self.push
        } else {
            &mut self.control
        };
        frame::encode(message, &mut bytes)?;
        Ok(stream.write_all(&bytes).await?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.close(quinn::VarInt::from_u32(0), b"");
    }
}

async fn accept(connection: Connection, tell: mpsc::Sender<Event>) {
    while let Ok(mut stream) = connection.accept_uni().await {
        let tell = tell.clone();
        tokio::task::spawn(async move {
            let mut header = [0; HEADER_BYTES];
            if stream.read_exact(&mut header).await.is_ok()
                && let Some(channel) = Channel::from_header(header)
            {
                read(stream, channel, tell).await;
            }
        });
    }
    // Nobody listens once the link was given up here.
    drop(tell.send(None).await);
}

async fn read(mut stream: RecvStream, channel: Channel, tell: mpsc::Sender<Event>) {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(Some(length)) = stream.read(&mut buffer).await {
        decoder.feed(buffer.get(..length).unwrap_or_default());
        while let Ok(Some(frame)) = decoder.poll() {
            if let Ok(Some(message)) = frame::decode(&frame)
                && tell.send(Some((channel, message))).await.is_err()
            {
                return;
            }
        }
    }
}
