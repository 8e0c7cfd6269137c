//! A deck as it is written: slides with shapes at fixed places. Lengths are pixels of a slide of 1024 by 576.

/// Width of a slide.
pub(super) const WIDTH: f64 = 1024.0;
/// Its height.
pub(super) const HEIGHT: f64 = 576.0;

/// A whole deck.
#[derive(Debug, Default)]
pub(super) struct Deck {
    pub(super) title: String,
    pub(super) slides: Vec<Slide>,
    pub(super) media: Vec<Media>,
}

/// A picture's file, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: MediaKind,
}

/// What kinds every office program shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MediaKind {
    Png,
    Jpeg,
    Gif,
    Svg,
}

impl MediaKind {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Svg => "svg",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Svg => "image/svg+xml",
        }
    }

    /// What bytes are, by how they begin.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            _ => {
                let start = &bytes[..bytes.len().min(1_000)];
                start.windows(4).any(|part| part == b"<svg").then_some(Self::Svg)
            }
        }
    }
}

impl Deck {
    /// Keeps a picture once, however often it is shown, and gives its number.
    pub(super) fn keep(&mut self, bytes: Vec<u8>, kind: MediaKind) -> usize {
        let media = Media { bytes, kind };
        self.media.iter().position(|known| *known == media).unwrap_or_else(|| {
            self.media.push(media);
            self.media.len() - 1
        })
    }
}

/// One slide.
#[derive(Debug, Default)]
pub(super) struct Slide {
    pub(super) title: String,
    pub(super) notes: String,
    pub(super) ground: Option<Fill>,
    pub(super) shapes: Vec<Shape>,
}

/// Something on a slide; those that come later lie above.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) area: Area,
    /// Degrees clockwise, about its middle.
    pub(super) turn: f64,
    pub(super) alt: String,
    pub(super) kind: Kind,
}

/// Where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Area {
    pub(super) fn right(self) -> f64 {
        self.x + self.w
    }

    pub(super) fn bottom(self) -> f64 {
        self.y + self.h
    }

    /// The smallest that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Self { x, y, w: self.right().max(other.right()) - x, h: self.bottom().max(other.bottom()) - y }
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Form(Form),
    Text(Text),
    Picture(Picture),
    Table(Table),
}

/// A box.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) outline: Outline,
    pub(super) fill: Option<Fill>,
    pub(super) line: Option<Line>,
    pub(super) shadow: Option<Shadow>,
}

/// The outline of a box or a picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Outline {
    #[default]
    Rectangle,
    /// All corners alike.
    Round(f64),
    Ellipse,
    /// Anything else, from the upper left corner of the box.
    Path(Vec<Step>),
}

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Move(f64, f64),
    Line(f64, f64),
    /// Two points that draw it, and its end.
    Curve([f64; 6]),
}

/// How far the points that draw a quarter of an ellipse lie out.
const QUARTER: f64 = 0.552_284_75;

impl Outline {
    /// For these corners on a box of this size.
    pub(super) fn of(corners: [(f64, f64); 4], area: Area) -> Self {
        let same = |a: f64, b: f64| (a - b).abs() < 0.6;
        let [first, rest @ ..] = corners;
        if corners.iter().all(|(across, down)| *across < 0.3 || *down < 0.3) {
            return Self::Rectangle;
        }
        let alike = rest.iter().all(|corner| same(corner.0, first.0) && same(corner.1, first.1));
        if alike && same(first.0, area.w / 2.0) && same(first.1, area.h / 2.0) {
            return Self::Ellipse;
        }
        if alike && same(first.0, first.1) {
            return Self::Round(first.0);
        }
        let Area { w, h, .. } = area;
        let [nw, ne, se, sw] = corners;
        let curve = |from: (f64, f64), corner: (f64, f64), to: (f64, f64)| {
            let part = |end: (f64, f64)| (end.0 + (corner.0 - end.0) * QUARTER, end.1 + (corner.1 - end.1) * QUARTER);
            let (one, two) = (part(from), part(to));
            Step::Curve([one.0, one.1, two.0, two.1, to.0, to.1])
        };
        Self::Path(vec![
            Step::Move(nw.0, 0.0),
            Step::Line(w - ne.0, 0.0),
            curve((w - ne.0, 0.0), (w, 0.0), (w, ne.1)),
            Step::Line(w, h - se.1),
            curve((w, h - se.1), (w, h), (w - se.0, h)),
            Step::Line(sw.0, h),
            curve((sw.0, h), (0.0, h), (0.0, h - sw.1)),
            Step::Line(0.0, nw.1),
            curve((0.0, nw.1), (0.0, 0.0), (nw.0, 0.0)),
        ])
    }

    /// The part of a box with round corners that its left border of this width takes.
    pub(super) fn strip(width: f64, height: f64, upper: f64, lower: f64) -> Self {
        let inside = |radius: f64| (radius - width).max(0.0);
        let (u, l) = (upper.max(0.01), lower.max(0.01));
        let (iu, il) = (inside(u), inside(l));
        let q = 1.0 - QUARTER;
        let h = height;
        Self::Path(vec![
            Step::Move(u, 0.0),
            Step::Curve([u * q, 0.0, 0.0, u * q, 0.0, u]),
            Step::Line(0.0, h - l),
            Step::Curve([0.0, h - l * q, l * q, h, l, h]),
            Step::Curve([l - il * QUARTER, h, l - il, h - l * q, l - il, h - l]),
            Step::Line(u - iu, u),
            Step::Curve([u - iu, u * q, u - iu * QUARTER, 0.0, u, 0.0]),
        ])
    }

    /// The same path with across and down exchanged, or from the other side of a length.
    pub(super) fn moved(self, exchange: bool, mirrored: Option<f64>) -> Self {
        let Self::Path(steps) = self else { return self };
        let point = |x: f64, y: f64| {
            let x = mirrored.map_or(x, |length| length - x);
            if exchange { (y, x) } else { (x, y) }
        };
        let step = |step: Step| match step {
            Step::Move(x, y) => Step::Move(point(x, y).0, point(x, y).1),
            Step::Line(x, y) => Step::Line(point(x, y).0, point(x, y).1),
            Step::Curve(points) => {
                let [one, two, end] = [0, 2, 4].map(|at| point(points[at], points[at + 1]));
                Step::Curve([one.0, one.1, two.0, two.1, end.0, end.1])
            }
        };
        Self::Path(steps.into_iter().map(step).collect())
    }
}

/// Red, green, blue, and how opaque.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Colour {
    pub(super) rgb: [u8; 3],
    pub(super) alpha: f64,
}

impl Colour {
    pub(super) const WHITE: Self = Self::opaque(255, 255, 255);

    pub(super) const fn opaque(red: u8, green: u8, blue: u8) -> Self {
        Self { rgb: [red, green, blue], alpha: 1.0 }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fill {
    Plain(Colour),
    Gradient(Gradient),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gradient {
    pub(super) radial: bool,
    /// As in CSS: 0 is upwards, 90 to the right.
    pub(super) angle: f64,
    /// Percent and colour.
    pub(super) stops: Vec<(f64, Colour)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) width: f64,
    pub(super) colour: Colour,
    pub(super) dash: Dash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dash {
    Solid,
    Dashed,
    Dotted,
    Double,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shadow {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) blur: f64,
    pub(super) spread: f64,
    pub(super) colour: Colour,
}

/// A picture.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) media: usize,
    /// The same as a drawing, for programs that show those.
    pub(super) drawing: Option<usize>,
    /// Shares that are cut off: left, above, right, below.
    pub(super) crop: [f64; 4],
    pub(super) outline: Outline,
    pub(super) alpha: f64,
}

/// Text in a box.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) paragraphs: Vec<Paragraph>,
    /// Lines end where the box does; otherwise only where they are told to.
    pub(super) wraps: bool,
    pub(super) anchor: Anchor,
    /// Runs from top to bottom.
    pub(super) vertical: bool,
    /// The title of its slide.
    pub(super) is_title: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Anchor {
    #[default]
    Top,
    Middle,
    Bottom,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Paragraph {
    pub(super) runs: Vec<Run>,
    pub(super) align: Align,
    pub(super) rtl: bool,
    /// Pixels from line to line; none for what the font has.
    pub(super) pitch: Option<f64>,
    pub(super) before: f64,
    /// From the left edge to the text, and from there back to what marks it.
    pub(super) margin: f64,
    pub(super) hanging: f64,
    pub(super) level: usize,
    pub(super) bullet: Option<Bullet>,
}

impl Paragraph {
    /// What it says.
    pub(super) fn words(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Align {
    #[default]
    Left,
    Centre,
    Right,
    Justify,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bullet {
    pub(super) colour: Option<Colour>,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    Character(String),
    /// A scheme of DrawingML, and the number.
    Number(&'static str, u32),
}

/// A piece of text that looks the same all over. A line feed in it ends the line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) style: Style,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Style {
    pub(super) font: String,
    /// A language tag; none for English.
    pub(super) language: String,
    /// For the scripts of East Asia.
    pub(super) far: String,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) italic: bool,
    /// A kind of DrawingML.
    pub(super) underline: Option<&'static str>,
    /// Where that is not the colour of the text.
    pub(super) under: Option<Colour>,
    pub(super) strike: bool,
    pub(super) colour: Colour,
    pub(super) fill: Option<Gradient>,
    pub(super) spacing: f64,
    /// Above the line (1) or below (-1).
    pub(super) script: i8,
    pub(super) link: String,
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<f64>,
    pub(super) rows: Vec<f64>,
    pub(super) header: bool,
    pub(super) cells: Vec<Cell>,
}

#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) fill: Option<Fill>,
    /// Above, right, below, left.
    pub(super) lines: [Option<Line>; 4],
    /// Above, right, below, left.
    pub(super) margins: [f64; 4],
    pub(super) anchor: Anchor,
    pub(super) paragraphs: Vec<Paragraph>,
}
