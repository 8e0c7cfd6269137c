//! Addresses that may be opened from the screen (OSC 8).
//!
//! Only checked addresses of the web become links: what a model writes must not make the terminal open a file or another
//! program. A cell of the screen has no room for an address, so each gets a number that travels in the cell's underline
//! colour, which the screen uses for nothing else; the backend turns it back into the address and writes the sequence.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use ratatui::style::{Color, Style};
use url::Url;

/// Longest address that is written; terminals drop longer ones.
const LONGEST: usize = 2_000;
/// Addresses that are kept; what comes after them is text only.
const MOST: usize = 16_384;

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<Arc<str>, u32>,
    addresses: Vec<Arc<str>>,
}

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);

/// An address as it is written: http or https, percent-encoded, without a user's name, which serves to deceive only.
pub fn checked(address: &str) -> Option<Url> {
    let url = Url::parse(address.trim()).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain = url.as_str().len() <= LONGEST && url.as_str().bytes().all(|byte| byte.is_ascii_graphic());
    let nobody = url.username().is_empty() && url.password().is_none();
    (web && plain && nobody).then_some(url)
}

/// The style, leading to this address if it is one that may be opened.
pub fn styled(style: Style, address: &str) -> Style {
    match checked(address).and_then(|url| number(url.as_str())) {
        Some(number) => style.underline_color(Color::from_u32(number)),
        None => style,
    }
}

fn number(address: &str) -> Option<u32> {
    let known = |table: &Table| table.numbers.get(address).copied();
    if let Some(number) = known(&TABLE.read().unwrap_or_else(PoisonError::into_inner)) {
        return Some(number);
    }
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(number) = known(&table) {
        return Some(number);
    }
    if table.addresses.len() >= MOST {
        return None;
    }
    let address: Arc<str> = address.into();
    table.addresses.push(Arc::clone(&address));
    let number = u32::try_from(table.addresses.len()).ok()?;
    table.numbers.insert(address, number);
    Some(number)
}

/// The number that a cell of this underline colour carries; nought for none.
pub fn number_in(colour: Color) -> u32 {
    match colour {
        // Larger numbers are those of pictures.
        Color::Rgb(r, g, b) if r < 0x80 => u32::from_be_bytes([0, r, g, b]),
        _ => 0,
    }
}

/// The address of a number.
pub fn address(number: u32) -> Option<Arc<str>> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    TABLE.read().unwrap_or_else(PoisonError::into_inner).addresses.get(at).cloned()
}

/// Where a link really leads, if its text names another place: the host to tell.
pub fn other_host(shown: &str, address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?.to_owned();
    let named = named_host(shown.trim())?;
    (!named.eq_ignore_ascii_case(&host)).then_some(host)
}

/// The host that a person reads in a text that looks like an address.
fn named_host(shown: &str) -> Option<&str> {
    let (scheme, rest) = shown.split_once("://").map_or((false, shown), |(_, rest)| (true, rest));
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    let host = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    // Without a scheme only what ends like a domain is one: `example.com`, not `version 2.0` and not `main.rs`.
    let last = host.rsplit_once('.').map(|(_, last)| last);
    let domain = last.is_some_and(|last| last.chars().count() >= 2 && last.chars().all(char::is_alphabetic))
        && !host.contains(char::is_whitespace);
    (scheme || domain).then_some(host)
}

/// Whether the terminal is known to take links. What stands in between must pass them on: tmux does so from 3.4 on.
pub fn supported(variable: impl Fn(&str) -> Option<String>) -> bool {
    let value = |name: &str| variable(name).unwrap_or_default();
    let number = |name: &str| value(name).parse::<u32>().unwrap_or(0);
    if !value("STY").is_empty() {
        return false;
    }
    let program = value("TERM_PROGRAM");
    if !value("TMUX").is_empty() {
        let version = value("TERM_PROGRAM_VERSION");
        let mut numbers = version.trim_start_matches("next-").split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        return program == "tmux" && (next(), next()) >= (3, 4);
    }
    let term = value("TERM");
    matches!(program.as_str(), "iTerm.app" | "WezTerm" | "vscode" | "ghostty" | "Hyper" | "rio" | "contour" | "zed")
        || number("VTE_VERSION") >= 5_000
        || ["KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "WEZTERM_PANE"]
            .iter()
            .any(|name| !value(name).is_empty())
        || ["xterm-kitty", "foot", "alacritty", "xterm-ghostty", "wezterm", "contour"]
            .iter()
            .any(|name| term.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_become_links() {
        for good in ["https://example.com", "http://127.0.0.1:8000/a?b=c#d", "HTTPS://EXAMPLE.com/ü x"] {
            let url = checked(good).expect(good);
            assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        }
        assert_eq!(checked("HTTPS://EXAMPLE.com/ü x").expect("link").as_str(), "https://example.com/%C3%BC%20x");
        let long = format!("https://example.com/{}", "x".repeat(LONGEST));
        for bad in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ssh://host/",
            "mailto:me@example.com",
            "/relative",
            "https://",
            "https://good.com@evil.com/",
            "",
            &long,
        ] {
            assert_eq!(checked(bad), None, "{bad}");
            assert_eq!(styled(Style::new(), bad), Style::new());
        }
        // Controls are taken out or encoded by the parser, never passed on.
        let url = checked("https://example.com/a\u{1b}]8;;\u{7}b\u{9c}\n").expect("link");
        assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }

    #[test]
    fn a_number_leads_back_to_its_address() {
        let style = styled(Style::new(), "https://example.com/one");
        let number = number_in(style.underline_color.expect("a number"));
        assert_eq!(address(number).as_deref(), Some("https://example.com/one"));
        assert_eq!(styled(Style::new(), "https://example.com/one"), style);
        assert_eq!(number_in(Color::Reset), 0);
        assert_eq!(address(0), None);
        assert_eq!(address(u32::MAX), None);
    }

    #[test]
    fn a_text_that_names_another_place_is_found_out() {
        let rows = [
            ("https://good.x", "https://evil.x/a", Some("evil.x")),
            ("good.com/login", "https://evil.x/", Some("evil.x")),
            ("https://good.com@evil.x/", "https://good.com@evil.x/", Some("evil.x")),
            ("https://\u{430}pple.com", "https://\u{430}pple.com", Some("xn--pple-43d.com")),
            ("https://good.com/a", "https://GOOD.com/b", None),
            ("good.com:8080", "http://good.com:9/", None),
            ("the docs", "https://evil.x/", None),
            ("version 2.0", "https://evil.x/", None),
            ("good.com", "mailto:me@evil.x", None),
        ];
        for (shown, address, expected) in rows {
            assert_eq!(other_host(shown, address).as_deref(), expected, "{shown} {address}");
        }
    }

    #[test]
    fn terminals_that_take_links_are_known_by_their_variables() {
        let with = |set: &'static [(&str, &str)]| {
            supported(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(!with(&[("TERM", "xterm-256color")]));
        assert!(with(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")]));
        assert!(with(&[("TERM", "xterm-kitty")]));
        assert!(with(&[("TERM_PROGRAM", "WezTerm")]));
        let tmux = |version| {
            supported(move |name| match name {
                "TMUX" => Some("/tmp/tmux-0/default,1,0".to_owned()),
                "TERM_PROGRAM" => Some("tmux".to_owned()),
                "TERM_PROGRAM_VERSION" => Some(str::to_owned(version)),
                // The outer terminal's own variables do not count.
                "VTE_VERSION" => Some("7600".to_owned()),
                _ => None,
            })
        };
        assert!(tmux("3.4") && tmux("3.5a") && tmux("next-3.6") && !tmux("3.3a") && !tmux(""));
        assert!(!with(&[("STY", "1.screen"), ("VTE_VERSION", "7600")]));
    }
}
