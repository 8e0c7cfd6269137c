//! Tests of [`super`].

use super::*;

const PATCH: &str = "\
diff --git a/site/index.html b/site/index.html
index 111..222 100644
--- a/site/index.html
+++ b/site/index.html
@@ -11,5 +11,6 @@ <html>
 <body>
-<h1>CV</h1>
---- a list
+<h1>Ada Example</h1>
+<p>\ttext</p>
+<p>日本語</p>
 </body>
 </html>
\\ No newline at end of file
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+hello
--- a/old.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
";

fn shown(width: u16) -> String {
    let lines = lines(PATCH, width, Theme::new(false, false));
    lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_difference_has_its_signs_and_numbers() {
    insta::assert_snapshot!(shown(60));
}

#[test]
fn a_narrow_screen_has_no_numbers_and_wraps() {
    insta::assert_snapshot!(shown(14));
}

#[test]
fn a_wide_screen_shows_old_and_new_side_by_side() {
    insta::assert_snapshot!(shown(160));
}

#[test]
fn lines_are_counted_as_the_hunks_say() {
    assert_eq!(counts(PATCH), (4, 3));
    assert_eq!(counts(""), (0, 0));
    assert_eq!(counts("+++ b/x\nnot a diff"), (0, 0));
}

#[test]
fn only_the_changed_words_are_underlined() {
    let lines = lines("@@ -1 +1 @@\n-let x = one;\n+let x = two;\n", 40, Theme::new(true, false));
    let marked: Vec<&str> = lines
        .iter()
        .flat_map(|line| &line.spans)
        .filter(|span| span.style.add_modifier.contains(Modifier::UNDERLINED))
        .map(|span| span.content.as_ref())
        .collect();
    assert_eq!(marked, ["one", "two"]);
}

#[test]
fn a_huge_difference_is_cut_and_counted() {
    let mut patch = "@@ -0,0 +1,9000 @@\n".to_owned();
    patch.push_str(&"+x\n".repeat(9_000));
    let lines = lines(&patch, 80, Theme::new(false, false));
    assert_eq!(lines.len(), MOST_ROWS + 1);
    assert_eq!(lines[MOST_ROWS].to_string(), "4001 more lines");
}
