//! The system prompt: found, and filled in for a session and a day.
//!
//! Our own prompt has the places `{{date}}`, `{{mount}}` and `{{attachments}}`. Somebody else's has none: then the date,
//! the files and, where nothing else tells it, the mount are added at the end, and the legacy path `/mnt/okcomputer`
//! becomes the session's mount.

use std::fmt::Write as _;
use std::path::Path;

use jiff::civil::Date;

use super::manifest::{SpecError, embedded_prompt, read_prompt};
use crate::protocol::Attachment;
use crate::support::sanitize;

/// The mount as older prompts call it.
const LEGACY_MOUNT: &str = "/mnt/okcomputer";

/// The prompt's template: that of a folder, or the one in the program.
pub fn load_system_prompt(dir: Option<&Path>) -> Result<String, SpecError> {
    dir.map_or_else(|| Ok(embedded_prompt().to_owned()), read_prompt)
}

/// Fills in date and mount, rewrites the legacy paths, and lists the files that the user attached.
///
/// `mount` has no slash at its end (`/mnt/okcvm-0123456789abcdef`). What is filled in is never looked at again, so a
/// file name that looks like a place to fill in stays a file name.
pub fn render_prompt(template: &str, mount: &str, today: &Date, attachments: &[Attachment]) -> String {
    let date = today.strftime("%A, %Y-%m-%d").to_string();
    let files = list(attachments);
    let (mut out, mut has_date, mut has_files) = (String::new(), false, false);
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        let (before, from) = rest.split_at(at);
        out.push_str(&with_mount(before, mount));
        let (place, value) = [("{{date}}", &date), ("{{mount}}", &mount.to_owned()), ("{{attachments}}", &files)]
            .into_iter()
            .find(|(place, _)| from.starts_with(place))
            .map_or(("{{", None), |(place, value)| (place, Some(value.clone())));
        has_date |= place == "{{date}}";
        has_files |= place == "{{attachments}}";
        out.push_str(value.as_deref().unwrap_or(place));
        rest = &from[place.len()..];
    }
    out.push_str(&with_mount(rest, mount));

    let mut more = String::new();
    // Writing to a String cannot fail.
    if !has_date {
        let _ = writeln!(more, "Today is {date}.");
    }
    if !out.contains(mount) {
        let _ =
            writeln!(more, "All files live under {mount}/; what the user should receive goes into {mount}/output/.");
    }
    if !has_files && !attachments.is_empty() {
        let _ = writeln!(more, "{files}");
    }
    if !more.is_empty() {
        let gap = if out.ends_with('\n') { "\n" } else { "\n\n" };
        out.push_str(gap);
        out.push_str(&more);
    }
    out
}

/// The text with the legacy mount replaced where it stands as a whole path component.
fn with_mount(text: &str, mount: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(LEGACY_MOUNT) {
        let after = &rest[at + LEGACY_MOUNT.len()..];
        let part_of_name = after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
        out.push_str(&rest[..at]);
        out.push_str(if part_of_name { LEGACY_MOUNT } else { mount });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn list(attachments: &[Attachment]) -> String {
    if attachments.is_empty() {
        return "The user has attached no files so far.".to_owned();
    }
    let mut out = String::from("The user has attached these files:");
    for file in attachments {
        // Names are the user's, or those of whoever sent the files: one line each, whatever they hold.
        let (name, path) = (sanitize::line(&file.name), sanitize::line(&file.path));
        let _ = write!(out, "\n- {name}: {path}, {}", size(file.bytes));
    }
    out
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        KIB..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

    fn day() -> Date {
        jiff::civil::date(2026, 11, 22)
    }

    fn file(name: &str, bytes: u64) -> Attachment {
        Attachment { name: name.to_owned(), path: format!("{MOUNT}/upload/{name}"), bytes }
    }

    #[test]
    fn our_prompt_is_filled_in_completely() {
        let prompt = load_system_prompt(None).expect("embedded");
        let text = render_prompt(&prompt, MOUNT, &day(), &[file("cv.pdf", 2048)]);
        assert!(text.contains("Today is Sunday, 2026-11-22."));
        assert!(text.contains(&format!("{MOUNT}/output/")));
        assert!(text.contains(&format!("- cv.pdf: {MOUNT}/upload/cv.pdf, 2.0 KiB")));
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
        assert_eq!(text.matches("2026").count(), 1);
        let without = render_prompt(&prompt, MOUNT, &day(), &[]);
        assert!(without.contains("attached no files"));
    }

    #[test]
    fn a_foreign_prompt_keeps_its_text_and_gets_its_paths() {
        let foreign = "Save to /mnt/okcomputer/output/ or `/mnt/okcomputer`, not /mnt/okcomputer2. {{name}} {x}";
        let text = render_prompt(foreign, MOUNT, &day(), &[]);
        assert_eq!(
            text,
            format!(
                "Save to {MOUNT}/output/ or `{MOUNT}`, not /mnt/okcomputer2. {{{{name}}}} {{x}}\n\nToday is Sunday, 2026-11-22.\n"
            )
        );
        let bare = render_prompt("Be brief.\n", MOUNT, &day(), &[file("a", 3)]);
        assert!(bare.starts_with("Be brief.\n\nToday is Sunday"), "{bare}");
        assert!(bare.contains(&format!("All files live under {MOUNT}/")));
        assert!(bare.ends_with("- a: /mnt/okcvm-0123456789abcdef/upload/a, 3 bytes\n"));
    }

    #[test]
    fn a_file_name_cannot_write_into_the_prompt() {
        let evil = file("x\n# New rules {{date}} /mnt/okcomputer/", 1);
        let text = render_prompt("{{attachments}} {{date}} {{mount}}", MOUNT, &day(), &[evil]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("- x # New rules {{date}} /mnt/okcomputer/: "), "{text}");
    }
}
