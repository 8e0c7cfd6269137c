//! Paragraphs and their runs.

use std::fmt::Write as _;

use super::rels::Rels;
use super::xml::{colour, emu, escaped, gradient, points};
use crate::slides::deck::{Align, Anchor, Mark, Paragraph, Run, Style, Text};

/// The attribute that says where text stands in its box.
pub(super) fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Top => "t",
        Anchor::Middle => "ctr",
        Anchor::Bottom => "b",
    }
}

/// The text of a shape.
pub(super) fn body(text: &Text, rels: &mut Rels) -> String {
    let wrap = if text.wraps { "square" } else { "none" };
    let vertical = if text.vertical { " vert=\"eaVert\"" } else { "" };
    format!(
        "<p:txBody><a:bodyPr{vertical} wrap=\"{wrap}\" lIns=\"0\" tIns=\"0\" rIns=\"0\" bIns=\"0\" rtlCol=\"0\" \
         anchor=\"{}\"><a:noAutofit/></a:bodyPr><a:lstStyle/>{}</p:txBody>",
        anchor(text.anchor),
        paragraphs(&text.paragraphs, rels)
    )
}

/// Paragraphs; an empty one where there are none.
pub(super) fn paragraphs(paragraphs: &[Paragraph], rels: &mut Rels) -> String {
    if paragraphs.is_empty() {
        return "<a:p><a:endParaRPr lang=\"en-US\" sz=\"100\"/></a:p>".to_owned();
    }
    paragraphs.iter().map(|one| paragraph(one, rels)).collect()
}

fn paragraph(paragraph: &Paragraph, rels: &mut Rels) -> String {
    let align = match paragraph.align {
        Align::Left => "l",
        Align::Centre => "ctr",
        Align::Right => "r",
        Align::Justify => "just",
    };
    let mut out = format!(
        "<a:p><a:pPr marL=\"{}\" indent=\"{}\"",
        emu(paragraph.margin).clamp(0, 51_206_400),
        emu(-paragraph.hanging).clamp(-51_206_400, 0)
    );
    if paragraph.level > 0 {
        let _ = write!(out, " lvl=\"{}\"", paragraph.level.min(8));
    }
    let _ = write!(out, " algn=\"{align}\"");
    if paragraph.rtl {
        out.push_str(" rtl=\"1\"");
    }
    out.push('>');
    match paragraph.pitch {
        Some(pitch) => {
            let _ = write!(out, "<a:lnSpc><a:spcPts val=\"{}\"/></a:lnSpc>", points(pitch).clamp(0, 158_400));
        }
        None => out.push_str("<a:lnSpc><a:spcPct val=\"100000\"/></a:lnSpc>"),
    }
    let _ = write!(out, "<a:spcBef><a:spcPts val=\"{}\"/></a:spcBef>", points(paragraph.before).clamp(0, 158_400));
    out.push_str("<a:spcAft><a:spcPts val=\"0\"/></a:spcAft>");
    match &paragraph.bullet {
        None => out.push_str("<a:buNone/>"),
        Some(bullet) => {
            if let Some(of) = bullet.colour {
                let _ = write!(out, "<a:buClr>{}</a:buClr>", colour(of));
            }
            let _ = match &bullet.mark {
                Mark::Character(mark) => {
                    write!(out, "<a:buFont typeface=\"Arial\"/><a:buChar char=\"{}\"/>", escaped(mark))
                }
                Mark::Number(scheme, 1) => {
                    write!(out, "<a:buFont typeface=\"+mj-lt\"/><a:buAutoNum type=\"{scheme}\"/>")
                }
                Mark::Number(scheme, number) => {
                    write!(out, "<a:buFont typeface=\"+mj-lt\"/><a:buAutoNum type=\"{scheme}\" startAt=\"{number}\"/>")
                }
            };
        }
    }
    out.push_str("</a:pPr>");
    for run in &paragraph.runs {
        pieces(run, rels, &mut out);
    }
    if let Some(last) = paragraph.runs.last() {
        out.push_str(&properties("a:endParaRPr", &Style { link: String::new(), ..last.style.clone() }, rels));
    }
    out + "</a:p>"
}

/// A run, cut where lines end by force.
fn pieces(run: &Run, rels: &mut Rels, out: &mut String) {
    for (number, piece) in run.text.split('\n').enumerate() {
        if number > 0 {
            let style = Style { link: String::new(), ..run.style.clone() };
            let _ = write!(out, "<a:br>{}</a:br>", properties("a:rPr", &style, rels));
        }
        if !piece.is_empty() {
            let look = properties("a:rPr", &run.style, rels);
            let _ = write!(out, "<a:r>{look}<a:t>{}</a:t></a:r>", escaped(piece));
        }
    }
}

fn properties(name: &str, style: &Style, rels: &mut Rels) -> String {
    let language = if style.language.is_empty() { "en-US" } else { &style.language };
    let mut out = format!("<{name} lang=\"{}\" sz=\"{}\"", escaped(language), points(style.size).clamp(100, 400_000));
    let _ = write!(out, " b=\"{}\" i=\"{}\"", u8::from(style.bold), u8::from(style.italic));
    if let Some(underline) = style.underline {
        let _ = write!(out, " u=\"{underline}\"");
    }
    if style.strike {
        out.push_str(" strike=\"sngStrike\"");
    }
    if style.spacing.abs() > 0.005 {
        let _ = write!(out, " spc=\"{}\"", points(style.spacing));
    }
    match style.script {
        1 => out.push_str(" baseline=\"30000\""),
        -1 => out.push_str(" baseline=\"-25000\""),
        _ => {}
    }
    out.push_str(" dirty=\"0\">");
    match &style.fill {
        Some(fill) => out.push_str(&gradient(fill)),
        None => {
            let _ = write!(out, "<a:solidFill>{}</a:solidFill>", colour(style.colour));
        }
    }
    if let (Some(_), Some(under)) = (style.underline, style.under) {
        let _ = write!(out, "<a:uFill><a:solidFill>{}</a:solidFill></a:uFill>", colour(under));
    }
    let (font, far) = (escaped(&style.font), escaped(&style.far));
    if !font.is_empty() {
        let far = if far.is_empty() { &font } else { &far };
        let _ = write!(out, "<a:latin typeface=\"{font}\"/><a:ea typeface=\"{far}\"/><a:cs typeface=\"{font}\"/>");
    }
    if !style.link.is_empty() {
        // With the colour of the text rather than that of the theme's links.
        let _ = write!(
            out,
            "<a:hlinkClick r:id=\"{}\"><a:extLst><a:ext uri=\"{{A12FA001-AC4F-418D-AE19-62706E023703}}\">\
             <ahyp:hlinkClr xmlns:ahyp=\"http://schemas.microsoft.com/office/drawing/2018/hyperlinkcolor\" val=\"tx\"/>\
             </a:ext></a:extLst></a:hlinkClick>",
            rels.link(&style.link)
        );
    }
    out + "</" + name + ">"
}
