//! Formulas of Office files as LaTeX.

use super::xml::Element;

/// A formula, without the marks around it.
pub(super) fn latex(formula: Element<'_>) -> String {
    let out: String = formula.children().map(piece).collect();
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn group(parent: Element<'_>, name: &str) -> String {
    parent.child(name).map(latex).unwrap_or_default()
}

/// One part of a formula.
fn piece(element: Element<'_>) -> String {
    let property = |name: &str| {
        let properties = element.children().find(|child| child.name().ends_with("Pr"))?;
        properties.value(name)
    };
    let part = |name: &str| group(element, name);
    match element.name() {
        "r" => {
            let mut out = String::new();
            for text in element.children().filter(|e| e.is("t")) {
                text.text().chars().for_each(|c| sign(c, &mut out));
            }
            out
        }
        "f" => format!("\\frac{{{}}}{{{}}}", part("num"), part("den")),
        "sSup" => format!("{{{}}}^{{{}}}", part("e"), part("sup")),
        "sSub" => format!("{{{}}}_{{{}}}", part("e"), part("sub")),
        "sSubSup" => format!("{{{}}}_{{{}}}^{{{}}}", part("e"), part("sub"), part("sup")),
        "sPre" => format!("{{}}_{{{}}}^{{{}}}{{{}}}", part("sub"), part("sup"), part("e")),
        "rad" if part("deg").is_empty() => format!("\\sqrt{{{}}}", part("e")),
        "rad" => format!("\\sqrt[{}]{{{}}}", part("deg"), part("e")),
        "nary" => {
            let sign = match property("chr").unwrap_or("\u{222b}") {
                "\u{2211}" => "\\sum",
                "\u{220f}" => "\\prod",
                "\u{222c}" => "\\iint",
                "\u{222e}" => "\\oint",
                "\u{22c3}" => "\\bigcup",
                "\u{22c2}" => "\\bigcap",
                _ => "\\int",
            };
            let limit = |mark: char, limit: String| {
                if limit.is_empty() { limit } else { format!("{mark}{{{limit}}}") }
            };
            format!("{sign}{}{}{{{}}}", limit('_', part("sub")), limit('^', part("sup")), part("e"))
        }
        "d" => {
            let (open, close) = (property("begChr").unwrap_or("("), property("endChr").unwrap_or(")"));
            let inner: Vec<String> = element.children().filter(|e| e.is("e")).map(latex).collect();
            let bracket = |c: &str| match c {
                "" => ".".to_owned(),
                "{" | "}" => format!("\\{c}"),
                c => c.to_owned(),
            };
            format!("\\left{}{}\\right{}", bracket(open), inner.join(","), bracket(close))
        }
        "func" => {
            let name = part("fName");
            let known = ["sin", "cos", "tan", "log", "ln", "exp", "max", "min", "sinh", "cosh", "tanh"];
            let name = if known.contains(&name.trim()) { format!("\\{} ", name.trim()) } else { name };
            format!("{name}{{{}}}", part("e"))
        }
        "limLow" => format!("\\underset{{{}}}{{{}}}", part("lim"), part("e")),
        "limUpp" => format!("\\overset{{{}}}{{{}}}", part("lim"), part("e")),
        "bar" => format!("\\overline{{{}}}", part("e")),
        "acc" => {
            let mark = match property("chr").unwrap_or("\u{302}") {
                "\u{303}" => "tilde",
                "\u{304}" | "\u{305}" => "bar",
                "\u{307}" => "dot",
                "\u{308}" => "ddot",
                "\u{20d7}" => "vec",
                _ => "hat",
            };
            format!("\\{mark}{{{}}}", part("e"))
        }
        "m" => {
            let rows = element
                .children()
                .filter(|e| e.is("mr"))
                .map(|row| row.children().filter(|e| e.is("e")).map(latex).collect::<Vec<_>>().join(" & "));
            let rows = rows.collect::<Vec<_>>().join(" \\\\ ");
            format!("\\begin{{matrix}}{rows}\\end{{matrix}}")
        }
        "eqArr" => {
            let rows = element.children().filter(|e| e.is("e")).map(latex).collect::<Vec<_>>().join(" \\\\ ");
            format!("\\begin{{array}}{{c}}{rows}\\end{{array}}")
        }
        name if name.ends_with("Pr") => String::new(),
        _ => element.children().map(piece).collect(),
    }
}

/// One character; those that stand for commands get a space after them.
fn sign(c: char, out: &mut String) {
    const GREEK: [&str; 25] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    ];
    // Letters of the block for mathematics are letters.
    let plain = match c as u32 {
        code @ 0x1d434..=0x1d467 => {
            let at = (code - 0x1d434) as u8;
            char::from(if at < 26 { b'A' + at } else { b'a' + at - 26 })
        }
        _ => c,
    };
    let name = match plain {
        'α'..='ω' => GREEK.get(plain as usize - 'α' as usize).copied(),
        'Γ' => Some("Gamma"),
        'Δ' => Some("Delta"),
        'Θ' => Some("Theta"),
        'Λ' => Some("Lambda"),
        'Π' => Some("Pi"),
        'Σ' => Some("Sigma"),
        'Φ' => Some("Phi"),
        'Ψ' => Some("Psi"),
        'Ω' => Some("Omega"),
        '×' => Some("times"),
        '÷' => Some("div"),
        '±' => Some("pm"),
        '≤' => Some("leq"),
        '≥' => Some("geq"),
        '≠' => Some("neq"),
        '≈' => Some("approx"),
        '∞' => Some("infty"),
        '∂' => Some("partial"),
        '∇' => Some("nabla"),
        '∈' => Some("in"),
        '→' => Some("to"),
        '⇒' => Some("Rightarrow"),
        '⋅' | '·' => Some("cdot"),
        '…' => Some("ldots"),
        '∀' => Some("forall"),
        '∃' => Some("exists"),
        _ => None,
    };
    match name {
        Some(name) => {
            out.push('\\');
            out.push_str(name);
            out.push(' ');
        }
        None if "#$%&_{}".contains(plain) => {
            out.push('\\');
            out.push(plain);
        }
        None => out.push(plain),
    }
}
