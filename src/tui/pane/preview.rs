//! What was made for the user: a list of it, and a glance at what is chosen.
//!
//! The list is drawn from the conversation, so a rollback takes things back. How they stand on the disk and what they
//! hold is found out by jobs, one at a time, and only while the pane is on the screen.

mod draw;
#[cfg(test)]
mod tests;
mod things;

use std::path::PathBuf;

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Line;
use tokio_util::sync::CancellationToken;

use super::list::{ListCursor, draw_lines, draw_note, mark_row};
use super::{DrawContext, Pane, PaneTitle};
use crate::protocol::{Artifact, ArtifactKind, Event};
use crate::support::sanitize;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::{Outside, UiEffect, ViewSource};
use crate::tui::picture::Pictures;
use crate::tui::preview::{Answer, Content, FileState, Job, PreviewFiles, Sheet};
use crate::tui::text::highlight;
use crate::tui::theme::Theme;
use things::Thing;

/// Contents that are kept.
const MOST_KEPT: usize = 24;
/// Things that are told of by tools and listed, the latest.
const MOST_THINGS: usize = 500;

/// What a content belongs to: it is another one as soon as any of this is.
type Stamp = (String, Option<FileState>, usize);

/// What the lines of a glance were made for; the last is the number of blocks of code that have their colours.
type MadeFor = (Stamp, Size, Theme, u64);

/// What is being found out now.
#[derive(Debug)]
struct Work {
    /// The thing that is read; none for the listing.
    stamp: Option<Stamp>,
    cancel: CancellationToken,
}

/// The things and what is chosen among them.
#[derive(Debug)]
pub struct PreviewState {
    files: PreviewFiles,
    pictures: Pictures,
    mount: String,
    made: Vec<Artifact>,
    listing: Vec<(String, FileState)>,
    others: Vec<(String, FileState)>,
    things: Vec<Thing>,
    cursor: ListCursor,
    /// The chosen slide or picture of a page.
    page: usize,
    /// The listing may be out of date.
    stale: bool,
    /// Whether the pane is in this frame.
    seen: bool,
    /// Whether it has the keys.
    focused: bool,
    work: Option<Work>,
    kept: Vec<(Stamp, Content)>,
    /// Lines of the glance, and what they were made for.
    glance: Option<(MadeFor, Vec<Line<'static>>)>,
    rows: Vec<Line<'static>>,
    below: Vec<Line<'static>>,
}

impl PreviewState {
    /// Nothing was made yet; things are looked at by `files`.
    pub fn new(files: PreviewFiles, pictures: Pictures) -> Self {
        Self {
            files,
            pictures,
            mount: String::new(),
            made: Vec::new(),
            listing: Vec::new(),
            others: Vec::new(),
            things: Vec::new(),
            cursor: ListCursor::default(),
            page: 0,
            stale: true,
            seen: false,
            focused: false,
            work: None,
            kept: Vec::new(),
            glance: None,
            rows: Vec::new(),
            below: Vec::new(),
        }
    }

    /// A frame begins: what is not looked at in it is not found out.
    pub fn begin_frame(&mut self) {
        (self.seen, self.focused) = (false, false);
    }

    /// Files may have changed behind the back of everybody.
    pub fn look_again(&mut self) {
        self.stale = true;
    }

    /// Chooses a thing by its number in the list, from 1. Whether there is such a one.
    pub fn select(&mut self, number: usize) -> bool {
        let found = (1..=self.things.len()).contains(&number);
        if found {
            (self.cursor.selected, self.page) = (number - 1, 0);
        }
        found
    }

    /// Things that can be chosen.
    pub fn count(&self) -> usize {
        self.things.len()
    }

    /// The next piece of work, if there is any and none is going on. What nobody looks at any more is given up.
    pub fn next_job(&mut self) -> Option<Job> {
        let wanted = self.wanted();
        if let Some(work) = &self.work {
            if work.stamp.is_some() && work.stamp != wanted {
                work.cancel.cancel();
            }
            return None;
        }
        if !self.seen {
            return None;
        }
        let (files, cancel) = (self.files.clone(), CancellationToken::new());
        if std::mem::take(&mut self.stale) {
            let mut paths: Vec<String> = Vec::new();
            for path in self.made.iter().rev().filter_map(|artifact| artifact.path.as_ref()) {
                if !paths.contains(path) && paths.len() < MOST_THINGS {
                    paths.push(path.clone());
                }
            }
            self.work = Some(Work { stamp: None, cancel });
            return Some(Box::new(move || {
                let listing = files.list(&paths);
                Answer::Listed(paths, listing)
            }));
        }
        let stamp = wanted?;
        let subject = self.chosen()?.subject();
        self.work = Some(Work { stamp: Some(stamp.clone()), cancel: cancel.clone() });
        Some(Box::new(move || Answer::Read(stamp.0, files.read(&subject, &cancel))))
    }

    /// Takes what a job found.
    pub fn answered(&mut self, answer: Answer) {
        let work = self.work.take();
        match answer {
            Answer::Listed(paths, listing) => {
                self.listing = paths.into_iter().zip(listing.states).collect();
                self.others = listing.others;
                self.order();
            }
            Answer::Read(_, content) => {
                // What was given up is asked for again when it is looked at again.
                let Some(Work { stamp: Some(stamp), cancel }) = work else { return };
                if !cancel.is_cancelled() {
                    self.kept.retain(|(known, _)| known.0 != stamp.0);
                    self.kept.push((stamp, content));
                    if self.kept.len() > MOST_KEPT {
                        self.kept.remove(0);
                    }
                }
            }
        }
    }

    /// The content that is lacking.
    fn wanted(&self) -> Option<Stamp> {
        let thing = self.chosen().filter(|_| self.seen)?;
        let here = thing.pages.is_empty() && thing.kind != ArtifactKind::Image;
        let known = matches!(thing.state, Some(FileState::File { .. } | FileState::Folder { .. }));
        let wanted = here && (known || thing.kind == ArtifactKind::Url) && self.content(thing).is_none();
        wanted.then(|| stamp(thing))
    }

    fn content(&self, thing: &Thing) -> Option<&Content> {
        let stamp = stamp(thing);
        self.kept.iter().find(|(known, _)| *known == stamp).map(|(_, content)| content)
    }

    fn chosen(&self) -> Option<&Thing> {
        self.things.get(self.cursor.selected)
    }

    /// Makes the rows anew; what was chosen stays so.
    fn order(&mut self) {
        // While nobody walks through the list the latest thing is the one that is shown.
        let follows = self.cursor.selected == 0 && !self.focused;
        let chosen = self.chosen().filter(|_| !follows).map(|thing| thing.key.clone());
        self.things = things::rows(&self.made, &self.listing, &self.others, &self.mount);
        self.things.truncate(MOST_THINGS);
        let place = chosen.and_then(|key| self.things.iter().position(|thing| thing.key == key));
        if let Some(place) = place {
            self.cursor.selected = place;
        } else {
            (self.cursor.selected, self.page) = (self.cursor.selected.min(self.things.len().saturating_sub(1)), 0);
        }
    }

    /// Pictures of the chosen thing.
    fn sheets(&self) -> Vec<Sheet> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        if !thing.pages.is_empty() {
            return thing.pages.clone();
        }
        let own = || thing.path.clone().map(|picture| Sheet { label: String::new(), picture });
        match self.content(thing) {
            Some(Content::Sheets(sheets)) => sheets.clone(),
            Some(Content::Picture) => own().into_iter().collect(),
            None if thing.kind == ArtifactKind::Image && !thing.is_gone() => own().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn open(&self) -> Vec<UiEffect> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        let sheets = self.sheets();
        if !sheets.is_empty() {
            let own = thing.pages.is_empty() && thing.kind == ArtifactKind::Image;
            // From one picture to the next: those of all rows.
            let (labels, paths): (Vec<String>, Vec<String>) = if own {
                let images = self.things.iter().filter(|other| other.kind == ArtifactKind::Image && !other.is_gone());
                images.filter_map(|image| Some((image.name.clone(), image.path.clone()?))).unzip()
            } else {
                let name = thing.title.as_ref().unwrap_or(&thing.name);
                sheets
                    .into_iter()
                    .map(|sheet| (format!("{name}, {}", sanitize::line(&sheet.label)), sheet.picture))
                    .unzip()
            };
            let at =
                if own { paths.iter().position(|path| Some(path) == thing.path.as_ref()) } else { Some(self.page) };
            return vec![UiEffect::ShowPictures { paths, labels, at: at.unwrap_or(0) }];
        }
        let title = thing.title.clone().unwrap_or_else(|| thing.name.clone());
        let source = match self.content(thing) {
            Some(Content::Text { text, markdown: true, .. }) => ViewSource::Markdown(sanitize::text(text)),
            Some(Content::Text { text, .. }) => ViewSource::Text(sanitize::text(text)),
            Some(Content::Words(words)) => ViewSource::Text(sanitize::text(words)),
            // It is seen whole already.
            Some(_) => return Vec::new(),
            None => return vec![UiEffect::Notice(why_nothing(thing))],
        };
        vec![UiEffect::View { title, source }]
    }

    /// The lines below the list: what the chosen thing is, and a glance at it.
    fn below(&mut self, room: Size, theme: Theme) -> Vec<Line<'static>> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        let content = self.content(thing);
        let sheets = self.sheets();
        let said = match (content, &sheets[..]) {
            // A picture of its own.
            (_, [Sheet { label, picture }]) if label.is_empty() => {
                super::picture::words(&self.pictures.view(picture, room), self.pictures.are_drawn())
            }
            (Some(content), _) => draw::said(content, theme),
            (None, _) => String::new(),
        };
        let mut lines = vec![draw::head(thing, &said, usize::from(room.width), theme)];
        if !sheets.is_empty() {
            self.page = self.page.min(sheets.len() - 1);
            lines.extend(draw::sheets(&sheets, self.page, room, &self.pictures, theme));
            return lines;
        }
        let Some(content) = content else {
            lines.extend(draw::note(&why_nothing(thing), room.width, theme));
            return lines;
        };
        let made_for = (stamp(thing), room, theme, highlight::generation());
        if self.glance.as_ref().is_none_or(|(known, _)| *known != made_for) {
            let glance = draw::glance(content, thing.kind, room, theme);
            self.glance = Some((made_for, glance));
        }
        lines.extend(self.glance.iter().flat_map(|(_, glance)| glance.iter().cloned()));
        lines
    }

    /// The place of the chosen thing, to be copied.
    fn copy(&self) -> Vec<UiEffect> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        let (text, what) = match &thing.url {
            Some(url) => (url, "the address"),
            None => (&thing.key, "the path"),
        };
        vec![UiEffect::Copy { text: sanitize::line(text), what: what.to_owned() }]
    }

    fn outside(&self) -> Vec<UiEffect> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        let target = match (&thing.url, &thing.path, &thing.state) {
            (Some(url), ..) if is_address(url) => Outside::Address(url.clone()),
            (Some(_), ..) => return vec![UiEffect::Notice("that is no address that a browser opens".to_owned())],
            (None, Some(path), Some(FileState::File { .. } | FileState::Folder { .. })) => {
                Outside::File(PathBuf::from(path))
            }
            _ => return vec![UiEffect::Notice(why_nothing(thing))],
        };
        vec![UiEffect::OpenOutside(target)]
    }

    /// Begins the command that copies the chosen thing to this machine.
    fn save(&self) -> Vec<UiEffect> {
        let Some(thing) = self.chosen() else { return Vec::new() };
        let Some(path) = thing.path.as_ref().filter(|_| !thing.is_gone()) else {
            return vec![UiEffect::Notice(why_nothing(thing))];
        };
        if *path != sanitize::line(path) {
            return vec![UiEffect::Notice("its name cannot be typed; okcvm files get copies it".to_owned())];
        }
        vec![UiEffect::Command { name: "save".to_owned(), argument: path.clone() }]
    }
}

/// An address that a browser may be given: of the web, and nothing that a shell or a terminal could take amiss.
fn is_address(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://"))
        && url.chars().all(|c| c.is_ascii_graphic() && !"\"'`\\<>".contains(c))
}

/// What stands in the place of a content.
fn why_nothing(thing: &Thing) -> String {
    match &thing.state {
        _ if thing.kind == ArtifactKind::Url => "It is being looked at.".to_owned(),
        Some(FileState::Gone) => "It is not there any more; a rollback may bring it back.".to_owned(),
        Some(FileState::Closed(why)) => format!("It cannot be looked at: {}.", sanitize::line(why)),
        _ => "It is being read.".to_owned(),
    }
}

fn stamp(thing: &Thing) -> Stamp {
    (thing.key.clone(), thing.state.clone(), thing.versions)
}

impl Pane for PreviewState {
    fn apply(&mut self, event: &Event, _now_ms: u64) {
        match event {
            Event::SessionStarted { mount, .. } => self.mount.clone_from(mount),
            Event::ConversationReplaced { .. } => self.made.clear(),
            Event::Artifacts { artifacts } => {
                self.made.clone_from(artifacts);
                // What is deployed at an address may be another page now.
                self.kept.retain(|(_, content)| !matches!(content, Content::Sheets(_)));
            }
            Event::Artifact(artifact) => self.made.push(artifact.clone()),
            Event::ToolFinished { .. } | Event::TurnEnded { .. } | Event::Restored(_) => {
                self.stale = true;
                return;
            }
            _ => return,
        }
        self.stale = true;
        self.order();
    }

    fn scope(&self) -> Scope {
        Scope::Preview
    }

    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        let before = self.cursor.selected;
        if self.cursor.act(action, self.things.len()) {
            if self.cursor.selected != before {
                self.page = 0;
            }
            return Vec::new();
        }
        match action {
            Action::Back => return vec![UiEffect::Leave],
            Action::Open => return self.open(),
            Action::NextPage => self.page = (self.page + 1).min(self.sheets().len().saturating_sub(1)),
            Action::PreviousPage => self.page = self.page.saturating_sub(1),
            Action::Copy => return self.copy(),
            Action::CopyHostPath => {
                if let Some(path) = self.chosen().and_then(|thing| thing.path.clone()) {
                    return vec![UiEffect::CopyHostPath(path)];
                }
            }
            Action::OpenOutside => return self.outside(),
            Action::Save => return self.save(),
            _ => {}
        }
        Vec::new()
    }

    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        (self.seen, self.focused) = (true, cx.focused);
        let count = self.things.len();
        // A third for the list; all of it where the rest would hold nothing.
        let list = match size.height {
            0..7 => size.height,
            height => (count as u16).clamp(1, (height / 3).max(3)),
        };
        self.cursor.show(|_| 1, count, usize::from(list));
        let shown = self.things.iter().skip(self.cursor.offset).take(usize::from(list));
        self.rows = shown.map(|thing| draw::row(thing, usize::from(size.width), cx.wall, cx.theme)).collect();
        // A line between, and one that says what it is.
        let room = Size { width: size.width, height: size.height.saturating_sub(list + 2) };
        self.below = if size.height > list + 2 { self.below(room, cx.theme) } else { Vec::new() };
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = area.intersection(frame.area());
        let buffer = frame.buffer_mut();
        if self.things.is_empty() {
            let note = "What is made for you appears here: pages, slides, pictures, recordings, documents. Ask for \
                        one, or let files be written to output/.";
            draw_note(note, area, cx.theme, buffer);
            return;
        }
        draw_lines(self.rows.iter(), area, buffer);
        let selected = self.cursor.selected - self.cursor.offset;
        let style = if cx.focused { cx.theme.selected() } else { cx.theme.selected_idle() };
        mark_row(area, area.y + selected as u16, style, buffer);
        let top = area.y + self.rows.len() as u16;
        if self.below.is_empty() || top >= area.bottom() {
            return;
        }
        let rule = Line::styled(cx.theme.glyphs().horizontal.repeat(usize::from(area.width)), cx.theme.dim());
        buffer.set_line(area.x, top, &rule, area.width);
        draw_lines(self.below.iter(), Rect { y: top + 1, height: area.bottom() - top - 1, ..area }, buffer);
    }

    fn title(&self, _cx: &DrawContext<'_>) -> PaneTitle {
        let right = match self.things.len() {
            0 => String::new(),
            1 => "1 thing".to_owned(),
            count => format!("{} of {count}", self.cursor.selected + 1),
        };
        PaneTitle { left: "Preview".to_owned(), right }
    }

    fn summary(&self) -> Option<String> {
        (!self.things.is_empty()).then(|| self.things.len().to_string())
    }

    fn hints(&self) -> &'static [Action] {
        let several = self.sheets().len() > 1;
        match self.things.len() {
            0 => &[Action::Back, Action::Help],
            _ if several => &[
                Action::Open,
                Action::NextPage,
                Action::Save,
                Action::OpenOutside,
                Action::Copy,
                Action::Back,
                Action::Help,
            ],
            _ => &[Action::Open, Action::Save, Action::OpenOutside, Action::Copy, Action::Back, Action::Help],
        }
    }
}
