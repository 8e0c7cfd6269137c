//! Looking into JSON of others: what is missing or of another kind is absent.

use serde_json::Value;

use super::Hit;

/// A text, if it is one and not blank.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// The entries of a list at this place; none where there is no list.
pub(super) fn list<'v>(value: &'v Value, place: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(place).and_then(Value::as_array).into_iter().flatten()
}

/// Width and height under these names.
pub(super) fn size(value: &Value, width: &str, height: &str) -> Option<(u32, u32)> {
    let number = |name: &str| {
        let value = value.get(name)?;
        let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
        u32::try_from(number).ok().filter(|number| *number > 0)
    };
    Some((number(width)?, number(height)?))
}

/// An address of the web.
pub(super) fn address(value: &Value, name: &str) -> Option<String> {
    web_address(&text(value, name)?)
}

/// A text, if it is an address of the web. Some leave out the scheme.
pub(super) fn web_address(text: &str) -> Option<String> {
    let text = if text.starts_with("//") { format!("https:{text}") } else { text.to_owned() };
    let url = url::Url::parse(&text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(text)
}

/// A hit whose title, address and snippet have these names.
pub(super) fn hit(value: &Value, title: &str, url: &str, snippet: &str) -> Option<Hit> {
    Some(Hit {
        title: text(value, title).unwrap_or_default(),
        url: address(value, url)?,
        snippet: text(value, snippet).unwrap_or_default(),
        date: None,
    })
}
