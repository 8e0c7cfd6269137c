//! What the measuring script tells, and its checks: the page decides on every figure, so each is brought into bounds.

use serde::{Deserialize, Deserializer};

use super::deck::{Area, Colour, Dash, Gradient, Line, Outline, Shadow, Step};

/// Pixels beyond which nothing can be.
const MOST_PIXELS: f64 = 20_000.0;

/// A figure of the page: finite and not beyond all bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Px(pub(super) f64);

impl<'de> Deserialize<'de> for Px {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // What is no number comes as null.
        let value = Option::<f64>::deserialize(from)?.unwrap_or_default();
        Ok(Self(if value.is_finite() { value.clamp(-MOST_PIXELS, MOST_PIXELS) } else { 0.0 }))
    }
}

/// The whole measurement.
#[derive(Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) slides: Vec<SlideItems>,
    pub(super) styles: Vec<Look>,
    pub(super) told: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) title: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SlideItems {
    pub(super) title: String,
    pub(super) notes: String,
    pub(super) ground: Vec<Item>,
    pub(super) items: Vec<Item>,
    pub(super) told: Vec<String>,
    /// How far what is in it reaches beyond its right and lower edges.
    pub(super) over: (Px, Px),
    /// Where it lies in the document.
    pub(super) page: Rect,
    /// Pixels of the slide for one of the document.
    pub(super) share: Px,
}

/// Left, top, width, height.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq)]
pub(super) struct Rect(pub(super) Px, pub(super) Px, pub(super) Px, pub(super) Px);

impl Rect {
    pub(super) fn area(self) -> Area {
        Area { x: self.0.0, y: self.1.0, w: self.2.0.max(0.0), h: self.3.0.max(0.0) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub(super) enum Item {
    Box(BoxItem),
    Text(TextItem),
    Image(ImageItem),
    Pic(PicItem),
    Table(TableItem),
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Paint(Px, Px, Px, Px);

impl Paint {
    pub(super) fn colour(self) -> Colour {
        let part = |value: Px| value.0.round().clamp(0.0, 255.0) as u8;
        Colour { rgb: [part(self.0), part(self.1), part(self.2)], alpha: self.3.0.clamp(0.0, 1.0) }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shade {
    radial: bool,
    angle: Px,
    stops: Vec<(Px, Px, Px, Px, Px)>,
}

impl Shade {
    pub(super) fn gradient(&self) -> Gradient {
        let stop = |stop: &(Px, Px, Px, Px, Px)| (stop.0.0, Paint(stop.1, stop.2, stop.3, stop.4).colour());
        Gradient {
            radial: self.radial,
            angle: self.angle.0.rem_euclid(360.0),
            stops: self.stops.iter().take(20).map(stop).collect(),
        }
    }
}

impl BoxItem {
    /// The form of the box.
    pub(super) fn outline(&self) -> Outline {
        if self.points.len() < 3 {
            return outline(&self.radii, self.r.area());
        }
        let mut steps: Vec<Step> = self.points.iter().take(100).map(|(x, y)| Step::Line(x.0, y.0)).collect();
        if let Some(first @ Step::Line(..)) = steps.first_mut()
            && let Step::Line(x, y) = *first
        {
            *first = Step::Move(x, y);
        }
        Outline::Path(steps)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stroke {
    w: Px,
    c: Paint,
    s: String,
}

impl Stroke {
    pub(super) fn line(&self) -> Line {
        let dash = match self.s.as_str() {
            "dashed" => Dash::Dashed,
            "dotted" => Dash::Dotted,
            "double" => Dash::Double,
            _ => Dash::Solid,
        };
        Line { width: self.w.0.clamp(0.0, 500.0), colour: self.c.colour(), dash }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shaded {
    x: Px,
    y: Px,
    blur: Px,
    spread: Px,
    c: Paint,
}

impl Shaded {
    pub(super) fn shadow(&self) -> Shadow {
        Shadow {
            x: self.x.0.clamp(-500.0, 500.0),
            y: self.y.0.clamp(-500.0, 500.0),
            blur: self.blur.0.clamp(0.0, 500.0),
            spread: self.spread.0.clamp(-500.0, 500.0),
            colour: self.c.colour(),
        }
    }
}

pub(super) type Radii = [(Px, Px); 4];

pub(super) fn outline(radii: &Radii, area: Area) -> Outline {
    let corner = |(across, down): &(Px, Px)| (across.0.clamp(0.0, area.w), down.0.clamp(0.0, area.h));
    Outline::of(radii.each_ref().map(corner), area)
}

#[derive(Debug, Deserialize)]
pub(super) struct BoxItem {
    pub(super) r: Rect,
    #[serde(default)]
    pub(super) turn: Px,
    pub(super) radii: Radii,
    /// Corners of another form, from the corner of the box.
    #[serde(default)]
    pub(super) points: Vec<(Px, Px)>,
    #[serde(default)]
    pub(super) fill: Option<Paint>,
    #[serde(default)]
    pub(super) gradient: Option<Shade>,
    pub(super) borders: [Option<Stroke>; 4],
    #[serde(default)]
    pub(super) shadow: Option<Shaded>,
    #[serde(default)]
    pub(super) alt: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct TextItem {
    pub(super) r: Rect,
    #[serde(default)]
    pub(super) turn: Px,
    pub(super) lines: Vec<Rect>,
    /// Empty lines before each.
    #[serde(default)]
    pub(super) blank: Vec<u32>,
    /// For each line but the last, whether it ended because it was full.
    pub(super) soft: Vec<bool>,
    pub(super) runs: Vec<RunItem>,
    /// The widest that the box may be without another break of lines; 0 where there is none.
    pub(super) most: Px,
    pub(super) align: String,
    /// Pixels from line to line, as the style has it; 0 for what the font has.
    pub(super) high: Px,
    pub(super) rtl: bool,
    pub(super) upright: String,
    pub(super) block: Rect,
    pub(super) tag: String,
    pub(super) list: u32,
    pub(super) level: u32,
    /// A part of a line of its own.
    #[serde(default)]
    pub(super) loose: bool,
    #[serde(default)]
    pub(super) marker: Option<Marker>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RunItem {
    pub(super) t: String,
    pub(super) s: usize,
    /// The line that it stands in.
    pub(super) l: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Marker {
    pub(super) colour: Paint,
    pub(super) inside: bool,
    #[serde(default)]
    pub(super) character: String,
    #[serde(default)]
    pub(super) numbered: String,
    #[serde(default)]
    pub(super) number: Px,
}

#[derive(Debug, Deserialize)]
pub(super) struct Look {
    pub(super) latin: String,
    #[serde(default)]
    pub(super) lang: String,
    pub(super) far: String,
    pub(super) size: Px,
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) line: String,
    pub(super) stroke: Option<Paint>,
    pub(super) strike: bool,
    pub(super) colour: Paint,
    pub(super) fill: Option<Shade>,
    pub(super) spacing: Px,
    pub(super) script: i8,
    pub(super) href: String,
    /// The size of the text that a raised or lowered one belongs to.
    #[serde(default)]
    pub(super) around: Px,
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageItem {
    pub(super) id: i64,
    pub(super) source: String,
    pub(super) r: Rect,
    pub(super) turn: Px,
    pub(super) crop: [Px; 4],
    pub(super) radii: Radii,
    pub(super) alpha: Px,
    pub(super) alt: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PicItem {
    pub(super) id: i64,
    pub(super) why: String,
    #[serde(default)]
    pub(super) alt: String,
    #[serde(default)]
    pub(super) svg: String,
    /// How far it is painted beyond its box.
    #[serde(default)]
    pub(super) pad: Px,
    /// The deck has a picture here itself.
    #[serde(default)]
    pub(super) content: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct TableItem {
    pub(super) r: Rect,
    pub(super) columns: Vec<Px>,
    pub(super) rows: Vec<Px>,
    pub(super) header: bool,
    pub(super) cells: Vec<CellItem>,
    #[serde(default)]
    pub(super) alt: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CellItem {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) fill: Option<Paint>,
    pub(super) borders: [Option<Stroke>; 4],
    pub(super) r: Rect,
    pub(super) padding: [Px; 4],
    pub(super) anchor: String,
    pub(super) texts: Vec<TextItem>,
}
