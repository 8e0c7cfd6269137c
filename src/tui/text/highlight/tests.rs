//! Tests of [`super`].

use std::time::{Duration, Instant};

use super::*;

/// Waits until the block is no longer pending.
pub(in crate::tui) fn wait_for(language: &str, code: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match request(language, code) {
            Answer::Pending if Instant::now() < deadline => std::thread::yield_now(),
            answer => return answer,
        }
    }
}

fn classes_of(language: &str, code: &str) -> Vec<(String, Syntax)> {
    let Answer::Ready(found) = wait_for(language, code) else { panic!("no colours for {language}") };
    let mut out = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut start = 0;
        for &(end, class) in &found.lines[index] {
            out.push((line[start..end].trim().to_owned(), class));
            start = end;
        }
    }
    out.retain(|(text, class)| !text.is_empty() && *class != Syntax::Plain);
    out
}

#[test]
fn rust_has_its_classes() {
    let classes = classes_of("rust,ignore", "// note\nfn main() { let x = \"hi\"; return 42; }\n");
    for (text, class) in [
        ("// note", Syntax::Comment),
        ("fn", Syntax::Keyword),
        ("main", Syntax::Function),
        ("\"hi\"", Syntax::String),
        ("42", Syntax::Number),
    ] {
        assert!(classes.contains(&(text.to_owned(), class)), "{text} in {classes:?}");
    }
}

#[test]
fn common_languages_are_found_by_the_names_that_models_use() {
    let grammars = two_face::syntax::extra_newlines();
    let names = "python py bash sh shell json yaml yml toml html css js javascript jsx ts typescript tsx go golang c \
                 cpp c++ java kotlin swift ruby php sql dockerfile makefile markdown md xml lua csharp rust rs";
    for name in names.split(' ').filter(|name| !name.is_empty()) {
        let token = normalised(name).expect(name);
        assert!(grammars.find_syntax_by_token(&token).is_some(), "{name}");
    }
    assert!(matches!(wait_for("no-such-language", "x = 1\n"), Answer::Plain));
    assert!(matches!(request("text", "x"), Answer::Plain));
    assert!(matches!(request("rust", &"x".repeat(LARGEST_BLOCK + 1)), Answer::Plain));
}

#[test]
fn a_line_that_is_too_long_stays_plain_and_the_next_does_not() {
    let code = format!("let a = \"{}\";\nfn f() {{}}\n", "x".repeat(LONGEST_LINE));
    let Answer::Ready(found) = wait_for("rust", &code) else { panic!("no colours") };
    assert!(found.lines[0].is_empty() && !found.lines[1].is_empty());
}

#[test]
fn runs_that_do_not_fit_the_text_are_not_trusted() {
    let wrong = Highlighted { lines: vec![vec![(1, Syntax::Keyword), (50, Syntax::String)]] };
    let spans = wrong.spans(0, "日本", Theme::new(true, false));
    let text: String = spans.iter().map(|span| span.content.as_ref()).collect();
    assert_eq!(text, "日本");
    assert_eq!(wrong.spans(7, "x", Theme::new(true, false)).len(), 1);
}
