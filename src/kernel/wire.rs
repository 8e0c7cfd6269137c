//! Frames between okcvm and the kernel, over the socket that is the kernel's standard input.
//!
//! The kernel is the model's own: nothing that it sends is believed, and no length that it tells makes okcvm hold more
//! than [`MOST`]. What is longer is read and thrown away. While nobody takes frames none are read, so that whoever
//! prints too fast has to wait.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Bytes of a content that are taken at most: a large picture.
pub(super) const MOST: u64 = 24 << 20;
/// Bytes of a header at most.
const MOST_HEADER: u64 = 64 << 10;
/// The byte of the channel and four lengths.
const HEAD: usize = 33;

/// What a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Requests to run code, and their replies.
    Shell,
    /// Requests that do not wait for code that runs.
    Control,
    /// What code writes and shows.
    Iopub,
    /// The first words of the kernel.
    Hello,
}

impl Channel {
    const ALL: [Self; 4] = [Self::Shell, Self::Control, Self::Iopub, Self::Hello];
}

/// One message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) channel: Channel,
    pub(super) header: Vec<u8>,
    pub(super) parent: Vec<u8>,
    /// The content, or how long it was.
    pub(super) content: Result<Vec<u8>, u64>,
}

/// The bytes of a request: its header and content; it has no parent and no metadata.
pub(super) fn pack(channel: Channel, header: &[u8], content: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 4] = [header, b"{}", b"{}", content];
    let number = Channel::ALL.iter().position(|known| *known == channel).unwrap_or_default();
    let mut bytes = vec![number as u8];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    }
    bytes.extend(parts.concat());
    bytes
}

/// The next frame. What is no frame is an error.
async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; HEAD];
    from.read_exact(&mut head).await?;
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("a message of the kernel {what}"));
    let channel = *Channel::ALL.get(usize::from(head[0])).ok_or_else(|| bad("has no known channel"))?;
    let mut lengths = [0; 4];
    for (length, bytes) in lengths.iter_mut().zip(head[1..].chunks_exact(8)) {
        *length = bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
    }
    let [header, parent, metadata, content] = lengths;
    if header > MOST_HEADER || parent > MOST_HEADER {
        return Err(bad("has too long a header"));
    }
    let header = take(from, header).await?;
    let parent = take(from, parent).await?;
    skip(from, metadata).await?;
    let content = if content > MOST {
        skip(from, content).await?;
        Err(content)
    } else {
        Ok(take(from, content).await?)
    };
    Ok(Frame { channel, header, parent, content })
}

/// Memory is taken as bytes come, and not as they are promised.
async fn take(from: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn skip(from: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<()> {
    let skipped =
        tokio::io::copy_buf(&mut tokio::io::BufReader::new(from.take(length)), &mut tokio::io::sink()).await?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads frames as long as somebody takes them; one waits at most.
pub(super) fn reader(mut from: OwnedReadHalf) -> mpsc::Receiver<Frame> {
    let (to, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = read(&mut from) => frame,
                () = to.closed() => return,
            };
            match frame {
                Ok(frame) => {
                    if to.send(frame).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the kernel tells nothing more");
                    return;
                }
            }
        }
    });
    frames
}

/// Writes requests in their order. A kernel that takes none lets them wait, and nobody with them.
pub(super) fn writer(mut to: OwnedWriteHalf) -> mpsc::UnboundedSender<Vec<u8>> {
    let (sender, mut requests) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            if write(&mut to, &request).await.is_err() {
                // The end of the kernel is told elsewhere.
                return;
            }
        }
    });
    sender
}

async fn write(to: &mut (impl AsyncWrite + Unpin), request: &[u8]) -> io::Result<()> {
    to.write_all(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(channel: u8, lengths: [u64; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![channel];
        bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
        bytes.extend_from_slice(body);
        bytes
    }

    #[tokio::test]
    async fn a_request_is_read_back() {
        let bytes = pack(Channel::Control, b"{\"a\":1}", b"[2]");
        let read = read(&mut bytes.as_slice()).await.expect("frame");
        let content = Ok(b"[2]".to_vec());
        assert_eq!(
            read,
            Frame { channel: Channel::Control, header: b"{\"a\":1}".to_vec(), parent: b"{}".to_vec(), content }
        );
    }

    #[tokio::test]
    async fn what_is_too_long_is_left_out_and_the_next_frame_is_read() {
        let long = MOST + 1;
        let mut bytes = frame(2, [1, 1, 2, long], b"hpmm");
        bytes.extend(std::iter::repeat_n(b'x', long as usize));
        bytes.extend(frame(0, [1, 0, 0, 1], b"hc"));
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).await.expect("first").content, Err(long));
        assert_eq!(read(&mut from).await.expect("second").content, Ok(b"c".to_vec()));
        assert!(from.is_empty());
    }

    #[tokio::test]
    async fn promises_and_nonsense_are_errors() {
        // Terabytes are promised, and nothing comes.
        for bytes in [
            frame(0, [1, 0, 0, MOST], b"h"),
            frame(0, [1, 0, 0, u64::MAX], b"h"),
            frame(0, [MOST_HEADER + 1, 0, 0, 0], b""),
            frame(0, [0, u64::MAX, 0, 0], b""),
            frame(9, [0, 0, 0, 0], b""),
            vec![0; 5],
        ] {
            assert!(read(&mut bytes.as_slice()).await.is_err());
        }
    }
}
