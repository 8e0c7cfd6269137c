//! Undo and redo over the movements of the head.
//!
//! Every movement is an entry (operation, head before, head after) in the log; undo and redo are entries too, so the
//! state of both stacks follows from the entries alone and survives a restart.
//!
//! ```text
//! entries                undo stack        redo stack      head
//! turn     A -> B        A                 -               B
//! restore  C -> R        A C               -               R      C holds the files just before the rollback
//! undo     D -> C        A                 D               C      D: files had changed again since R
//! redo     C -> D        A C               -               D      what was undone is back, with what had changed
//! ```
//!
//! A redo goes back to the head that the undo left, not to the node that the undone operation had made: these differ
//! when files had changed in between, and nothing may be lost.

use serde::{Deserialize, Serialize};

use crate::protocol::NodeId;

/// What moved the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The session began.
    Start,
    /// A turn ended.
    Turn,
    /// Files changed by hand were taken in.
    Manual,
    /// The user named a state. Moves nothing that anyone could see: undo passes over it.
    Named,
    /// A rollback.
    Restore,
    /// An undo.
    Undo,
    /// A redo.
    Redo,
    /// A kind that this program does not know; counts as a movement.
    #[serde(other)]
    Other,
}

/// One movement of the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpEntry {
    /// What moved it.
    pub operation: Operation,
    /// The head before; none at the start of a session.
    pub before: Option<NodeId>,
    /// The head after.
    pub after: NodeId,
}

/// Where undo and redo would lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpLog {
    /// Heads to come back to, and whether the movement can be seen.
    undo: Vec<(NodeId, bool)>,
    redo: Vec<NodeId>,
}

impl OpLog {
    /// The state after these entries.
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a OpEntry>) -> Self {
        let mut log = Self::default();
        for entry in entries {
            log.push(entry);
        }
        log
    }

    /// Takes in one more entry.
    pub fn push(&mut self, entry: &OpEntry) {
        let Some(before) = entry.before.clone() else {
            return;
        };
        match entry.operation {
            Operation::Undo => {
                self.pop_visible();
                self.redo.push(before);
            }
            Operation::Redo => {
                self.redo.pop();
                self.undo.push((before, true));
            }
            operation => {
                self.redo.clear();
                self.undo.push((before, operation != Operation::Named));
            }
        }
    }

    /// The head that an undo leads to.
    pub fn undo_target(&self) -> Option<&NodeId> {
        self.undo.iter().rev().find(|(_, visible)| *visible).map(|(id, _)| id)
    }

    /// The head that a redo leads to.
    pub fn redo_target(&self) -> Option<&NodeId> {
        self.redo.last()
    }

    fn pop_visible(&mut self) {
        while let Some((_, visible)) = self.undo.pop() {
            if visible {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> NodeId {
        letter.to_string().repeat(40).parse().expect("id")
    }

    fn entry(operation: Operation, before: char, after: char) -> OpEntry {
        OpEntry { operation, before: Some(id(before)), after: id(after) }
    }

    #[test]
    fn undo_and_redo_walk_along_the_entries() {
        let mut log = OpLog::default();
        log.push(&OpEntry { operation: Operation::Start, before: None, after: id('a') });
        assert_eq!((log.undo_target(), log.redo_target()), (None, None));
        log.push(&entry(Operation::Turn, 'a', 'b'));
        log.push(&entry(Operation::Restore, 'c', 'd'));
        assert_eq!(log.undo_target(), Some(&id('c')));
        log.push(&entry(Operation::Undo, 'e', 'c'));
        assert_eq!((log.undo_target(), log.redo_target()), (Some(&id('a')), Some(&id('e'))));
        log.push(&entry(Operation::Undo, 'c', 'a'));
        assert_eq!((log.undo_target(), log.redo_target()), (None, Some(&id('c'))));
        log.push(&entry(Operation::Redo, 'a', 'c'));
        log.push(&entry(Operation::Redo, 'c', 'e'));
        assert_eq!((log.undo_target(), log.redo_target()), (Some(&id('c')), None));
    }

    #[test]
    fn a_new_movement_ends_redo() {
        let mut log = OpLog::default();
        log.push(&entry(Operation::Turn, 'a', 'b'));
        log.push(&entry(Operation::Undo, 'b', 'a'));
        log.push(&entry(Operation::Turn, 'a', 'c'));
        assert_eq!((log.undo_target(), log.redo_target()), (Some(&id('a')), None));
    }

    #[test]
    fn undo_passes_over_a_named_state() {
        let mut log = OpLog::default();
        log.push(&entry(Operation::Turn, 'a', 'b'));
        log.push(&entry(Operation::Named, 'b', 'c'));
        assert_eq!(log.undo_target(), Some(&id('a')));
        log.push(&entry(Operation::Undo, 'c', 'a'));
        assert_eq!((log.undo_target(), log.redo_target()), (None, Some(&id('c'))));
        log.push(&entry(Operation::Redo, 'a', 'c'));
        assert_eq!(log.undo_target(), Some(&id('a')));
    }

    #[test]
    fn the_state_follows_from_the_entries_alone() {
        let entries =
            [entry(Operation::Turn, 'a', 'b'), entry(Operation::Undo, 'b', 'a'), entry(Operation::Redo, 'a', 'b')];
        let mut step_by_step = OpLog::default();
        for entry in &entries {
            step_by_step.push(entry);
        }
        assert_eq!(OpLog::replay(&entries), step_by_step);
    }
}
