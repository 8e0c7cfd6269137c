//! `/kernel`: the kernel of the session, shown and changed.

use crate::protocol::{KernelChange, Op};
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::NoticeKind;

use super::App;

impl App {
    /// Does what follows `/kernel`.
    pub(super) fn kernel(&mut self, argument: &str) -> Vec<UiEffect> {
        let change = match argument {
            "" => {
                let words = self.trace.kernel_words();
                self.chat.notice(NoticeKind::Done, &words);
                return Vec::new();
            }
            "restart" => KernelChange::Restart,
            "stop" => KernelChange::Stop,
            "rebuild" => {
                let effects = self.trace.rebuild_kernel("the command again does it");
                return self.inner(effects);
            }
            _ => {
                self.chat.notice(NoticeKind::Warning, "after /kernel comes nothing, restart, rebuild or stop");
                return Vec::new();
            }
        };
        vec![UiEffect::Send(Op::Kernel(change))]
    }
}
