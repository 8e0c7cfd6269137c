//! What is asked for is made, off the screen's thread, once, and within bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use image::Rgba;
use ratatui::style::Color;

use super::*;

/// Pictures whose names tell their size: `8x6.png`; `shade` is the stamp and the colour. Counts what was read.
fn pictures(drawn: bool, shade: Arc<AtomicUsize>, read: Arc<AtomicUsize>) -> Pictures {
    let files = PictureFiles::new(move |path, known, wanted| {
        let (width, height) = path.trim_end_matches(".png").split_once('x').ok_or_else(|| "no such file".to_owned())?;
        let shade = shade.load(Ordering::Relaxed);
        let stamp = Stamp { modified: None, bytes: shade as u64 };
        if known == Some(stamp) {
            return Ok(PictureFile::Unchanged);
        }
        read.fetch_add(1, Ordering::Relaxed);
        let size: (u32, u32) = (width.parse().expect("width"), height.parse().expect("height"));
        let shown = (size.0.min(wanted.width), size.1.min(wanted.height));
        let pixels = RgbaImage::from_pixel(shown.0, shown.1, Rgba([shade as u8, 20, 30, 255]));
        Ok(PictureFile::Read { stamp, size, pixels })
    });
    Pictures::new(files, drawn, Depth::True)
}

fn simple() -> Pictures {
    pictures(true, Arc::new(AtomicUsize::new(200)), Arc::default())
}

fn work(pictures: &Pictures) -> usize {
    let mut jobs = 0;
    while let Some(job) = pictures.next_job() {
        assert!(pictures.next_job().is_none(), "one at a time");
        job();
        jobs += 1;
    }
    jobs
}

const ROOM: Size = Size { width: 40, height: 10 };

#[test]
fn a_picture_is_made_after_it_was_asked_for() {
    let pictures = simple();
    assert_eq!(pictures.view("80x60.png", ROOM), View::Loading);
    assert_eq!(pictures.view("80x60.png", ROOM), View::Loading);
    let before = pictures.version();
    assert_eq!(work(&pictures), 1);
    assert_ne!(pictures.version(), before);
    let View::Ready { pixels, lines, .. } = pictures.view("80x60.png", ROOM) else { panic!("not there") };
    assert_eq!((pixels, lines.len(), lines[0].width()), ((80, 60), 10, 27));
    assert_eq!(lines[0].spans[0].style.fg, Some(Color::Rgb(200, 20, 30)));
    assert_eq!(work(&pictures), 0);
    assert_eq!(pictures.view("nothing", ROOM), View::Loading);
    work(&pictures);
    assert_eq!(pictures.view("nothing", ROOM), View::Failed("no such file".to_owned()));
}

#[test]
fn what_the_latest_frame_does_not_show_is_not_made() {
    let pictures = simple();
    pictures.begin_frame();
    pictures.view("8x6.png", ROOM);
    pictures.begin_frame();
    pictures.view("9x6.png", ROOM);
    assert_eq!(work(&pictures), 1);
    assert_eq!(pictures.view("8x6.png", ROOM), View::Loading);
    assert!(matches!(pictures.view("9x6.png", ROOM), View::Ready { .. }));
}

#[test]
fn a_changed_file_is_another_picture_and_an_unchanged_one_is_not_read_again() {
    let (shade, read) = (Arc::new(AtomicUsize::new(200)), Arc::new(AtomicUsize::new(0)));
    let pictures = pictures(true, Arc::clone(&shade), Arc::clone(&read));
    let colour = || match pictures.view("8x6.png", ROOM) {
        View::Ready { lines, .. } => lines[0].spans[0].style.fg,
        _ => None,
    };
    colour();
    work(&pictures);
    assert_eq!(colour(), Some(Color::Rgb(200, 20, 30)));
    pictures.check_files();
    colour();
    assert_eq!((work(&pictures), read.load(Ordering::Relaxed)), (1, 1));
    shade.store(100, Ordering::Relaxed);
    assert_eq!((colour(), work(&pictures)), (Some(Color::Rgb(200, 20, 30)), 0), "nobody said that it changed");
    pictures.check_files();
    assert_eq!(colour(), Some(Color::Rgb(200, 20, 30)), "the old one stays until the new one is there");
    work(&pictures);
    assert_eq!((colour(), read.load(Ordering::Relaxed)), (Some(Color::Rgb(100, 20, 30)), 2));
}

#[test]
fn many_pictures_are_not_all_kept_in_memory() {
    let pictures = simple();
    pictures.set_graphics(Some(Graphics { protocol: Protocol::Sixel, cell: (10, 20) }), Some((10, 20)));
    // Two megabytes each.
    let room = Size { width: 60, height: 40 };
    for number in 0..40 {
        pictures.begin_frame();
        pictures.view(&format!("600x{}.png", 800 + number), room);
        work(&pictures);
    }
    let store = pictures.lock();
    let weights = store.entries.values().map(|entry| match &entry.state {
        State::Ready(ready) => ready.weight(),
        _ => 0,
    });
    let total: usize = weights.sum();
    assert!(store.entries.len() < 30 && total <= MOST_BYTES, "{} {total}", store.entries.len());
    let slots: std::collections::BTreeSet<_> = store.entries.values().filter_map(|entry| entry.slot).collect();
    assert_eq!(slots.len(), store.entries.len(), "each has a slot of its own");
}

#[test]
fn a_piece_for_the_terminal_is_made_when_the_terminal_lacks_it() {
    let pictures = simple();
    pictures.set_graphics(Some(Graphics { protocol: Protocol::Sixel, cell: (4, 8) }), Some((4, 8)));
    pictures.view("80x60.png", ROOM);
    work(&pictures);
    let serial = pictures.serial(0).expect("slot");
    let crop = Crop { column: 0, row: 2, columns: 20, rows: 3 };
    assert!(pictures.payload(serial, crop).is_none());
    assert_eq!(work(&pictures), 1);
    let payload = pictures.payload(serial, crop).expect("made");
    assert!(payload.bytes.starts_with(b"\x1bP0;1;0q\"1;1;80;24"), "{:?}", String::from_utf8_lossy(&payload.bytes));
    // Another terminal after all: nothing of the first one is left.
    pictures.set_graphics(None, None);
    assert_eq!((pictures.payload(serial, crop).is_none(), pictures.keeps(serial)), (true, false));
}

#[test]
fn without_colours_a_picture_is_told_in_words() {
    let pictures = pictures(false, Arc::new(AtomicUsize::new(77)), Arc::default());
    pictures.view("8x6.png", ROOM);
    work(&pictures);
    let expected = View::Ready { pixels: (8, 6), bytes: 77, lines: Arc::from([]) };
    assert_eq!(pictures.view("8x6.png", ROOM), expected);
}

#[test]
fn cells_of_an_odd_size_cost_no_more_than_others() {
    let pictures = simple();
    let cell = (819, 2730);
    pictures.set_graphics(Some(Graphics { protocol: super::super::Protocol::Kitty, cell }), Some(cell));
    assert_eq!(pictures.graphics().expect("graphics").cell, (WIDEST_CELL, 2 * WIDEST_CELL));
    for room in [ROOM, Size { width: 250, height: 80 }] {
        assert_eq!(pictures.view("320x200.png", room), View::Loading);
        assert_eq!(work(&pictures), 1);
        assert!(matches!(pictures.view("320x200.png", room), View::Ready { .. }));
    }
    let store = pictures.lock();
    for entry in store.entries.values() {
        let State::Ready(ready) = &entry.state else { panic!("not there") };
        let pixels = ready.scaled.as_ref().map_or(0, |scaled| scaled.width() * scaled.height());
        assert!(pixels <= MOST_PIXELS, "{pixels}");
    }
}
