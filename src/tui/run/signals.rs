//! The signals that end or interrupt the application, as something to wait for.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end or interrupt the application.
#[derive(Debug)]
pub struct Signals(Vec<(i32, Signal)>);

impl Signals {
    /// Takes SIGTERM, SIGHUP and SIGINT over.
    pub fn listen() -> std::io::Result<Self> {
        let kinds = [(15, SignalKind::terminate()), (1, SignalKind::hangup()), (2, SignalKind::interrupt())];
        kinds.into_iter().map(|(number, kind)| Ok((number, signal(kind)?))).collect::<std::io::Result<_>>().map(Self)
    }

    /// None, for tests.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) async fn next(&mut self) -> i32 {
        let waits = self.0.iter_mut().map(|(number, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *number
            })
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        futures::future::select_all(waits).await.0
    }
}
