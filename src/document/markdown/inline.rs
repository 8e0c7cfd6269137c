//! The text of one paragraph: runs with their looks, links, line breaks.

/// How a run looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::document) struct Look {
    pub(in crate::document) bold: bool,
    pub(in crate::document) italic: bool,
    pub(in crate::document) strike: bool,
    pub(in crate::document) code: bool,
}

impl Look {
    fn is_plain(self) -> bool {
        self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    text: String,
    look: Look,
    link: Option<String>,
    /// Markdown already: nothing in it is escaped.
    raw: bool,
}

/// Where a paragraph will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    Line,
    Cell,
}

/// The runs of one paragraph, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::document) struct Inline {
    runs: Vec<Run>,
}

impl Inline {
    /// Plain words.
    pub(in crate::document) fn plain(text: &str) -> Self {
        let mut inline = Self::default();
        inline.text(text);
        inline
    }

    /// Adds plain words.
    pub(in crate::document) fn text(&mut self, text: &str) {
        self.run(text, Look::default(), None);
    }

    /// Adds a run. A line break in it is one in the paragraph.
    pub(in crate::document) fn run(&mut self, text: &str, look: Look, link: Option<&str>) {
        if text.is_empty() {
            return;
        }
        if let Some(last) = self.runs.last_mut()
            && !last.raw
            && last.look == look
            && last.link.as_deref() == link
        {
            last.text.push_str(text);
            return;
        }
        self.runs.push(Run { text: text.to_owned(), look, link: link.map(str::to_owned), raw: false });
    }

    /// Adds Markdown as it is.
    pub(in crate::document) fn raw(&mut self, markdown: &str) {
        self.runs.push(Run { text: markdown.to_owned(), look: Look::default(), link: None, raw: true });
    }

    /// Adds a placeholder for a picture.
    pub(in crate::document) fn image(&mut self, alt: &str, name: &str) {
        let alt: String = alt.split_whitespace().collect::<Vec<_>>().join(" ");
        let alt = alt.replace(['[', ']'], "");
        self.raw(&format!("![{alt}]({})", target(name)));
    }

    /// Adds a line break.
    pub(in crate::document) fn line_break(&mut self) {
        self.text("\n");
    }

    /// Adds all runs of another paragraph.
    pub(in crate::document) fn append(&mut self, other: Self) {
        for run in other.runs {
            if run.raw { self.runs.push(run) } else { self.run(&run.text, run.look, run.link.as_deref()) }
        }
    }

    /// Without space at its beginning.
    pub(in crate::document) fn trimmed_start(mut self) -> Self {
        if let Some(first) = self.runs.first_mut().filter(|run| !run.raw) {
            first.text.drain(..first.text.len() - first.text.trim_start().len());
        }
        self
    }

    /// Whether there is nothing but space in it.
    pub(in crate::document) fn is_blank(&self) -> bool {
        self.runs.iter().all(|run| !run.raw && run.text.trim().is_empty())
    }

    /// Whether it ends in space, or has nothing yet.
    pub(in crate::document) fn ends_in_space(&self) -> bool {
        self.runs.last().is_none_or(|run| !run.raw && run.text.ends_with(char::is_whitespace))
    }

    /// Whether it ends in a line break.
    pub(in crate::document) fn ends_in_break(&self) -> bool {
        self.runs.last().is_some_and(|run| !run.raw && run.text.ends_with('\n'))
    }

    /// The words alone, without looks.
    pub(in crate::document) fn words(&self) -> String {
        self.runs.iter().filter(|run| !run.raw).map(|run| run.text.as_str()).collect::<String>().trim().to_owned()
    }

    /// As a paragraph.
    pub(super) fn to_block(&self) -> String {
        let text = self.render(Place::Block);
        let lines: Vec<&str> = text.trim_matches(|c: char| c.is_whitespace()).lines().map(str::trim_end).collect();
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        lines.join("  \n")
    }

    /// On one line, as in a heading. Headings are bold by themselves.
    pub(super) fn to_line(&self) -> String {
        self.render(Place::Line).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// In a cell of a table.
    pub(in crate::document) fn to_cell(&self) -> String {
        let text = self.render(Place::Cell);
        let lines: Vec<String> =
            text.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.join("<br>")
    }

    fn render(&self, place: Place) -> String {
        let mut out = String::new();
        let mut at = 0;
        while at < self.runs.len() {
            let link = self.runs[at].link.as_deref();
            let end = at + self.runs[at..].iter().take_while(|run| run.link.as_deref() == link).count();
            let mut inner = String::new();
            for run in &self.runs[at..end] {
                let starts = out.is_empty() || out.ends_with('\n');
                write_run(run, place, starts && inner.is_empty() && link.is_none(), &mut inner);
            }
            match link.map(target).filter(|target| !target.is_empty()) {
                Some(target) if !inner.trim().is_empty() => {
                    let (lead, core, trail) = parts(&inner);
                    out.push_str(lead);
                    out.push('[');
                    out.push_str(&core.replace('\n', " "));
                    out.push_str("](");
                    out.push_str(&if place == Place::Cell { target.replace('|', "%7C") } else { target });
                    out.push(')');
                    out.push_str(trail);
                }
                _ => out.push_str(&inner),
            }
            at = end;
        }
        out
    }
}

/// A run in its looks. Emphasis holds no space at its ends, or it would not be read as such.
fn write_run(run: &Run, place: Place, starts: bool, out: &mut String) {
    if run.raw {
        out.push_str(&if place == Place::Cell { run.text.replace('|', "\\|") } else { run.text.clone() });
        return;
    }
    let text = clean(&run.text);
    let bold = run.look.bold && place != Place::Line;
    let look = Look { bold, ..run.look };
    if look.is_plain() {
        escape(&text, place, starts, out);
        return;
    }
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let (lead, core, trail) = parts(line);
        out.push_str(lead);
        if !core.is_empty() {
            if look.code {
                code(core, place, out);
            } else {
                let marks = [("~~", look.strike), ("**", look.bold), ("*", look.italic)];
                for (mark, _) in marks.iter().filter(|(_, on)| *on) {
                    out.push_str(mark);
                }
                escape(core, place, false, out);
                for (mark, _) in marks.iter().rev().filter(|(_, on)| *on) {
                    out.push_str(mark);
                }
            }
        }
        out.push_str(trail);
    }
}

/// Without control characters and without marks that only steer the breaking of lines.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{a0}' | '\u{2007}' | '\u{202f}' => out.push(' '),
            '\u{ad}' | '\u{feff}' | '\u{200b}' => {}
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

fn code(text: &str, place: Place, out: &mut String) {
    let fence = if text.contains('`') { "``" } else { "`" };
    out.push_str(fence);
    out.push_str(&if place == Place::Cell { text.replace('|', "\\|") } else { text.to_owned() });
    out.push_str(fence);
}

/// Space before, the text, space after.
fn parts(text: &str) -> (&str, &str, &str) {
    let core = text.trim();
    let lead = text.len() - text.trim_start().len();
    if core.is_empty() {
        return (text, "", "");
    }
    (&text[..lead], core, &text[lead + core.len()..])
}

/// Escapes what Markdown would take for its own, and no more: a model reads the words.
fn escape(text: &str, place: Place, starts: bool, out: &mut String) {
    let mut at_start = starts && place == Place::Block;
    let has_link = text.contains("](");
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest[c.len_utf8()..].chars().next().unwrap_or(' ');
        if at_start && !c.is_whitespace() {
            at_start = false;
            if let Some(skip) = block_start(rest) {
                out.push_str(&rest[..skip]);
                out.push('\\');
                let kept = rest[skip..].chars().next().unwrap_or(' ');
                out.push(kept);
                before = kept;
                rest = rest[skip..].get(kept.len_utf8()..).unwrap_or_default();
                continue;
            }
        }
        let escaped = match c {
            '*' => !(before.is_whitespace() && after.is_whitespace()),
            '`' => true,
            '_' => !(before.is_alphanumeric() && after.is_alphanumeric()) && (before != ' ' || after != ' '),
            '<' => after.is_ascii_alphabetic() || after == '/' || after == '!',
            '|' => place == Place::Cell,
            '[' => has_link,
            '~' => after == '~',
            _ => false,
        };
        // A row of underlines is a blank to fill in, not emphasis.
        if escaped && !(c == '_' && (before == '_' || after == '_')) {
            out.push('\\');
        }
        out.push(c);
        if c == '\n' {
            at_start = place == Place::Block;
        }
        before = c;
        rest = &rest[c.len_utf8()..];
    }
}

/// Where the character stands that would make a heading, a quotation or a list of this line.
fn block_start(line: &str) -> Option<usize> {
    let spaced = |rest: &str| rest.starts_with([' ', '\t']);
    match line.chars().next()? {
        '#' => spaced(line.trim_start_matches('#')).then_some(0),
        '>' => Some(0),
        '-' | '+' => spaced(&line[1..]).then_some(0),
        c if c.is_ascii_digit() => {
            let digits = line.chars().take_while(char::is_ascii_digit).count();
            let rest = &line[digits..];
            (digits <= 9 && rest.starts_with(')') && spaced(&rest[1..])).then_some(digits)
        }
        _ => None,
    }
}

/// The target of a link as Markdown takes it: one word, without brackets that would end it.
fn target(target: &str) -> String {
    let mut out = String::new();
    for c in target.trim().chars().filter(|c| !c.is_control()) {
        match c {
            ' ' => out.push_str("%20"),
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            c => out.push(c),
        }
    }
    out
}
