//! What a prompt is about, in forms that are safe in files, paths and commands.

/// Words that say nothing about a topic.
const EMPTY: &[&str] = &[
    "add", "also", "another", "append", "continue", "expand", "extend", "go", "more", "new", "now", "part", "section",
    "then", "a", "about", "all", "and", "any", "are", "build", "can", "could", "create", "do", "draw", "file", "for",
    "from", "give", "have", "how", "i", "in", "into", "is", "it", "make", "me", "my", "of", "on", "or", "page",
    "please", "report", "show", "small", "some", "that", "the", "this", "to", "up", "want", "website", "what", "with",
    "would", "write", "you", "your",
];

/// The words that carry the meaning, in order, each once, in lower case; at most eight.
pub(super) fn key_words(prompt: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in prompt.split(|c: char| !c.is_alphanumeric() && c != '-').map(str::to_lowercase) {
        let says_something = word.chars().any(char::is_alphanumeric) && !EMPTY.contains(&word.as_str());
        if says_something && !words.contains(&word) && word.chars().count() <= 40 {
            words.push(word);
        }
    }
    words.truncate(8);
    words
}

/// The topic in words for people.
pub(super) fn title(prompt: &str) -> String {
    let words = key_words(prompt);
    if words.is_empty() { "nothing in particular".to_owned() } else { words.join(" ") }
}

/// The topic as the name of a folder: ASCII letters, digits and hyphens only, never empty, never an option.
pub(super) fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for word in key_words(prompt) {
        let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        if !plain.is_empty() && slug.len() + plain.len() <= 32 {
            if !slug.is_empty() {
                slug.push('-');
            }
            slug.push_str(&plain);
        }
    }
    if slug.is_empty() { "demo".to_owned() } else { slug }
}

/// A slug that no name of a listing has.
pub(super) fn free_name(slug: &str, listing: &str) -> String {
    let taken = |name: &str| listing.lines().any(|line| line.trim().trim_end_matches('/') == name);
    let numbered = (2..1000).map(|n| format!("{slug}-{n}"));
    std::iter::once(slug.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_else(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_what_is_left_of_the_prompt() {
        assert_eq!(key_words("Please make me a report about Honey Bees, and honey!"), ["honey", "bees"]);
        assert_eq!(title("please make a page"), "nothing in particular");
    }

    #[test]
    fn a_slug_is_safe_in_every_shell() {
        assert_eq!(slug("a page about `rm -rf $HOME`; bees/../x"), "rm-rf-home-bees-x");
        assert_eq!(slug("Bericht über Bienen"), "bericht-ber-bienen");
        assert_eq!(slug("世界"), "demo");
        for prompt in ["--help -x", "$(reboot)", &"long ".repeat(100), ""] {
            let slug = slug(prompt);
            assert!(slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && slug.len() <= 33, "{slug}");
            assert!(!slug.starts_with('-') && !slug.is_empty(), "{slug}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        assert_eq!(free_name("bees", "ants\n"), "bees");
        assert_eq!(free_name("bees", "bees\nbees-2/\n"), "bees-3");
    }
}
