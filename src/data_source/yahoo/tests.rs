//! Days as exchanges count them, and tables from recorded shapes.

use serde_json::json;

use super::*;
use crate::data_source::{Data, checked};

fn given(api: &str, params: &Value) -> Result<Given, DataError> {
    let yahoo = Yahoo::new(None);
    checked(&yahoo, api, params.as_object().expect("an object"))
}

fn days(params: &Value) -> Days {
    Days::of(&given("history", params).expect("given"), "1mo").expect("days")
}

/// Seconds since 1970 of a moment.
fn at(moment: &str) -> i64 {
    moment.parse::<jiff::Timestamp>().expect("a moment").as_second()
}

fn chart(zone: &str, granularity: &str, stamps: &[i64], events: &Value) -> Value {
    let figures = |add: f64| -> Vec<f64> { (0..stamps.len()).map(|n| add + n as f64).collect() };
    let volumes: Vec<usize> = (0..stamps.len()).map(|n| 1000 + n).collect();
    json!({"chart": {"error": null, "result": [{
        "meta": {"currency": "AUD", "exchangeTimezoneName": zone, "dataGranularity": granularity},
        "timestamp": stamps,
        "events": events,
        "indicators": {
            "quote": [{"open": figures(10.0), "high": figures(20.0), "low": figures(5.0), "close": figures(15.0), "volume": volumes}],
            "adjclose": [{"adjclose": figures(14.0)}],
        },
    }]}})
}

fn rows<'d>(data: &'d Data, name: &str) -> Vec<Vec<&'d str>> {
    let found = data.tables.iter().find(|(known, _)| known == name);
    let (_, table) = found.unwrap_or_else(|| panic!("no {name} in {data:?}"));
    table.rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect()
}

#[test]
fn days_are_those_of_the_exchange() {
    let wanted = days(&json!({"symbol": "BHP.AX", "start": "2024-01-02", "end": "2024-01-31"}));
    let query = wanted.query().expect("query");
    let second = |name: &str| query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.parse::<i64>());
    // What Sydney calls a day begins thirteen or fourteen hours before that of Greenwich.
    assert!(second("period1").expect("there").expect("a number") <= at("2024-01-01T23:00:00Z"));
    assert!(second("period2").expect("there").expect("a number") >= at("2024-02-01T00:00:00Z"));
    let stamps =
        ["2023-12-31T23:00:00Z", "2024-01-01T23:00:00Z", "2024-01-30T23:00:00Z", "2024-01-31T23:00:00Z"].map(at);
    let events = json!({"dividends": {
        "1": {"amount": 0.5, "date": at("2024-01-01T23:00:00Z")},
        "2": {"amount": 0.7, "date": at("2024-01-31T23:00:00Z")},
    }});
    let answer = chart("Australia/Sydney", "1d", &stamps, &events);
    let data = read::history(&answer, "BHP.AX", "1d", &wanted).expect("data");
    let dates: Vec<&str> = rows(&data, "history").iter().map(|row| row[0]).collect();
    assert_eq!(dates, ["2024-01-02", "2024-01-31"]);
    assert_eq!(rows(&data, "dividends"), [["2024-01-02", "0.5"]]);
    assert!(data.notes.is_empty(), "{:?}", data.notes);
    let data = read::history(&answer, "BHP.AX", "1h", &Days::All).expect("data");
    assert_eq!(rows(&data, "history")[1][0], "2024-01-02 10:00+11:00");
}

#[test]
fn all_days_are_asked_for_by_time_and_rows_of_another_length_are_told() {
    let all = days(&json!({"symbol": "A", "range": "max"}));
    let query = all.query().expect("query");
    assert!(query[0] == ("period1", "-2208988800".to_owned()) && query[1].0 == "period2", "{query:?}");
    let stamps = ["2024-01-01T14:30:00Z", "2024-02-01T14:30:00Z"].map(at);
    let data = read::history(&chart("America/New_York", "1mo", &stamps, &Value::Null), "A", "1d", &all).expect("data");
    assert!(data.notes[0].starts_with("each row is 1mo and not 1d"), "{:?}", data.notes);
    assert_eq!(days(&json!({"symbol": "A"})), Days::Range("1mo".to_owned()));
    for wrong in [
        json!({"symbol": "A", "end": "2024-01-01"}),
        json!({"symbol": "A", "range": "1y", "start": "2024-01-01"}),
        json!({"symbol": "A", "start": "2024-01-02", "end": "2024-01-01"}),
    ] {
        let wrong = given("history", &wrong).expect("given");
        assert!(matches!(Days::of(&wrong, "1mo"), Err(DataError::Call(_))), "{wrong:?}");
    }
    let later = days(&json!({"symbol": "A", "start": "2999-01-01"}));
    assert!(matches!(later.query(), Err(DataError::Call(_))));
}

#[test]
fn the_price_of_now_belongs_to_the_row_of_its_time() {
    let stamps = ["2024-05-27T04:00:00Z", "2024-06-03T04:00:00Z", "2024-06-07T19:59:00Z"].map(at);
    let answer = chart("America/New_York", "1wk", &stamps, &Value::Null);
    let data = read::history(&answer, "A", "1wk", &Days::All).expect("data");
    let rows = rows(&data, "history");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[1], ["2024-06-03", "11", "22", "6", "17", "2003", "16"]);
    let apart = ["2024-05-31T20:00:00Z", "2024-06-03T13:30:00Z"].map(at);
    let answer = chart("America/New_York", "1mo", &apart, &Value::Null);
    let data = read::history(&answer, "A", "1mo", &Days::All).expect("data");
    assert_eq!(data.tables[0].1.rows.len(), 2);
}

#[test]
fn figures_of_single_precision_are_short_and_others_whole() {
    let mut answer = chart("UTC", "1d", &[at("2024-01-01T00:00:00Z")], &Value::Null);
    let quote = answer.pointer_mut("/chart/result/0/indicators/quote/0").expect("quote");
    quote["close"] = json!([107.910_003_662_109_38]);
    quote["open"] = json!([107.91]);
    quote["high"] = json!([null]);
    let data = read::history(&answer, "A", "1d", &Days::All).expect("data");
    assert_eq!(rows(&data, "history")[0], ["2024-01-01", "107.91", "", "5", "107.91", "1000", "14"]);
}

#[test]
fn options_are_of_the_day_that_was_asked_for() {
    let strikes: Vec<Value> = (0..60).map(|n| json!({"contractSymbol": format!("C{n}"), "strike": 100 + n})).collect();
    let answer = json!({"optionChain": {"result": [{
        "expirationDates": [at("2024-06-21T00:00:00Z"), at("2024-07-19T00:00:00Z")],
        "quote": {"regularMarketPrice": 130.5},
        "options": [{"expirationDate": at("2024-06-21T00:00:00Z"), "calls": strikes, "puts": []}],
    }]}});
    let data = read::options(&answer, "A", Some("2024-06-21")).expect("data");
    let shown = data.tables[0].1.to_markdown(20);
    assert!(shown.contains("| C31 | 131 |") && shown.contains("| C30 | 130 |") && !shown.contains("| C0 |"), "{shown}");
    let wrong = read::options(&answer, "A", Some("2024-06-20"));
    let Err(DataError::Call(why)) = wrong else { panic!("{wrong:?}") };
    assert!(why.ends_with("there are: 2024-06-21, 2024-07-19"), "{why}");
}

#[test]
fn parameters_are_what_they_have_to_be() {
    assert_eq!(
        given("quote", &json!({"symbols": ["AAPL", " MSFT "]})).expect("given").get("symbols"),
        Some("AAPL,MSFT")
    );
    for wrong in [json!({"symbols": []}), json!({}), json!({"symbols": ""})] {
        let wrong = given("quote", &wrong);
        assert!(matches!(&wrong, Err(DataError::Call(why)) if why.starts_with("symbols is missing")), "{wrong:?}");
    }
    let two = given("history", &json!({"symbol": ["A", "B"]}));
    assert!(matches!(&two, Err(DataError::Call(why)) if why.starts_with("symbol must be string")), "{two:?}");
    let long = given("news", &json!({"query": "x".repeat(501)}));
    assert!(
        matches!(&long, Err(DataError::Call(why)) if why.contains("at most 500 bytes") && why.len() < 300),
        "{long:?}"
    );
}
