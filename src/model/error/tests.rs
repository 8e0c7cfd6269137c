//! What errors say, and which of them pass.

use super::*;

fn refused(status: u16, message: &str, code: Option<&str>) -> ModelError {
    let url = "https://api.example.com/v1/chat/completions".to_owned();
    ModelError::Status { url, status, message: message.to_owned(), code: code.map(str::to_owned) }
}

#[test]
fn an_error_says_what_and_where_and_the_hint_what_next() {
    let error = refused(401, "Incorrect API key provided", None);
    assert_eq!(
        error.to_string(),
        "https://api.example.com/v1/chat/completions answered 401: Incorrect API key provided"
    );
    assert!(error.hint().expect("hint").contains("/setup"));
}

#[test]
fn a_context_overflow_is_known_by_status_or_words() {
    assert!(refused(413, "too large", None).is_context_overflow());
    assert!(refused(400, "This model's maximum context length is 8192 tokens", None).is_context_overflow());
    assert!(refused(400, "bad", Some("context_length_exceeded")).is_context_overflow());
    assert!(!refused(400, "bad tool", None).is_context_overflow());
    assert!(!refused(429, "too many tokens per minute", None).is_context_overflow());
}

#[test]
fn pictures_are_blamed_where_they_are_named_or_new() {
    for (status, message, new, blamed) in [
        (400, "Could not process image", false, true),
        (422, "This model does not support Vision", false, true),
        (400, "invalid request", true, true),
        (400, "invalid request", false, false),
        (400, "This model's maximum context length is 8192 tokens", true, false),
        (413, "too large", false, true),
        (500, "cannot identify image file", false, true),
        (500, "oops", true, false),
        (401, "no image for this key", true, false),
        (429, "too many images", true, false),
    ] {
        assert_eq!(refused(status, message, None).may_mean_pictures(new), blamed, "{status} {message}");
    }
    let error = ModelError::PicturesRefused(Box::new(refused(400, "x", None)));
    assert!(error.refuses_pictures() && error.status() == Some(400) && error.to_string().ends_with("400: x"));
}

#[test]
fn only_passing_trouble_is_worth_another_attempt() {
    for status in [408, 429, 500, 502, 503, 529] {
        assert!(refused(status, "x", None).is_passing(), "{status}");
    }
    for status in [400, 401, 402, 403, 404, 413, 422] {
        assert!(!refused(status, "x", None).is_passing(), "{status}");
    }
    assert!(!refused(429, "You exceeded your current quota", Some("insufficient_quota")).is_passing());
}

#[test]
fn an_error_after_several_attempts_keeps_its_kind() {
    let last = Box::new(refused(503, "busy", None));
    let error = ModelError::GaveUp { attempts: 4, last };
    assert!(error.to_string().ends_with("answered 503: busy (tried 4 times)"), "{error}");
    assert_eq!(error.status(), Some(503));
    assert!(error.hint().is_some());
}
