//! From measured lines to text boxes: one box a block, whose lines end where they did in the browser.
//!
//! Where the width leaves room for it, a box wraps by itself, so that its text can be edited; the width is chosen between the
//! longest line and the shortest one that would have taken another word. Elsewhere lines end by force.

use super::deck::{Align, Anchor, Area, Bullet, Colour, Kind, Mark, Paragraph, Run, Shape, Style, Text, WIDTH};
use super::measured::{Look, Marker, TextItem};

/// A wrapping box is wider than its longest line by at least this share, and by a pixel.
const SLACK: f64 = 1.012;

/// The text boxes of texts that follow each other.
pub(super) fn shapes(items: &[&TextItem], styles: &[Look]) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut rest = items;
    while let Some((first, more)) = rest.split_first() {
        let listed = |item: &TextItem| item.list > 0 && item.list == first.list && goes_in_list(item);
        let run = if listed(first) { 1 + more.iter().take_while(|item| listed(item)).count() } else { 1 };
        let (group, left) = rest.split_at(run);
        rest = left;
        match list(group, styles) {
            Some(shape) => shapes.push(shape),
            None => group.iter().for_each(|item| alone(item, styles, &mut shapes)),
        }
    }
    shapes
}

fn goes_in_list(item: &TextItem) -> bool {
    item.turn.0 == 0.0
        && !item.loose
        && !item.rtl
        && item.align == "l"
        && item.upright.is_empty()
        && pitch(item).is_some()
}

/// A block as a text box of its own.
fn alone(item: &TextItem, styles: &[Look], shapes: &mut Vec<Shape>) {
    let vertical = !item.upright.is_empty();
    if !vertical && item.lines.len() > 1 && pitch(item).is_none() {
        // Lines of unlike height have no measure in common.
        for number in 0..item.lines.len().min(200) {
            let runs = item.runs.iter().filter(|run| run.l == number && run.t != "\n").cloned().collect();
            let (r, soft, lines, blank) = (item.lines[number], Vec::new(), vec![item.lines[number]], Vec::new());
            let marker = item.marker.clone().filter(|_| number == 0);
            let mut one = TextItem { r, lines, blank, soft, runs, marker, ..item.clone() };
            one.runs.iter_mut().for_each(|run| run.l = 0);
            if one.align == "just" {
                "l".clone_into(&mut one.align);
            }
            alone(&one, styles, shapes);
        }
        return;
    }
    let fitted = Fitted::of(item);
    let mut paragraph = paragraph(item, styles, &fitted);
    if paragraph.runs.is_empty() {
        return;
    }
    let mut area = item.r.area();
    let mut anchor = Anchor::Middle;
    if vertical {
        paragraph.pitch = (item.lines.len() > 1).then(|| area.w / item.lines.len() as f64).filter(|pitch| *pitch > 4.0);
    } else if let Some(pitch) = paragraph.pitch {
        // Further height of a line goes above its letters.
        let first = item.lines.first().map_or(area, |line| line.area());
        area.y = first.bottom() - pitch;
        area.h = pitch * rows(item) as f64;
        anchor = Anchor::Top;
    }
    let width = fitted.width;
    area.x = match paragraph.align {
        Align::Left | Align::Justify => area.x,
        Align::Centre => area.x - (width - area.w) / 2.0,
        Align::Right => area.right() - width,
    };
    if !vertical {
        area.w = width;
    }
    if paragraph.bullet.is_some() {
        area.x -= paragraph.hanging;
        area.w += paragraph.hanging;
        paragraph.margin = paragraph.hanging;
    }
    let is_title = matches!(item.tag.as_str(), "h1" | "h2" | "h3") && !vertical;
    let mut wraps = fitted.wraps;
    if is_title && !wraps && paragraph.bullet.is_none() {
        // Titles wrap in some programs whatever they are told: there is room then.
        let more = (area.w * 0.1 + 8.0).max(item.block.area().w - area.w).clamp(0.0, WIDTH);
        area.x -= match paragraph.align {
            Align::Left | Align::Justify => 0.0,
            Align::Centre => more / 2.0,
            Align::Right => more,
        };
        area.w += more;
        wraps = true;
    }
    let text = Text { paragraphs: vec![paragraph], wraps, anchor, vertical, is_title };
    shapes.push(Shape { area, turn: item.turn.0, alt: String::new(), kind: Kind::Text(text) });
}

/// The items of a list as the paragraphs of one text box; none where that would not keep their places.
fn list(items: &[&TextItem], styles: &[Look]) -> Option<Shape> {
    if items.len() < 2 {
        return None;
    }
    let fitted: Vec<Fitted> = items.iter().map(|item| Fitted::of(item)).collect();
    let mut paragraphs: Vec<Paragraph> =
        items.iter().zip(&fitted).map(|(item, fitted)| paragraph(item, styles, fitted)).collect();
    let begins = |item: &TextItem, paragraph: &Paragraph| item.r.area().x - paragraph.hanging;
    let left = items.iter().zip(&paragraphs).map(|(item, paragraph)| begins(item, paragraph)).fold(f64::MAX, f64::min);
    let (mut least, mut most) = (0.0_f64, f64::MAX);
    let mut end: Option<f64> = None;
    let mut top = 0.0;
    for ((item, fitted), paragraph) in items.iter().zip(&fitted).zip(&mut paragraphs) {
        let area = item.r.area();
        paragraph.margin = area.x - left;
        least = least.max(paragraph.margin + fitted.longest * SLACK + 1.0);
        if fitted.wraps {
            most = most.min(paragraph.margin + fitted.most);
        }
        let first = item.lines.first()?.area();
        let size = paragraph.runs.iter().map(|run| run.style.size).fold(0.0, f64::max);
        let mut pitch = paragraph.pitch.unwrap_or(if item.high.0 > 1.0 { item.high.0 } else { first.h });
        let mut before = first.bottom() - pitch - end.unwrap_or(first.bottom() - pitch);
        if before < 0.0 && item.lines.len() == 1 && pitch + before >= size * 0.9 {
            pitch += before;
            before = 0.0;
        }
        if before < -0.6 {
            return None;
        }
        if end.is_none() {
            top = first.bottom() - pitch;
        }
        (paragraph.pitch, paragraph.before) = (Some(pitch), before.max(0.0));
        end = Some(first.bottom() + pitch * (rows(item) - 1) as f64);
    }
    if most < least || paragraphs.iter().any(|paragraph| paragraph.runs.is_empty()) {
        return None;
    }
    let width = if most < f64::MAX { f64::midpoint(least, most).min(least * 1.2) } else { least * 1.08 };
    let area = Area { x: left, y: top, w: width, h: end? - top };
    let wraps = most < f64::MAX || paragraphs.iter().flat_map(|one| &one.runs).all(|run| run.style.script == 0);
    let text = Text { paragraphs, wraps, anchor: Anchor::Top, vertical: false, is_title: false };
    Some(Shape { area, turn: 0.0, alt: String::new(), kind: Kind::Text(text) })
}

/// Texts of a table's cell as its paragraphs, and what they take.
pub(super) fn paragraphs(items: &[TextItem], styles: &[Look]) -> (Vec<Paragraph>, Option<Area>) {
    let mut found: Vec<Paragraph> = Vec::new();
    let mut extent: Option<Area> = None;
    let mut end: Option<f64> = None;
    for item in items {
        let fitted = Fitted::of(item);
        let mut one = paragraph(item, styles, &Fitted { wraps: true, forced: false, ..fitted });
        if one.runs.is_empty() {
            continue;
        }
        let area = item.r.area();
        if let Some(end) = end {
            one.before = (area.y - end - one.pitch.map_or(0.0, |pitch| pitch - item.lines[0].area().h)).max(0.0);
        }
        one.margin = one.hanging;
        end = Some(area.bottom());
        let area = Area { x: area.x - one.hanging, w: area.w + one.hanging, ..area };
        extent = Some(extent.map_or(area, |extent| extent.with(area)));
        found.push(one);
    }
    (found, extent)
}

/// How a block's lines are kept.
struct Fitted {
    /// By the width of the box.
    wraps: bool,
    /// By force.
    forced: bool,
    width: f64,
    longest: f64,
    most: f64,
}

impl Fitted {
    fn of(item: &TextItem) -> Self {
        let area = item.r.area();
        let longest = item.lines.iter().map(|line| line.area().w).fold(0.0, f64::max);
        let soft = item.soft.iter().any(|soft| *soft) && item.upright.is_empty();
        let most = item.most.0;
        let forced = Self { wraps: false, forced: soft || !item.upright.is_empty(), width: area.w, longest, most };
        if !soft {
            return forced;
        }
        if item.align == "just" {
            return Self { wraps: true, forced: false, width: item.block.area().w.max(area.w), longest, most };
        }
        if most > longest * (2.0 * SLACK - 1.0) + 2.0 {
            let width = f64::midpoint(longest, most).min(longest * 1.2).max(longest * SLACK + 1.0);
            return Self { wraps: true, forced: false, width, longest, most };
        }
        forced
    }
}

/// From line to line where all are alike; none for a single line, and where they are not.
fn pitch(item: &TextItem) -> Option<f64> {
    let middles: Vec<f64> = item.lines.iter().map(|line| line.area().bottom()).collect();
    match middles.as_slice() {
        [] => None,
        [_] => Some(0.0),
        [first, .., last] => {
            let pitch = (last - first) / (rows(item) - 1) as f64;
            let blank = |at: usize| f64::from(item.blank.get(at + 1).copied().unwrap_or_default().min(1_000));
            let even = middles
                .windows(2)
                .enumerate()
                .all(|(at, pair)| (pair[1] - pair[0] - pitch * (1.0 + blank(at))).abs() < 1.6);
            (even && pitch > 2.0 && !is_indented(item)).then_some(pitch)
        }
    }
}

/// Lines of a block, with empty ones between them.
fn rows(item: &TextItem) -> usize {
    let blank: u32 = item.blank.iter().map(|count| (*count).min(1_000)).sum();
    item.lines.len() + blank as usize
}

/// Whether lines that should begin alike do not, as beside something that floats.
fn is_indented(item: &TextItem) -> bool {
    let lefts = || item.lines.iter().map(|line| line.area().x);
    item.align == "l"
        && !item.rtl
        && item.upright.is_empty()
        && item.soft.iter().any(|soft| *soft)
        && lefts().fold(f64::MIN, f64::max) - lefts().fold(f64::MAX, f64::min) > 3.0
}

fn paragraph(item: &TextItem, styles: &[Look], fitted: &Fitted) -> Paragraph {
    let mut runs: Vec<Run> = Vec::new();
    let mut line = 0;
    for run in &item.runs {
        let Some(look) = styles.get(run.s) else { continue };
        if run.l != line {
            let ended = runs.last().is_some_and(|last| last.text.ends_with('\n'));
            if fitted.forced
                && !ended
                && let Some(last) = runs.last_mut()
            {
                last.text.truncate(last.text.trim_end_matches(' ').len());
                last.text.push('\n');
            }
            line = run.l;
        }
        let style = style(look);
        match runs.last_mut() {
            Some(last) if last.style == style || run.t == "\n" => last.text.push_str(&run.t),
            _ => runs.push(Run { text: run.t.clone(), style }),
        }
    }
    if let Some(last) = runs.last_mut() {
        last.text.truncate(last.text.trim_end_matches('\n').len());
    }
    let size = runs.first().map_or(16.0, |run| run.style.size);
    let marker = item.marker.as_ref().map(|marker| bullet(marker, size));
    let (bullet, hanging) = marker.map_or((None, 0.0), |(bullet, hanging)| (Some(bullet), hanging));
    Paragraph {
        runs,
        align: match item.align.as_str() {
            "ctr" => Align::Centre,
            "r" => Align::Right,
            "just" if fitted.wraps => Align::Justify,
            _ => Align::Left,
        },
        rtl: item.rtl,
        pitch: pitch(item).filter(|pitch| *pitch > 0.0),
        level: item.level.min(8) as usize,
        hanging,
        bullet,
        ..Paragraph::default()
    }
}

/// What marks an item, and how far before its text.
fn bullet(marker: &Marker, size: f64) -> (Bullet, f64) {
    let colour: Colour = marker.colour.colour();
    let number = marker.number.0.clamp(1.0, 32_767.0) as u32;
    let scheme = match marker.numbered.as_str() {
        "" => None,
        "alphaLcPeriod" => Some("alphaLcPeriod"),
        "alphaUcPeriod" => Some("alphaUcPeriod"),
        "romanLcPeriod" => Some("romanLcPeriod"),
        "romanUcPeriod" => Some("romanUcPeriod"),
        _ => Some("arabicPeriod"),
    };
    let (mark, hanging) = if let Some(scheme) = scheme {
        let digits = f64::from(number.ilog10() + 1);
        (Mark::Number(scheme, number), size * (0.56 * digits + 0.28 + 0.25))
    } else {
        let mark: String = marker.character.chars().take(2).collect();
        (Mark::Character(if mark.is_empty() { "•".to_owned() } else { mark }), size * 0.9)
    };
    let near = if marker.inside { 0.95 } else { 1.0 };
    (Bullet { colour: Some(colour), mark }, hanging * near)
}

/// The tag of a language as office programs know it; empty for what is none.
fn language(tag: &str) -> String {
    let plain = tag.len() < 20
        && tag.split('-').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    match tag {
        "en" => "en-US".to_owned(),
        "zh" | "zh-Hans" => "zh-CN".to_owned(),
        "zh-Hant" => "zh-TW".to_owned(),
        "ja" => "ja-JP".to_owned(),
        "ko" => "ko-KR".to_owned(),
        _ if plain => tag.to_owned(),
        _ => String::new(),
    }
}

fn style(look: &Look) -> Style {
    let shown = if look.around.0 > 0.0 { look.around.0 } else { look.size.0 };
    Style {
        font: look.latin.chars().take(60).collect(),
        language: language(&look.lang),
        far: look.far.chars().take(60).collect(),
        size: shown.clamp(1.0, 4_000.0),
        bold: look.bold,
        italic: look.italic,
        underline: match look.line.as_str() {
            "" => None,
            "wavy" => Some("wavy"),
            "dotted" => Some("dotted"),
            "dbl" => Some("dbl"),
            _ => Some("sng"),
        },
        under: look.stroke.map(super::measured::Paint::colour),
        strike: look.strike,
        colour: look.colour.colour(),
        fill: look.fill.as_ref().map(super::measured::Shade::gradient).filter(|gradient| gradient.stops.len() > 1),
        spacing: look.spacing.0.clamp(-100.0, 200.0),
        script: look.script.signum(),
        link: look.href.clone(),
    }
}
