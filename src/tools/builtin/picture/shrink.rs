//! The part that decodes: a picture of any size to one that a model can take. Runs in the process without rights.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};

use super::{MAX_BYTES, MAX_EDGE, Told, frames};

/// Bytes that a picture may have when it is decoded; what is made of it comes on top.
const MAX_DECODED: u64 = 512 << 20;
/// Qualities of JPEG in the order in which they are tried.
const QUALITIES: [u8; 3] = [85, 70, 50];

/// Unpacks a picture of at most so many pixels, as it lies in the file: the picture, how it is to be turned, its format.
pub(super) fn read(bytes: &[u8], most: u64) -> Result<(DynamicImage, Orientation, ImageFormat), String> {
    let damaged = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => "it is too large to be decoded".to_owned(),
        image::ImageError::Unsupported(error) => format!("this kind of picture is not known ({error})"),
        error => format!("it is damaged ({error})"),
    };
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let format = reader.format().ok_or("it is no picture that is known here")?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if decoder.total_bytes() > MAX_DECODED || pixels > most {
        let megapixels = pixels / 1_000_000;
        return Err(format!("it has {width} x {height} pixels ({megapixels} megapixels), too many to decode"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok((picture, orientation, format))
}

/// Whether turning swaps width and height.
pub(super) fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// Facts and bytes of the picture as a model can take it; why not, in a phrase.
pub(in crate::tools) fn shrunk(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (picture, orientation, format) = read(bytes, u64::MAX)?;
    let (width, height) = (picture.width(), picture.height());
    let upright = orientation == Orientation::NoTransforms;
    let fits = width.max(height) <= MAX_EDGE;
    // A JPEG may be cut or in colours for print and is decoded all the same, where endpoints refuse it: it is made anew.
    let plain = format == ImageFormat::Png;
    let size = if turns(orientation) { (height, width) } else { (width, height) };
    let frames = frames::count(bytes, format);
    let told = |shown, media_type: &str, unchanged| Told {
        format: name(format),
        frames,
        size,
        shown,
        media_type: media_type.to_owned(),
        unchanged,
    };
    if fits && upright && plain && bytes.len() <= MAX_BYTES {
        return Ok(packed(&told(size, format.to_mime_type(), true), &[]));
    }
    let mut small = smaller(picture, MAX_EDGE);
    // Turned when it is small: turning needs a second picture of the same size.
    small.apply_orientation(orientation);
    let (bytes, media_type, shown) = encoded(small, format == ImageFormat::Jpeg)?;
    Ok(packed(&told(shown, media_type, false), &bytes))
}

fn name(format: ImageFormat) -> String {
    format!("{format:?}").to_uppercase().replace("WEBP", "WebP")
}

/// The picture with no edge longer than this.
fn smaller(picture: DynamicImage, edge: u32) -> DynamicImage {
    let longest = picture.width().max(picture.height());
    if longest <= edge {
        return picture;
    }
    // Averaging first: cheap in time and memory whatever the size, and the finer filter then has little to do.
    let halfway = edge.saturating_mul(2);
    let picture = if longest > halfway { picture.thumbnail(halfway, halfway) } else { picture };
    picture.resize(edge, edge, FilterType::CatmullRom)
}

/// Bytes of a picture, their media type, and its size.
type Encoded = (Vec<u8>, &'static str, (u32, u32));

/// The picture in as few bytes as models take.
fn encoded(picture: DynamicImage, photo: bool) -> Result<Encoded, String> {
    let mut edge = picture.width().max(picture.height());
    let mut picture = picture;
    loop {
        let size = (picture.width(), picture.height());
        let clear = clear(&picture);
        // Drawings, plots and screens stay exact as long as they are small.
        if !photo || clear.is_some() {
            let mut bytes = Vec::new();
            let written = match &clear {
                Some(clear) => clear.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png),
                None => picture.to_rgb8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png),
            };
            written.map_err(|error| error.to_string())?;
            if bytes.len() <= MAX_BYTES {
                return Ok((bytes, "image/png", size));
            }
        }
        let opaque = clear.map_or_else(|| picture.to_rgb8(), |clear| on_white(&clear));
        for quality in QUALITIES {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&opaque)
                .map_err(|error| error.to_string())?;
            if bytes.len() <= MAX_BYTES {
                return Ok((bytes, "image/jpeg", size));
            }
        }
        edge = edge / 4 * 3;
        picture = smaller(picture, edge.max(1));
    }
}

/// The picture with its transparency, when one can see through it anywhere.
fn clear(picture: &DynamicImage) -> Option<RgbaImage> {
    if !picture.color().has_alpha() {
        return None;
    }
    let pixels = picture.to_rgba8();
    pixels.pixels().any(|pixel| pixel.0[3] < u8::MAX).then_some(pixels)
}

fn on_white(picture: &RgbaImage) -> RgbImage {
    let mut opaque = RgbImage::new(picture.width(), picture.height());
    for (to, from) in opaque.pixels_mut().zip(picture.pixels()) {
        let [.., alpha] = from.0.map(u32::from);
        for (to, from) in to.0.iter_mut().zip(from.0) {
            *to = ((u32::from(from) * alpha + 255 * (255 - alpha)) / 255) as u8;
        }
    }
    opaque
}

/// Facts on one line, then the bytes.
fn packed(told: &Told, bytes: &[u8]) -> Vec<u8> {
    // Plain data always serializes.
    let mut out = serde_json::to_vec(told).unwrap_or_default();
    out.push(b'\n');
    out.extend_from_slice(bytes);
    out
}

/// The other way round; `None` when it is not of that form.
pub(super) fn opened(mut answer: Vec<u8>) -> Option<(Told, Vec<u8>)> {
    let line = answer.iter().position(|byte| *byte == b'\n')?;
    let bytes = answer.split_off(line + 1);
    Some((serde_json::from_slice(&answer).ok()?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).expect("encoded");
        bytes
    }

    fn noise(width: u32, height: u32) -> DynamicImage {
        let mut state = 1_u32;
        let next = |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgb(state.to_le_bytes()[1..].try_into().expect("three"))
        };
        RgbImage::from_fn(width, height, next).into()
    }

    #[test]
    fn every_format_becomes_one_that_models_take_and_no_edge_is_long() {
        let picture = DynamicImage::from(RgbImage::from_pixel(2_000, 1_000, image::Rgb([200, 10, 10])));
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Gif,
            ImageFormat::WebP,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
        ] {
            let (told, bytes) = opened(shrunk(&file(&picture, format)).expect("shrunk")).expect("form");
            assert_eq!((told.size, told.shown), ((2_000, 1_000), (1_568, 784)), "{format:?}");
            assert!(!told.unchanged && !told.format.is_empty());
            let media_type = if format == ImageFormat::Jpeg { "image/jpeg" } else { "image/png" };
            assert_eq!(told.media_type, media_type, "{format:?}");
            let again = image::load_from_memory(&bytes).expect("a picture").to_rgb8();
            assert_eq!(again.dimensions(), told.shown);
            let [red, green, blue] = again.get_pixel(700, 300).0;
            assert!(red.abs_diff(200) < 6 && green.abs_diff(10) < 6 && blue.abs_diff(10) < 6, "{format:?}");
        }
    }

    #[test]
    fn what_is_small_and_plain_goes_as_it_is_and_what_is_heavy_becomes_light() {
        let small = file(&noise(300, 200), ImageFormat::Png);
        let (told, bytes) = opened(shrunk(&small).expect("shrunk")).expect("form");
        assert!(told.unchanged && bytes.is_empty() && told.media_type == "image/png");
        // Noise is what no encoder makes small.
        let heavy = file(&noise(1_500, 1_500), ImageFormat::Png);
        assert!(heavy.len() > 5_000_000);
        let (told, bytes) = opened(shrunk(&heavy).expect("shrunk")).expect("form");
        assert!(bytes.len() <= MAX_BYTES && told.media_type == "image/jpeg", "{}", bytes.len());
    }

    #[test]
    fn a_photo_is_turned_upright_and_its_size_is_told_so() {
        let mut picture = RgbImage::from_pixel(40, 20, image::Rgb([255, 255, 255]));
        for x in 0..20 {
            for y in 0..20 {
                picture.put_pixel(x, y, image::Rgb([0, 0, 0]));
            }
        }
        let plain = file(&picture.into(), ImageFormat::Jpeg);
        // One field: 6, to be turned by 90 degrees clockwise.
        let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let photo = [&plain[..2], exif, &plain[2..]].concat();
        let (told, bytes) = opened(shrunk(&photo).expect("shrunk")).expect("form");
        assert_eq!((told.size, told.shown), ((20, 40), (20, 40)));
        let upright = image::load_from_memory(&bytes).expect("a picture").to_luma8();
        assert!(upright.get_pixel(10, 4).0[0] < 40 && upright.get_pixel(10, 36).0[0] > 215);
    }

    #[test]
    fn what_can_be_seen_through_stays_so_and_where_it_cannot_it_lies_on_white() {
        let glass = RgbaImage::from_pixel(1_600, 10, image::Rgba([0, 0, 0, 0]));
        let (told, bytes) = opened(shrunk(&file(&glass.into(), ImageFormat::Png)).expect("shrunk")).expect("form");
        assert_eq!(told.media_type, "image/png");
        assert_eq!(image::load_from_memory(&bytes).expect("a picture").to_rgba8().get_pixel(3, 3).0[3], 0);
        let dark = RgbaImage::from_pixel(1, 1, image::Rgba([0, 0, 0, 0]));
        assert_eq!(on_white(&dark).get_pixel(0, 0).0, [255, 255, 255]);
    }

    #[test]
    fn what_is_no_picture_and_what_is_too_large_say_so() {
        assert!(shrunk(b"no picture at all").expect_err("refused").contains("no picture"));
        let whole = file(&noise(50, 50), ImageFormat::Png);
        assert!(shrunk(&whole[..whole.len() / 2]).expect_err("refused").contains("damaged"));
        // A BMP says its size in its head; nothing of it has to be there.
        let mut huge = file(&noise(1, 1), ImageFormat::Bmp);
        huge[18..22].copy_from_slice(&30_000_i32.to_le_bytes());
        huge[22..26].copy_from_slice(&30_000_i32.to_le_bytes());
        let why = shrunk(&huge).expect_err("refused");
        assert!(why.contains("30000 x 30000") && why.contains("900 megapixels"), "{why}");
    }
}
