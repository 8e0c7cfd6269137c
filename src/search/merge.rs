//! The answers of several queries as one list, each thing once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Hit, Picture};

/// Takes the hits of each query in turn, so that the best of each come first. What came before comes no second time, but
/// may bring what the first lacks. Each hit stands with the number of its query.
pub fn merged(answers: Vec<Vec<Hit>>) -> Vec<(usize, Hit)> {
    each_once(
        answers,
        |hit| &hit.url,
        |hit, again| {
            fill(&mut hit.title, again.title);
            fill(&mut hit.snippet, again.snippet);
            hit.date = hit.date.take().or(again.date);
        },
    )
}

/// The same for pictures, at most so many.
pub fn merged_pictures(answers: Vec<Vec<Picture>>, most: usize) -> Vec<(usize, Picture)> {
    let mut pictures = each_once(
        answers,
        |picture| &picture.url,
        |picture, again| {
            fill(&mut picture.title, again.title);
            picture.page = picture.page.take().or(again.page);
            picture.size = picture.size.or(again.size);
        },
    );
    pictures.truncate(most);
    pictures
}

fn fill(text: &mut String, other: String) {
    if text.is_empty() {
        *text = other;
    }
}

fn each_once<T>(answers: Vec<Vec<T>>, url: impl Fn(&T) -> &String, complete: impl Fn(&mut T, T)) -> Vec<(usize, T)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<(usize, T)> = Vec::new();
    let mut rows: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
    loop {
        let mut more = false;
        for (query, row) in rows.iter_mut().enumerate() {
            let Some(next) = row.next() else { continue };
            more = true;
            match seen.entry(key(url(&next))) {
                Entry::Occupied(place) => complete(&mut merged[*place.get()].1, next),
                Entry::Vacant(place) => {
                    place.insert(merged.len());
                    merged.push((query, next));
                }
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

    #[test]
    fn what_the_first_lacks_comes_from_the_next() {
        let hit = |title: &str, snippet: &str, date: Option<&str>| Hit {
            title: title.to_owned(),
            url: "https://a.test/".to_owned(),
            snippet: snippet.to_owned(),
            date: date.map(ToOwned::to_owned),
        };
        let merged = merged(vec![vec![hit("A", "", None)], vec![hit("B", "words", Some("2024"))]]);
        assert_eq!(merged, vec![(0, hit("A", "words", Some("2024")))]);
    }
}
