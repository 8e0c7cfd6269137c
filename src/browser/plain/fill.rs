//! Putting something into a field of a page, with the checks that a browser makes.

use super::document::Page;
use crate::browser::page;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// It stands there; what is said of it.
    Done(String),
    /// Enter was pressed after it, which sends the form.
    Entered,
}

/// What a field takes, where that is of one form.
const FORMS: &[(&str, &str)] = &[
    ("date", "YYYY-MM-DD"),
    ("time", "HH:MM"),
    ("datetime-local", "YYYY-MM-DDTHH:MM"),
    ("month", "YYYY-MM"),
    ("week", "YYYY-Www"),
    ("color", "#rrggbb"),
];

impl Page {
    /// Fills a field in. Files are given by those who can look at them.
    pub(super) fn fill(&mut self, at: usize, text: &str) -> Result<Filled, String> {
        self.can_be_changed(at)?;
        let node = &self.tree.nodes[at];
        let kind = if node.tag == "input" { node.word("type") } else { node.tag.clone() };
        match kind.as_str() {
            "select" => self.choose(at, text).map(Filled::Done),
            "checkbox" | "radio" => {
                let word = text.trim().to_ascii_lowercase();
                let on = matches!(word.as_str(), "true" | "on" | "yes" | "1" | "checked" | "x");
                if !on && !matches!(word.as_str(), "false" | "off" | "no" | "0" | "unchecked" | "") {
                    return Err("it wants true or false".to_owned());
                }
                if kind == "radio" && !on {
                    return Err("a radio button is switched off by choosing another".to_owned());
                }
                let before = self.check(at, on);
                Ok(Filled::Done(
                    match (before == on, on) {
                        (true, true) => "was checked already",
                        (true, false) => "was not checked",
                        (false, true) => "is checked now",
                        (false, false) => "is not checked any more",
                    }
                    .to_owned(),
                ))
            }
            "button" | "submit" | "reset" | "image" => Err("it is a button".to_owned()),
            "textarea" => {
                self.put(at, text)?;
                Ok(Filled::Done("is filled in".to_owned()))
            }
            _ if node.tag == "input" => self.fill_line(at, &kind, text),
            _ => Err("nothing can be typed into it without the page's scripts, which need a browser".to_owned()),
        }
    }

    /// Whether it takes anything.
    pub(super) fn can_be_changed(&self, at: usize) -> Result<(), String> {
        let node = &self.tree.nodes[at];
        if self.is_disabled(at) {
            return Err("it is disabled".to_owned());
        }
        if node.attribute("readonly").is_some() && matches!(node.tag.as_str(), "input" | "textarea") {
            return Err("it is read-only".to_owned());
        }
        Ok(())
    }

    /// Whether it, or the group that it lies in, is switched off.
    pub(super) fn is_disabled(&self, at: usize) -> bool {
        let off = |at: usize| self.tree.nodes[at].attribute("disabled").is_some();
        off(at) || self.tree.around(at).any(|up| self.tree.nodes[up].tag == "fieldset" && off(up))
    }

    fn fill_line(&mut self, at: usize, kind: &str, text: &str) -> Result<Filled, String> {
        let (line, enter) = match text.strip_suffix('\n') {
            Some(line) => (line, true),
            None => (text, false),
        };
        let line = line.replace(['\n', '\r'], " ");
        let value = match kind {
            "number" => {
                let number = line.trim();
                if !number.is_empty() && !number.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err("it takes numbers only".to_owned());
                }
                number.to_owned()
            }
            "range" => {
                let limit = |name: &str, default: f64| {
                    self.tree.nodes[at].attribute(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
                };
                let (least, most) = (limit("min", 0.0), limit("max", 100.0));
                let number = line.trim().parse::<f64>().ok().filter(|number| (least..=most).contains(number));
                number.ok_or_else(|| format!("it wants a number from {least} to {most}"))?.to_string()
            }
            _ => match FORMS.iter().find(|(known, _)| *known == kind) {
                Some((_, form)) if !line.trim().is_empty() => {
                    if !has_form(kind, line.trim()) {
                        return Err(format!("it wants {form}"));
                    }
                    line.trim().to_owned()
                }
                Some(_) => String::new(),
                None => line,
            },
        };
        self.put(at, &value)?;
        Ok(if enter { Filled::Entered } else { Filled::Done("is filled in".to_owned()) })
    }

    fn put(&mut self, at: usize, text: &str) -> Result<(), String> {
        let node = &mut self.tree_mut().nodes[at];
        let most = node.attribute("maxlength").and_then(|most| most.trim().parse::<usize>().ok());
        let has = text.encode_utf16().count();
        if let Some(most) = most.filter(|most| has > *most) {
            return Err(format!("it takes {most} characters at most, and these are {has}"));
        }
        node.value = Some(text.to_owned());
        Ok(())
    }

    /// Switches a box on or off and tells how it was.
    pub(super) fn check(&mut self, at: usize, on: bool) -> bool {
        let before = std::mem::replace(&mut self.tree_mut().nodes[at].checked, on);
        let node = &self.tree.nodes[at];
        if !on || node.word("type") != "radio" {
            return before;
        }
        let (name, form) = (node.attribute("name").unwrap_or_default().to_owned(), self.form_of(at));
        let others: Vec<usize> = (0..self.tree.nodes.len())
            .filter(|other| {
                let node = &self.tree.nodes[*other];
                *other != at && node.tag == "input" && node.word("type") == "radio" && node.checked
            })
            .filter(|other| self.tree.nodes[*other].attribute("name") == Some(name.as_str()))
            .filter(|other| !name.is_empty() && self.form_of(*other) == form)
            .collect();
        for other in others {
            self.tree_mut().nodes[other].checked = false;
        }
        before
    }

    /// Chooses among options: by their words, by their values, by their words whatever the case.
    fn choose(&mut self, at: usize, text: &str) -> Result<String, String> {
        let multiple = self.tree.nodes[at].attribute("multiple").is_some();
        let wanted: Vec<&str> = if multiple {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
        } else {
            vec![text.trim()]
        };
        let options: Vec<(usize, String)> =
            page::options(&self.tree, at).map(|option| (option, page::option_text(&self.tree, option))).collect();
        let mut found = Vec::new();
        for one in wanted {
            let fits = |fits: &dyn Fn(&(usize, String)) -> bool| options.iter().find(|option| fits(option));
            let option = fits(&|(_, words)| words == one)
                .or_else(|| fits(&|(option, _)| self.tree.nodes[*option].attribute("value") == Some(one)))
                .or_else(|| fits(&|(_, words)| words.to_lowercase() == one.to_lowercase()));
            let Some((option, words)) = option else {
                let known: Vec<&str> = options.iter().take(40).map(|(_, words)| words.as_str()).collect();
                return Err(format!("it has no option {one:?}; its options are: {}", known.join(" | ")));
            };
            if self.tree.nodes[*option].attribute("disabled").is_some() {
                return Err(format!("its option {one:?} is disabled"));
            }
            found.push((*option, words.clone()));
        }
        for (option, _) in &options {
            self.tree_mut().nodes[*option].selected = found.iter().any(|(chosen, _)| chosen == option);
        }
        let words: Vec<String> = found.into_iter().map(|(_, words)| words).collect();
        Ok(format!("chose {}", words.join(", ")))
    }
}

/// Whether a text is a value of that type.
fn has_form(kind: &str, text: &str) -> bool {
    let month = |text: &str| text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    let time = |text: &str| {
        matches!(text.len(), 5 | 8) && text.as_bytes()[2] == b':' && text.parse::<jiff::civil::Time>().is_ok()
    };
    let date = |text: &str| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    match kind {
        "date" => date(text),
        "time" => time(text),
        "datetime-local" => text.split_once('T').is_some_and(|(day, hour)| date(day) && time(hour)),
        "month" => month(text),
        "week" => text.split_once("-W").is_some_and(|(year, week)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            year.len() == 4
                && digits(year)
                && week.len() == 2
                && digits(week)
                && week.parse::<u8>().is_ok_and(|week| (1..=53).contains(&week))
        }),
        "color" => text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|byte| byte.is_ascii_hexdigit()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_form_are_told_from_others() {
        for (kind, right, wrong) in [
            ("date", "2024-02-29", "2023-02-29"),
            ("time", "23:59", "25:00"),
            ("datetime-local", "2024-02-29T08:00", "2024-02-29"),
            ("month", "2024-02", "2024-13"),
            ("week", "2024-W09", "2024-09"),
            ("color", "#00ff7F", "red"),
        ] {
            assert!(has_form(kind, right) && !has_form(kind, wrong), "{kind}");
        }
    }
}
