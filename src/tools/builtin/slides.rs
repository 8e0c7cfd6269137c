//! Turns an HTML page into a deck of slides.

use std::ffi::OsStr;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::browser::{BrowserError, LazyProgram};
use crate::document::html;
use crate::protocol::{Artifact, ArtifactKind, ImageData};
use crate::slides::{self, MOST_HTML, Made, SlidesError, Source};
use crate::support::{hash, sanitize, truncate};
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::kept::KeptPicture;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::{ConfinedPath, WorkspaceError};

/// Where decks go.
const FOLDER: &str = "output";
/// Names that are tried where the first is taken.
const MOST_NAMES: u32 = 1_000;
/// Bytes of a deck that may be replaced.
const MOST_DECK: u64 = 400 << 20;
/// Bytes that are told.
const MOST_TEXT: usize = 9_000;
/// Things that are told of the whole deck.
const MOST_TOLD: usize = 20;

/// Makes slides.
#[derive(Debug)]
pub(super) struct SlidesGenerator;

impl Tool for SlidesGenerator {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn told(&self, browser: &LazyProgram) -> Option<String> {
        let missing = browser.get().err()?;
        Some(format!(
            "There is no browser here ({missing}): styles are not seen, and titles, text, lists, tables and pictures of each \
             slide get places of their own."
        ))
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(generate(cx, args))
    }
}

/// A page, and the name that its deck gets.
struct Page {
    source: Source,
    stem: Option<String>,
}

async fn generate(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let ToolContext { machine, cancel, .. } = cx;
    let own = machine.clone();
    let page = blocking(move || page(&own, &args)).await?;
    let making = make(machine, page.source);
    let (made, without) = cancel.run_until_cancelled(making).await.ok_or(ToolError::Cancelled)??;
    let own = machine.clone();
    let wanted = page.stem.unwrap_or_else(|| made.title.clone());
    blocking(move || written(&own, made, &wanted, without)).await
}

/// The page that the call means: its content, or a file.
fn page(machine: &Machine, args: &Value) -> Result<Page, ToolError> {
    let workspace = machine.workspace.clone();
    let content = args::text(args, "content");
    if !content.trim().is_empty() {
        if content.len() > MOST_HTML {
            return Err(too_large(content.len() as u64));
        }
        let folder = workspace.resolve(".")?;
        let source = Source {
            html: content.to_owned(),
            workspace,
            folder,
            name: format!("content {}", hash::sha256(content.as_bytes())),
        };
        return Ok(Page { source, stem: None });
    }
    let path = args::text(args, "file_path");
    if path.trim().is_empty() {
        return Err(ToolError::ForModel("give the HTML as content, or its file as file_path".to_owned()));
    }
    let path = workspace.resolve(path)?;
    let bytes = match workspace.read(&path, MOST_HTML as u64) {
        Err(WorkspaceError::TooLarge { bytes, .. }) => return Err(too_large(bytes)),
        other => other?,
    };
    let folder = path.parent(workspace.mount()).unwrap_or_else(|| path.clone());
    let stem = path.relative().file_stem().and_then(OsStr::to_str).map(ToOwned::to_owned);
    let source =
        Source { html: html::decoded(&bytes, None).0.into_owned(), workspace, folder, name: path.shown().to_owned() };
    // A page that is called as all first pages are says nothing by that.
    Ok(Page { source, stem: stem.filter(|stem| stem != "index") })
}

fn too_large(bytes: u64) -> ToolError {
    let (bytes, most) = (truncate::bytes(bytes), truncate::bytes(MOST_HTML as u64));
    ToolError::ForModel(format!("the page has {bytes}; at most {most} are taken. Put pictures into files beside it"))
}

/// The deck, and why it was made without a browser where it was.
async fn make(machine: &Machine, source: Source) -> Result<(Made, Option<String>), ToolError> {
    let told = |error: SlidesError| ToolError::ForModel(sanitize::text(&error.to_string()));
    let why = match machine.browser_program.get() {
        Err(missing) => missing.to_string(),
        Ok(program) => match machine.surroundings().await {
            Err(ToolError::ForModel(why)) => why,
            Err(other) => return Err(other),
            Ok(surroundings) => {
                let again = Source {
                    html: source.html.clone(),
                    workspace: source.workspace.clone(),
                    folder: source.folder.clone(),
                    name: source.name.clone(),
                };
                match slides::with_browser(again, &machine.browser, program, &surroundings).await {
                    Ok(made) => return Ok((made, None)),
                    Err(SlidesError::Browser(
                        error @ (BrowserError::Start(_) | BrowserError::Gone(_) | BrowserError::Slow(_)),
                    )) => error.to_string(),
                    Err(error) => return Err(told(error)),
                }
            }
        },
    };
    let made = blocking(move || slides::without_browser(&source).map_err(told)).await?;
    Ok((made, Some(why)))
}

/// A file name made of a title.
fn stem(title: &str) -> String {
    let plain: String = title
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')') { c } else { ' ' })
        .collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join("-");
    let words = truncate::prefix(words.trim_matches(['.', '-']), 80).to_owned();
    if words.is_empty() { "slides".to_owned() } else { words }
}

/// Writes the deck, and never over another file: over the one only that was made of the same page before.
fn place(machine: &Machine, made: &Made, wanted: &str) -> Result<(ConfinedPath, &'static str), ToolError> {
    let workspace = &machine.workspace;
    let stem = stem(wanted);
    for number in 1..MOST_NAMES {
        let file = if number == 1 { format!("{FOLDER}/{stem}.pptx") } else { format!("{FOLDER}/{stem}-{number}.pptx") };
        let path = workspace.resolve(&file)?;
        let told = if number == 1 { "" } else { " (the shorter name belongs to another file)" };
        if workspace.write_new(&path, &made.bytes)? {
            return Ok((path, told));
        }
        let known = workspace.read(&path, MOST_DECK).ok();
        if known.is_some_and(|known| slides::is_own(&known, &made.source)) {
            workspace.write_atomic(&path, &made.bytes)?;
            return Ok((path, " (in place of the deck that this page gave before)"));
        }
    }
    Err(ToolError::ForModel(format!("every name like {FOLDER}/{stem}.pptx is taken; move some decks away")))
}

/// A line that may quote the page, clean and short.
fn brief(line: &str) -> String {
    truncate::prefix(&sanitize::line(line), 300).to_owned()
}

fn written(machine: &Machine, made: Made, wanted: &str, without: Option<String>) -> Result<ToolOutput, ToolError> {
    let (path, how) = place(machine, &made, wanted)?;
    let count = made.slides.len();
    let mut text = format!("Wrote {}{how}: {count} slide{}.\n", path.shown(), if count == 1 { "" } else { "s" });
    if let Some(why) = without {
        let why = sanitize::line(&why);
        let _ = writeln!(
            text,
            "* laid out from the markup alone, without its styles, because the browser could not be used: {why}"
        );
    }
    for line in made.told.iter().take(MOST_TOLD) {
        let _ = writeln!(text, "* {}", brief(line));
    }
    if made.told.len() > MOST_TOLD {
        let _ = writeln!(text, "* and {} more", made.told.len() - MOST_TOLD);
    }
    let mut left = 0;
    for (at, slide) in made.slides.iter().enumerate() {
        let mut part = format!("\n{}. {}\n", at + 1, sanitize::line(&slide.title));
        for line in &slide.lines {
            let _ = writeln!(part, "   - {}", sanitize::line(line));
        }
        if slide.more > 0 {
            let _ = writeln!(part, "   - ({} more)", slide.more);
        }
        for line in &slide.told {
            let _ = writeln!(part, "   * {}", brief(line));
        }
        if text.len() + part.len() > MOST_TEXT {
            left = count - at;
            break;
        }
        text.push_str(&part);
    }
    if left > 0 {
        let _ = writeln!(text, "\n({left} more slides)");
    }
    let kept: Vec<KeptPicture> = made.pages.into_iter().map(|page| KeptPicture::new("image/jpeg", page)).collect();
    let pages = kept.iter().map(KeptPicture::name).collect();
    let mut artifact = Artifact::at(ArtifactKind::Slides, path.shown())
        .on_host(machine.workspace.host_path().join(path.relative()))
        .with_pages(pages);
    if !made.title.is_empty() {
        artifact = artifact.titled(sanitize::line(&made.title));
    }
    let images = made.sheets.iter().map(|sheet| ImageData {
        media_type: "image/jpeg".to_owned(),
        base64: BASE64_STANDARD.encode(sheet),
        path: None,
    });
    Ok(ToolOutput {
        images: images.collect(),
        artifacts: vec![artifact],
        kept,
        bounded: true,
        ..ToolOutput::text(text.trim_end().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_made_of_titles() {
        assert_eq!(stem("Quarterly report: Q3 / 2025"), "Quarterly-report-Q3-2025");
        assert_eq!(stem("../../etc/passwd"), "etc-passwd");
        assert_eq!(stem("第三季度 报告"), "第三季度-报告");
        assert_eq!(stem(" .. "), "slides");
        assert!(stem(&"x".repeat(500)).len() <= 80);
    }
}
