//! What Yahoo Finance can be asked.

use crate::data_source::{Api, Kind, Parameter};

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, required: true, about }
}

const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, required: false, about }
}

const SYMBOL: Parameter = required("symbol", Kind::Text, "The symbol, such as AAPL or 0700.HK.");
const RANGES: &[&str] = &["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"];
const INTERVALS: &[&str] = &["1m", "2m", "5m", "15m", "30m", "60m", "90m", "1h", "1d", "5d", "1wk", "1mo", "3mo"];

/// The table.
pub(super) const APIS: &[Api] = &[
    Api {
        name: "quote",
        about: "The latest price of one or more symbols with change, volume, day's and year's range, market value.",
        parameters: &[required("symbols", Kind::Words, "One or more symbols, with commas between.")],
        example: r#"{"symbols": "AAPL,MSFT"}"#,
    },
    Api {
        name: "history",
        about: "Prices over time: open, high, low, close, adjusted close, volume. Give range, or start and end.",
        parameters: &[
            SYMBOL,
            optional(
                "range",
                Kind::Choice(RANGES),
                "How far back from now; 1mo when nothing is given, 5d for minutes.",
            ),
            optional("start", Kind::Date, "The first day."),
            optional("end", Kind::Date, "The last day; today when left out."),
            optional(
                "interval",
                Kind::Choice(INTERVALS),
                "Time of one row; 1d when left out. Minutes go back some days only.",
            ),
        ],
        example: r#"{"symbol": "AAPL", "range": "6mo", "interval": "1d"}"#,
    },
    Api {
        name: "profile",
        about: "What a company is: business, sector, people, address, and its key figures.",
        parameters: &[SYMBOL],
        example: r#"{"symbol": "AAPL"}"#,
    },
    Api {
        name: "statements",
        about: "Financial statements over the last years or quarters.",
        parameters: &[
            SYMBOL,
            optional(
                "statement",
                Kind::Choice(&["income", "balance", "cash_flow"]),
                "Which one; income when left out.",
            ),
            optional("period", Kind::Choice(&["annual", "quarterly"]), "Of what time each is; annual when left out."),
        ],
        example: r#"{"symbol": "AAPL", "statement": "income", "period": "annual"}"#,
    },
    Api {
        name: "dividends_and_splits",
        about: "Dividends that were paid and splits that were made.",
        parameters: &[SYMBOL, optional("range", Kind::Choice(RANGES), "How far back; 10y when left out.")],
        example: r#"{"symbol": "AAPL", "range": "10y"}"#,
    },
    Api {
        name: "options",
        about: "Calls and puts of an expiration around the present price, and the list of expirations.",
        parameters: &[SYMBOL, optional("expiration", Kind::Date, "The day; the next one when left out.")],
        example: r#"{"symbol": "AAPL"}"#,
    },
    Api {
        name: "news",
        about: "The latest news about a symbol or words.",
        parameters: &[
            required("query", Kind::Text, "A symbol, a company, or words."),
            optional("count", Kind::Count(50), "How many; 10 when left out."),
        ],
        example: r#"{"query": "AAPL", "count": 10}"#,
    },
    Api {
        name: "search",
        about: "Symbols by the name of a company, fund, currency or index.",
        parameters: &[
            required("query", Kind::Text, "Words of the name."),
            optional("count", Kind::Count(50), "How many; 10 when left out."),
        ],
        example: r#"{"query": "Tencent", "count": 5}"#,
    },
];
