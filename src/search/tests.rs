//! Providers against servers of their recorded shapes are tested in `tests/it/search.rs`; here only what needs none.

use super::{SearchError, provider};
use crate::config::schema::{SearchProvider, SearchSection};

#[test]
fn what_a_provider_lacks_is_told_before_it_is_asked() {
    let of = |provider_name, base_url: Option<&str>| SearchSection {
        provider: provider_name,
        base_url: base_url.map(ToOwned::to_owned),
        api_key: None,
    };
    let why = |section: &SearchSection| provider(section).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(provider(&of(SearchProvider::Duckduckgo, None)).is_ok());
    assert!(why(&of(SearchProvider::Searxng, None)).contains("search.base_url is not set"));
    assert!(why(&of(SearchProvider::Brave, None)).contains("Brave Search refused the request: it needs a key"));
    assert!(why(&of(SearchProvider::Bing, None)).contains("Microsoft ended its own service"));
    assert!(provider(&of(SearchProvider::Bing, Some("https://bing.test"))).is_ok());
    assert!(why(&of(SearchProvider::Searxng, Some("ftp://x"))).contains("http:// or https://"));
    let after = Some(std::time::Duration::from_secs(7));
    let limited = SearchError::Limited { provider: "X", after, said: "slow down".to_owned() };
    let told = "X limits how often it is asked; it wants to be left alone for 7 s (slow down)";
    assert_eq!(limited.to_string(), told);
}
