//! The tools of a bundle held against the built-in table, both ways.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::ToolsError;
use super::args::Checker;
use super::builtin;
use super::online::Online;
use super::tool::Tool;
use crate::kernel::python::{self, LazyPython};
use crate::protocol::ToolSpec;
use crate::sandbox::LazySandbox;
use crate::spec::Bundle;

/// Whether a tool can run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready,
    /// It cannot, and why.
    Unavailable(String),
}

/// One line of `okcvm tool list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRow {
    /// The tool's name.
    pub name: String,
    /// Whether it can run here.
    pub availability: Availability,
}

/// What tools may need besides their session.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The boundary around commands.
    pub sandbox: &'a LazySandbox,
    /// The Python of the notebook.
    pub python: &'a LazyPython,
    /// The search and the data sources.
    pub online: &'a Online,
}

/// A tool with everything that is known of it.
pub(super) struct Entry {
    pub(super) spec: ToolSpec,
    pub(super) checker: Checker,
    pub(super) tool: Arc<dyn Tool>,
}

impl Entry {
    /// Why it cannot run here.
    pub(super) fn why_not(&self, needs: &Needs<'_>) -> Option<String> {
        let Needs { sandbox, python, online } = needs;
        let tool = &self.tool;
        if tool.needs_sandbox()
            && let Err(why) = sandbox.get()
        {
            return Some(format!("no sandbox: {}", why.reason));
        }
        if let Some(why) = tool.why_not(online) {
            return Some(why);
        }
        if !tool.needs_python() {
            return None;
        }
        let python::Missing { reason, hint, .. } = match python.get() {
            Err(missing) => missing,
            Ok(python) => {
                // Only where it is seen elsewhere does it not matter who may walk to it.
                let as_another = sandbox.tool_owner().is_some();
                let direct = sandbox.get().is_ok_and(|sandbox| !sandbox.remounts());
                let closed = python.out_of_reach().filter(|_| as_another && direct)?;
                return Some(format!(
                    "the account of the tools cannot reach {}: take bubblewrap as the sandbox, or name another python.path",
                    closed.display()
                ));
            }
        };
        Some(if hint.is_empty() { reason } else { format!("{reason}. {hint}") })
    }
}

/// The 24 tools, in the order of the manifest.
pub struct ToolRegistry {
    pub(super) entries: Vec<Entry>,
    rows: Vec<ToolRow>,
}

impl ToolRegistry {
    /// The tools of the bundle that is built into the program.
    pub fn from_default_spec() -> Result<Self, ToolsError> {
        Self::from_bundle(Bundle::embedded())
    }

    /// The tools of a bundle. An entry without code, or code without an entry, is an error that lists both.
    pub fn from_bundle(bundle: &Bundle) -> Result<Self, ToolsError> {
        let mut in_manifest = BTreeSet::new();
        for function in &bundle.functions {
            if !in_manifest.insert(function.name.as_str()) {
                return Err(ToolsError::Twice { name: function.name.clone() });
            }
        }
        let in_code: BTreeSet<&str> = builtin::TABLE.iter().map(|row| row.name).collect();
        if in_manifest != in_code {
            let names = |left: &BTreeSet<&str>, right| left.difference(right).map(|name| (*name).to_owned()).collect();
            return Err(ToolsError::Mismatch {
                without_code: names(&in_manifest, &in_code),
                without_entry: names(&in_code, &in_manifest),
            });
        }
        let mut entries = Vec::new();
        let mut rows = Vec::new();
        for function in &bundle.functions {
            let Some(row) = builtin::TABLE.iter().find(|row| row.name == function.name) else { continue };
            let tool = (row.make)();
            rows.push(ToolRow { name: function.name.clone(), availability: Availability::Ready });
            entries.push(Entry {
                spec: ToolSpec {
                    name: function.name.clone(),
                    description: function.description.clone(),
                    parameters: function.parameters.clone(),
                },
                checker: Checker::new(&function.name, &function.parameters),
                tool,
            });
        }
        Ok(Self { entries, rows })
    }

    /// Every tool and whether there is code for it, in the order of the manifest. What only a session can tell, such as
    /// whether commands can be confined on this machine, is in [`super::Toolbox::rows`].
    pub fn rows(&self) -> &[ToolRow] {
        &self.rows
    }

    /// Every tool and whether it can run here, with what there is. Blocks while they are looked for.
    pub fn rows_with(&self, needs: &Needs<'_>) -> Vec<ToolRow> {
        let row = |(entry, row): (&Entry, &ToolRow)| match entry.why_not(needs) {
            Some(why) if row.availability == Availability::Ready => {
                ToolRow { name: row.name.clone(), availability: Availability::Unavailable(why) }
            }
            _ => row.clone(),
        };
        self.entries.iter().zip(&self.rows).map(row).collect()
    }

    /// All tools, as the model is told of them.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.entries.iter().map(|entry| entry.spec.clone()).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.spec.name == name)
    }
}

impl fmt::Debug for ToolRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolRegistry").field("rows", &self.rows).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_manifest_agree() {
        let registry = ToolRegistry::from_default_spec().expect("registry");
        assert_eq!(registry.rows().len(), 24);
        assert!(registry.rows().iter().all(|row| row.availability == Availability::Ready));
        assert_eq!(registry.specs().len(), registry.rows().len());
    }

    #[test]
    fn a_difference_lists_both_sides() {
        let mut bundle = Bundle::embedded().clone();
        bundle.functions.retain(|function| function.name != "mshtools-shell");
        bundle.functions[0].name = "mshtools-teleport".to_owned();
        let error = ToolRegistry::from_bundle(&bundle).expect_err("differs").to_string();
        assert!(error.contains("without code: mshtools-teleport;"), "{error}");
        assert!(error.contains("mshtools-shell, mshtools-todo_read"), "{error}");
        let mut bundle = Bundle::embedded().clone();
        let first = bundle.functions[0].clone();
        bundle.functions.push(first);
        assert!(matches!(ToolRegistry::from_bundle(&bundle), Err(ToolsError::Twice { .. })));
    }
}
