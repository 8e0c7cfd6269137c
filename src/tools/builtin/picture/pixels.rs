//! The pixels of a picture for the screen: upright, and no more of them than there is room for. Runs in the process
//! without rights.

use image::DynamicImage;
use image::imageops::FilterType;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::shrink;
use crate::sandbox::{Decoder, Encoded};
use crate::tools::decode::Task;

/// Pixels of the largest picture that is shown.
const MOST_PIXELS: u64 = 32_000_000;
/// The longest side that is handed out.
const LONGEST: u32 = 2_560;
/// A picture that is larger than this has no pixels of its own to be seen.
const ICON: u32 = 64;

/// A picture as the screen can show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Its own size, upright.
    pub size: (u32, u32),
    /// The size in which it is here.
    pub shown: (u32, u32),
    /// Red, green, blue and opacity of each pixel, row by row.
    pub rgba: Vec<u8>,
}

/// What the other process tells before the pixels.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    size: (u32, u32),
    shown: (u32, u32),
}

/// Has the pixels of a picture made in a process of its own, within so many columns and rows of them; it grows at most
/// `grow` times. The error is a part of a sentence.
pub async fn pixels(decoder: &Decoder, input: Encoded, room: (u32, u32), grow: u32) -> Result<Pixels, String> {
    let task = Task::Pixels { width: room.0, height: room.1, grow };
    // Plain data always serializes.
    let task = serde_json::to_string(&task).unwrap_or_default();
    let answer = decoder.run(&task, input, &CancellationToken::new()).await.map_err(|error| error.to_string())?;
    opened(answer).ok_or_else(|| "its reader gave no answer".to_owned())
}

/// The work of that process.
pub(in crate::tools) fn unpacked(bytes: &[u8], room: (u32, u32), grow: u32) -> Result<Vec<u8>, String> {
    let (mut picture, orientation, _) = shrink::read(bytes, MOST_PIXELS)?;
    let (width, height) = (picture.width(), picture.height());
    // Far larger ones are made smaller first: turning needs a second picture of the same size.
    if picture.width().max(picture.height()) > 2 * LONGEST {
        picture = picture.thumbnail(LONGEST, LONGEST);
    }
    picture.apply_orientation(orientation);
    let size = if shrink::turns(orientation) { (height, width) } else { (width, height) };
    let shown = fit((picture.width(), picture.height()), room, grow);
    let pixels = scaled(&picture, shown).into_rgba8();
    let mut out = serde_json::to_vec(&Head { size, shown }).map_err(|error| error.to_string())?;
    out.push(b'\n');
    out.extend_from_slice(pixels.as_raw());
    Ok(out)
}

/// The size within the room, with the shape as it is.
fn fit((width, height): (u32, u32), room: (u32, u32), grow: u32) -> (u32, u32) {
    let room = (room.0.clamp(1, LONGEST), room.1.clamp(1, LONGEST));
    let (own_width, own_height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (f64::from(room.0) / own_width).min(f64::from(room.1) / own_height).min(f64::from(grow.max(1)));
    let side = |own: f64, most: u32| ((own * scale).round() as u32).clamp(1, most);
    (side(own_width, room.0), side(own_height, room.1))
}

/// Small pictures grow with hard edges, as pixels.
fn scaled(picture: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    if width <= picture.width() && height <= picture.height() {
        return picture.thumbnail_exact(width, height);
    }
    let icon = picture.width().max(picture.height()) <= ICON;
    picture.resize_exact(width, height, if icon { FilterType::Nearest } else { FilterType::Triangle })
}

fn opened(mut answer: Vec<u8>) -> Option<Pixels> {
    let line = answer.iter().position(|byte| *byte == b'\n')?;
    let rgba = answer.split_off(line + 1);
    let Head { size, shown } = serde_json::from_slice(&answer).ok()?;
    // What comes from there is believed in nothing.
    let pixels = u64::from(shown.0) * u64::from(shown.1);
    (shown.0.max(shown.1) <= LONGEST && pixels > 0 && rgba.len() as u64 == 4 * pixels).then_some(Pixels {
        size,
        shown,
        rgba,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgba, RgbaImage};

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        RgbaImage::from_pixel(width, height, Rgba([10, 20, 30, 255]))
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .expect("png");
        bytes
    }

    #[test]
    fn a_picture_fills_its_room_and_keeps_its_shape() {
        let pixels = |bytes: &[u8], room, grow| opened(unpacked(bytes, room, grow).expect("picture")).expect("answer");
        let large = pixels(&png(400, 100), (40, 40), 1);
        assert_eq!((large.size, large.shown, large.rgba.len()), ((400, 100), (40, 10), 1600));
        assert_eq!(large.rgba[..4], [10, 20, 30, 255]);
        let icon = pixels(&png(4, 2), (100, 100), 10);
        assert_eq!((icon.size, icon.shown), ((4, 2), (40, 20)));
        assert_eq!(pixels(&png(3000, 1), (9_000_000, 1), 1).shown, (LONGEST, 1));
    }

    #[test]
    fn a_picture_that_claims_to_be_huge_is_refused_before_it_is_unpacked() {
        let mut bytes = png(6, 4);
        // Width and height in the header, with the checksum that belongs to them.
        bytes[16..20].copy_from_slice(&8_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&8_000u32.to_be_bytes());
        let sum = crc32fast::hash(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = unpacked(&bytes, (10, 10), 1).expect_err("too large");
        assert!(error.contains("64 megapixels"), "{error}");
        assert!(unpacked(b"no picture", (10, 10), 1).is_err());
    }

    #[test]
    fn an_answer_that_is_not_what_it_says_is_none() {
        let answer = unpacked(&png(4, 4), (4, 4), 1).expect("picture");
        assert!(opened(answer[..answer.len() - 1].to_vec()).is_none());
        assert!(opened(b"{\"size\":[1,1],\"shown\":[0,0]}\n".to_vec()).is_none());
        assert!(opened(b"{\"size\":[1,1],\"shown\":[4000000000,1]}\nxxxx".to_vec()).is_none());
    }
}
