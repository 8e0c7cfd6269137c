//! From what was measured to shapes: boxes with their borders, pictures, tables; text is the business of `lines`.

use std::collections::HashMap;

use super::deck::{
    Anchor, Area, Cell, Colour, Deck, Fill, Form, HEIGHT, Kind, Line, MediaKind, Outline, Picture, Shape, Slide, Table,
    WIDTH,
};
use super::lines;
use super::measured::{self, BoxItem, CellItem, ImageItem, Item, Measured, PicItem, SlideItems, TableItem};

/// A picture of a part of a slide: where it lies there, and its PNG.
pub(super) type Shot = (Area, Vec<u8>);

/// What pictures of the deck are made of.
pub(super) struct Pictures<'a> {
    /// Files by their address, where they can be taken as they are.
    pub(super) files: &'a HashMap<String, (Vec<u8>, MediaKind)>,
    /// Pictures of boxes by their number.
    pub(super) shots: HashMap<i64, Shot>,
}

/// The deck of a measurement.
pub(super) fn compose(measured: &Measured, mut pictures: Pictures<'_>) -> Deck {
    let mut deck = Deck { title: measured.title.clone(), ..Deck::default() };
    for items in &measured.slides {
        let slide = slide(&mut deck, measured, items, &mut pictures);
        deck.slides.push(slide);
    }
    deck
}

fn slide(deck: &mut Deck, measured: &Measured, items: &SlideItems, pictures: &mut Pictures<'_>) -> Slide {
    let mut slide = Slide { title: items.title.clone(), notes: items.notes.clone(), ..Slide::default() };
    let mut rest = items.ground.iter().chain(&items.items).peekable();
    // What covers all of the slide and lets nothing through is its ground.
    while let Some(Item::Box(one)) = rest.peek()
        && let Some(fill) = ground(one)
    {
        slide.shapes.clear();
        let (fill, glow) = parted(fill);
        slide.ground = Some(fill);
        slide.shapes.extend(glow.map(|fill| {
            let kind = Kind::Form(Form { fill: Some(fill), ..Form::default() });
            Shape { area: one.r.area(), turn: 0.0, alt: String::new(), kind }
        }));
        rest.next();
    }
    let mut texts = Vec::new();
    for item in rest {
        if let Item::Text(text) = item {
            texts.push(text);
            continue;
        }
        slide.shapes.append(&mut lines::shapes(&std::mem::take(&mut texts), &measured.styles));
        match item {
            Item::Box(one) => boxes(one, &mut slide.shapes),
            Item::Image(image) => slide.shapes.extend(picture_of_file(deck, image, pictures)),
            Item::Pic(pic) => slide.shapes.extend(picture_of_box(deck, pic, pictures)),
            Item::Table(one) => table(one, measured, &mut slide.shapes),
            Item::Text(_) => {}
        }
    }
    slide.shapes.append(&mut lines::shapes(&texts, &measured.styles));
    let title = slide.shapes.iter_mut().find_map(|shape| match &mut shape.kind {
        Kind::Text(text) if text.is_title && shape.turn == 0.0 && !text.vertical => Some(text),
        _ => None,
    });
    let marked: Option<*const _> = title.map(|text| std::ptr::from_ref(text));
    for shape in &mut slide.shapes {
        if let Kind::Text(text) = &mut shape.kind {
            text.is_title = marked == Some(std::ptr::from_ref(text));
        }
    }
    slide
}

fn fill_of(item: &BoxItem) -> Option<Fill> {
    match (&item.gradient, item.fill) {
        (Some(shade), _) => {
            let gradient = shade.gradient();
            match gradient.stops.as_slice() {
                [] => None,
                [(_, only)] => Some(Fill::Plain(*only)),
                _ => Some(Fill::Gradient(gradient)),
            }
        }
        (None, Some(paint)) => Some(Fill::Plain(paint.colour())),
        (None, None) => None,
    }
}

/// A glow from the middle as a plain ground with light above it: office programs draw the two without rings. Other fills are
/// one.
fn parted(fill: Fill) -> (Fill, Option<Fill>) {
    match fill {
        Fill::Gradient(mut glow)
            if glow.radial && glow.stops.len() == 2 && glow.stops.iter().all(|(_, colour)| colour.alpha > 0.995) =>
        {
            let ground = glow.stops[1].1;
            glow.stops[1].1 = Colour { alpha: 0.0, ..glow.stops[0].1 };
            (Fill::Plain(ground), Some(Fill::Gradient(glow)))
        }
        other => (other, None),
    }
}

/// The ground of a slide, if a box is that.
fn ground(item: &BoxItem) -> Option<Fill> {
    let area = item.r.area();
    let covers = area.x < 1.0 && area.y < 1.0 && area.right() > WIDTH - 1.0 && area.bottom() > HEIGHT - 1.0;
    let plain = item.turn.0 == 0.0 && item.borders.iter().all(Option::is_none) && item.outline() == Outline::Rectangle;
    let fill = fill_of(item).filter(|_| covers && plain)?;
    let opaque = match &fill {
        Fill::Plain(colour) => colour.alpha > 0.995,
        Fill::Gradient(gradient) => gradient.stops.iter().all(|(_, colour)| colour.alpha > 0.995),
    };
    opaque.then_some(fill)
}

/// A box with its borders.
fn boxes(item: &BoxItem, shapes: &mut Vec<Shape>) {
    let area = item.r.area();
    let turn = item.turn.0;
    let fill = fill_of(item);
    let shadow = item.shadow.as_ref().map(measured::Shaded::shadow);
    let lines: Vec<Option<Line>> =
        item.borders.iter().map(|border| border.as_ref().map(measured::Stroke::line)).collect();
    let put = |shapes: &mut Vec<Shape>, area: Area, form: Form| {
        shapes.push(Shape { area, turn, alt: item.alt.clone(), kind: Kind::Form(form) });
    };
    let whole = item.outline();
    let all = lines.iter().flatten().count() == 4 && lines.windows(2).all(|pair| pair[0] == pair[1]);
    if all && let Some(Some(line)) = lines.first() {
        // The line lies within the box.
        let half = (line.width / 2.0).min(area.w / 2.0).min(area.h / 2.0);
        let inner = Area { x: area.x + half, y: area.y + half, w: area.w - 2.0 * half, h: area.h - 2.0 * half };
        let corners = item.radii.map(|(across, down)| {
            let less = |value: f64| if value > 0.0 { (value - half).max(0.1) } else { 0.0 };
            (less(across.0), less(down.0))
        });
        let outline = if whole == Outline::Ellipse { Outline::Ellipse } else { Outline::of(corners, inner) };
        put(shapes, inner, Form { outline, fill, line: Some(line.clone()), shadow });
        return;
    }
    if let Some(fill) = fill {
        let (fill, glow) = parted(fill);
        put(shapes, area, Form { outline: whole.clone(), fill: Some(fill), line: None, shadow });
        if glow.is_some() {
            put(shapes, area, Form { outline: whole.clone(), fill: glow, ..Form::default() });
        }
    }
    let round = whole != Outline::Rectangle;
    let radius = |corner: usize| item.radii.get(corner).map_or(0.0, |(across, down)| across.0.min(down.0).max(0.0));
    for (side, line) in lines.iter().enumerate() {
        let Some(line) = line else { continue };
        let level = side % 2 == 0;
        let (length, across) = if level { (area.w, area.h) } else { (area.h, area.w) };
        let width = line.width.min(across);
        // Its two corners, in the direction of reading; the strip of a left border is what others are turned from.
        let (first, second) = match side {
            0 => (radius(0), radius(1)),
            1 => (radius(1), radius(2)),
            2 => (radius(3), radius(2)),
            _ => (radius(0), radius(3)),
        };
        let reach = if round && line.colour.alpha > 0.0 { first.max(second).max(width) } else { width };
        let far = matches!(side, 1 | 2);
        let start = if far { across - reach } else { 0.0 };
        let outline = if round && (first > 0.5 || second > 0.5) {
            Outline::strip(width, length, first, second).moved(level, far.then_some(reach))
        } else {
            Outline::Rectangle
        };
        let strip = if level {
            Area { x: area.x, y: area.y + start, w: area.w, h: reach }
        } else {
            Area { x: area.x + start, y: area.y, w: reach, h: area.h }
        };
        // A turned box turns about its own middle, and a part of it about the same point.
        let strip = turned_with(strip, area, turn);
        put(shapes, strip, Form { outline, fill: Some(Fill::Plain(line.colour)), ..Form::default() });
    }
}

/// Where a part of a box level when both are turned about their own middles.
fn turned_with(part: Area, whole: Area, turn: f64) -> Area {
    if turn == 0.0 {
        return part;
    }
    let (sin, cos) = turn.to_radians().sin_cos();
    let (dx, dy) = (part.x + part.w / 2.0 - whole.x - whole.w / 2.0, part.y + part.h / 2.0 - whole.y - whole.h / 2.0);
    let (x, y) = (dx * cos - dy * sin, dx * sin + dy * cos);
    Area { x: whole.x + whole.w / 2.0 + x - part.w / 2.0, y: whole.y + whole.h / 2.0 + y - part.h / 2.0, ..part }
}

fn picture_of_file(deck: &mut Deck, item: &ImageItem, pictures: &mut Pictures<'_>) -> Option<Shape> {
    let area = item.r.area();
    let crop = item.crop.map(|share| share.0.clamp(0.0, 0.999));
    let outline = measured::outline(&item.radii, area);
    let file = pictures.files.get(&item.source);
    if let Some((bytes, kind)) = file.filter(|(_, kind)| *kind != MediaKind::Svg) {
        let media = deck.keep(bytes.clone(), *kind);
        let picture = Picture { media, drawing: None, crop, outline, alpha: item.alpha.0.clamp(0.0, 1.0) };
        return Some(Shape { area, turn: item.turn.0, alt: item.alt.clone(), kind: Kind::Picture(picture) });
    }
    let (seen, png) = pictures.shots.remove(&item.id)?;
    let whole = crop.iter().all(|share| *share < 0.001) && outline == Outline::Rectangle && item.turn.0 == 0.0;
    // Programs that show the drawing show nothing of what is foreign in it.
    let alone = |bytes: &[u8]| !bytes.windows(13).any(|part| part == b"foreignObject");
    let drawing = file.filter(|(bytes, _)| whole && alone(bytes)).map(|(bytes, kind)| deck.keep(bytes.clone(), *kind));
    let media = deck.keep(png, MediaKind::Png);
    let picture = Picture { media, drawing, crop: [0.0; 4], outline: Outline::Rectangle, alpha: 1.0 };
    Some(Shape { area: seen, turn: 0.0, alt: item.alt.clone(), kind: Kind::Picture(picture) })
}

fn picture_of_box(deck: &mut Deck, item: &PicItem, pictures: &mut Pictures<'_>) -> Option<Shape> {
    let (area, png) = pictures.shots.remove(&item.id)?;
    let drawing = (!item.svg.is_empty()).then(|| deck.keep(item.svg.clone().into_bytes(), MediaKind::Svg));
    let media = deck.keep(png, MediaKind::Png);
    let picture = Picture { media, drawing, crop: [0.0; 4], outline: Outline::Rectangle, alpha: 1.0 };
    Some(Shape { area, turn: 0.0, alt: item.alt.clone(), kind: Kind::Picture(picture) })
}

fn table(item: &TableItem, measured: &Measured, shapes: &mut Vec<Shape>) {
    let positive = |values: &[measured::Px]| values.iter().map(|value| value.0.max(1.0)).collect::<Vec<_>>();
    let (columns, rows) = (positive(&item.columns), positive(&item.rows));
    let mut taken = vec![false; columns.len() * rows.len()];
    let (mut cells, mut beside) = (Vec::new(), Vec::new());
    for one in &item.cells {
        let (across, down) = (
            one.across.clamp(1, columns.len().saturating_sub(one.column).max(1)),
            one.down.clamp(1, rows.len().saturating_sub(one.row).max(1)),
        );
        let places = (one.row..one.row + down)
            .flat_map(|row| (one.column..one.column + across).map(move |column| (row, column)));
        let places: Vec<usize> = places
            .filter(|(row, column)| *row < rows.len() && *column < columns.len())
            .map(|(row, column)| row * columns.len() + column)
            .collect();
        // A page can lay cells over each other; a table cannot.
        if places.len() != across * down || places.iter().any(|place| taken.get(*place) != Some(&false)) {
            beside.extend(&one.texts);
            continue;
        }
        for place in places {
            if let Some(place) = taken.get_mut(place) {
                *place = true;
            }
        }
        cells.push(cell(one, across, down, measured));
    }
    let area = item.r.area();
    let (w, h) = (columns.iter().sum(), rows.iter().sum());
    let kind = Kind::Table(Table { columns, rows, header: item.header, cells });
    shapes.push(Shape { area: Area { w, h, ..area }, turn: 0.0, alt: item.alt.clone(), kind });
    // What fits into no place of the table stands above it.
    shapes.append(&mut lines::shapes(&beside, &measured.styles));
}

fn cell(item: &CellItem, across: usize, down: usize, measured: &Measured) -> Cell {
    let area = item.r.area();
    let anchor = match item.anchor.as_str() {
        "ctr" => Anchor::Middle,
        "b" => Anchor::Bottom,
        _ => Anchor::Top,
    };
    let mut margins = item.padding.map(|side| side.0.clamp(0.0, 300.0));
    let (paragraphs, extent) = lines::paragraphs(&item.texts, &measured.styles);
    if let Some(extent) = extent {
        // A cell grows where its text does not fit, and the rows below move down: it gets room to breathe.
        let room = ((area.h - extent.h) / 2.0).max(0.0);
        margins[0] = margins[0].min(room);
        margins[2] = margins[2].min(room);
        if anchor == Anchor::Top {
            margins[0] = (extent.y - area.y).clamp(0.0, area.h);
        }
        let breaks = item.texts.iter().any(|text| text.lines.len() > 1);
        let centred = item.texts.iter().any(|text| text.align == "ctr");
        // Where the text begins is what was measured; where it ends has some slack.
        let slack = if breaks { 1.0 } else { area.w * 0.1 };
        if centred {
            let side = ((area.w - extent.w) / 2.0 - slack).max(0.0);
            margins[1] = margins[1].min(side);
            margins[3] = margins[3].min(side);
        } else {
            margins[3] = margins[3].min(area.w - extent.w).max(0.0);
            margins[1] = margins[1].min((area.right() - extent.right() - slack).max(0.0));
            if item.texts.iter().all(|text| text.align == "l" || text.align == "just") {
                margins[3] = (extent.x - area.x).clamp(0.0, area.w);
            } else if item.texts.iter().all(|text| text.align == "r") {
                margins[1] = (area.right() - extent.right()).clamp(0.0, area.w);
                margins[3] = margins[3].min((extent.x - area.x - slack).max(0.0));
            }
        }
    }
    Cell {
        row: item.row,
        column: item.column,
        across,
        down,
        fill: item.fill.map(|paint| Fill::Plain(paint.colour())).filter(|fill| *fill != Fill::Plain(Colour::default())),
        lines: item.borders.each_ref().map(|border| border.as_ref().map(measured::Stroke::line)),
        margins,
        anchor,
        paragraphs,
    }
}
