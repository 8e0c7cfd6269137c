//! Yahoo Finance: quotes, prices, companies, statements, options, news. It has no contract with anybody: addresses and forms
//! are those that its own pages use.

mod apis;
mod connection;
mod read;

use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use serde_json::Value;

use super::{Api, Data, DataError, DataSource, Given};
use connection::Connection;

pub(super) const NAME: &str = "yahoo_finance";

/// The source.
pub(super) struct Yahoo(Connection);

impl Yahoo {
    /// With its own addresses, or with one base for all of them.
    pub(super) fn new(base: Option<&str>) -> Self {
        Self(Connection::new(base))
    }

    /// The JSON of a path below which the symbol stands.
    async fn of_symbol(
        &self,
        path: &str,
        symbol: &str,
        query: &[(&str, String)],
        crumb: bool,
    ) -> Result<Value, DataError> {
        self.0.json(&[path, symbol], query, crumb).await
    }

    async fn ask(&self, api: &str, given: &Given) -> Result<Data, DataError> {
        let symbol = given.text("symbol").to_uppercase();
        match api {
            "quote" => {
                let symbols = given.text("symbols").to_uppercase().replace(' ', "");
                let answer = self.0.json(&["v7/finance/quote"], &[("symbols", symbols.clone())], true).await?;
                read::quotes(&answer, &symbols)
            }
            "history" => {
                let interval = given.get("interval").unwrap_or("1d").to_owned();
                let mut query = vec![("interval", interval.clone()), ("events", "div,split".to_owned())];
                query.extend(period(given)?);
                let answer = self.of_symbol("v8/finance/chart", &symbol, &query, false).await?;
                read::history(&answer, &symbol, &interval)
            }
            "dividends_and_splits" => {
                let range = given.get("range").unwrap_or("10y").to_owned();
                let query = [("interval", "1d".to_owned()), ("events", "div,split".to_owned()), ("range", range)];
                let answer = self.of_symbol("v8/finance/chart", &symbol, &query, false).await?;
                read::events(&answer, &symbol)
            }
            "profile" => {
                let modules = "assetProfile,price,summaryDetail,defaultKeyStatistics,financialData".to_owned();
                let query = [("modules", modules)];
                let answer = self.of_symbol("v10/finance/quoteSummary", &symbol, &query, true).await?;
                read::profile(&answer, &symbol)
            }
            "statements" => {
                let statement = given.get("statement").unwrap_or("income");
                let period = given.get("period").unwrap_or("annual");
                let names = read::statement_names(statement, period);
                let now = jiff::Timestamp::now().as_second();
                let query = [
                    ("type", names.join(",")),
                    // Long before the first that it has.
                    ("period1", "493590046".to_owned()),
                    ("period2", now.to_string()),
                ];
                let path = "ws/fundamentals-timeseries/v1/finance/timeseries";
                let answer = self.of_symbol(path, &symbol, &query, true).await?;
                read::statements(&answer, &symbol, statement, period)
            }
            "options" => {
                let mut query = Vec::new();
                if let Some(date) = given.get("expiration") {
                    query.push(("date", seconds(date, 0)?.to_string()));
                }
                let answer = self.of_symbol("v7/finance/options", &symbol, &query, true).await?;
                read::options(&answer, &symbol)
            }
            "news" | "search" => {
                let count = given.get("count").unwrap_or("10").to_owned();
                let none = "0".to_owned();
                let (quotes, news) = if api == "news" { (none, count) } else { (count, none) };
                let words = given.text("query").to_owned();
                let query = [("q", words.clone()), ("quotesCount", quotes), ("newsCount", news)];
                let answer = self.0.json(&["v1/finance/search"], &query, false).await?;
                if api == "news" { read::news(&answer, &words) } else { read::found(&answer, &words) }
            }
            other => Err(DataError::Call(format!("{NAME} has no API {other:?}"))),
        }
    }
}

impl DataSource for Yahoo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Prices, company figures and news of markets around the world, from Yahoo Finance. Prices may be delayed by 15 minutes or \
         more. Symbols are Yahoo's: AAPL, 0700.HK, ^GSPC, EURUSD=X, BTC-USD; the API search finds them."
    }

    fn apis(&self) -> &'static [Api] {
        apis::APIS
    }

    fn call<'a>(&'a self, api: &'a str, given: &'a Given) -> BoxFuture<'a, Result<Data, DataError>> {
        Box::pin(self.ask(api, given))
    }
}

/// The time that a history is wanted for: a range, or days from and to.
fn period(given: &Given) -> Result<Vec<(&'static str, String)>, DataError> {
    match (given.get("range"), given.get("start"), given.get("end")) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            Err(DataError::Call("give either range, or start and end".to_owned()))
        }
        (range, None, None) => Ok(vec![("range", range.unwrap_or("1mo").to_owned())]),
        (None, None, Some(_)) => Err(DataError::Call("start is missing: end alone says nothing".to_owned())),
        (None, Some(start), end) => {
            let from = seconds(start, 0)?;
            // The last day is meant to be part of it.
            let to = match end {
                Some(end) => seconds(end, 1)?,
                None => jiff::Timestamp::now().as_second(),
            };
            if from >= to {
                return Err(DataError::Call(format!("start {start} is not before the end")));
            }
            Ok(vec![("period1", from.to_string()), ("period2", to.to_string())])
        }
    }
}

/// Midnight (UTC) of a day, or so many days later, in seconds since 1970.
fn seconds(date: &str, days_later: i32) -> Result<i64, DataError> {
    let wrong = |_| DataError::Call(format!("{date:?} is no day, YYYY-MM-DD"));
    let day: Date = date.parse().map_err(wrong)?;
    let midnight: Zoned = day.checked_add(days_later.days()).map_err(wrong)?.to_zoned(TimeZone::UTC).map_err(wrong)?;
    Ok(midnight.timestamp().as_second())
}
