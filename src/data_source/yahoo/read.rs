//! From Yahoo's JSON to tables. What is missing is an empty cell.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::{Number, Value};

use super::Days;
use crate::data_source::{Data, DataError, Table};

/// The lines of the statements, as the time series name them.
const INCOME: &[&str] = &[
    "TotalRevenue",
    "CostOfRevenue",
    "GrossProfit",
    "ResearchAndDevelopment",
    "SellingGeneralAndAdministration",
    "OperatingExpense",
    "OperatingIncome",
    "InterestExpense",
    "PretaxIncome",
    "TaxProvision",
    "NetIncome",
    "BasicEPS",
    "DilutedEPS",
    "DilutedAverageShares",
    "EBIT",
    "EBITDA",
];
const BALANCE: &[&str] = &[
    "TotalAssets",
    "CurrentAssets",
    "CashAndCashEquivalents",
    "CashCashEquivalentsAndShortTermInvestments",
    "AccountsReceivable",
    "Inventory",
    "NetPPE",
    "Goodwill",
    "TotalLiabilitiesNetMinorityInterest",
    "CurrentLiabilities",
    "AccountsPayable",
    "LongTermDebt",
    "TotalDebt",
    "NetDebt",
    "StockholdersEquity",
    "RetainedEarnings",
    "OrdinarySharesNumber",
    "WorkingCapital",
];
const CASH_FLOW: &[&str] = &[
    "OperatingCashFlow",
    "InvestingCashFlow",
    "FinancingCashFlow",
    "EndCashPosition",
    "CapitalExpenditure",
    "DepreciationAndAmortization",
    "StockBasedCompensation",
    "CashDividendsPaid",
    "RepurchaseOfCapitalStock",
    "IssuanceOfDebt",
    "RepaymentOfDebt",
    "FreeCashFlow",
];

/// The names of a statement's lines as they are asked for.
pub(super) fn statement_names(statement: &str, period: &str) -> Vec<String> {
    lines(statement).iter().map(|line| format!("{period}{line}")).collect()
}

fn lines(statement: &str) -> &'static [&'static str] {
    match statement {
        "balance" => BALANCE,
        "cash_flow" => CASH_FLOW,
        _ => INCOME,
    }
}

fn nothing(what: &str) -> DataError {
    DataError::Nothing(format!("Yahoo Finance has {what}; the API search finds symbols"))
}

/// A value as a cell: figures as they are, dates and texts too; `raw` of what is given twice.
fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(number)) => figure(number),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Object(object)) => cell(object.get("raw").or_else(|| object.get("fmt"))),
        _ => String::new(),
    }
}

/// A number in the shortest form: prices come as figures of single precision that were written with twice the digits.
fn figure(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && f64::from(value as f32).to_bits() == value.to_bits() => {
            (value as f32).to_string()
        }
        _ => number.to_string(),
    }
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    let seconds = value?.as_i64().or_else(|| value?.get("raw")?.as_i64())?;
    Timestamp::from_second(seconds).ok()
}

fn moment(value: Option<&Value>) -> String {
    time(value).map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// The day of a moment where it happened.
fn day(value: Option<&Value>, zone: &TimeZone) -> Option<Date> {
    Some(time(value)?.to_zoned(zone.clone()).date())
}

fn day_text(value: Option<&Value>, zone: &TimeZone) -> String {
    day(value, zone).map_or_else(String::new, |day| day.to_string())
}

fn list<'v>(value: &'v Value, place: &str) -> &'v [Value] {
    value.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Columns of a table: its name, and the field.
type Columns<'a> = &'a [(&'a str, &'a str)];

fn row(value: &Value, columns: Columns<'_>) -> Vec<String> {
    columns.iter().map(|(_, field)| cell(value.get(field))).collect()
}

fn named(columns: Columns<'_>) -> Table {
    Table::new(&columns.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}

pub(super) fn quotes(answer: &Value, wanted: &str) -> Result<Data, DataError> {
    const COLUMNS: Columns<'_> = &[
        ("symbol", "symbol"),
        ("name", "shortName"),
        ("price", "regularMarketPrice"),
        ("currency", "currency"),
        ("change", "regularMarketChange"),
        ("change_percent", "regularMarketChangePercent"),
        ("day_low", "regularMarketDayLow"),
        ("day_high", "regularMarketDayHigh"),
        ("volume", "regularMarketVolume"),
        ("year_low", "fiftyTwoWeekLow"),
        ("year_high", "fiftyTwoWeekHigh"),
        ("market_cap", "marketCap"),
        ("trailing_pe", "trailingPE"),
        ("exchange", "fullExchangeName"),
        ("market_state", "marketState"),
    ];
    let found = list(answer, "/quoteResponse/result");
    let mut table = named(COLUMNS);
    table.columns.push("time".to_owned());
    for quote in found {
        let mut row = row(quote, COLUMNS);
        row.push(moment(quote.get("regularMarketTime")));
        table.rows.push(row);
    }
    if table.rows.is_empty() {
        return Err(nothing(&format!("no quote of {wanted}")));
    }
    let known = |symbol: &&str| found.iter().any(|quote| cell(quote.get("symbol")).eq_ignore_ascii_case(symbol));
    let missing: Vec<&str> = wanted.split(',').filter(|symbol| !symbol.is_empty() && !known(symbol)).collect();
    let mut notes = Vec::new();
    if !missing.is_empty() {
        notes.push(format!("nothing was found for {}", missing.join(", ")));
    }
    Ok(Data {
        title: format!("Quotes of {wanted}"),
        tables: vec![("quote".to_owned(), table)],
        notes,
        ..Data::default()
    })
}

/// The one result of a chart.
fn chart<'v>(answer: &'v Value, symbol: &str) -> Result<&'v Value, DataError> {
    answer.pointer("/chart/result/0").ok_or_else(|| nothing(&format!("no prices of {symbol}")))
}

/// The time zone of the exchange, and its name.
fn zone_of(chart: &Value) -> (TimeZone, String) {
    let name = chart.pointer("/meta/exchangeTimezoneName").and_then(Value::as_str).unwrap_or("UTC");
    match TimeZone::get(name) {
        Ok(zone) => (zone, name.to_owned()),
        Err(_) => (TimeZone::UTC, format!("UTC, as {name} is not known on this machine")),
    }
}

pub(super) fn history(answer: &Value, symbol: &str, interval: &str, days: &Days) -> Result<Data, DataError> {
    let chart = chart(answer, symbol)?;
    let (zone, zone_name) = zone_of(chart);
    let within_day = interval.ends_with('m') || interval.ends_with('h');
    let series = |name: &str| list(chart, &format!("/indicators/quote/0/{name}"));
    let adjusted = list(chart, "/indicators/adjclose/0/adjclose");
    let names = ["open", "high", "low", "close", "volume"];
    let mut table = Table::new(&[if within_day { "time" } else { "date" }]);
    table.columns.extend(names.map(ToOwned::to_owned));
    if !adjusted.is_empty() {
        table.columns.push("adjusted_close".to_owned());
    }
    let mut bars: Vec<Bar> = Vec::new();
    for (at, stamp) in list(chart, "/timestamp").iter().enumerate() {
        let Some(time) = time(Some(stamp)) else { continue };
        let time = time.to_zoned(zone.clone());
        let mut figures: Vec<Option<Number>> =
            names.iter().map(|name| series(name).get(at).and_then(Value::as_number).cloned()).collect();
        if !adjusted.is_empty() {
            figures.push(adjusted.get(at).and_then(Value::as_number).cloned());
        }
        // A day on which nothing was traded has no figures.
        if days.holds(time.date()) && figures.iter().any(Option::is_some) {
            bars.push(Bar { time, figures });
        }
    }
    join_running(&mut bars, interval);
    table.rows.extend(bars.into_iter().map(|Bar { time, figures }| {
        let first = time.strftime(if within_day { "%Y-%m-%d %H:%M%:z" } else { "%Y-%m-%d" }).to_string();
        let figures = figures.iter().map(|number| number.as_ref().map_or_else(String::new, figure));
        std::iter::once(first).chain(figures).collect()
    }));
    if table.rows.is_empty() {
        return Err(nothing(&format!("no prices of {symbol} in that time")));
    }
    let currency = cell(chart.pointer("/meta/currency"));
    let facts = vec![("currency".to_owned(), currency), ("time zone".to_owned(), zone_name)];
    let mut tables = vec![("history".to_owned(), table)];
    tables.extend(events_of(chart, days).into_iter().filter(|(_, table)| !table.rows.is_empty()));
    let given = chart.pointer("/meta/dataGranularity").and_then(Value::as_str).unwrap_or(interval);
    let same = given == interval || matches!((given, interval), ("1h", "60m") | ("60m", "1h"));
    let notes = if same {
        Vec::new()
    } else {
        vec![format!("each row is {given} and not {interval}: for that time Yahoo gives no other; ask for less of it")]
    };
    Ok(Data { title: format!("Prices of {symbol}"), facts, tables, notes })
}

/// The prices of a time that begins then: open, high, low, close, volume, adjusted close.
struct Bar {
    time: Zoned,
    figures: Vec<Option<Number>>,
}

/// The latest price comes as a row of its own, though it belongs to the day, week or month of the row before.
fn join_running(bars: &mut Vec<Bar>, interval: &str) {
    let [.., before, last] = bars.as_slice() else { return };
    let (first, then) = (before.time.date(), last.time.date());
    let one = match interval {
        "1d" => first == then,
        "5d" => then < first.saturating_add(5.days()),
        "1wk" => then < first.saturating_add(1.week()),
        "1mo" => (first.year(), first.month()) == (then.year(), then.month()),
        "3mo" => then < first.saturating_add(3.months()),
        _ => false,
    };
    if !one {
        return;
    }
    let Some(last) = bars.pop() else { return };
    let Some(before) = bars.last_mut() else { return };
    if interval == "1d" {
        // The same day once more, and newer.
        before.figures = last.figures;
        return;
    }
    let chosen = |mine: &Option<Number>, new: Option<Number>, greater: bool| {
        let value = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        match (value(mine), value(&new)) {
            (Some(old), Some(fresh)) if (fresh > old) == greater => new,
            (None, _) => new,
            _ => mine.clone(),
        }
    };
    for (at, new) in last.figures.into_iter().enumerate() {
        let Some(mine) = before.figures.get_mut(at) else { break };
        let joined = match at {
            0 => mine.clone().or(new),
            1 => chosen(mine, new, true),
            2 => chosen(mine, new, false),
            4 => match (mine.as_ref().and_then(Number::as_u64), new.as_ref().and_then(Number::as_u64)) {
                (Some(before), Some(today)) => Some(before.saturating_add(today).into()),
                _ => new.or(mine.clone()),
            },
            _ => new.or(mine.clone()),
        };
        *mine = joined;
    }
}

fn events_of(chart: &Value, days: &Days) -> Vec<(String, Table)> {
    let (zone, _) = zone_of(chart);
    let each = |kind: &str| -> Vec<&Value> {
        let found = chart.pointer(&format!("/events/{kind}")).and_then(Value::as_object);
        let mut found: Vec<&Value> = found.map(|found| found.values().collect()).unwrap_or_default();
        found.retain(|event| day(event.get("date"), &zone).is_some_and(|day| days.holds(day)));
        found.sort_by_key(|event| event.get("date").and_then(Value::as_i64));
        found
    };
    let mut dividends = Table::new(&["date", "amount"]);
    let row = |event: &Value, figure: String| vec![day_text(event.get("date"), &zone), figure];
    dividends.rows = each("dividends").into_iter().map(|event| row(event, cell(event.get("amount")))).collect();
    let mut splits = Table::new(&["date", "ratio"]);
    let ratio = |event: &Value| {
        let told = cell(event.get("splitRatio"));
        if told.is_empty() {
            format!("{}:{}", cell(event.get("numerator")), cell(event.get("denominator")))
        } else {
            told
        }
    };
    splits.rows = each("splits").into_iter().map(|event| row(event, ratio(event))).collect();
    vec![("dividends".to_owned(), dividends), ("splits".to_owned(), splits)]
}

pub(super) fn events(answer: &Value, symbol: &str) -> Result<Data, DataError> {
    let chart = chart(answer, symbol)?;
    let (tables, empty): (Vec<_>, Vec<_>) =
        events_of(chart, &Days::All).into_iter().partition(|(_, table)| !table.rows.is_empty());
    let notes = empty.iter().map(|(name, _)| format!("there were no {name} in that time")).collect();
    let facts = vec![("currency".to_owned(), cell(chart.pointer("/meta/currency")))];
    Ok(Data { title: format!("Dividends and splits of {symbol}"), facts, tables, notes })
}

pub(super) fn profile(answer: &Value, symbol: &str) -> Result<Data, DataError> {
    const FACTS: Columns<'_> = &[
        ("name", "/price/longName"),
        ("short name", "/price/shortName"),
        ("exchange", "/price/exchangeName"),
        ("currency", "/price/currency"),
        ("sector", "/assetProfile/sector"),
        ("industry", "/assetProfile/industry"),
        ("employees", "/assetProfile/fullTimeEmployees"),
        ("website", "/assetProfile/website"),
        ("address", "/assetProfile/address1"),
        ("city", "/assetProfile/city"),
        ("country", "/assetProfile/country"),
        ("price", "/price/regularMarketPrice"),
        ("market cap", "/price/marketCap"),
        ("enterprise value", "/defaultKeyStatistics/enterpriseValue"),
        ("trailing P/E", "/summaryDetail/trailingPE"),
        ("forward P/E", "/summaryDetail/forwardPE"),
        ("price to book", "/defaultKeyStatistics/priceToBook"),
        ("dividend yield", "/summaryDetail/dividendYield"),
        ("beta", "/summaryDetail/beta"),
        ("shares outstanding", "/defaultKeyStatistics/sharesOutstanding"),
        ("revenue", "/financialData/totalRevenue"),
        ("profit margin", "/financialData/profitMargins"),
        ("return on equity", "/financialData/returnOnEquity"),
        ("debt to equity", "/financialData/debtToEquity"),
        ("free cash flow", "/financialData/freeCashflow"),
        ("target price (mean)", "/financialData/targetMeanPrice"),
        ("business", "/assetProfile/longBusinessSummary"),
    ];
    let result = answer.pointer("/quoteSummary/result/0").ok_or_else(|| nothing(&format!("no profile of {symbol}")))?;
    let facts: Vec<(String, String)> = FACTS
        .iter()
        .map(|(name, place)| ((*name).to_owned(), cell(result.pointer(place))))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    if facts.is_empty() {
        return Err(nothing(&format!("no profile of {symbol}")));
    }
    let mut officers = Table::new(&["name", "title", "age", "pay"]);
    officers.rows = list(result, "/assetProfile/companyOfficers")
        .iter()
        .map(|officer| row(officer, &[("", "name"), ("", "title"), ("", "age"), ("", "totalPay")]))
        .collect();
    let tables = if officers.rows.is_empty() { Vec::new() } else { vec![("officers".to_owned(), officers)] };
    Ok(Data { title: format!("Profile of {symbol}"), facts, tables, notes: Vec::new() })
}

pub(super) fn statements(answer: &Value, symbol: &str, statement: &str, period: &str) -> Result<Data, DataError> {
    let series = list(answer, "/timeseries/result");
    let mut dates: Vec<String> = Vec::new();
    let mut figures: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    let mut currency = String::new();
    for line in lines(statement) {
        let name = format!("{period}{line}");
        let values: Vec<(String, String)> = series
            .iter()
            .flat_map(|one| list(one, &format!("/{name}")))
            .filter_map(|value| {
                let date = value.get("asOfDate")?.as_str()?.to_owned();
                if currency.is_empty() {
                    currency = cell(value.get("currencyCode"));
                }
                Some((date, cell(value.get("reportedValue"))))
            })
            .collect();
        dates.extend(values.iter().map(|(date, _)| date.clone()));
        if !values.is_empty() {
            figures.push((line, values));
        }
    }
    dates.sort();
    dates.dedup();
    if figures.is_empty() {
        return Err(nothing(&format!("no {period} {statement} statement of {symbol}")));
    }
    let mut table = Table::new(&["line"]);
    table.columns.extend(dates.iter().cloned());
    for (line, values) in figures {
        let mut row = vec![line.to_owned()];
        row.extend(dates.iter().map(|date| {
            values.iter().find(|(known, _)| known == date).map(|(_, value)| value.clone()).unwrap_or_default()
        }));
        table.rows.push(row);
    }
    let facts = vec![("currency".to_owned(), currency), ("period".to_owned(), period.to_owned())];
    let tables = vec![(format!("{statement}-{period}"), table)];
    Ok(Data { title: format!("{statement} statement of {symbol}"), facts, tables, notes: Vec::new() })
}

pub(super) fn options(answer: &Value, symbol: &str, wanted: Option<&str>) -> Result<Data, DataError> {
    const COLUMNS: Columns<'_> = &[
        ("contract", "contractSymbol"),
        ("strike", "strike"),
        ("last", "lastPrice"),
        ("bid", "bid"),
        ("ask", "ask"),
        ("change", "change"),
        ("volume", "volume"),
        ("open_interest", "openInterest"),
        ("implied_volatility", "impliedVolatility"),
        ("in_the_money", "inTheMoney"),
    ];
    let chain = answer.pointer("/optionChain/result/0").ok_or_else(|| nothing(&format!("no options of {symbol}")))?;
    let expirations: Vec<String> =
        list(chain, "/expirationDates").iter().map(|date| day_text(Some(date), &TimeZone::UTC)).collect();
    let shown = chain.pointer("/options/0");
    let expiration = day_text(shown.and_then(|shown| shown.get("expirationDate")), &TimeZone::UTC);
    if let Some(wanted) = wanted.filter(|wanted| *wanted != expiration && !expirations.is_empty()) {
        let all = expirations.join(", ");
        return Err(DataError::Call(format!("no options of {symbol} end on {wanted}; there are: {all}")));
    }
    let price = chain.pointer("/quote/regularMarketPrice");
    let mut tables = Vec::new();
    for kind in ["calls", "puts"] {
        let mut table = named(COLUMNS);
        let rows = shown.map(|shown| list(shown, &format!("/{kind}"))).unwrap_or_default();
        table.rows = rows.iter().map(|contract| row(contract, COLUMNS)).collect();
        // Strikes far from the price are of little use.
        table.around = price.and_then(Value::as_f64).map(|price| {
            let below = |contract: &&Value| contract.get("strike").and_then(Value::as_f64).is_some_and(|at| at < price);
            rows.iter().filter(below).count()
        });
        tables.push((kind.to_owned(), table));
    }
    if expirations.is_empty() && tables.iter().all(|(_, table)| table.rows.is_empty()) {
        return Err(nothing(&format!("no options of {symbol}")));
    }
    let facts = vec![
        ("price of the underlying".to_owned(), cell(price)),
        ("expiration".to_owned(), expiration),
        ("expirations".to_owned(), expirations.join(", ")),
    ];
    Ok(Data { title: format!("Options of {symbol}"), facts, tables, notes: Vec::new() })
}

pub(super) fn news(answer: &Value, words: &str) -> Result<Data, DataError> {
    let mut table = Table::new(&["time", "publisher", "title", "url"]);
    table.rows = list(answer, "/news")
        .iter()
        .map(|item| {
            let text = |name: &str| cell(item.get(name));
            vec![moment(item.get("providerPublishTime")), text("publisher"), text("title"), text("link")]
        })
        .collect();
    if table.rows.is_empty() {
        return Err(DataError::Nothing(format!("Yahoo Finance has no news about {words:?}")));
    }
    let tables = vec![("news".to_owned(), table)];
    Ok(Data { title: format!("News about {words}"), tables, ..Data::default() })
}

pub(super) fn found(answer: &Value, words: &str) -> Result<Data, DataError> {
    const COLUMNS: Columns<'_> = &[
        ("symbol", "symbol"),
        ("name", "longname"),
        ("kind", "typeDisp"),
        ("exchange", "exchDisp"),
        ("sector", "sector"),
        ("industry", "industry"),
    ];
    let mut table = named(COLUMNS);
    for quote in list(answer, "/quotes").iter().filter(|quote| quote.get("symbol").is_some()) {
        let mut row = row(quote, COLUMNS);
        if row[1].is_empty() {
            row[1] = cell(quote.get("shortname"));
        }
        table.rows.push(row);
    }
    if table.rows.is_empty() {
        return Err(DataError::Nothing(format!("Yahoo Finance knows no symbol for {words:?}")));
    }
    let tables = vec![("symbols".to_owned(), table)];
    Ok(Data { title: format!("Symbols for {words}"), tables, ..Data::default() })
}
