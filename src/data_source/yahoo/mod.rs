//! Yahoo Finance: quotes, prices, companies, statements, options, news. It has no contract with anybody: addresses and forms
//! are those that its own pages use.

mod apis;
mod connection;
mod read;

use futures::future::BoxFuture;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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
                let days = Days::of(given, if interval.ends_with('m') { "5d" } else { "1mo" })?;
                let mut query = vec![("interval", interval.clone()), ("events", "div,split".to_owned())];
                query.extend(days.query()?);
                let answer = self.of_symbol("v8/finance/chart", &symbol, &query, false).await?;
                read::history(&answer, &symbol, &interval, &days)
            }
            "dividends_and_splits" => {
                let mut query = vec![("interval", "1d".to_owned()), ("events", "div,split".to_owned())];
                query.extend(Days::of(given, "10y")?.query()?);
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
                let wanted = given.get("expiration");
                let mut query = Vec::new();
                if let Some(date) = wanted {
                    query.push(("date", midnight(day(date)?)?.to_string()));
                }
                let answer = self.of_symbol("v7/finance/options", &symbol, &query, true).await?;
                read::options(&answer, &symbol, wanted)
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

/// The time that prices are wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// Back from now, in Yahoo's words.
    Range(String),
    /// All that there are.
    All,
    /// From a day on, to another one or to today, as the exchange counts them.
    From(Date, Option<Date>),
}

impl Days {
    fn of(given: &Given, unless_given: &str) -> Result<Self, DataError> {
        let (start, end) = (given.get("start").map(day).transpose()?, given.get("end").map(day).transpose()?);
        match (given.get("range"), start, end) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err(DataError::Call("give either range, or start and end".to_owned()))
            }
            // Asked for as a range, Yahoo makes months of all days.
            (Some("max"), None, None) => Ok(Self::All),
            (range, None, None) => Ok(Self::Range(range.unwrap_or(unless_given).to_owned())),
            (None, None, Some(_)) => Err(DataError::Call("start is missing: end alone says nothing".to_owned())),
            (None, Some(start), Some(end)) if start > end => {
                Err(DataError::Call(format!("start {start} is after the end {end}")))
            }
            (None, Some(start), end) => Ok(Self::From(start, end)),
        }
    }

    /// The same for a request. Yahoo counts in UTC, and its days begin up to 14 hours before and 12 after those.
    fn query(&self) -> Result<Vec<(&'static str, String)>, DataError> {
        let now = jiff::Timestamp::now().as_second();
        let (from, to) = match self {
            Self::Range(range) => return Ok(vec![("range", range.clone())]),
            Self::All => (midnight(jiff::civil::date(1900, 1, 1))?, now),
            Self::From(start, end) => {
                let end = end.map(|end| midnight(end.saturating_add(2.days()))).transpose()?;
                (midnight(start.saturating_sub(2.days()))?, end.unwrap_or(now).min(now))
            }
        };
        if from >= to {
            return Err(DataError::Call("start has not come yet".to_owned()));
        }
        Ok(vec![("period1", from.to_string()), ("period2", to.to_string())])
    }

    /// Whether a day of the exchange is wanted.
    fn holds(&self, day: Date) -> bool {
        match self {
            Self::Range(_) | Self::All => true,
            Self::From(start, end) => *start <= day && end.is_none_or(|end| day <= end),
        }
    }
}

fn day(text: &str) -> Result<Date, DataError> {
    text.parse().map_err(|_| DataError::Call(format!("{text:?} is no day, YYYY-MM-DD")))
}

/// Midnight (UTC) of a day in seconds since 1970.
fn midnight(day: Date) -> Result<i64, DataError> {
    let wrong = |_| DataError::Call(format!("{day} is no day that prices can be of"));
    Ok(day.to_zoned(TimeZone::UTC).map_err(wrong)?.timestamp().as_second())
}

#[cfg(test)]
mod tests;
