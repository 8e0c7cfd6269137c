//! Paths, links, special files, writes and races, with both ways of opening.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

struct Place {
    _folder: tempfile::TempDir,
    outside: std::path::PathBuf,
    work: std::path::PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("temporary folder");
    let work = folder.path().join("work");
    let outside = folder.path().join("outside");
    std::fs::create_dir(&work).expect("work");
    std::fs::create_dir(&outside).expect("outside");
    std::fs::write(outside.join("secret.txt"), "SECRET").expect("secret");
    Place { outside, work, _folder: folder }
}

fn both(place: &Place) -> [Workspace; 2] {
    [Access::Kernel, Access::CapStd]
        .map(|access| Workspace::open_with(&place.work, MOUNT, None, access).expect("workspace"))
}

fn read(workspace: &Workspace, path: &str) -> Result<String, WorkspaceError> {
    let path = workspace.resolve(path)?;
    workspace.read(&path, 1 << 20).map(|bytes| String::from_utf8(bytes).expect("text"))
}

#[test]
fn every_spelling_of_an_inner_path_is_the_same_path() {
    let place = place();
    let workspace = Workspace::open(&place.work, MOUNT, None).expect("workspace");
    for spelling in [
        "a/b.txt",
        "./a//b.txt",
        "a/x/../b.txt",
        "/mnt/okcvm-0123456789abcdef/a/b.txt",
        "/mnt//okcvm-0123456789abcdef/./a/b.txt/",
        "/mnt/okcomputer/a/b.txt",
    ] {
        let path = workspace.resolve(spelling).expect(spelling);
        assert_eq!(path.relative(), Path::new("a/b.txt"), "{spelling}");
        assert_eq!(path.shown(), "/mnt/okcvm-0123456789abcdef/a/b.txt");
    }
    assert_eq!(workspace.resolve(MOUNT).expect("root").relative(), Path::new(""));
    assert_eq!(workspace.resolve("..okay/...").expect("dots").relative(), Path::new("..okay/..."));
}

#[test]
fn a_path_that_leads_out_by_its_spelling_is_refused_with_the_contract_words() {
    let place = place();
    let workspace = Workspace::open(&place.work, MOUNT, None).expect("workspace");
    for hostile in [
        "",
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "/",
        "/mnt",
        "/mnt/okcvm-0123456789abcde",
        "/mnt/okcvm-0123456789abcdef0/x",
        "/mnt/okcvm-0123456789abcdef/../okcvm-other/x",
        "/mnt/okcvm-0123456789abcdef/../../etc/passwd",
        "/mnt/x/../okcvm-0123456789abcdef/a",
        "/proc/self/environ",
        "~/.ssh/id_ed25519",
        "~root/x",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "https://example.com/x",
        "a\0b",
    ] {
        let error = workspace.resolve(hostile).expect_err(hostile).to_string();
        assert!(error.contains("path outside workspace") && error.contains(MOUNT), "{hostile}: {error}");
    }
}

#[test]
fn links_that_leave_are_refused_and_links_that_stay_are_followed() {
    let place = place();
    for workspace in both(&place) {
        let work = &place.work;
        let _ = std::fs::remove_dir_all(work.join("d"));
        for name in
            ["out", "outdir", "rel", "proc", "abs-ok", "alias-ok", "rel-ok", "dir-ok", "loop-a", "loop-b", "dots"]
        {
            let _ = std::fs::remove_file(work.join(name));
        }
        std::fs::create_dir(work.join("d")).expect("folder");
        std::fs::write(work.join("d/real.txt"), "ok").expect("file");
        symlink(place.outside.join("secret.txt"), work.join("out")).expect("link");
        symlink(&place.outside, work.join("outdir")).expect("link");
        symlink("../outside", work.join("rel")).expect("link");
        symlink("/proc/self/root", work.join("proc")).expect("link");
        symlink(format!("{MOUNT}/d/real.txt"), work.join("abs-ok")).expect("link");
        symlink("/mnt/okcomputer/d", work.join("alias-ok")).expect("link");
        symlink("d/real.txt", work.join("rel-ok")).expect("link");
        symlink("d", work.join("dir-ok")).expect("link");
        symlink("loop-b", work.join("loop-a")).expect("link");
        symlink("loop-a", work.join("loop-b")).expect("link");
        symlink("d/../../work/d/real.txt", work.join("dots")).expect("link");

        for hostile in ["out", "outdir/secret.txt", "rel/secret.txt", "proc/etc/passwd", "dots"] {
            let error = read(&workspace, hostile).expect_err(hostile).to_string();
            assert!(error.contains("path outside workspace"), "{hostile}: {error}");
        }
        for fine in ["abs-ok", "alias-ok/real.txt", "rel-ok", "dir-ok/real.txt", "d/real.txt"] {
            assert_eq!(read(&workspace, fine).expect(fine), "ok");
        }
        assert!(matches!(read(&workspace, "loop-a"), Err(WorkspaceError::TooManyLinks { .. })));
        let path = workspace.resolve("alias-ok/real.txt").expect("path");
        assert_eq!(workspace.real(&path).expect("real").relative(), Path::new("d/real.txt"));
    }
}

#[test]
fn only_regular_files_are_read_and_a_pipe_does_not_block() {
    let place = place();
    let _socket = std::os::unix::net::UnixListener::bind(place.work.join("sock")).expect("socket");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.work.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("pipe");
    std::fs::create_dir(place.work.join("folder")).expect("folder");
    let huge = std::fs::File::create(place.work.join("huge")).expect("huge");
    huge.set_len(50 << 30).expect("length");
    for workspace in both(&place) {
        assert!(matches!(read(&workspace, "sock"), Err(WorkspaceError::NotAFile { what: "a socket", .. })));
        assert!(matches!(read(&workspace, "pipe"), Err(WorkspaceError::NotAFile { what: "a named pipe", .. })));
        assert!(matches!(read(&workspace, "folder"), Err(WorkspaceError::NotAFile { what: "a folder", .. })));
        assert!(matches!(read(&workspace, "huge"), Err(WorkspaceError::TooLarge { .. })));
        assert!(matches!(read(&workspace, "none/at/all"), Err(WorkspaceError::Missing { .. })));
    }
}

#[test]
fn a_write_makes_folders_keeps_the_mode_and_never_goes_through_an_existing_inode() {
    let place = place();
    for workspace in both(&place) {
        let secret = place.outside.join("secret.txt");
        let _ = std::fs::remove_dir_all(place.work.join("a"));
        for name in ["hard", "dangling", "target"] {
            let _ = std::fs::remove_file(place.work.join(name));
        }
        std::fs::hard_link(&secret, place.work.join("hard")).expect("hard link");
        symlink(format!("{MOUNT}/target"), place.work.join("dangling")).expect("link");

        let path = workspace.resolve("a/b/c.sh").expect("path");
        workspace.write_atomic(&path, b"one").expect("write");
        let file = place.work.join("a/b/c.sh");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4750)).expect("mode");
        workspace.write_atomic(&path, b"two").expect("write again");
        assert_eq!(std::fs::read(&file).expect("read"), b"two");
        assert_eq!(file.metadata().expect("metadata").permissions().mode() & 0o7777, 0o750, "no set-uid bit survives");
        assert_eq!(std::fs::read_dir(place.work.join("a/b")).expect("list").count(), 1, "nothing is left beside it");

        workspace.write_atomic(&workspace.resolve("hard").expect("path"), b"new").expect("write");
        assert_eq!(std::fs::read(&secret).expect("secret"), b"SECRET");

        workspace.write_atomic(&workspace.resolve("dangling").expect("path"), b"through").expect("write");
        assert_eq!(std::fs::read(place.work.join("target")).expect("target"), b"through");
    }
}

#[test]
fn a_write_through_a_link_that_leaves_is_refused() {
    let place = place();
    symlink(&place.outside, place.work.join("l")).expect("link");
    symlink(place.outside.join("new"), place.work.join("f")).expect("link");
    for workspace in both(&place) {
        for hostile in ["l/pwned", "l/deep/pwned", "f"] {
            let path = workspace.resolve(hostile).expect("path");
            let error = workspace.write_atomic(&path, b"x").expect_err(hostile).to_string();
            assert!(error.contains("path outside workspace"), "{error}");
        }
        assert!(workspace.create_dirs(&workspace.resolve("l/x").expect("path")).is_err());
    }
    assert_eq!(std::fs::read_dir(&place.outside).expect("list").count(), 1);
}

#[test]
fn names_are_listed_with_their_kinds() {
    let place = place();
    let workspace = Workspace::open(&place.work, MOUNT, None).expect("workspace");
    std::fs::write(place.work.join("b"), "").expect("file");
    std::fs::create_dir(place.work.join("a")).expect("folder");
    symlink("b", place.work.join("c")).expect("link");
    let names = workspace.list(&workspace.resolve(".").expect("root")).expect("list");
    let kinds: Vec<_> = names.iter().map(|(name, kind)| (name.to_str().expect("name"), *kind)).collect();
    assert_eq!(kinds, [("a", EntryKind::Folder), ("b", EntryKind::File), ("c", EntryKind::Link)]);
    workspace.remove_file(&workspace.resolve("c").expect("path")).expect("remove");
    assert!(place.work.join("b").exists() && !place.work.join("c").exists());
}

/// A folder is swapped for a link to outside and back, as fast as possible, while files are opened below it.
#[test]
fn no_race_with_a_link_flipper_leads_outside() {
    let place = place();
    std::fs::create_dir(place.work.join("real")).expect("folder");
    std::fs::write(place.work.join("real/secret.txt"), "inside").expect("file");
    symlink("real", place.work.join("flip")).expect("link");
    let stop = Arc::new(AtomicBool::new(false));
    let flipper = {
        let (stop, work, outside) = (Arc::clone(&stop), place.work.clone(), place.outside.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for target in [outside.as_path(), Path::new("real")] {
                    symlink(target, work.join("next")).expect("link");
                    std::fs::rename(work.join("next"), work.join("flip")).expect("rename");
                }
            }
        })
    };
    let mut seen = 0;
    for workspace in both(&place) {
        let path = workspace.resolve("flip/secret.txt").expect("path");
        let write = workspace.resolve("flip/new.txt").expect("path");
        for round in 0..20_000 {
            if let Ok(bytes) = workspace.read(&path, 100) {
                assert_eq!(bytes, b"inside");
                seen += 1;
            }
            if round % 100 == 0 {
                let _ = workspace.write_atomic(&write, b"x");
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    flipper.join().expect("flipper");
    assert!(seen > 0, "the inner state was never met");
    assert_eq!(std::fs::read_dir(&place.outside).expect("list").count(), 1, "something was written outside");
}
