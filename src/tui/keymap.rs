//! Which chord means what, where: the table's keys, with the configuration's over them.

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::KeyEvent;

use super::TuiError;
use super::action::{Action, Scope, TABLE};
use super::chord::Chord;

/// Chords and their meanings.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: HashMap<(Scope, Chord), Action>,
    /// The chords of each action, the one to show first.
    chords: HashMap<Action, Vec<Chord>>,
}

impl Keymap {
    /// The table's keys with `overrides` (action name to chords) over them.
    pub fn load(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, TuiError> {
        let wrong = |name: &str, message: String| TuiError::Keys { path: format!("ui.keys.{name}"), message };
        for name in overrides.keys() {
            if Action::parse(name).is_none() {
                let near = TABLE
                    .iter()
                    .map(|row| row.name)
                    .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
                let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                return Err(wrong(name, format!("there is no action of that name{near}")));
            }
        }
        let mut map = Self { bindings: HashMap::new(), chords: HashMap::new() };
        for row in TABLE {
            let chords = match overrides.get(row.name) {
                Some(texts) => {
                    let chords: Result<Vec<_>, _> = texts.iter().map(|text| Chord::parse(text)).collect();
                    chords.map_err(|message| wrong(row.name, message))?
                }
                None => row.keys.iter().filter_map(|text| Chord::parse(text).ok()).collect(),
            };
            if chords.is_empty() && row.action == Action::Cancel {
                return Err(wrong(row.name, "needs a key: it is the one that always works".to_owned()));
            }
            for chord in &chords {
                if chord.is_text() && matches!(row.scope, Scope::Global | Scope::Composer) {
                    return Err(wrong(row.name, format!("{chord} is a letter that the composer needs")));
                }
                if let Some(other) = map.bindings.insert((row.scope, *chord), row.action) {
                    let other = other.row().name;
                    return Err(wrong(row.name, format!("{chord} already means {other} there; rebind {other} too")));
                }
            }
            map.chords.insert(row.action, chords);
        }
        Ok(map)
    }

    /// What a key means in a scope.
    pub fn resolve(&self, scope: Scope, key: KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        scope.chain().iter().find_map(|scope| self.bindings.get(&(*scope, chord)).copied())
    }

    /// The chord of an action that hints show.
    pub fn chord(&self, action: Action) -> Option<Chord> {
        self.chords.get(&action).and_then(|chords| chords.first()).copied()
    }

    /// All chords of an action, as text.
    pub fn all(&self, action: Action) -> String {
        let chords = self.chords.get(&action).map_or(&[][..], Vec::as_slice);
        chords.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn load(rows: &[(&str, &[&str])]) -> Result<Keymap, TuiError> {
        let rows =
            rows.iter().map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()));
        Keymap::load(&rows.collect())
    }

    #[test]
    fn the_table_has_no_conflict_and_every_key_in_it_parses() {
        load(&[]).expect("keymap");
        for row in TABLE {
            for key in row.keys {
                Chord::parse(key).expect(key);
            }
        }
    }

    #[test]
    fn a_nearer_scope_wins() {
        let map = load(&[]).expect("keymap");
        let n = KeyEvent::new(KeyCode::Char('n'), KeyModifiers::NONE);
        assert_eq!(map.resolve(Scope::Snapshots, n), Some(Action::Name));
        assert_eq!(map.resolve(Scope::Trace, n), Some(Action::SearchNext));
        assert_eq!(map.resolve(Scope::Composer, n), None);
        let f3 = KeyEvent::new(KeyCode::F(3), KeyModifiers::NONE);
        assert_eq!(map.resolve(Scope::Dialog, f3), Some(Action::ShowTrace));
        assert_eq!(map.resolve(Scope::Text, f3), None);
    }

    #[test]
    fn rebinding_replaces_the_keys_of_an_action() {
        let map = load(&[("palette", &["f9", "ctrl+k"])]).expect("keymap");
        assert_eq!(map.all(Action::Palette), "F9, Ctrl+K");
        let old = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL);
        assert_eq!(map.resolve(Scope::Composer, old), None);
    }

    #[test]
    fn wrong_bindings_say_where_and_what() {
        let message = |rows: &[(&str, &[&str])]| load(rows).expect_err("refused").to_string();
        assert_eq!(
            message(&[("palete", &["f9"])]),
            "ui.keys.palete: there is no action of that name; did you mean palette?"
        );
        assert!(message(&[("palette", &["hyper+x"])]).starts_with("ui.keys.palette: \"hyper+x\" is no key"));
        assert_eq!(
            message(&[("submit", &["ctrl+g"])]),
            "ui.keys.editor: Ctrl+G already means submit there; rebind submit too"
        );
        assert_eq!(message(&[("submit", &["x"])]), "ui.keys.submit: x is a letter that the composer needs");
        assert!(message(&[("cancel", &[])]).contains("needs a key"));
    }
}
