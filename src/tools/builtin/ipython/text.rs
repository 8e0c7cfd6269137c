//! What a cell shows, as text for the model.

use crate::document::{self, Kind, Limits};
use crate::kernel::{Failure, Shown};
use crate::support::truncate;
use crate::tools::plain;

/// Characters of markup that are looked at.
const MARKUP: usize = 200_000;

/// The text of something that is shown.
pub(super) fn of(shown: &Shown) -> String {
    let get = |kind: &str| shown.data.get(kind).map(|text| text.trim_end().to_owned());
    let plain = get("text/plain").unwrap_or_default();
    // An object that is made to be shown in another way says nothing in this one.
    if !plain.is_empty() && !plain.starts_with("<IPython.core.display.") {
        return plain;
    }
    let html = || get("text/html").map(|html| readable(truncate::prefix(&html, MARKUP)));
    get("text/markdown").or_else(|| get("text/latex")).or_else(html).filter(|text| !text.is_empty()).unwrap_or(plain)
}

/// A page as Markdown.
fn readable(html: &str) -> String {
    let read = document::convert(Kind::Html, html.as_bytes(), "", &Limits::default());
    read.map(|read| read.markdown.trim_end().to_owned()).unwrap_or_default()
}

/// Where an error came from, without the frames of the notebook itself.
pub(super) fn traceback(failure: &Failure) -> String {
    let shown: Vec<&str> =
        failure.traceback.iter().filter(|entry| !is_ours(&plain::of(entry))).map(String::as_str).collect();
    if shown.is_empty() { format!("{}: {}", failure.ename, failure.evalue) } else { shown.join("\n") }
}

fn is_ours(entry: &str) -> bool {
    let entry = entry.trim();
    let first = entry.lines().next().unwrap_or_default();
    let rule = !entry.is_empty() && entry.chars().all(|c| c == '-');
    let ours = ["/IPython/core/", "/IPython/utils/", "/IPython/lib/", "/ipykernel/", ", in no_input(", ", in system("];
    rule || (first.starts_with("File ") && ours.iter().any(|mark| first.contains(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &[(&str, &str)]) -> Shown {
        let data = data.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
        Shown { data, ..Shown::default() }
    }

    #[test]
    fn text_is_taken_where_it_says_something() {
        assert_eq!(of(&shown(&[("text/plain", "  a\n1 2\n"), ("text/html", "<table>")])), "  a\n1 2");
        let object = ("text/plain", "<IPython.core.display.Markdown object>");
        assert_eq!(of(&shown(&[object, ("text/markdown", "# x")])), "# x");
        let html = "<style>p {}</style><h1>T</h1><p>a &lt; b<br>c</p><table><tr><td>1</td><td>2</td></tr></table><";
        assert_eq!(of(&shown(&[object, ("text/html", html)])), "# T\n\na < b  \nc\n\n| 1 | 2 |\n| --- | --- |\n\n<");
        let many = "<Script>x</SCRIPT>".repeat(10_000) + "世<STYLE>y</style>b<script>z";
        assert_eq!(of(&shown(&[object, ("text/html", &many)])), "世b");
        assert_eq!(of(&shown(&[object])), object.1);
        assert_eq!(of(&shown(&[])), "");
    }

    #[test]
    fn tracebacks_have_no_frames_of_the_notebook() {
        let frames = [
            "\u{1b}[0;31m---------\u{1b}[0m",
            "\u{1b}[0;31mValueError\u{1b}[0m  Traceback",
            "Cell \u{1b}[0;32mIn [4], line 2\u{1b}[0m",
            "File \u{1b}[0;32m/usr/lib/python3/dist-packages/IPython/core/magic.py:3\u{1b}[0m, in f",
            "\u{1b}[0;31mValueError\u{1b}[0m: bad",
        ];
        let failure = Failure {
            ename: "ValueError".to_owned(),
            evalue: "bad".to_owned(),
            traceback: frames.map(ToOwned::to_owned).to_vec(),
        };
        assert_eq!(traceback(&failure), [frames[1], frames[2], frames[4]].join("\n"));
        assert_eq!(traceback(&Failure { traceback: Vec::new(), ..failure }), "ValueError: bad");
    }
}
