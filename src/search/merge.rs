//! The answers of several queries as one list, each thing once.

use std::collections::HashSet;

use super::{Hit, Picture};

/// Takes the hits of each query in turn, so that the best of each come first, and leaves out what came before. Each hit
/// stands with the number of its query.
pub fn merged(answers: Vec<Vec<Hit>>) -> Vec<(usize, Hit)> {
    each_once(answers, |hit| &hit.url)
}

/// The same for pictures, at most so many.
pub fn merged_pictures(answers: Vec<Vec<Picture>>, most: usize) -> Vec<(usize, Picture)> {
    let mut pictures = each_once(answers, |picture| &picture.url);
    pictures.truncate(most);
    pictures
}

fn each_once<T>(answers: Vec<Vec<T>>, url: impl Fn(&T) -> &String) -> Vec<(usize, T)> {
    let mut seen = HashSet::new();
    let mut merged = Vec::new();
    let mut rows: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
    loop {
        let mut more = false;
        for (query, row) in rows.iter_mut().enumerate() {
            let Some(next) = row.next() else { continue };
            more = true;
            if seen.insert(key(url(&next))) {
                merged.push((query, next));
            }
        }
        if !more {
            return merged;
        }
    }
}

/// What makes two addresses the same page: neither scheme nor fragment, nor a slash at the end, nor what counts visits.
fn key(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    parsed.set_fragment(None);
    let kept: Vec<(String, String)> = parsed
        .query_pairs()
        .filter(|(name, _)| !name.starts_with("utm_") && !matches!(&**name, "gclid" | "fbclid" | "msclkid"))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if kept.is_empty() {
        parsed.set_query(None);
    } else {
        parsed.query_pairs_mut().clear().extend_pairs(kept);
    }
    let text = parsed.as_str();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.strip_prefix("www.").unwrap_or(text).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_take_turns_and_nothing_comes_twice() {
        let hit = |url: &str| Hit { url: url.to_owned(), ..Hit::default() };
        let first = vec![hit("https://a.test/x"), hit("https://b.test/?id=1&utm_source=z")];
        let second = vec![hit("http://www.a.test/x/#part"), hit("https://c.test/"), hit("https://b.test/?id=2")];
        let merged: Vec<(usize, String)> =
            merged(vec![first, second]).into_iter().map(|(query, hit)| (query, hit.url)).collect();
        let expected = [
            (0, "https://a.test/x"),
            (0, "https://b.test/?id=1&utm_source=z"),
            (1, "https://c.test/"),
            (1, "https://b.test/?id=2"),
        ];
        assert_eq!(merged, expected.map(|(query, url)| (query, url.to_owned())));
    }
}
