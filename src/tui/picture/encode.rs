//! Pixels as the sequences of a terminal.

use std::collections::HashMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use color_quant::NeuQuant;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, GenericImageView as _, ImageEncoder as _, RgbaImage};

use super::graphics::{Graphics, Protocol};
use super::store::Crop;

/// Colours of a sixel picture.
const MOST_COLOURS: usize = 256;
/// Of so many pixels one is looked at for the palette.
const SAMPLE: i32 = 10;
/// Characters of one piece of a kitty picture.
const KITTY_CHUNK: usize = 4096;
/// Rows of pixels in one row of sixels.
const SIXEL_ROWS: u32 = 6;

/// Encodes the part of a picture that fills these cells; nothing comes of a picture that cannot be encoded.
pub(super) fn encode(graphics: Graphics, pixels: &RgbaImage, crop: Crop, serial: u32) -> Vec<u8> {
    let (cell_width, cell_height) = (u32::from(graphics.cell.0), u32::from(graphics.cell.1));
    let x = u32::from(crop.column) * cell_width;
    let y = u32::from(crop.row) * cell_height;
    let width = (u32::from(crop.columns) * cell_width).min(pixels.width().saturating_sub(x));
    let height = (u32::from(crop.rows) * cell_height).min(pixels.height().saturating_sub(y));
    if width == 0 || height == 0 {
        return Vec::new();
    }
    let part = pixels.view(x, y, width, height).to_image();
    match graphics.protocol {
        Protocol::Sixel => sixel(&part),
        Protocol::Iterm => iterm(&part, crop),
        Protocol::Kitty => kitty(&part, serial),
    }
}

fn png(pixels: &RgbaImage) -> String {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    match encoder.write_image(pixels.as_raw(), pixels.width(), pixels.height(), ExtendedColorType::Rgba8) {
        Ok(()) => STANDARD.encode(bytes),
        Err(_) => String::new(),
    }
}

/// `OSC 1337`: the terminal scales the file to the cells that it is told.
fn iterm(pixels: &RgbaImage, crop: Crop) -> Vec<u8> {
    let png = png(pixels);
    let Crop { columns, rows, .. } = crop;
    format!(
        "\x1b]1337;File=inline=1;size={};width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1:{png}\x07",
        png.len() / 4 * 3
    )
    .into_bytes()
}

/// Sends a picture to kitty under its number, to be placed later. No answer is wanted: it would be read as keys.
fn kitty(pixels: &RgbaImage, serial: u32) -> Vec<u8> {
    let png = png(pixels);
    let mut out = Vec::with_capacity(png.len() + png.len() / 200);
    let mut chunks = png.as_bytes().chunks(KITTY_CHUNK).peekable();
    let mut first = true;
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        let head = if std::mem::take(&mut first) {
            format!("\x1b_Ga=t,f=100,q=2,i={serial},m={more};")
        } else {
            format!("\x1b_Gq=2,m={more};")
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\x1b\\");
    }
    out
}

/// A sixel picture. Its height is cut to whole rows of sixels: what is left over would reach into the cells below.
fn sixel(pixels: &RgbaImage) -> Vec<u8> {
    let (width, height) = pixels.dimensions();
    let height = if height >= SIXEL_ROWS { height / SIXEL_ROWS * SIXEL_ROWS } else { height };
    let (palette, indices) = palette(pixels);
    let mut out = Vec::with_capacity(pixels.as_raw().len() / 8);
    // Writing to memory cannot fail.
    let _ = write!(out, "\x1bP0;1;0q\"1;1;{width};{height}");
    for (number, colour) in palette.iter().enumerate() {
        let [r, g, b] = colour.map(|part| (u32::from(part) * 100 + 127) / 255);
        let _ = write!(out, "#{number};2;{r};{g};{b}");
    }
    let columns = width as usize;
    let mut bits = vec![0u8; palette.len() * columns];
    for band in indices.chunks(columns * SIXEL_ROWS as usize).take(height.div_ceil(SIXEL_ROWS) as usize) {
        let mut used = vec![false; palette.len()];
        for (row, line) in band.chunks(columns).enumerate() {
            for (x, index) in line.iter().enumerate() {
                let index = usize::from(*index);
                bits[index * columns + x] |= 1 << row;
                used[index] = true;
            }
        }
        let mut first = true;
        for (number, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            if !std::mem::take(&mut first) {
                out.push(b'$');
            }
            let _ = write!(out, "#{number}");
            let line = &mut bits[number * columns..(number + 1) * columns];
            runs(line, &mut out);
            line.fill(0);
        }
        out.push(b'-');
    }
    out.extend_from_slice(b"\x1b\\");
    out
}

/// Sixels of one colour, equal neighbours as a count; blanks at the end are left out.
fn runs(line: &[u8], out: &mut Vec<u8>) {
    let end = line.iter().rposition(|bits| *bits != 0).map_or(0, |last| last + 1);
    let mut rest = &line[..end];
    while let [first, ..] = rest {
        let run = rest.iter().take_while(|bits| *bits == first).count();
        let letter = b'?' + first;
        if run > 3 {
            let _ = write!(out, "!{run}");
            out.push(letter);
        } else {
            out.extend(std::iter::repeat_n(letter, run));
        }
        rest = &rest[run..];
    }
}

/// The colours of a picture, and which of them each pixel has. Few colours are kept as they are.
fn palette(pixels: &RgbaImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let mut known: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette = Vec::new();
    let mut indices = Vec::with_capacity(pixels.as_raw().len() / 4);
    for pixel in pixels.pixels() {
        let colour = [pixel[0], pixel[1], pixel[2]];
        match known.get(&colour) {
            Some(index) => indices.push(*index),
            None if palette.len() < MOST_COLOURS => {
                let index = palette.len() as u8;
                known.insert(colour, index);
                palette.push(colour);
                indices.push(index);
            }
            None => return quantized(pixels),
        }
    }
    (palette, indices)
}

fn quantized(pixels: &RgbaImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let quantizer = NeuQuant::new(SAMPLE, MOST_COLOURS, pixels.as_raw());
    let palette = quantizer.color_map_rgb().chunks_exact(3).map(|part| [part[0], part[1], part[2]]).collect();
    let palette: Vec<[u8; 3]> = palette;
    // Neighbouring colours share their nearest one: looked for once for each of them.
    let mut nearest: HashMap<[u8; 3], u8> = HashMap::new();
    // What a pixel is off is handed to those to its right and below it (Floyd and Steinberg): no bands in soft colours.
    let columns = pixels.width() as usize;
    let (mut here, mut below) = (vec![[0i32; 3]; columns + 2], vec![[0i32; 3]; columns + 2]);
    let mut indices = Vec::with_capacity(pixels.as_raw().len() / 4);
    for row in pixels.rows() {
        for (x, pixel) in row.enumerate() {
            let part = |at: usize| (i32::from(pixel[at]) + here[x + 1][at] / 16).clamp(0, 255) as u8;
            let wanted = [part(0), part(1), part(2)];
            let [r, g, b] = wanted;
            let rough = wanted.map(|part| part & 0xfc);
            let index = *nearest.entry(rough).or_insert_with(|| quantizer.index_of(&[r, g, b, 255]) as u8);
            let got = palette.get(usize::from(index)).copied().unwrap_or_default();
            for at in 0..3 {
                let off = i32::from(wanted[at]) - i32::from(got[at]);
                here[x + 2][at] += 7 * off;
                below[x][at] += 3 * off;
                below[x + 1][at] += 5 * off;
                below[x + 2][at] += off;
            }
            indices.push(index);
        }
        std::mem::swap(&mut here, &mut below);
        below.fill([0; 3]);
    }
    (palette, indices)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    const CELL: (u16, u16) = (4, 8);

    fn crop(columns: u16, rows: u16) -> Crop {
        Crop { column: 0, row: 0, columns, rows }
    }

    fn graphics(protocol: Protocol) -> Graphics {
        Graphics { protocol, cell: CELL }
    }

    #[test]
    fn sixels_have_their_colours_and_no_row_beyond_their_cells() {
        let mut pixels = RgbaImage::from_pixel(8, 8, Rgba([255, 0, 0, 255]));
        pixels.put_pixel(7, 0, Rgba([0, 0, 255, 255]));
        let text = String::from_utf8(encode(graphics(Protocol::Sixel), &pixels, crop(2, 1), 1)).expect("text");
        assert_eq!(text, "\x1bP0;1;0q\"1;1;8;6#0;2;100;0;0#1;2;0;0;100#0!7~}$#1!7?@-\x1b\\");
    }

    #[test]
    fn a_picture_of_many_colours_gets_a_palette() {
        let pixels = RgbaImage::from_fn(64, 48, |x, y| Rgba([(x * 4) as u8, (y * 5) as u8, (x + y) as u8, 255]));
        let (palette, indices) = palette(&pixels);
        assert!(palette.len() <= MOST_COLOURS && indices.len() == 64 * 48);
        let off = |at: (u32, u32)| {
            let own = pixels.get_pixel(at.0, at.1);
            let shown = palette[usize::from(indices[(at.1 * 64 + at.0) as usize])];
            (0..3).map(|part| i32::from(own[part]).abs_diff(i32::from(shown[part]))).max().unwrap_or(0)
        };
        assert!(off((10, 10)) < 40 && off((60, 40)) < 40, "{} {}", off((10, 10)), off((60, 40)));
        let text = String::from_utf8(sixel(&pixels)).expect("text");
        assert!(text.starts_with("\x1bP0;1;0q\"1;1;64;48#0;2;") && text.ends_with("-\x1b\\"));
    }

    #[test]
    fn kitty_is_sent_a_file_in_pieces_and_asked_for_no_answer() {
        let pixels = RgbaImage::from_fn(200, 200, |x, y| Rgba([(x * y) as u8, (x * 7 + y) as u8, (y * 13) as u8, 255]));
        let text = String::from_utf8(encode(graphics(Protocol::Kitty), &pixels, crop(50, 25), 9)).expect("text");
        let pieces: Vec<&str> = text.split_terminator("\x1b\\").collect();
        assert!(pieces.len() > 2 && pieces[0].starts_with("\x1b_Ga=t,f=100,q=2,i=9,m=1;"), "{}", pieces.len());
        assert!(pieces.iter().skip(1).all(|piece| piece.starts_with("\x1b_Gq=2,m=")));
        assert!(pieces[pieces.len() - 1].starts_with("\x1b_Gq=2,m=0;"));
        let body: String = pieces.iter().map(|piece| piece.split_once(';').expect("body").1).collect();
        let decoded = image::load_from_memory(&STANDARD.decode(body).expect("base64")).expect("png");
        assert_eq!(decoded.into_rgba8(), pixels);
    }

    #[test]
    fn a_part_of_a_picture_is_what_is_sent() {
        let pixels = RgbaImage::from_fn(8, 16, |_, y| if y < 8 { Rgba([0, 0, 0, 255]) } else { Rgba([9, 9, 9, 255]) });
        let part = Crop { column: 1, row: 1, columns: 1, rows: 1 };
        let text = String::from_utf8(encode(graphics(Protocol::Iterm), &pixels, part, 1)).expect("text");
        let body = text.strip_suffix('\x07').and_then(|text| text.split_once("doNotMoveCursor=1:")).expect("shape").1;
        let decoded = image::load_from_memory(&STANDARD.decode(body).expect("base64")).expect("png").into_rgba8();
        assert_eq!((decoded.dimensions(), decoded.get_pixel(0, 0)), ((4, 8), &Rgba([9, 9, 9, 255])));
        assert!(encode(graphics(Protocol::Iterm), &pixels, Crop { column: 9, ..part }, 1).is_empty());
    }
}
