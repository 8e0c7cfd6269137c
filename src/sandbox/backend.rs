//! A sandbox that was chosen: one of the backends, ready to start commands.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

use super::bubblewrap::{self, Bubblewrap};
use super::hints::{self, Machine};
use super::policy::Private;
use super::process::{self, Child, Launched, NotStarted};
use super::wire::{self, Job, Plan};
use super::{SandboxError, SandboxFolders, unconfined};
use crate::config::schema::{LimitSection, NetworkMode, SandboxSection};

/// The longest word of a command line that the kernel takes, with room to spare (`MAX_ARG_STRLEN` is 128 KiB).
const MAX_WORD: usize = 120 << 10;

/// Deeper than this no folder is given to the tools' account; a path of that depth is longer than the kernel takes.
const MAX_DEPTH: usize = 2048;

/// The boundary around the tools, chosen and known to work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: SandboxSection,
    backend: Backend,
    /// Where it is remembered that it works.
    remembered: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// bubblewrap, and okcvm's own program for both helpers.
    Bubblewrap { bwrap: Bubblewrap, program: PathBuf },
    /// The user's own container, or nothing.
    Unconfined { label: &'static str },
}

impl Sandbox {
    pub(super) fn new(section: SandboxSection, backend: Backend, remembered: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner { section, backend, remembered }))
    }

    /// The configuration that it was chosen for.
    pub(super) fn section(&self) -> &SandboxSection {
        &self.0.section
    }

    /// The backend in a word: `bubblewrap`, `external` or `off`.
    pub fn label(&self) -> &'static str {
        match &self.0.backend {
            Backend::Bubblewrap { .. } => "bubblewrap",
            Backend::Unconfined { label } => label,
        }
    }

    /// Whether commands run behind a wall of ours.
    pub fn confines(&self) -> bool {
        matches!(self.0.backend, Backend::Bubblewrap { .. })
    }

    /// The network that commands really have.
    pub fn network(&self) -> NetworkMode {
        if self.confines() { self.0.section.network } else { NetworkMode::Host }
    }

    /// The limits of one command, where they apply.
    pub fn limits(&self) -> Option<&LimitSection> {
        self.confines().then_some(&self.0.section.limits)
    }

    /// Uid and gid of the account that tools run as, when that is not okcvm's own.
    pub fn tool_owner(&self) -> Option<(u32, u32)> {
        if self.confines() { super::tool_owner(&self.0.section) } else { None }
    }

    /// Makes a session's folders ready: they must be real folders, and when okcvm is root they are given to the
    /// account of the tools.
    pub fn prepare(&self, folders: &SandboxFolders) -> io::Result<()> {
        for folder in [&folders.work, &folders.home, &folders.tmp] {
            fs::create_dir_all(folder)?;
            let facts = fs::symlink_metadata(folder)?;
            if !facts.is_dir() {
                return Err(io::Error::other(format!("{} is not a folder", folder.display())));
            }
            let owners = self.tool_owner().map_or(vec![rustix::process::geteuid().as_raw()], |(uid, _)| vec![0, uid]);
            if self.confines() && !owners.contains(&facts.uid()) {
                return Err(io::Error::other(format!("{} belongs to uid {}", folder.display(), facts.uid())));
            }
            if let Some(owner) = self.tool_owner() {
                give(folder, owner)?;
            }
        }
        Ok(())
    }

    /// Starts a program with the workspace as its folder. The program's words are taken as they are; no shell is
    /// involved unless they name one.
    pub async fn spawn(&self, folders: &SandboxFolders, argv: &[String]) -> Result<Child, SandboxError> {
        if let Some(word) = argv.iter().find(|word| word.len() > MAX_WORD) {
            return Err(SandboxError::TooLong { bytes: word.len(), limit: MAX_WORD });
        }
        if argv.is_empty() || argv.iter().any(|word| word.contains('\0')) {
            return Err(SandboxError::Command("a command needs a program, and no word may hold a NUL byte".to_owned()));
        }
        let started = match &self.0.backend {
            Backend::Unconfined { .. } => self.spawn_unconfined(folders, argv).await,
            Backend::Bubblewrap { bwrap, program } => self.spawn_confined(folders, argv, bwrap, program).await,
        };
        started.map_err(|error| match error {
            NotStarted::Sandbox(said) => {
                // It worked once; the next start tries it anew.
                if let Some(remembered) = &self.0.remembered {
                    let _ = fs::remove_file(remembered);
                }
                SandboxError::Start(hints::does_not_work(&one_line(&said), Machine::of_host()))
            }
            NotStarted::Command(reason) => SandboxError::Command(reason),
            NotStarted::Io(source) => SandboxError::Io(source),
        })
    }

    async fn spawn_unconfined(&self, folders: &SandboxFolders, argv: &[String]) -> Result<Child, NotStarted> {
        let command = unconfined::command(&self.0.section, folders, argv);
        let (command, mark) = command.ok_or_else(|| NotStarted::Command("a command needs a program".to_owned()))?;
        let child = process::start(command).await.map_err(process::no_starter)??;
        Child::adopt(Launched { child, control: None, mark: Some(mark) }).await
    }

    async fn spawn_confined(
        &self,
        folders: &SandboxFolders,
        argv: &[String],
        bwrap: &Bubblewrap,
        program: &Path,
    ) -> Result<Child, NotStarted> {
        let section = &self.0.section;
        let plan = confined_plan(section, folders, bwrap, program)?;
        let job = Job::Run { argv: argv.to_vec(), limits: bubblewrap::limits(section) };
        let (command, control) = helper(program)?;
        let child = process::start(command).await.map_err(process::no_starter)??;
        // Less than the socket holds, so this does not wait; an error means that the helper has died, which adopt tells.
        let _ = wire::write_frame(&control, &plan).and_then(|()| wire::write_frame(&control, &job));
        Child::adopt(Launched { child, control: Some(control), mark: None }).await
    }
}

/// The plan for a session, its extra mounts checked.
pub(super) fn confined_plan(
    section: &SandboxSection,
    folders: &SandboxFolders,
    bwrap: &Bubblewrap,
    program: &Path,
) -> io::Result<Plan> {
    let uid = rustix::process::geteuid().as_raw();
    let ids = super::tool_owner(section).unwrap_or((uid, rustix::process::getegid().as_raw()));
    let mut plan = bwrap.plan(section, folders, program, ids);
    plan.extra_ro = checked_extra(section, &folders.work)?;
    Ok(plan)
}

/// The extra mounts without links, each checked against the places that nobody may show.
pub(super) fn checked_extra(section: &SandboxSection, work: &Path) -> io::Result<Vec<PathBuf>> {
    let mut private = Private::of_user(|name| std::env::var(name).ok());
    private.folders.extend(work.parent().map(Path::to_owned));
    let mut checked = Vec::new();
    for path in &section.extra_ro {
        let shown = path.display();
        let refuse =
            |why: String| io::Error::other(format!("sandbox.extra_ro: {shown} cannot be shown to tools: {why}"));
        let real = fs::canonicalize(path).map_err(|error| refuse(error.to_string()))?;
        if let Some(why) = private.refuses(path).or_else(|| private.refuses(&real)) {
            return Err(refuse(why));
        }
        let kind = fs::metadata(&real)?.file_type();
        if !(kind.is_dir() || kind.is_file()) {
            return Err(refuse("it is neither a folder nor a file".to_owned()));
        }
        checked.push(real);
    }
    Ok(checked)
}

/// The process of `okcvm __launch` and okcvm's end of its standard input.
pub(super) fn helper(program: &Path) -> io::Result<(Command, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command.arg("__launch").env_clear().current_dir("/").stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    Ok((command, ours))
}

/// Gives a folder and everything in it to an account, without following a link. What has the right owner already is
/// left alone.
fn give(folder: &Path, owner: (u32, u32)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(folder, flags, Mode::empty())?;
    let (uid, gid) = owner;
    if fs::symlink_metadata(folder)?.uid() != uid {
        rustix::fs::fchown(&fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    give_inside(&fd, owner, 0)
}

fn give_inside(folder: &std::os::fd::OwnedFd, (uid, gid): (u32, u32), depth: usize) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        // A file with several names may have one elsewhere; the tools' account could never have made such a name.
        let several = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1;
        if stat.st_uid != uid && !several {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let inner = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            give_inside(&inner, (uid, gid), depth + 1)?;
        }
    }
    Ok(())
}

/// What a program said, shortened to something that fits into an error.
pub(super) fn one_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    if joined.is_empty() {
        "it ended without a word".to_owned()
    } else {
        crate::support::truncate::prefix(&joined, 400).to_owned()
    }
}
