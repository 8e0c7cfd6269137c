//! Containers of Office, OpenDocument and EPUB files: named parts in a zip file, unpacked one by one and counted.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::xml::Tree;
use super::{DocumentError, Kind, Limits};

/// The parts of one container.
pub(super) struct Package<'b> {
    archive: ZipArchive<Cursor<&'b [u8]>>,
    kind: Kind,
    limits: Limits,
    /// Bytes that may still be unpacked.
    left: u64,
    /// Parts that were there but could not be unpacked, or not wholly read.
    damaged: Vec<String>,
}

/// Where a part points to.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    /// The last word of its type, such as `hyperlink`.
    pub(super) kind: String,
    /// An address outside, or the name of a part.
    pub(super) target: String,
}

impl<'b> Package<'b> {
    pub(super) fn open(kind: Kind, bytes: &'b [u8], limits: &Limits) -> Result<Self, DocumentError> {
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(DocumentError::Encrypted(kind));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| DocumentError::damaged(kind, e))?;
        if archive.len() > limits.entries {
            return Err(DocumentError::TooManyParts { kind, entries: limits.entries });
        }
        let (left, limits) = (limits.unpacked_bytes, limits.clone());
        Ok(Self { archive, kind, limits, left, damaged: Vec::new() })
    }

    /// The bytes of a part, `None` when there is none of that name.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, DocumentError> {
        let name = name.trim_start_matches('/');
        let index = match self.archive.index_for_name(name) {
            Some(index) => index,
            None => match self.names().position(|other| other.eq_ignore_ascii_case(name)) {
                Some(index) => index,
                None => return Ok(None),
            },
        };
        let (kind, limit) = (self.kind, self.limits.unpacked_bytes);
        let broken = |e: &dyn std::fmt::Display| DocumentError::damaged(kind, format!("{name}: {e}"));
        let mut file = self.archive.by_index(index).map_err(|e| match e {
            zip::result::ZipError::UnsupportedArchive(zip::result::ZipError::PASSWORD_REQUIRED) => {
                DocumentError::Encrypted(kind)
            }
            e => broken(&e),
        })?;
        let mut bytes = Vec::new();
        // The size that the container tells is not believed; one byte more than allowed is enough to know.
        let read = file.by_ref().take(self.left + 1).read_to_end(&mut bytes);
        if bytes.len() as u64 > self.left {
            return Err(DocumentError::TooLarge { kind, bytes: limit });
        }
        self.left -= bytes.len() as u64;
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(e) => Err(broken(&e)),
        }
    }

    /// Names of all parts, in the order of the container.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// A part that the document cannot be read without.
    pub(super) fn required(&mut self, name: &str) -> Result<Tree, DocumentError> {
        match self.part(name)? {
            Some(bytes) => Ok(self.tree(name, &bytes)),
            None => Err(DocumentError::another(self.kind, name)),
        }
    }

    /// A part that may be missing or broken; only the bound on what is unpacked is an error.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<Tree>, DocumentError> {
        match self.part(name) {
            Ok(Some(bytes)) => Ok(Some(self.tree(name, &bytes))),
            Ok(None) => Ok(None),
            Err(DocumentError::Damaged { .. }) => {
                self.damaged.push(name.to_owned());
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn tree(&mut self, name: &str, bytes: &[u8]) -> Tree {
        let tree = Tree::parse(bytes, self.limits.nodes);
        if tree.is_cut() {
            self.damaged.push(name.to_owned());
        }
        tree
    }

    /// What a part points to, by the ids that it uses.
    pub(super) fn relations(&mut self, part: &str) -> Result<HashMap<String, Relation>, DocumentError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let rels = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
        let Some(tree) = self.optional(&rels)? else { return Ok(HashMap::new()) };
        let relations = tree.root().children().filter(|child| child.is("Relationship")).filter_map(|relation| {
            let target = relation.attr("Target")?;
            let outside = relation.attr("TargetMode") == Some("External");
            let target = if outside { target.to_owned() } else { resolve(folder, target) };
            let kind = relation.attr("Type")?.rsplit('/').next()?.to_owned();
            Some((relation.attr("Id")?.to_owned(), Relation { kind, target }))
        });
        Ok(relations.collect())
    }

    /// Notes about parts that could not be read.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .damaged
            .iter()
            .take(5)
            .map(|n| format!("the part {n} is damaged or too large and was not read whole"))
            .collect();
        notes.dedup();
        notes
    }
}

/// A name that stands in a file of `folder`, as the container knows it.
pub(super) fn resolve(folder: &str, target: &str) -> String {
    let mut path: Vec<&str> =
        if target.starts_with('/') { Vec::new() } else { folder.split('/').filter(|p| !p.is_empty()).collect() };
    for piece in target.split('/') {
        match piece {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            piece => path.push(piece),
        }
    }
    path.join("/")
}
