//! Which Tailwind a deck is written for. Both versions are in the program, so that no deck needs a network for its looks.

/// Tailwind as a function, by version; how they are built stands beside them.
const V3: &str = include_str!("tailwind/v3.js");
const V4: &str = include_str!("tailwind/v4.js");

/// Where pages get Tailwind from; these addresses are answered here.
pub(super) const ADDRESSES: [&str; 4] =
    ["*://cdn.tailwindcss.com/*", "*@tailwindcss/browser*", "*://*/*tailwindcss@*", "*://*/*tailwindcss/*.min.css*"];

/// What only version 3 has.
const OF_V3: [&str; 4] = ["bg-opacity-", "text-opacity-", "border-opacity-", "ring-opacity-"];
/// What only version 4 has.
const OF_V4: [&str; 8] =
    ["bg-linear-", "bg-radial", "bg-conic", "shadow-xs", "rounded-xs", "shadow-2xs", "text-shadow-", "inset-shadow-"];

/// A version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Three,
    Four,
}

impl Version {
    /// What a deck asks for: by its scripts and styles, and else by names that only one version knows.
    pub(super) fn of(html: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| html.contains(word));
        if has(&[
            "@tailwindcss/browser",
            "@import \"tailwindcss",
            "@import 'tailwindcss",
            "@theme",
            "@utility ",
            "@custom-variant",
        ]) {
            return Self::Four;
        }
        if has(&[
            "cdn.tailwindcss.com",
            "tailwind.config",
            "@tailwind base",
            "@tailwind utilities",
            "tailwindcss@3",
            "tailwindcss@2",
        ]) {
            return Self::Three;
        }
        if has(&OF_V4) || !has(&OF_V3) { Self::Four } else { Self::Three }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    /// The script that makes its function.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::Three => V3,
            Self::Four => V4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_scripts_and_styles_and_else_that_of_names() {
        for three in [
            "<script src=\"https://cdn.tailwindcss.com\"></script>",
            "<script>tailwind.config = {}</script>",
            "<style type=\"text/tailwindcss\">@tailwind base;</style>",
            "<p class=\"bg-blue-500 bg-opacity-50\">",
        ] {
            assert_eq!(Version::of(three), Version::Three, "{three}");
        }
        for four in [
            "<script src=\"https://cdn.jsdelivr.net/npm/@tailwindcss/browser@4\"></script>",
            "<style type=\"text/tailwindcss\">@theme { --color-x: red }</style>",
            "<p class=\"bg-linear-to-r bg-opacity-50\">",
            "<p class=\"p-4\">",
        ] {
            assert_eq!(Version::of(four), Version::Four, "{four}");
        }
    }
}
