//! Messages and commands: what Enter in the composer does.

use crate::protocol::Op;
use crate::tui::Exit;
use crate::tui::action::Action;
use crate::tui::complete;
use crate::tui::effect::UiEffect;
use crate::tui::pane::PaneId;
use crate::tui::pane::viewer::Viewer;
use crate::tui::slash::{self, Slash};

use super::{App, Modal, Queued};

impl App {
    pub(super) fn submit(&mut self) -> Vec<UiEffect> {
        let text = self.composer.text();
        if text.trim().is_empty() && self.attachments.is_empty() {
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
        let mut queued = self.queued.take().unwrap_or_default();
        if !queued.text.is_empty() {
            queued.text.push_str("\n\n");
        }
        queued.text.push_str(text);
        queued.files.extend(self.attachments.take());
        // What was asked for until now is meant for this message; what comes later is not.
        queued.waits_for.clone_from(&self.looks);
        self.dropped = None;
        // Written out and not chosen: whether there is such a file, the disk has to say.
        let named = complete::named(text);
        let look = (!named.is_empty()).then(|| self.look_for(named));
        queued.waits_for.extend(look.as_ref().map(|_| self.latest_look));
        let mut effects = if self.activity.is_busy() || !queued.waits_for.is_empty() {
            self.queued = Some(queued);
            Vec::new()
        } else {
            self.send_message(queued)
        };
        effects.extend(look);
        if !text.is_empty() {
            effects.push(UiEffect::Remember(text.to_owned()));
        }
        effects
    }

    pub(super) fn send_message(&mut self, message: Queued) -> Vec<UiEffect> {
        self.chat.say(&message.text, &message.files);
        self.activity.sent(self.now_ms);
        self.turn_started = false;
        let attachments = message.files.iter().map(|pending| pending.path.clone()).collect();
        let text = message.text.clone();
        self.sent = Some(message);
        vec![UiEffect::Send(Op::Submit { text, attachments })]
    }

    /// The message was not taken: its files wait again, and so does its text where nothing else is written.
    pub(super) fn give_back(&mut self) {
        let Some(Queued { text, files, .. }) = self.sent.take() else { return };
        if !files.is_empty() && self.composer.is_empty() {
            self.composer.set_text(&text);
        }
        self.attachments.put_back(files);
    }

    /// Puts the waiting message back into the composer, in front of what is written there.
    pub(super) fn take_back_queued(&mut self) {
        if let Some(Queued { text, files, .. }) = self.queued.take() {
            self.attachments.put_back(files);
            let written = self.composer.text();
            let both = if written.is_empty() { text } else { format!("{text}\n{written}") };
            self.composer.set_text(&both);
        }
    }

    pub(super) fn command(&mut self, slash: Slash, argument: &str) -> Vec<UiEffect> {
        let send = |op| vec![UiEffect::Send(op)];
        // What a command says stands at the end of the chat, also where it comes later.
        if !matches!(slash, Slash::Chat | Slash::Copy | Slash::Help) {
            self.chat.follow();
        }
        match slash {
            Slash::Help => self.act(Action::Help),
            Slash::Setup => self.act(Action::Setup),
            Slash::Quit => self.begin_exit(Exit::Quit),
            Slash::Chat => self.act(Action::ShowChat),
            Slash::Trace => self.act(Action::ShowTrace),
            Slash::Snapshots => self.act(Action::ShowSnapshots),
            Slash::Todo => self.act(Action::ShowTodo),
            Slash::Preview => self.preview_of(argument),
            Slash::Jobs => {
                if self.trace.select_jobs() {
                    self.show(PaneId::Trace);
                } else {
                    self.say("nothing runs in the background");
                }
                Vec::new()
            }
            Slash::Net => self.net(argument),
            Slash::Qr => self.qr(argument),
            Slash::Python => self.python(argument),
            Slash::Kernel => self.kernel(argument),
            Slash::Voice => self.toggle_voice(),
            Slash::Transcribe => self.transcribe(argument),
            Slash::Attach => self.attach(argument),
            Slash::Save => self.save(argument),
            Slash::Undo | Slash::Redo | Slash::Restore | Slash::Snapshot | Slash::Apply if self.activity.is_turn() => {
                self.say("a turn is running; stop it or wait until it ends, and give the command again");
                Vec::new()
            }
            Slash::Undo => send(Op::Undo),
            Slash::Redo => send(Op::Redo),
            Slash::Apply => self.bring(argument),
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

    /// Shows an address as a code.
    fn qr(&mut self, argument: &str) -> Vec<UiEffect> {
        let given = Some(argument.trim()).filter(|given| !given.is_empty());
        let Some(address) = given.or_else(|| self.chat.latest_site()).map(ToOwned::to_owned) else {
            self.say("no website was deployed here yet; /qr ADDRESS shows any address");
            return Vec::new();
        };
        let shown = crate::support::sanitize::line(&address);
        let Some(mut lines) = crate::tui::qr::lines(&shown) else {
            self.say("that is too long for a QR code");
            return Vec::new();
        };
        let room = self.overlay_area();
        let wide = lines.first().map_or(0, ratatui::text::Line::width);
        if wide > usize::from(room.width) || lines.len() > usize::from(room.height) {
            self.say(&format!("a QR code of that address needs {wide} columns and {} rows", lines.len()));
            return Vec::new();
        }
        lines.push(ratatui::text::Line::raw(shown));
        self.modal = Some(Modal::Viewer(Viewer::of_lines("QR code".to_owned(), lines, 0)));
        Vec::new()
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
