//! Market data against a server of the shapes that Yahoo Finance has: what is asked, how answers are read, and what is told
//! of limits and errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okcvm::config::schema::SearchSection;
use serde_json::{Value, json};

use super::search::{json_answer, machine_of, ok, wrong};
use crate::support::machine;
use crate::support::site::{Answer, Asked, Site};

/// Yahoo Finance as its pages use it: cookie, crumb, and the shapes of its answers.
fn yahoo(asked: &Asked) -> Answer {
    let crumbed = asked.path.contains("crumb=c.r%2Fumb") && asked.header("cookie") == Some("A3=d1; B=2");
    let path = asked.path.split('?').next().unwrap_or_default();
    let chart = |closes: usize| {
        let stamps: Vec<i64> = (0..closes as i64).map(|day| 1_700_000_000 + day * 86_400).collect();
        let values: Vec<f64> = (0..closes).map(|day| 100.0 + day as f64).collect();
        json!({"chart": {"error": null, "result": [{
            "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York"},
            "timestamp": stamps,
            "events": {"dividends": {"1700000000": {"amount": 0.24, "date": 1_700_000_000}}},
            "indicators": {"quote": [{"open": values, "high": values, "low": values, "close": values, "volume": values}],
                "adjclose": [{"adjclose": values}]},
        }]}})
    };
    let value = match path {
        "/" => {
            let cookies =
                vec![("Set-Cookie", "A3=d1; Path=/; Secure".to_owned()), ("Set-Cookie", "B=2; HttpOnly".to_owned())];
            return Answer::Full("404 Not Found", cookies, Vec::new());
        }
        "/v1/test/getcrumb" => return Answer::Full("200 OK", Vec::new(), b"c.r/umb".to_vec()),
        "/v7/finance/quote" | "/v10/finance/quoteSummary/AAPL" | "/v7/finance/options/AAPL" if !crumbed => {
            let refused =
                json!({"finance": {"result": null, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}});
            return Answer::Full("401 Unauthorized", Vec::new(), refused.to_string().into_bytes());
        }
        "/v7/finance/quote" => json!({"quoteResponse": {"error": null, "result": [{
            "symbol": "AAPL", "shortName": "Apple Inc.", "regularMarketPrice": 190.5, "currency": "USD", "regularMarketTime": 1_700_000_000,
        }]}}),
        "/v8/finance/chart/AAPL" => chart(60),
        "/v8/finance/chart/LIMIT" => {
            return Answer::Full("429 Too Many Requests", Vec::new(), b"Too Many Requests".to_vec());
        }
        "/v8/finance/chart/SHORT" => {
            let why = "1m data not available for startTime=0";
            let refused =
                json!({"chart": {"result": null, "error": {"code": "Unprocessable Entity", "description": why}}});
            return Answer::Full("422 Unprocessable Entity", Vec::new(), refused.to_string().into_bytes());
        }
        "/v8/finance/chart/MOVED" => {
            let to = ("Location", "https://consent.yahoo.com/x".to_owned());
            return Answer::Full("302 Found", vec![to], Vec::new());
        }
        "/v8/finance/chart/HTML" => return Answer::Html("<p>consent".to_owned()),
        "/v10/finance/quoteSummary/AAPL" => json!({"quoteSummary": {"error": null, "result": [{
            "assetProfile": {"sector": "Technology", "longBusinessSummary": "Makes phones.", "fullTimeEmployees": 161_000,
                "companyOfficers": [{"name": "T. Cook", "title": "CEO", "age": 62, "totalPay": {"raw": 16, "fmt": "16"}}]},
            "price": {"longName": "Apple Inc.", "marketCap": {"raw": 3_000_000_000_000_i64, "fmt": "3T"}},
        }]}}),
        "/ws/fundamentals-timeseries/v1/finance/timeseries/AAPL" => json!({"timeseries": {"error": null, "result": [{
            "meta": {"type": ["annualTotalRevenue"]},
            "annualTotalRevenue": [
                {"asOfDate": "2022-09-30", "currencyCode": "USD", "reportedValue": {"raw": 394.3}},
                {"asOfDate": "2023-09-30", "currencyCode": "USD", "reportedValue": {"raw": 383.2}}, null],
        }]}}),
        "/v7/finance/options/AAPL" => json!({"optionChain": {"error": null, "result": [{
            "expirationDates": [1_700_179_200], "quote": {"regularMarketPrice": 190.5},
            "options": [{"expirationDate": 1_700_179_200, "calls": [{"contractSymbol": "C1", "strike": 190.0, "lastPrice": 2.5}], "puts": []}],
        }]}}),
        "/v1/finance/search" => json!({
            "quotes": [{"symbol": "0700.HK", "longname": "Tencent", "typeDisp": "Equity", "exchDisp": "HKSE"}],
            "news": [{"title": "News of the day", "publisher": "P", "link": "http://n.test/", "providerPublishTime": 1_700_000_000}],
        }),
        _ => {
            let none = json!({"chart": {"result": null, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}});
            return Answer::Full("404 Not Found", Vec::new(), none.to_string().into_bytes());
        }
    };
    json_answer(&value)
}

#[tokio::test(flavor = "multi_thread")]
async fn yahoo_finance_is_asked_with_cookie_and_crumb_and_long_answers_are_saved() {
    let site = Site::start(yahoo);
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &SearchSection::default(), &site);
    let ask = async |api: &str, params: Value| {
        let arguments = json!({"data_source_name": "yahoo_finance", "api_name": api, "params": params});
        machine.call("get_data_source", arguments).await
    };
    let described = machine.call("get_data_source_desc", json!({"data_source_name": "yahoo_finance"})).await;
    for api in ["quote", "history", "profile", "statements", "dividends_and_splits", "options", "news", "search"] {
        assert!(ok(&described).contains(&format!("\n## {api}\n")), "{}", described.output);
    }
    let ran = ask("quote", json!({"symbols": "aapl, NONE"})).await;
    let text = ok(&ran);
    assert!(text.contains("| AAPL | Apple Inc. | 190.5 | USD |"), "{text}");
    assert!(text.contains("2023-11-14 22:13 UTC") && text.contains("nothing was found for NONE"), "{text}");
    let ran = ask("history", json!({"symbol": "AAPL", "start": "2023-11-14", "end": "2024-02-01"})).await;
    let text = ok(&ran);
    let saved = format!("{}/data/aapl-history.csv", machine.mount);
    assert!(text.contains(&format!("All 60 rows are in {saved}.")) && text.contains("... 40 more rows ..."), "{text}");
    let csv = std::fs::read_to_string(machine.work().join("data/aapl-history.csv")).expect("file");
    assert!(csv.starts_with("date,open,high,low,close,volume,adjusted_close\n2023-11-14,100,"), "{csv}");
    assert_eq!((csv.lines().count(), ran.artifacts.len()), (61, 1));
    assert!(text.contains("| 2023-11-14 | 0.24 |"), "{text}");
    let asked = site.asked().into_iter().find(|asked| asked.path.starts_with("/v8/")).expect("a request");
    assert!(asked.path.contains("period1=1699747200&period2=1706918400"), "{}", asked.path);
    ok(&ask("history", json!({"symbol": "AAPL", "range": "3mo"})).await);
    assert!(machine.work().join("data/aapl-history-2.csv").is_file(), "nothing is replaced");
    for (api, params, words) in [
        ("profile", json!({"symbol": "AAPL"}), "sector: Technology"),
        ("profile", json!({"symbol": "AAPL"}), "market cap: 3000000000000"),
        ("statements", json!({"symbol": "AAPL"}), "| TotalRevenue | 394.3 | 383.2 |"),
        ("dividends_and_splits", json!({"symbol": "AAPL"}), "there were no splits in that time"),
        ("options", json!({"symbol": "AAPL"}), "expirations: 2023-11-17"),
        ("options", json!({"symbol": "AAPL"}), "| C1 | 190 | 2.5 |"),
        ("news", json!({"query": "AAPL"}), "News of the day"),
        ("search", json!({"query": "tencent", "count": 5}), "| 0700.HK | Tencent | Equity | HKSE |"),
    ] {
        let ran = ask(api, params).await;
        assert!(ok(&ran).contains(words), "{api}: {}", ran.output);
    }
    let crumbs = site.asked().iter().filter(|asked| asked.path == "/v1/test/getcrumb").count();
    assert_eq!(crumbs, 1, "cookie and crumb are fetched once");
    for (api, params, words) in [
        ("history", json!({"symbol": "NOPE"}), "No data found, symbol may be delisted"),
        ("history", json!({"symbol": "LIMIT"}), "limits how often it is asked"),
        ("history", json!({"symbol": "HTML"}), "a web page in place of JSON"),
        ("history", json!({"symbol": "SHORT", "interval": "1m", "range": "1mo"}), "describes the APIs"),
        ("history", json!({"symbol": "MOVED"}), "consent.yahoo.com, which asks a person for consent"),
        ("options", json!({"symbol": "AAPL", "expiration": "2023-11-18"}), "there are: 2023-11-17"),
        ("history", json!({"symbol": "A", "range": "3 weeks", "colour": "red"}), "has no parameter \"colour\""),
        ("history", json!({"symbol": "A", "range": "3 weeks"}), "range is \"3 weeks\", and must be one of 1d, 5d"),
        ("history", json!({"symbol": "A", "range": "1d", "start": "2024-01-01"}), "either range, or start and end"),
        ("history", json!({"symbol": "A", "start": "2024-02-01", "end": "2024-01-01"}), "is after the end"),
        ("history", json!({}), "symbol is missing"),
        ("prices", json!({}), "has no API \"prices\"; it has: quote, history"),
    ] {
        let ran = ask(api, params).await;
        assert!(wrong(&ran).contains(words), "{api}: {}", ran.output);
    }
    let unknown = json!({"data_source_name": "bloomberg", "api_name": "quote", "params": {}});
    assert!(wrong(&machine.call("get_data_source", unknown).await).contains("there is no data source \"bloomberg\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crumb_that_is_no_longer_taken_is_fetched_once_more_and_limits_are_told_as_such() {
    // Each crumb is another one; only the second is taken.
    let (crumbs, step) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let at = Arc::clone(&step);
    let site = Site::start(move |asked: &Asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        let cookie = vec![("Set-Cookie", "A3=d1".to_owned())];
        let limited = || Answer::Full("429 Too Many Requests", Vec::new(), b"Edge: Too Many Requests".to_vec());
        match (path, at.load(Ordering::SeqCst)) {
            ("/", 2) => Answer::Full("200 OK", Vec::new(), Vec::new()),
            ("/", 3) | ("/v1/test/getcrumb", 4) => limited(),
            ("/", _) => Answer::Full("200 OK", cookie, Vec::new()),
            ("/v1/test/getcrumb", 5) => Answer::Full("200 OK", Vec::new(), b"Too Many Requests".to_vec()),
            ("/v1/test/getcrumb", _) => {
                let number = crumbs.fetch_add(1, Ordering::SeqCst) + 1;
                Answer::Full("200 OK", Vec::new(), format!("crumb{number}").into_bytes())
            }
            (_, 6) => Answer::Full("500 Internal Server Error", Vec::new(), Vec::new()),
            _ if asked.path.contains("crumb=crumb2") => yahoo_quote(),
            _ => Answer::Full("401 Unauthorized", Vec::new(), b"{}".to_vec()),
        }
    });
    let folder = machine::folder();
    let arguments = json!({"data_source_name": "yahoo_finance", "api_name": "quote", "params": {"symbols": "AAPL"}});
    let machine = machine_of(folder.path(), &SearchSection::default(), &site);
    let ran = machine.call("get_data_source", arguments.clone()).await;
    assert!(ok(&ran).contains("| AAPL |"), "{}", ran.output);
    let fetched = |path: &str| site.asked().iter().filter(|asked| asked.path == path).count();
    assert_eq!(fetched("/v1/test/getcrumb"), 2);
    for (number, words) in [
        (2, "gave no cookie (status 200 OK)"),
        (3, "limits how often it is asked"),
        (4, "limits how often it is asked"),
        (5, "limits how often it is asked"),
        (6, "500 Internal Server Error"),
    ] {
        step.store(number, Ordering::SeqCst);
        let folder = machine::folder();
        let fresh = machine_of(folder.path(), &SearchSection::default(), &site);
        let before = site.asked().len();
        let ran = fresh.call("get_data_source", arguments.clone()).await;
        assert!(wrong(&ran).contains(words), "{number}: {}", ran.output);
        assert!(site.asked().len() - before <= 3, "{number}: no request without end");
    }
}

fn yahoo_quote() -> Answer {
    json_answer(&json!({"quoteResponse": {"error": null, "result": [{"symbol": "AAPL", "regularMarketPrice": 1.5}]}}))
}
