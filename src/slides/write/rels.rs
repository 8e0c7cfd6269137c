//! What a part refers to.

use std::fmt::Write as _;

use super::xml::{HEAD, escaped};

/// Where the kinds of relationships have their names.
const KINDS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";

/// The relationships of one part.
#[derive(Debug, Default)]
pub(super) struct Rels(Vec<(String, String, bool)>);

impl Rels {
    /// Refers to a part and gives the reference's name; the same one for the same part.
    pub(super) fn part(&mut self, kind: &str, target: &str) -> String {
        self.add(kind, target, false)
    }

    /// Refers to an address outside.
    pub(super) fn link(&mut self, address: &str) -> String {
        self.add("hyperlink", address, true)
    }

    fn add(&mut self, kind: &str, target: &str, outside: bool) -> String {
        let wanted = (kind.to_owned(), target.to_owned(), outside);
        let at = self.0.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.0.push(wanted);
            self.0.len() - 1
        });
        format!("rId{}", at + 1)
    }

    /// The part that holds them.
    pub(super) fn xml(&self) -> String {
        let mut out =
            HEAD.to_owned() + "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">";
        for (at, (kind, target, outside)) in self.0.iter().enumerate() {
            let kind = if kind.contains(':') { kind.clone() } else { format!("{KINDS}{kind}") };
            let mode = if *outside { " TargetMode=\"External\"" } else { "" };
            let _ = write!(
                out,
                "<Relationship Id=\"rId{}\" Type=\"{kind}\" Target=\"{}\"{mode}/>",
                at + 1,
                escaped(target)
            );
        }
        out + "</Relationships>"
    }
}
