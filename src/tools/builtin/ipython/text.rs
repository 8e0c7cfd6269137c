//! What a cell shows, as text for the model.

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
    let html = || get("text/html").map(|html| without_tags(truncate::prefix(&html, MARKUP)));
    get("text/markdown").or_else(|| get("text/latex")).or_else(html).filter(|text| !text.is_empty()).unwrap_or(plain)
}

/// The text between tags, a line for each block.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let tag = &rest[at + 1..];
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
        let name = name.to_ascii_lowercase();
        rest = match name.as_str() {
            // Their content is for nobody to read.
            "script" | "style" => {
                let end = format!("</{name}");
                let from = find_ignoring_case(tag, &end).map_or(tag.len(), |at| at + end.len());
                &tag[from..]
            }
            _ => tag,
        };
        rest = rest.split_once('>').map_or("", |(_, rest)| rest);
        match name.as_str() {
            "br" | "br/" | "/p" | "/div" | "/tr" | "/li" | "/h1" | "/h2" | "/h3" | "/h4" | "/pre" | "/table" => {
                text.push('\n');
            }
            "/td" | "/th" => text.push('\t'),
            _ => {}
        }
    }
    text.push_str(rest);
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let text = text.replace("&nbsp;", " ").replace("&amp;", "&");
    let lines = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Where ASCII text begins in another, whatever their cases; nothing is copied, as there may be thousands of tags.
fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|some| some.eq_ignore_ascii_case(wanted.as_bytes()))
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
    let ours = ["/IPython/core/", "/ipykernel/", ", in no_input(", ", in system("];
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
        assert_eq!(of(&shown(&[object, ("text/html", html)])), "T\na < b\nc\n1\t2");
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
