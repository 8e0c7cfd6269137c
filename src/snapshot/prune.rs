//! Packing: many loose objects become one pack with deltas.
//!
//! Killed at any point it loses nothing: the pack gets its name when it is whole and synced, and a loose object goes
//! only after it was read back from that pack. What a kill leaves is a file named `tmp_…`, which the next run removes.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use git2::{Odb, Oid};

use super::error::SnapshotError;
use super::graph::Store;
use super::object::STREAM_FROM;

/// From this many loose objects on, packing is worth its while.
const MANY: usize = 2000;
/// Objects of one pack at most; what is above waits for the next run, so that nobody waits long for this one.
const AT_MOST: usize = 8_000;
/// A file aside of this age belongs to a process that is gone.
const STALE: Duration = Duration::from_secs(3600);

impl Store {
    /// Packs loose objects where there are many; true where it did. Meant for idle times.
    pub fn pack_if_needed(&mut self) -> Result<bool, SnapshotError> {
        self.remove_stale();
        // Ids are spread evenly: one folder of 256 tells about all.
        let sample = self.repo.object_folder().join("17");
        let count = fs::read_dir(&sample).map_or(0, Iterator::count);
        if count * 256 < MANY { Ok(false) } else { self.pack() }
    }

    /// Packs all loose objects; true where there were any. Large files stay as they are.
    pub fn pack(&mut self) -> Result<bool, SnapshotError> {
        let loose = self.loose_objects()?;
        if loose.is_empty() {
            return Ok(false);
        }
        let failed = || SnapshotError::git("pack objects");
        let mut builder = self.repo.git().packbuilder().map_err(failed())?;
        builder.set_threads(1);
        for id in &loose {
            builder.insert_object(*id, None).map_err(failed())?;
        }
        self.step("pack")?;
        let folder = self.repo.pack_folder();
        builder.write(&folder, 0o444).map_err(failed())?;
        let name = builder.name().map_err(failed())?.unwrap_or_default().to_owned();
        drop(builder);
        for end in ["pack", "idx"] {
            let path = folder.join(format!("pack-{name}.{end}"));
            let sync = || File::open(&path)?.sync_all();
            sync().map_err(SnapshotError::io("sync", &path))?;
        }
        let sync = || File::open(&folder)?.sync_all();
        sync().map_err(SnapshotError::io("sync", &folder))?;
        self.step("packed")?;
        self.remove_packed(&loose)?;
        self.repo.refresh()?;
        Ok(true)
    }

    /// Removes loose objects that a pack holds. Each is looked for in packs alone, never in the loose files.
    fn remove_packed(&self, loose: &[Oid]) -> Result<(), SnapshotError> {
        let failed = || SnapshotError::git("read the new pack");
        // A look-alike of the object folder that holds the packs only.
        let aside = self.repo.own_folder().join("packs");
        fs::create_dir_all(&aside).map_err(SnapshotError::io("make", &aside))?;
        let link = aside.join("pack");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("../../objects/pack", &link).map_err(SnapshotError::io("make", &link))?;
        let odb = Odb::new().map_err(failed())?;
        let text = aside.to_str().ok_or_else(|| SnapshotError::Damaged("the store's path is not UTF-8".to_owned()))?;
        odb.add_disk_alternate(text).map_err(failed())?;
        for id in loose {
            if odb.read(*id).is_ok() {
                self.step("unpack")?;
                let path = self.repo.loose_path(*id);
                fs::remove_file(&path).map_err(SnapshotError::io("remove", &path))?;
            } else {
                return Err(SnapshotError::Damaged(format!("object {id} is not in the new pack")));
            }
        }
        Ok(())
    }

    fn loose_objects(&self) -> Result<Vec<Oid>, SnapshotError> {
        let root = self.repo.object_folder();
        let mut found = Vec::new();
        for first in 0..=255u8 {
            let prefix = format!("{first:02x}");
            let Ok(entries) = fs::read_dir(root.join(&prefix)) else {
                continue;
            };
            for entry in entries {
                let entry = entry.map_err(SnapshotError::io("read", &root))?;
                let id = entry.file_name().to_str().and_then(|rest| Oid::from_str(&format!("{prefix}{rest}")).ok());
                // Large files are stored uncompressed: they stay, so that they can be streamed.
                let large = entry.metadata().is_ok_and(|data| data.len() > STREAM_FROM);
                if let (Some(id), false) = (id, large) {
                    found.push(id);
                }
                if found.len() >= AT_MOST {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Removes files aside of processes that are gone.
    fn remove_stale(&self) {
        for folder in [self.repo.object_folder(), self.repo.pack_folder()] {
            remove_stale_in(&folder);
        }
    }
}

fn remove_stale_in(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Ours are `tmp_…`; libgit2 writes `pack_git2_…` while it indexes.
        let aside = name.starts_with("tmp_") || name.starts_with("pack_git2_") || name.ends_with(".lock");
        let old = entry
            .metadata()
            .and_then(|data| data.modified())
            .is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > STALE));
        if aside && old {
            let _ = fs::remove_file(entry.path());
        }
    }
}
