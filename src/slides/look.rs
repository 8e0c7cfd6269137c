//! The browser's part: the page is loaded, made ready, measured, and pictured where it has to be.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::compose::Shot;
use super::deck::{Area, MediaKind};
use super::files::Files;
use super::measured::{ImageItem, Item, Measured};
use super::tailwind::{self, Version};
use crate::browser::{Browser, BrowserError, Clip, Program, Scenery, Stage, Surroundings};

const PREPARE: &str = include_str!("prepare.js");
/// One script in parts.
const MEASURE: &str = concat!(
    include_str!("measure/start.js"),
    include_str!("measure/text.js"),
    include_str!("measure/paint.js"),
    include_str!("measure/walk.js"),
    include_str!("measure/deck.js"),
);

/// Slides of one deck.
pub(super) const MOST_SLIDES: usize = 200;
/// Elements of a deck that are looked at.
const MOST_ELEMENTS: usize = 40_000;
/// Characters whose places are asked for one by one.
const MOST_CHARACTERS: usize = 400_000;
/// Pictures of boxes.
const MOST_PICTURES: usize = 400;
/// Bytes of all pictures of a deck.
const MOST_BYTES: usize = 150 << 20;
/// How long one step may take.
const STEP: Duration = Duration::from_secs(60);
/// Slides on one sheet, and sheets.
const ON_SHEET: usize = 12;
const MOST_SHEETS: usize = 2;

/// What the browser has seen of a deck.
pub(super) struct Seen {
    pub(super) measured: Measured,
    pub(super) files: HashMap<String, (Vec<u8>, MediaKind)>,
    pub(super) shots: HashMap<i64, Shot>,
    /// Each slide, as JPEG.
    pub(super) pages: Vec<Vec<u8>>,
    /// Slides beside each other, as JPEG.
    pub(super) sheets: Vec<Vec<u8>>,
    pub(super) told: Vec<String>,
    /// Addresses that did not come.
    pub(super) failed: Vec<String>,
}

#[derive(Deserialize)]
struct Prepared {
    told: Vec<String>,
    naturals: Value,
}

/// A box that has to be pictured.
struct Wanted {
    slide: usize,
    id: i64,
    pad: f64,
}

/// Looks at a deck.
pub(super) async fn look(
    browser: &Browser,
    program: &Program,
    surroundings: &Surroundings,
    files: Arc<Files>,
    version: Version,
) -> Result<Seen, BrowserError> {
    let given = Arc::clone(&files);
    let scenery = Scenery {
        size: (1024, 576),
        addresses: tailwind::ADDRESSES.iter().map(|address| (*address).to_owned()).chain([Files::pattern()]).collect(),
        give: Arc::new(move |address: &str| given.give(address)),
        // Nobody is there to answer.
        prelude:
            "window.tailwind = { config: {} }; window.alert = window.print = () => {}; window.confirm = () => false; \
                  window.prompt = () => null;"
                .to_owned(),
    };
    let stage = Stage::open(browser, program, surroundings, scenery).await?;
    let mut told = Vec::new();
    let quiet = stage.go(files.page()).await?;
    if !quiet {
        stage.stop_scripts().await?;
        told.push("the page kept loading or changing, so its scripts were stopped".to_owned());
    }
    let config = "JSON.stringify(Object(window.tailwind).config || {})";
    let config: String = stage.ask_page(config, Duration::from_secs(5)).await.unwrap_or_default();
    let config: Value = serde_json::from_str(config.get(..config.len().min(200_000)).unwrap_or_default())
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    stage.evaluate::<u8>(&format!("{};1", version.script()), STEP).await?;
    let patience = if quiet { 8_000 } else { 0 };
    let request = json!({"version": version.number(), "config": config, "patience": patience});
    let prepared: Prepared = stage.evaluate(&with(&request, PREPARE), STEP).await?;
    told.extend(prepared.told);
    let request = json!({
        "slides": MOST_SLIDES, "elements": MOST_ELEMENTS, "characters": MOST_CHARACTERS, "pictures": MOST_PICTURES,
        "naturals": prepared.naturals,
    });
    let text: String = stage.evaluate(&with(&request, MEASURE), STEP).await?;
    let reader = Arc::clone(&files);
    let read = tokio::task::spawn_blocking(move || {
        let measured: Measured = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let files = pictures(&measured, &reader);
        Ok::<_, String>((measured, files))
    });
    let unreadable =
        |error: &dyn std::fmt::Display| BrowserError::Refused(format!("the slides cannot be measured: {error}"));
    let (measured, found) = read.await.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))?;
    let wanted = wanted(&measured, &found);
    let mut shots = HashMap::new();
    let mut bytes = 0;
    if !wanted.is_empty() {
        stage.clear(true).await?;
        for one in wanted {
            if let Some(shot) = shoot(&stage, &measured, &one).await? {
                bytes += shot.1.len();
                shots.insert(one.id, shot);
            }
            if bytes > MOST_BYTES {
                told.push("the deck has too many pictures; what comes later was left out".to_owned());
                break;
            }
        }
        stage.clear(false).await?;
        stage.evaluate::<Option<[f64; 4]>>("okcvmShow(-1, 0) || [0, 0, 0, 0]", STEP).await?;
    }
    let failed = stage.failed();
    let mut pages = Vec::new();
    for slide in &measured.slides {
        let area = slide.page.area();
        let share = if slide.share.0 > 0.0 { slide.share.0 } else { 1.0 };
        let clip =
            Clip { x: area.x, y: area.y, width: 1024.0 / share, height: 576.0 / share, scale: share.clamp(0.05, 4.0) };
        pages.push(stage.picture(clip, Some(82)).await?);
    }
    let mut sheets = Vec::new();
    for part in pages.chunks(ON_SHEET).take(MOST_SHEETS) {
        sheets.push(sheet(&stage, part, sheets.len() * ON_SHEET).await?);
    }
    Ok(Seen { measured, files: found, shots, pages, sheets, told, failed })
}

/// A script with what it is asked.
fn with(request: &Value, script: &str) -> String {
    format!("{{ const request = {request};\n{script} }}")
}

/// The files of pictures that can be taken as they are.
fn pictures(measured: &Measured, files: &Files) -> HashMap<String, (Vec<u8>, MediaKind)> {
    let mut found = HashMap::new();
    let mut bytes = 0;
    for image in images(measured) {
        if bytes > MOST_BYTES || found.contains_key(&image.source) {
            continue;
        }
        if let Some(file) = files.picture(&image.source)
            && let Some(kind) = MediaKind::of(&file)
        {
            bytes += file.len();
            found.insert(image.source.clone(), (file, kind));
        }
    }
    found
}

fn images(measured: &Measured) -> impl Iterator<Item = &ImageItem> {
    measured.slides.iter().flat_map(|slide| &slide.items).filter_map(|item| match item {
        Item::Image(image) => Some(image),
        _ => None,
    })
}

fn wanted(measured: &Measured, files: &HashMap<String, (Vec<u8>, MediaKind)>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (slide, items) in measured.slides.iter().enumerate() {
        for item in &items.items {
            let (id, pad) = match item {
                Item::Pic(pic) => (pic.id, pic.pad.0.clamp(0.0, 200.0)),
                // Drawings need a picture beside them, and what is no file here is pictured as it is seen.
                Item::Image(image) if files.get(&image.source).is_none_or(|(_, kind)| *kind == MediaKind::Svg) => {
                    (image.id, 0.0)
                }
                _ => continue,
            };
            if id >= 0 && wanted.len() < MOST_PICTURES {
                wanted.push(Wanted { slide, id, pad });
            }
        }
    }
    wanted
}

/// A picture of one box, everything else hidden.
async fn shoot(stage: &Stage, measured: &Measured, wanted: &Wanted) -> Result<Option<Shot>, BrowserError> {
    let Some(slide) = measured.slides.get(wanted.slide) else { return Ok(None) };
    let expression = format!("okcvmShow({}, {}) || [0, 0, 0, 0]", wanted.id, wanted.pad);
    let [x, y, width, height]: [f64; 4] = stage.evaluate(&expression, STEP).await?;
    if ![x, y, width, height].iter().all(|value| value.is_finite()) || width < 0.5 || height < 0.5 {
        return Ok(None);
    }
    let (width, height) = (width.min(4_096.0), height.min(4_096.0));
    let share = slide.share.0;
    // Twice as fine as the slide, but not beyond measure.
    let scale = (2.0_f64).min((6_000_000.0 / (width * height)).sqrt()).max(0.2);
    let png = stage.picture(Clip { x, y, width, height, scale }, None).await?;
    let page = slide.page.area();
    let area = Area { x: (x - page.x) * share, y: (y - page.y) * share, w: width * share, h: height * share };
    Ok(Some((area, png)))
}

/// Slides beside each other with their numbers, for a model that sees.
async fn sheet(stage: &Stage, pages: &[Vec<u8>], before: usize) -> Result<Vec<u8>, BrowserError> {
    let pictures: Vec<String> = pages.iter().map(|page| BASE64_STANDARD.encode(page)).collect();
    let columns = if pages.len() == 1 {
        1
    } else if pages.len() < 5 {
        2
    } else {
        3
    };
    let width = 1_480 / columns;
    let script = format!(
        "(async () => {{
            const pictures = {pictures};
            document.adoptedStyleSheets = [];
            document.documentElement.replaceChildren(document.createElement('body'));
            document.documentElement.removeAttribute('style');
            document.documentElement.removeAttribute('class');
            const style = 'position:absolute;display:block;margin:0;padding:0;';
            document.body.style.cssText = 'margin:0;background:#888;position:absolute;left:0;top:0;width:1480px;';
            const waits = pictures.map((picture, at) => {{
                const [x, y] = [(at % {columns}) * {width}, Math.floor(at / {columns}) * {height}];
                const image = new Image();
                image.style.cssText = style + `left:${{x + 4}}px;top:${{y + 4}}px;width:{inner}px;height:{tall}px`;
                image.src = 'data:image/jpeg;base64,' + picture;
                const label = document.createElement('span');
                label.style.cssText = style + `left:${{x + 4}}px;top:${{y + 4}}px;padding:1px 6px;background:#000;color:#fff;font:bold 14px sans-serif`;
                label.textContent = String(at + 1 + {before});
                document.body.append(image, label);
                return image.decode().catch(() => {{}});
            }});
            await Promise.all(waits);
            scrollTo(0, 0);
            return 1;
        }})()",
        pictures = json!(pictures),
        inner = width - 8,
        tall = (width - 8) * 9 / 16,
        height = (width - 8) * 9 / 16 + 8,
    );
    stage.evaluate::<u8>(&script, STEP).await?;
    let rows = pages.len().div_ceil(columns);
    let clip = Clip { x: 0.0, y: 0.0, width: 1_480.0, height: (rows * ((width - 8) * 9 / 16 + 8)) as f64, scale: 1.0 };
    stage.picture(clip, Some(78)).await
}
