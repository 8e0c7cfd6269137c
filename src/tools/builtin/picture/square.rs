//! A picture of any size and kind as a square PNG: scaled until its shorter edge fits, and its middle kept. Nothing is
//! distorted and no bars are added. The part that decodes runs in the process without rights.

use std::io::Cursor;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::shrink;
use crate::sandbox::Encoded;
use crate::tools::decode::{self, Task};
use crate::tools::dispatch::Machine;
use crate::tools::tool::ToolError;

/// Pixels of the largest picture that is taken.
const MOST_PIXELS: u64 = 64_000_000;

/// A square picture.
#[derive(Debug)]
pub(in crate::tools) struct Square {
    /// The bytes of a PNG.
    pub(in crate::tools) png: Vec<u8>,
    /// How large the picture was that it was made of, upright.
    pub(in crate::tools) before: (u32, u32),
}

/// What the other process tells before the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    before: (u32, u32),
    /// Whether the bytes that follow are none, because the picture is as it should be.
    unchanged: bool,
}

/// Has a picture made square in a process of its own.
pub(in crate::tools) async fn square(
    machine: &Machine,
    bytes: Vec<u8>,
    edge: u32,
    cancel: &CancellationToken,
) -> Result<Square, ToolError> {
    let words = ("the picture that came", "used", "Try once more, or with another model.");
    let answer = decode::run(machine, &Task::Square { edge }, Encoded::Bytes(bytes.clone()), cancel, words).await?;
    let opened = opened(answer, bytes, edge);
    opened
        .ok_or_else(|| ToolError::ForModel("the picture that came could not be used: its reader gave no answer".into()))
}

/// The work of that process.
pub(in crate::tools) fn squared(bytes: &[u8], edge: u32) -> Result<Vec<u8>, String> {
    let (mut picture, orientation, format) = shrink::read(bytes, MOST_PIXELS)?;
    let upright = orientation == Orientation::NoTransforms;
    let fits = (picture.width(), picture.height()) == (edge, edge);
    let unchanged = format == ImageFormat::Png && upright && fits;
    picture.apply_orientation(orientation);
    let before = (picture.width(), picture.height());
    let mut out = serde_json::to_vec(&Head { before, unchanged }).map_err(|error| error.to_string())?;
    out.push(b'\n');
    if !unchanged {
        let picture = if fits { picture } else { picture.resize_to_fill(edge, edge, FilterType::CatmullRom) };
        let picture: DynamicImage =
            if picture.color().has_alpha() { picture.into_rgba8().into() } else { picture.into_rgb8().into() };
        let mut png = Vec::new();
        picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map_err(|error| error.to_string())?;
        out.extend_from_slice(&png);
    }
    Ok(out)
}

/// The answer of that process, which may be in the hands of the picture: it is believed only to be a PNG of that size.
fn opened(mut answer: Vec<u8>, given: Vec<u8>, edge: u32) -> Option<Square> {
    let line = answer.iter().position(|byte| *byte == b'\n')?;
    let made = answer.split_off(line + 1);
    let Head { before, unchanged } = serde_json::from_slice(&answer).ok()?;
    let png = if unchanged { given } else { made };
    (size_of_png(&png) == Some((edge, edge))).then_some(Square { png, before })
}

/// Width and height in the head of a PNG.
fn size_of_png(png: &[u8]) -> Option<(u32, u32)> {
    let head = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).expect("encoded");
        bytes
    }

    fn made(bytes: Vec<u8>, edge: u32) -> Square {
        opened(squared(&bytes, edge).expect("square"), bytes, edge).expect("form")
    }

    #[test]
    fn the_middle_of_a_wide_picture_is_kept_without_distortion() {
        // Red, green and blue thirds: of 96 x 32 the middle third is what remains.
        let thirds = RgbImage::from_fn(96, 32, |x, _| {
            let mut colour = [0; 3];
            colour[(x / 32) as usize] = 255;
            Rgb(colour)
        });
        let square = made(file(&thirds.into(), ImageFormat::Png), 64);
        assert_eq!(square.before, (96, 32));
        let picture = image::load_from_memory(&square.png).expect("a picture").to_rgb8();
        assert_eq!(picture.dimensions(), (64, 64));
        assert!(picture.enumerate_pixels().all(|(x, _, pixel)| !(4..60).contains(&x) || pixel.0[1] > 250));
    }

    #[test]
    fn what_is_right_stays_byte_for_byte_and_all_else_becomes_a_png() {
        let right = file(&RgbImage::new(64, 64).into(), ImageFormat::Png);
        assert_eq!(made(right.clone(), 64).png, right);
        for format in [ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
            let square = made(file(&RgbImage::new(40, 64).into(), format), 64);
            assert_eq!((size_of_png(&square.png), square.before), (Some((64, 64)), (40, 64)), "{format:?}");
        }
        let glass = RgbaImage::from_pixel(10, 10, Rgba([0, 0, 0, 0]));
        let square = made(file(&glass.into(), ImageFormat::Png), 64);
        assert_eq!(image::load_from_memory(&square.png).expect("a picture").to_rgba8().get_pixel(5, 5).0[3], 0);
    }

    #[test]
    fn an_answer_that_is_no_such_picture_is_none() {
        let small = file(&RgbImage::new(8, 8).into(), ImageFormat::Png);
        let head = b"{\"before\":[8,8],\"unchanged\":true}\n".to_vec();
        assert!(opened(head, small, 64).is_none());
        assert!(opened(b"{\"before\":[8,8],\"unchanged\":false}\nno picture".to_vec(), Vec::new(), 64).is_none());
        assert!(squared(b"no picture", 64).is_err());
    }
}
