//! The shape of a session: which node continues which. Pure.

use std::collections::{HashMap, HashSet};

use crate::protocol::NodeId;

/// Nodes and their first parents.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    parents: HashMap<NodeId, Option<NodeId>>,
}

impl Tree {
    /// Adds a node.
    pub fn insert(&mut self, id: NodeId, parent: Option<NodeId>) {
        self.parents.insert(id, parent);
    }

    /// Whether the node is there.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.parents.contains_key(id)
    }

    /// The first parent of a node.
    pub fn parent(&self, id: &NodeId) -> Option<&NodeId> {
        self.parents.get(id)?.as_ref()
    }

    /// The nodes from the root to `id`, both included: the conversation of `id`. Ends early at a node that is not
    /// there, and never runs in a circle, whatever a damaged store says.
    pub fn path(&self, id: &NodeId) -> Vec<NodeId> {
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let mut next = self.contains(id).then(|| id.clone());
        while let Some(node) = next {
            if !seen.insert(node.clone()) {
                break;
            }
            next = self.parent(&node).filter(|parent| self.contains(parent)).cloned();
            path.push(node);
        }
        path.reverse();
        path
    }

    /// The nodes of `head`'s conversation that are not in `target`'s: what a rollback leaves behind, oldest first.
    pub fn left_behind(&self, head: &NodeId, target: &NodeId) -> Vec<NodeId> {
        let kept: HashSet<NodeId> = self.path(target).into_iter().collect();
        self.path(head).into_iter().filter(|node| !kept.contains(node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> NodeId {
        letter.to_string().repeat(40).parse().expect("id")
    }

    fn tree(rows: &[(char, Option<char>)]) -> Tree {
        let mut tree = Tree::default();
        for (node, parent) in rows {
            tree.insert(id(*node), parent.map(id));
        }
        tree
    }

    #[test]
    fn a_path_follows_first_parents() {
        let tree = tree(&[('a', None), ('b', Some('a')), ('c', Some('b')), ('d', Some('a'))]);
        assert_eq!(tree.path(&id('c')), [id('a'), id('b'), id('c')]);
        assert_eq!(tree.left_behind(&id('c'), &id('d')), [id('b'), id('c')]);
        assert!(tree.left_behind(&id('b'), &id('c')).is_empty());
        assert!(tree.path(&id('e')).is_empty());
    }

    #[test]
    fn a_circle_ends() {
        let tree = tree(&[('a', Some('b')), ('b', Some('a'))]);
        assert_eq!(tree.path(&id('a')).len(), 2);
    }
}
