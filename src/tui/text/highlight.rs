//! Colours for code, found on a thread of their own.
//!
//! Loading the grammars takes milliseconds and the first use of one a tenth of a second, which no frame can spare. So
//! [`request`] never waits: it answers from a cache or queues the block and says [`Answer::Pending`]; the block is
//! drawn plain until then. When blocks are ready, [`generation`] has moved and the function given to [`on_ready`] is
//! called once for each, so that whoever draws can draw again.
//!
//! syntect's own themes are not used: they are RGB. Scopes are mapped to a handful of [`Syntax`] classes, which the
//! theme paints with the terminal's sixteen colours.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ratatui::text::Span;
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::tui::theme::{Syntax, Theme};

/// Larger blocks stay plain: nobody reads them in colour, and the cost grows with them.
const LARGEST_BLOCK: usize = 256 * 1024;
/// Longer lines stay plain: grammars backtrack on minified code.
const LONGEST_LINE: usize = 2_000;
/// Blocks remembered; the oldest goes first.
const REMEMBERED: usize = 512;

/// The classes of a block, line by line: each run ends at a byte of its line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Highlighted {
    lines: Vec<Vec<(usize, Syntax)>>,
}

/// What is known about a block.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Its classes.
    Ready(Arc<Highlighted>),
    /// They are being found; ask again when [`generation`] has moved.
    Pending,
    /// It stays plain: the language is not known, or the block is too large.
    Plain,
}

impl Highlighted {
    /// Line `index`, whose text is `text`, as spans. Runs that do not fit the text are left out, not trusted.
    pub fn spans(&self, index: usize, text: &str, theme: Theme) -> Vec<Span<'static>> {
        let mut spans = Vec::new();
        let mut start = 0;
        for &(end, class) in self.lines.get(index).map_or(&[][..], Vec::as_slice) {
            let Some(run) = text.get(start..end.min(text.len())) else { continue };
            if !run.is_empty() {
                spans.push(Span::styled(run.to_owned(), theme.syntax(class)));
            }
            start = end.min(text.len());
        }
        if let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            spans.push(Span::styled(rest.to_owned(), theme.syntax(Syntax::Plain)));
        }
        spans
    }
}

/// Sets what is called, from the highlighting thread, each time a block has become ready.
pub fn on_ready(wake: impl Fn() + Send + Sync + 'static) {
    *lock(&shared().wake) = Some(Arc::new(wake));
}

/// Moves each time a block has become ready.
pub fn generation() -> u64 {
    shared().generation.load(Ordering::Acquire)
}

/// The classes of a block of code in `language` (the info string of a fence, or a file extension).
pub fn request(language: &str, code: &str) -> Answer {
    let Some(language) = normalised(language) else { return Answer::Plain };
    if code.len() > LARGEST_BLOCK || code.trim().is_empty() {
        return Answer::Plain;
    }
    let mut hasher = DefaultHasher::new();
    (language.as_str(), code).hash(&mut hasher);
    let key = hasher.finish();
    let shared = shared();
    let mut cache = lock(&shared.cache);
    if let Some(answer) = cache.answers.get(&key) {
        return answer.clone();
    }
    let job = Job { key, language, code: code.to_owned() };
    if jobs().is_none_or(|jobs| lock(jobs).send(job).is_err()) {
        return Answer::Plain;
    }
    cache.insert(key, Answer::Pending);
    Answer::Pending
}

/// The token by which a grammar is found: the first word of an info string such as `rust,ignore` or `{.python}`.
fn normalised(info: &str) -> Option<String> {
    let word = info
        .trim()
        .trim_start_matches(['{', '.'])
        .split([' ', ',', '{', '}', ':', '\t'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let token = match word.as_str() {
        "" | "text" | "txt" | "plain" | "plaintext" | "output" | "console" | "none" => return None,
        "shell" | "zsh" | "bash" | "shell-session" | "sh-session" => "sh",
        "py3" | "python3" => "py",
        "golang" => "go",
        "jsonc" | "json5" | "jsonl" => "json",
        "mjs" | "cjs" | "node" => "js",
        "jsx" => "tsx",
        "c++" => "cpp",
        "c#" | "csharp" => "cs",
        other => other,
    };
    (token.len() <= 32).then(|| token.to_owned())
}

struct Job {
    key: u64,
    language: String,
    code: String,
}

#[derive(Default)]
struct Cache {
    answers: HashMap<u64, Answer>,
    order: VecDeque<u64>,
}

impl Cache {
    fn insert(&mut self, key: u64, answer: Answer) {
        if self.answers.insert(key, answer).is_none() {
            self.order.push_back(key);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.answers.remove(&oldest);
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    cache: Mutex<Cache>,
    generation: AtomicU64,
    wake: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(Shared::default)
}

/// The queue of the thread, which is started by the first block. `None` where no thread can be started.
fn jobs() -> Option<&'static Mutex<Sender<Job>>> {
    static JOBS: OnceLock<Option<Mutex<Sender<Job>>>> = OnceLock::new();
    JOBS.get_or_init(|| {
        let (sender, receiver) = channel::<Job>();
        let thread = std::thread::Builder::new().name("okcvm-highlight".to_owned()).spawn(move || {
            let grammars = two_face::syntax::extra_newlines();
            let classes = Classes::new();
            for job in receiver {
                let answer = match grammars.find_syntax_by_token(&job.language) {
                    Some(grammar) => Answer::Ready(Arc::new(classes.highlight(&grammars, grammar, &job.code))),
                    None => Answer::Plain,
                };
                let shared = shared();
                let ready = matches!(answer, Answer::Ready(_));
                lock(&shared.cache).insert(job.key, answer);
                shared.generation.fetch_add(1, Ordering::AcqRel);
                let wake = lock(&shared.wake).clone();
                if let Some(wake) = wake.filter(|_| ready) {
                    wake();
                }
            }
        });
        thread.is_ok().then(|| Mutex::new(sender))
    })
    .as_ref()
}

/// A panic elsewhere does not make colours unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which scopes belong to which class; the first row that is a prefix of the innermost telling scope wins.
struct Classes(Vec<(Scope, Option<Syntax>)>);

impl Classes {
    fn new() -> Self {
        const ROWS: [(&str, Option<Syntax>); 29] = [
            ("comment", Some(Syntax::Comment)),
            ("punctuation.definition.comment", Some(Syntax::Comment)),
            ("meta.interpolation", Some(Syntax::Plain)),
            ("meta.template.expression", Some(Syntax::Plain)),
            ("string", Some(Syntax::String)),
            ("constant.character", Some(Syntax::String)),
            ("markup.raw", Some(Syntax::String)),
            ("constant", Some(Syntax::Number)),
            ("keyword.operator.word", Some(Syntax::Keyword)),
            ("keyword.operator.logical.python", Some(Syntax::Keyword)),
            ("keyword.operator", Some(Syntax::Plain)),
            ("keyword", Some(Syntax::Keyword)),
            ("storage", Some(Syntax::Keyword)),
            ("variable.language", Some(Syntax::Keyword)),
            ("markup.heading", Some(Syntax::Keyword)),
            ("entity.name.function", Some(Syntax::Function)),
            ("support.function", Some(Syntax::Function)),
            ("variable.function", Some(Syntax::Function)),
            ("entity.name.tag", Some(Syntax::Keyword)),
            ("entity.name.section", Some(Syntax::Keyword)),
            ("entity.name", Some(Syntax::Type)),
            ("entity.other.inherited-class", Some(Syntax::Type)),
            ("entity.other.attribute-name", Some(Syntax::Function)),
            ("support.type.property-name", Some(Syntax::Function)),
            ("support.type", Some(Syntax::Type)),
            ("support.class", Some(Syntax::Type)),
            ("support.constant", Some(Syntax::Number)),
            ("markup.inserted", Some(Syntax::String)),
            ("markup.deleted", Some(Syntax::Keyword)),
        ];
        Self(ROWS.into_iter().filter_map(|(name, class)| Some((Scope::new(name).ok()?, class))).collect())
    }

    fn class_of(&self, stack: &[Scope]) -> Syntax {
        for scope in stack.iter().rev() {
            if let Some((_, class)) = self.0.iter().find(|(prefix, _)| prefix.is_prefix_of(*scope)) {
                return class.unwrap_or(Syntax::Plain);
            }
        }
        Syntax::Plain
    }

    fn highlight(&self, grammars: &SyntaxSet, grammar: &SyntaxReference, code: &str) -> Highlighted {
        let mut state = ParseState::new(grammar);
        let mut stack = ScopeStack::new();
        let mut lines = Vec::new();
        for line in code.split_inclusive('\n') {
            let mut runs: Vec<(usize, Syntax)> = Vec::new();
            let text_len = line.trim_end_matches('\n').len();
            let mut push = |end: usize, class: Syntax| {
                let end = end.min(text_len);
                match runs.last_mut() {
                    Some((last_end, _)) if *last_end >= end => {}
                    Some((last_end, last)) if *last == class => *last_end = end,
                    _ if end > 0 => runs.push((end, class)),
                    _ => {}
                }
            };
            // An error of the grammar leaves the line plain; the state goes on as it was.
            let ops = if line.len() > LONGEST_LINE { None } else { state.parse_line(line, grammars).ok() };
            if let Some(ops) = ops {
                for (at, op) in ops {
                    push(at, self.class_of(stack.as_slice()));
                    if stack.apply(&op).is_err() {
                        break;
                    }
                }
                push(text_len, self.class_of(stack.as_slice()));
            }
            lines.push(runs);
        }
        Highlighted { lines }
    }
}

#[cfg(test)]
pub(super) mod tests;
