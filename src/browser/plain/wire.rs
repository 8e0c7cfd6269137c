//! What okcvm and `okcvm __fetch` tell each other over one socket: a request with its body goes in, the head of the
//! answer and the body in parts come out; again and again until okcvm closes its end.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The helper mode.
pub(super) const MODE: &str = "__fetch";
/// Bytes of a head in either direction.
const MOST_HEAD: u32 = 1 << 20;
/// Bytes of one part of a body.
const MOST_PART: u32 = 1 << 20;
/// Stands where the length of a part would, and says that the body broke off; why follows.
const BROKEN: u32 = u32::MAX;

/// What is asked for: one request, without redirects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// Bytes of the body, which follows.
    pub(super) body: u32,
}

/// What came of it: the head of the answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Head {
    Answer { status: u16, headers: Vec<(String, String)> },
    Failed(String),
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bytes(Vec<u8>),
    End,
    Broken(String),
}

pub(super) async fn write_head(to: &mut (impl AsyncWrite + Unpin), head: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(head).map_err(io::Error::other)?;
    write_bytes(to, &bytes, MOST_HEAD).await
}

pub(super) async fn read_head<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = from.read_u32_le().await?;
    let bytes = read_bytes(from, length, MOST_HEAD).await?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

pub(super) async fn write_part(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(MOST_PART as usize) {
        write_bytes(to, part, MOST_PART).await?;
    }
    Ok(())
}

pub(super) async fn write_end(to: &mut (impl AsyncWrite + Unpin), broken: Option<&str>) -> io::Result<()> {
    match broken {
        None => to.write_u32_le(0).await,
        Some(why) => {
            to.write_u32_le(BROKEN).await?;
            write_bytes(to, why.as_bytes(), MOST_HEAD).await
        }
    }
}

pub(super) async fn read_part(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Part> {
    match from.read_u32_le().await? {
        0 => Ok(Part::End),
        BROKEN => {
            let length = from.read_u32_le().await?;
            let why = read_bytes(from, length, MOST_HEAD).await?;
            Ok(Part::Broken(String::from_utf8_lossy(&why).into_owned()))
        }
        length => Ok(Part::Bytes(read_bytes(from, length, MOST_PART).await?)),
    }
}

async fn write_bytes(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], most: u32) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
    to.write_u32_le(length.ok_or_else(|| io::Error::other("a frame is too large"))?).await?;
    to.write_all(bytes).await
}

async fn read_bytes(from: &mut (impl AsyncRead + Unpin), length: u32, most: u32) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::Error::other("a frame is too large"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_lengths_beyond_the_bound_are_refused() {
        let mut wire = Vec::new();
        let head = Head::Answer { status: 200, headers: vec![("a".to_owned(), "b".to_owned())] };
        write_head(&mut wire, &head).await.expect("written");
        write_part(&mut wire, b"body").await.expect("written");
        write_end(&mut wire, None).await.expect("written");
        write_end(&mut wire, Some("why")).await.expect("written");
        let mut from = wire.as_slice();
        assert_eq!(read_head::<Head>(&mut from).await.expect("head"), head);
        assert_eq!(read_part(&mut from).await.expect("part"), Part::Bytes(b"body".to_vec()));
        assert_eq!(read_part(&mut from).await.expect("part"), Part::End);
        assert_eq!(read_part(&mut from).await.expect("part"), Part::Broken("why".to_owned()));
        let mut huge: &[u8] = &(u32::MAX - 1).to_le_bytes();
        assert!(read_part(&mut huge).await.is_err());
    }
}
