//! Pictures in the size in which they are shown.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::imageops::{self, FilterType};
use image::{Rgba, RgbaImage};

/// Does work with a picture; a panic on the way is an error like any other.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("making it small failed".to_owned()))
}

/// The picture in another size.
pub(super) fn scaled(picture: &RgbaImage, width: u32, height: u32) -> RgbaImage {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == picture.dimensions() {
        picture.clone()
    } else if width <= picture.width() && height <= picture.height() {
        imageops::thumbnail(picture, width, height)
    } else {
        imageops::resize(picture, width, height, FilterType::Triangle)
    }
}

/// Puts something behind what can be seen through: white behind dark pictures, black behind bright ones.
pub(super) fn flatten(picture: &mut RgbaImage) {
    let (mut light, mut weight) = (0u64, 0u64);
    for Rgba([r, g, b, a]) in picture.pixels() {
        light += (u64::from(*r) * 2 + u64::from(*g) * 5 + u64::from(*b)) / 8 * u64::from(*a);
        weight += u64::from(*a);
    }
    let ground = if light > weight * 150 { 0u16 } else { 255 };
    for Rgba([r, g, b, a]) in picture.pixels_mut() {
        let alpha = u16::from(*a);
        for part in [r, g, b] {
            *part = ((u16::from(*part) * alpha + ground * (255 - alpha)) / 255) as u8;
        }
        *a = 255;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_through_gets_a_ground_that_lets_it_be_seen() {
        let mut dark = RgbaImage::from_pixel(2, 1, Rgba([0, 0, 0, 255]));
        dark.put_pixel(1, 0, Rgba([0, 0, 0, 0]));
        flatten(&mut dark);
        assert_eq!(dark.get_pixel(1, 0), &Rgba([255, 255, 255, 255]));
        let mut bright = RgbaImage::from_pixel(2, 1, Rgba([255, 255, 255, 255]));
        bright.put_pixel(1, 0, Rgba([0, 0, 0, 0]));
        flatten(&mut bright);
        assert_eq!(bright.get_pixel(1, 0), &Rgba([0, 0, 0, 255]));
    }

    #[test]
    fn a_panic_is_an_error_of_one_picture() {
        let failed = guarded::<()>(|| std::panic::resume_unwind(Box::new(())));
        assert_eq!(failed.expect_err("panic"), "making it small failed");
        assert_eq!(scaled(&RgbaImage::new(3, 3), 0, 9).dimensions(), (1, 9));
    }
}
