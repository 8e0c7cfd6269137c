//! All queries of a call: a few at a time, and with a second try where the provider says that it will not be long.

use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;

use super::{Provider, SearchError};

/// The longest wait for a second try.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks each query and returns the answers in the same order. After a provider has said that it limits its users nothing
/// new is asked; what is open then is tried one after the other, if it names a short wait, until it says so again.
pub async fn ask_each<'a, T, F>(
    provider: &'a dyn Provider,
    queries: &'a [String],
    ask: F,
) -> Vec<Result<T, SearchError>>
where
    F: Fn(&'a str) -> BoxFuture<'a, Result<T, SearchError>>,
{
    let limited: OnceLock<SearchError> = OnceLock::new();
    let (ask, known) = (&ask, &limited);
    let asked = queries.iter().map(|query| async move {
        if let Some(error) = known.get() {
            return Err(error.clone());
        }
        let answer = ask(query).await;
        if let Err(error @ SearchError::Limited { .. }) = &answer {
            known.get_or_init(|| error.clone());
        }
        answer
    });
    let asked: Vec<_> = asked.collect();
    let mut answers: Vec<_> = stream::iter(asked).buffered(provider.at_once()).collect().await;
    for (query, answer) in queries.iter().zip(&mut answers) {
        let Err(SearchError::Limited { after: Some(after), .. }) = answer else { continue };
        if *after > PATIENCE {
            continue;
        }
        tokio::time::sleep(*after).await;
        *answer = ask(query).await;
        if matches!(answer, Err(SearchError::Limited { .. })) {
            break;
        }
    }
    answers
}
