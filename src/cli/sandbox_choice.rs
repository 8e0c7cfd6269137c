//! The sandbox of a run on the screen: the wanted one, or what the user says where it cannot start or none is wanted.
//!
//! Only the screen asks. `exec` and the other commands take what is configured, or fail and say why.

use futures::FutureExt as _;

use super::bootstrap::{Setup, chooser, chooser_of};
use super::report::Failure;
use crate::config::Loaded;
use crate::config::schema::SandboxBackend;
use crate::sandbox::{Chooser, LazySandbox, Unavailable};
use crate::tui::pane::sandbox::{self, SandboxAnswer, SandboxQuestion};
use crate::tui::theme::Theme;

/// The backend that the user agreed to in this run, instead of the configured one.
pub(super) type Agreed = Option<SandboxBackend>;

/// A sandbox, or why the application ends without one.
pub(super) enum Settled {
    /// It is chosen.
    Sandbox(LazySandbox),
    /// The user left: exit code.
    Left(u8),
}

/// Chooses the sandbox and asks where that needs the user's word. What was agreed to holds from then on: the
/// configuration in `setup` names it, so that everything that asks for it is told the truth.
pub(super) async fn settle(setup: &mut Setup, agreed: &mut Agreed, theme: Theme) -> Result<Settled, Failure> {
    if let Some(backend) = *agreed {
        setup.loaded.config.sandbox.backend = backend;
    } else {
        let wanted = tries(&setup.loaded);
        if let Some(question) = asked(wanted.clone()).await {
            let again = Box::new(move || asked(wanted.clone()).boxed());
            let answer = sandbox::ask(question, again, theme).await.map_err(|error| Failure::from_error(&error))?;
            let backend = match answer {
                SandboxAnswer::Wanted => setup.loaded.config.sandbox.backend,
                SandboxAnswer::Degraded => SandboxBackend::Landlock,
                SandboxAnswer::Unconfined => SandboxBackend::Off,
                SandboxAnswer::Quit => return Ok(Settled::Left(0)),
                SandboxAnswer::Signal(number) => return Ok(Settled::Left(u8::try_from(128 + number).unwrap_or(1))),
            };
            setup.loaded.config.sandbox.backend = backend;
            *agreed = Some(backend);
        }
    }
    setup.chosen_sandbox().await.map(Settled::Sandbox)
}

/// What is tried: the wanted backend, and Landlock where that is another one. `None` where no backend is wanted.
fn tries(loaded: &Loaded) -> Option<(Chooser, Option<Chooser>)> {
    let backend = loaded.config.sandbox.backend;
    let landlock = (backend != SandboxBackend::Landlock).then(|| chooser_of(loaded, SandboxBackend::Landlock));
    (backend != SandboxBackend::Off).then(|| (chooser(loaded), landlock))
}

/// What is to be asked, if anything.
async fn asked(tries: Option<(Chooser, Option<Chooser>)>) -> Option<SandboxQuestion> {
    let Some((wanted, landlock)) = tries else { return Some(SandboxQuestion::NoneWanted) };
    let probe = tokio::task::spawn_blocking(move || {
        let Unavailable { reason, hint } = wanted.choose().err()?;
        let no_landlock = match landlock {
            Some(landlock) => landlock.choose().err().map(|why| why.reason),
            None => Some("it is what was tried".to_owned()),
        };
        Some(SandboxQuestion::Refused { reason, hint, no_landlock })
    });
    probe.await.unwrap_or_else(|error| {
        Some(SandboxQuestion::Refused {
            reason: format!("trying it ended badly: {error}"),
            hint: "See `okcvm doctor`.".to_owned(),
            no_landlock: Some("nothing could be tried".to_owned()),
        })
    })
}
