//! Messages and commands: what Enter in the composer does.

use crate::protocol::Op;
use crate::tui::Exit;
use crate::tui::action::Action;
use crate::tui::effect::UiEffect;
use crate::tui::pane::PaneId;
use crate::tui::slash::{self, Slash};

use super::App;

impl App {
    pub(super) fn submit(&mut self) -> Vec<UiEffect> {
        let text = self.composer.text();
        if text.trim().is_empty() {
            return Vec::new();
        }
        match slash::parse(&text) {
            Some(Ok((slash, argument))) => {
                self.composer.take();
                self.composer.take_up();
                self.command(slash, &argument)
            }
            Some(Err(why)) => {
                self.say(&why);
                Vec::new()
            }
            None if self.lost_the_engine() => {
                self.say("the engine has ended; quit and continue the session");
                Vec::new()
            }
            None => {
                let text = self.composer.take();
                self.composer.take_up();
                self.message(text.trim())
            }
        }
    }

    /// Sends a message, or keeps it until the turn is over.
    pub fn message(&mut self, text: &str) -> Vec<UiEffect> {
        if self.activity.is_busy() {
            self.queued = Some(match self.queued.take() {
                Some(before) => format!("{before}\n\n{text}"),
                None => text.to_owned(),
            });
            return vec![UiEffect::Remember(text.to_owned())];
        }
        let mut effects = self.send_message(text);
        effects.push(UiEffect::Remember(text.to_owned()));
        effects
    }

    pub(super) fn send_message(&mut self, text: &str) -> Vec<UiEffect> {
        self.chat.say(text);
        self.activity.sent(self.now_ms);
        self.turn_started = false;
        vec![UiEffect::Send(Op::Submit { text: text.to_owned(), attachments: Vec::new() })]
    }

    /// Puts the waiting message back into the composer, in front of what is written there.
    pub(super) fn take_back_queued(&mut self) {
        if let Some(text) = self.queued.take() {
            let written = self.composer.text();
            let both = if written.is_empty() { text } else { format!("{text}\n{written}") };
            self.composer.set_text(&both);
        }
    }

    pub(super) fn command(&mut self, slash: Slash, argument: &str) -> Vec<UiEffect> {
        let send = |op| vec![UiEffect::Send(op)];
        match slash {
            Slash::Help => self.act(Action::Help),
            Slash::Setup => self.act(Action::Setup),
            Slash::Quit => self.begin_exit(Exit::Quit),
            Slash::Chat => self.act(Action::ShowChat),
            Slash::Trace => self.act(Action::ShowTrace),
            Slash::Snapshots => self.act(Action::ShowSnapshots),
            Slash::Todo => self.act(Action::ShowTodo),
            Slash::Jobs => {
                if self.trace.select_jobs() {
                    self.show(PaneId::Trace);
                } else {
                    self.say("nothing runs in the background");
                }
                Vec::new()
            }
            Slash::Net => self.net(argument),
            Slash::Python => self.python(argument),
            Slash::Kernel => self.kernel(argument),
            Slash::Voice => self.toggle_voice(),
            Slash::Transcribe => self.transcribe(argument),
            Slash::Undo | Slash::Redo | Slash::Restore | Slash::Snapshot if self.activity.is_running() => {
                self.say("a turn is running; stop it or wait until it ends, and give the command again");
                Vec::new()
            }
            Slash::Undo => send(Op::Undo),
            Slash::Redo => send(Op::Redo),
            Slash::Snapshot => {
                let label = if argument.is_empty() { "by hand" } else { argument };
                send(Op::Snapshot { label: crate::support::truncate::prefix(label, 200).to_owned() })
            }
            Slash::Restore => {
                let effects = self.snapshots.plan(argument);
                self.inner(effects)
            }
            Slash::Diff => {
                let mut words = argument.split_whitespace();
                let from = words.next().unwrap_or("head");
                let to = words.next();
                self.show(PaneId::Snapshots);
                self.snapshots.compare(from, to)
            }
            Slash::Rename => send(Op::Rename { title: argument.to_owned() }),
            Slash::Copy => {
                if let Some(text) = self.chat.latest_reply() {
                    vec![UiEffect::Copy { text, what: "the latest reply".to_owned() }]
                } else {
                    self.say("there is no reply yet");
                    Vec::new()
                }
            }
            Slash::Stop => {
                if self.activity.is_running() {
                    self.interrupt()
                } else {
                    self.say("no turn is running");
                    Vec::new()
                }
            }
        }
    }

    /// Ends the engine first; the screen follows when it says that it has closed. Asked again, it does not wait.
    pub(super) fn begin_exit(&mut self, exit: Exit) -> Vec<UiEffect> {
        if self.engine_ended || self.closing.is_some() {
            let exit = self.closing.map_or(exit, |(first, _)| match exit {
                Exit::Signal(_) => exit,
                _ => first,
            });
            return vec![UiEffect::Quit(exit)];
        }
        self.closing = Some((exit, self.now_ms));
        vec![UiEffect::Send(Op::Shutdown)]
    }
}
