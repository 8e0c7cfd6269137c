//! `okcvm doctor`: looks at this machine and says what is missing, why it matters and what to do.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use serde::Serialize;

use super::args::GlobalArgs;
use super::bootstrap::{self, chooser, chooser_of, load_options};
use super::output;
use super::report::{Failure, Outcome};
use super::transcribe;
use crate::browser::Missing;
use crate::config::schema::BrowserMode;
use crate::config::{self, LoadOptions, Loaded, NetworkMode, SandboxBackend};
use crate::kernel::python::{self as python_parts, PACKAGES};
use crate::sandbox::{LazySandbox, MachineFacts};
use crate::support::{sanitize, truncate};

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warning,
    Failed,
}

/// One part that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    part: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn new(part: &'static str, status: Status, detail: impl Into<String>, hint: Option<String>) -> Self {
        Self { part, status, detail: detail.into(), hint }
    }

    fn ok(part: &'static str, detail: impl Into<String>) -> Self {
        Self::new(part, Status::Ok, detail, None)
    }
}

/// Looks at everything and prints one line a part; exit code 1 when a part that is needed is missing. With `fix`, what
/// okcvm can make itself is made first.
pub fn run(global: &GlobalArgs, json: bool, fix: bool) -> Outcome {
    let options = load_options(global)?;
    if fix {
        mend(&options)?;
    }
    let mut findings = vec![Finding::ok("okcvm", format!("version {}", env!("CARGO_PKG_VERSION")))];
    match config::load(&options) {
        Ok(loaded) => configured(&options, &loaded, &mut findings),
        Err(error) => {
            for problem in error.problems() {
                findings.push(Finding::new("config", Status::Failed, problem.to_string(), problem.hint));
            }
            if let Ok(loaded) = config::load_keyless(&options) {
                configured(&options, &loaded, &mut findings);
            }
        }
    }
    findings.push(terminal(&options));

    let mut out = output::out(json);
    if json {
        writeln!(out, "{}", serde_json::to_string(&findings).map_err(|error| Failure::from_error(&error))?)?;
    } else {
        for finding in &findings {
            let mark = match finding.status {
                Status::Ok => "ok     ",
                Status::Warning => "warning",
                Status::Failed => "FAILED ",
            };
            writeln!(out, "{mark}  {:9}  {}", finding.part, sanitize::text(&finding.detail))?;
            if let Some(hint) = &finding.hint {
                for line in hint.lines() {
                    writeln!(out, "                    {}", sanitize::line(line))?;
                }
            }
        }
    }
    Ok(u8::from(findings.iter().any(|finding| finding.status == Status::Failed)))
}

fn configured(options: &LoadOptions, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let paths = &loaded.paths;
    let there = if paths.config_file.exists() { "" } else { " (not there yet)" };
    findings.push(Finding::ok("config", format!("{}{there}", paths.config_file.display())));
    for warning in &loaded.warnings {
        findings.push(Finding::new("config", Status::Warning, warning.to_string(), warning.hint.clone()));
    }
    for question in &loaded.asks {
        findings.push(Finding::new("config", Status::Failed, question.to_string(), Some(question.hint())));
    }
    findings.push(chat(loaded));
    findings.push(sandbox(loaded));
    findings.push(decoder(loaded));
    findings.push(network(loaded));
    findings.extend(landlock(loaded));
    findings.push(namespaces(&MachineFacts::of_host(), loaded));
    findings.push(processes(&MachineFacts::of_host()));
    findings.push(python(options, loaded));
    findings.push(browser(loaded));
    findings.push(search(loaded));
    findings.push(media(loaded));
    findings.push(git(options));
    findings.push(speech(options, loaded));
    findings.push(folder("sessions", &paths.sessions_dir));
    findings.push(folder("log", &paths.log_dir));
}

/// Makes the Python environment of the notebook, where there is none that works.
fn mend(options: &LoadOptions) -> Result<(), Failure> {
    let loaded = config::load_keyless(options).map_err(|_| {
        Failure::usage("the configuration cannot be read, so nothing was mended")
            .hint("`okcvm config check` lists what is wrong with it.")
    })?;
    let python = bootstrap::python(options, &loaded);
    let missing = match python.get() {
        Ok(_) => return Ok(()),
        Err(missing) if missing.can_be_made => missing,
        Err(python_parts::Missing { reason, hint, .. }) => return Err(Failure::new(reason).hint(hint)),
    };
    let mut err = output::err();
    writeln!(err, "{}. Making an environment: {}", sanitize::line(&missing.reason), PACKAGES.join(", "))?;
    let mut tell = |line: &str| line.is_empty() || writeln!(err, "  {}", sanitize::line(line)).is_ok();
    let made = python.make(&mut tell);
    let made = made.map_err(|error| Failure::from_error(&error).maybe_hint(error.hint().map(ToOwned::to_owned)))?;
    writeln!(err, "{}", sanitize::line(&made.told()))?;
    Ok(())
}

/// The Python of the notebook.
fn python(options: &LoadOptions, loaded: &Loaded) -> Finding {
    match bootstrap::python(options, loaded).get() {
        Ok(python) => Finding::ok("python", python.told()),
        Err(python_parts::Missing { reason, hint, .. }) => Finding::new("python", Status::Warning, reason, Some(hint)),
    }
}

/// The browser of the tools.
fn browser(loaded: &Loaded) -> Finding {
    match bootstrap::browser(loaded).get() {
        Ok(program) => Finding::ok("browser", program.path.display().to_string()),
        Err(_) if loaded.config.browser.mode == BrowserMode::Plain => {
            Finding::ok("browser", "not used: browser.mode is plain, so pages come without scripts and pictures")
        }
        Err(Missing { reason, hint }) => {
            let told = format!("{reason}; pages are fetched without one, so without scripts and pictures");
            Finding::new("browser", Status::Warning, told, Some(hint.clone()))
        }
    }
}

/// Who searches for the tools. Nobody is asked.
fn search(loaded: &Loaded) -> Finding {
    let section = &loaded.config.search;
    match crate::search::provider(section) {
        Ok(provider) => {
            let place = section.base_url.as_deref().map(|base| format!(" at {base}")).unwrap_or_default();
            let key = if section.api_key.is_some() { "with a key" } else { "without a key" };
            Finding::ok("search", format!("{}{place}, {key}", provider.name()))
        }
        Err(why) => {
            let hint = "The section search of the config file says who searches; okcvm config check reads it.";
            Finding::new("search", Status::Warning, why.to_string(), Some(hint.to_owned()))
        }
    }
}

/// What makes pictures, speech and sounds. All of it is for those who want it.
fn media(loaded: &Loaded) -> Finding {
    let media = &loaded.config.media;
    let made = [("pictures", &media.image), ("speech", &media.speech), ("sound effects", &media.sound_effects)];
    let told = made.map(|(what, endpoint)| match endpoint {
        Some(endpoint) => {
            let key = if endpoint.api_key.is_some() { "with a key" } else { "without a key" };
            format!("{what}: {} at {}, {key}", endpoint.model, endpoint.base_url)
        }
        None => format!("{what}: not configured"),
    });
    let missing = made.iter().any(|(_, endpoint)| endpoint.is_none());
    let hint =
        missing.then_some("Set media.image, media.speech and media.sound_effects with /setup to have their tools.");
    Finding::new("media", Status::Ok, told.join("; "), hint.map(str::to_owned))
}

fn chat(loaded: &Loaded) -> Finding {
    match &loaded.config.chat {
        Some(endpoint) => {
            let key = if endpoint.api_key.is_some() { "with a key" } else { "without a key" };
            Finding::ok("chat", format!("{} at {}, {key}", endpoint.model, endpoint.base_url))
        }
        None => Finding::new(
            "chat",
            Status::Warning,
            "no endpoint is configured",
            Some("Start `okcvm` for the setup screen, or try `okcvm --demo`.".to_owned()),
        ),
    }
}

fn sandbox(loaded: &Loaded) -> Finding {
    match chooser(loaded).choose() {
        Ok(sandbox) if sandbox.confines() => {
            let user = sandbox.tool_owner().map_or_else(
                || "as this account".to_owned(),
                |(uid, _)| format!("as uid {uid}, because okcvm runs as root"),
            );
            let missing = sandbox.missing_walls();
            let degraded = if missing.is_empty() { "" } else { " (degraded)" };
            let detail = format!("{}{degraded} works, tools run {user}", sandbox.label());
            if missing.is_empty() {
                return Finding::ok("sandbox", detail);
            }
            let hint = format!("With bubblewrap this would be held as well: {}.", missing.join("; "));
            Finding::new("sandbox", Status::Warning, detail, Some(hint))
        }
        Ok(sandbox) => Finding::new(
            "sandbox",
            Status::Warning,
            format!("{}: okcvm confines nothing", sandbox.label()),
            Some("Set sandbox.backend to auto to have bubblewrap confine the tools.".to_owned()),
        ),
        Err(unavailable) => Finding::new("sandbox", Status::Failed, unavailable.reason, Some(unavailable.hint)),
    }
}

/// The process that reads documents and pictures, tried from inside.
fn decoder(loaded: &Loaded) -> Finding {
    let hint = "Documents and pictures come from anybody: read only those that you trust, or use a newer Linux.";
    let failed = |detail: String| Finding::new("decoder", Status::Warning, detail, Some(hint.to_owned()));
    let tried = bootstrap::runtime().map_err(|failure| failure.message).and_then(|runtime| {
        let decoder = LazySandbox::from_chooser(chooser(loaded)).decoder();
        runtime.block_on(decoder.missing_walls()).map_err(|error| error.to_string())
    });
    match tried {
        Ok(missing) if missing.is_empty() => {
            Finding::ok("decoder", "documents and pictures are read in a process that can do nothing else")
        }
        Ok(missing) => failed(format!("documents and pictures are read where {}", missing.join("; "))),
        Err(error) => failed(format!("documents and pictures cannot be read: {error}")),
    }
}

/// What the configuration gives to commands; whether a host can be reached is not tried.
fn network(loaded: &Loaded) -> Finding {
    let section = &loaded.config.sandbox.network;
    let confined = !matches!(loaded.config.sandbox.backend, SandboxBackend::Off | SandboxBackend::External);
    match section.shell_mode() {
        NetworkMode::Proxy if confined => {
            let allow = if section.allow.is_empty() { "nothing".to_owned() } else { section.allow.join(", ") };
            let ports: Vec<String> = section.allow_ports.iter().map(u16::to_string).collect();
            Finding::ok("network", format!("proxy, allows {allow} at ports {}", ports.join(", ")))
        }
        NetworkMode::Off if confined => Finding::ok("network", "off, tools reach their own loopback only"),
        _ => Finding::new(
            "network",
            Status::Warning,
            "host: tools reach all that this machine reaches",
            Some("Confine the tools (sandbox.backend) and set sandbox.network.mode to proxy or off.".to_owned()),
        ),
    }
}

/// Whether the degraded backend would work here, where it is not the one in use.
fn landlock(loaded: &Loaded) -> Option<Finding> {
    if loaded.config.sandbox.backend == SandboxBackend::Landlock {
        return None;
    }
    let detail = match chooser_of(loaded, SandboxBackend::Landlock).choose() {
        Ok(sandbox) => format!(
            "would work here (`--sandbox landlock`), and would not hold: {}",
            sandbox.missing_walls().join("; ")
        ),
        Err(unavailable) => format!("would not work here: {}", unavailable.reason),
    };
    Some(Finding::ok("landlock", detail))
}

fn namespaces(machine: &MachineFacts, loaded: &Loaded) -> Finding {
    let place = machine.container.map_or_else(|| "no container seen".to_owned(), |name| format!("in {name}"));
    let needed = matches!(loaded.config.sandbox.backend, SandboxBackend::Auto | SandboxBackend::Bubblewrap);
    let status = if needed && machine.forbids_user_namespaces() { Status::Warning } else { Status::Ok };
    Finding::new("userns", status, format!("user namespaces: {}; {place}", machine.user_namespaces()), None)
}

/// How many processes there may be; a sandbox cannot allow more than the machine does.
fn processes(machine: &MachineFacts) -> Finding {
    let limit = |resource| {
        let limit = rustix::process::getrlimit(resource).current;
        limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
    };
    let all = machine.pid_max.map_or_else(|| "unknown".to_owned(), |most| most.to_string());
    Finding::ok(
        "limits",
        format!(
            "processes: {all} on this machine, {} for this account; open files: {}",
            limit(rustix::process::Resource::Nproc),
            limit(rustix::process::Resource::Nofile)
        ),
    )
}

fn git(options: &LoadOptions) -> Finding {
    let found = options.env.get("PATH").and_then(|path| {
        std::env::split_paths(path).map(|folder| folder.join("git")).find(|candidate| candidate.is_file())
    });
    match found {
        Some(path) => Finding::ok("git", format!("{} (snapshots do not need it)", path.display())),
        None => Finding::new(
            "git",
            Status::Warning,
            "not found; snapshots do not need it, but tools that use it will fail",
            Some("Install it: apt install git.".to_owned()),
        ),
    }
}

/// What understands speech, and what would record it. Both are for those who want them.
fn speech(options: &LoadOptions, loaded: &Loaded) -> Finding {
    let recorder = transcribe::recorder(loaded.config.voice.recorder.as_deref(), &options.env);
    let recorder =
        recorder.as_ref().map_or_else(|| "no recorder".to_owned(), |found| format!("recorder {}", found.name()));
    let (asr, hint) = match &loaded.config.media.asr {
        Some(endpoint) => {
            let hint = (recorder == "no recorder").then(|| transcribe::INSTALL.to_owned());
            (format!("{} at {}", endpoint.model, endpoint.base_url), hint)
        }
        None => ("no speech recognition is configured".to_owned(), Some(transcribe::CONFIGURE.to_owned())),
    };
    Finding::new("speech", Status::Ok, format!("{asr}; {recorder}"), hint)
}

/// Whether a folder can be written, and the free space of its disk; the folder is made if it can be.
fn folder(part: &'static str, path: &Path) -> Finding {
    let writable = std::fs::create_dir_all(path).and_then(|()| {
        let probe = path.join(format!(".probe-{}", std::process::id()));
        std::fs::write(&probe, b"")?;
        std::fs::remove_file(&probe)
    });
    match writable {
        Err(error) => Finding::new(
            part,
            Status::Failed,
            format!("cannot write {}: {error}", path.display()),
            Some("--data-dir DIR names another folder for sessions and state.".to_owned()),
        ),
        Ok(()) => match rustix::fs::statvfs(path) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let status = if free < 1 << 30 { Status::Warning } else { Status::Ok };
                let hint = (status == Status::Warning).then(|| "Make room: snapshots need disk space.".to_owned());
                Finding::new(part, status, format!("{} ({} free)", path.display(), truncate::bytes(free)), hint)
            }
            Err(error) => Finding::ok(part, format!("{} (free space unknown: {error})", path.display())),
        },
    }
}

fn terminal(options: &LoadOptions) -> Finding {
    let variable = |name: &str| options.env.get(name).map_or("", String::as_str);
    let term = variable("TERM");
    if !io::stdout().is_terminal() {
        return Finding::ok("terminal", "standard output is no terminal: use `okcvm exec`");
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().map(|name| variable(name)).find(|value| !value.is_empty());
    let utf8 = locale.is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
    let size = crossterm::terminal::size().map_or_else(|_| "unknown size".to_owned(), |(w, h)| format!("{w}x{h}"));
    if term.is_empty() || term == "dumb" {
        return Finding::new(
            "terminal",
            Status::Warning,
            format!("TERM is {term:?}, {size}: the screen cannot be drawn"),
            Some("Set TERM, such as xterm-256color, or use `okcvm exec`.".to_owned()),
        );
    }
    if !utf8 {
        return Finding::new(
            "terminal",
            Status::Warning,
            format!("{term}, {size}, and the locale is not UTF-8"),
            Some("Set LANG, such as C.UTF-8, or ui.ascii: true in the configuration.".to_owned()),
        );
    }
    Finding::ok("terminal", format!("{term}, {size}"))
}
