//! The shapes of a slide.

use std::fmt::Write as _;

use super::rels::Rels;
use super::xml::{angle, colour, emu, escaped, fill, line, place, share};
use super::{media_name, table, text};
use crate::slides::deck::{Area, Deck, Fill, Form, Kind, Outline, Picture, Shadow, Shape, Slide, Step};

/// The tree of a slide's shapes.
pub(super) fn tree(deck: &Deck, slide: &Slide, rels: &mut Rels) -> String {
    let mut out = "<p:spTree><p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr>\
         <a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"0\" cy=\"0\"/><a:chOff x=\"0\" y=\"0\"/><a:chExt cx=\"0\" cy=\"0\"/>\
         </a:xfrm></p:grpSpPr>"
        .to_owned();
    for (at, shape) in slide.shapes.iter().enumerate() {
        out.push_str(&one(deck, shape, at + 2, rels));
    }
    out + "</p:spTree>"
}

fn one(deck: &Deck, shape: &Shape, id: usize, rels: &mut Rels) -> String {
    let (area, turn) = (shape.area, shape.turn);
    let alt = if shape.alt.is_empty() { String::new() } else { format!(" descr=\"{}\"", escaped(&shape.alt)) };
    let named = |name: &str| format!("<p:cNvPr id=\"{id}\" name=\"{}\"{alt}/>", escaped(name));
    match &shape.kind {
        Kind::Form(form) => format!(
            "<p:sp><p:nvSpPr>{}<p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr>{}{}{}{}{}</p:spPr></p:sp>",
            named(&format!("Shape {id}")),
            place("a:xfrm", area, turn),
            outline(&form.outline, area),
            fill(form.fill.as_ref()),
            line("a:ln", form.line.as_ref()),
            shadow(form, area)
        ),
        Kind::Text(words) => {
            let (name, marks) = if words.is_title {
                (
                    "Title".to_owned(),
                    "<p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr><p:ph type=\"title\"/></p:nvPr>",
                )
            } else {
                (format!("Text {id}"), "<p:cNvSpPr txBox=\"1\"/><p:nvPr/>")
            };
            format!(
                "<p:sp><p:nvSpPr>{}{marks}</p:nvSpPr><p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>\
                 <a:noFill/><a:ln><a:noFill/></a:ln></p:spPr>{}</p:sp>",
                named(&name),
                place("a:xfrm", area, turn),
                text::body(words, rels)
            )
        }
        Kind::Picture(picture) => format!(
            "<p:pic><p:nvPicPr>{}<p:cNvPicPr/><p:nvPr/></p:nvPicPr>{}<p:spPr>{}{}</p:spPr></p:pic>",
            named(&format!("Picture {id}")),
            blip(deck, picture, rels),
            place("a:xfrm", area, turn),
            outline(&picture.outline, area)
        ),
        Kind::Table(table) => format!(
            "<p:graphicFrame><p:nvGraphicFramePr>{}<p:cNvGraphicFramePr><a:graphicFrameLocks noGrp=\"1\"/>\
             </p:cNvGraphicFramePr><p:nvPr/></p:nvGraphicFramePr>{}<a:graphic><a:graphicData \
             uri=\"http://schemas.openxmlformats.org/drawingml/2006/table\">{}</a:graphicData></a:graphic></p:graphicFrame>",
            named(&format!("Table {id}")),
            place("p:xfrm", area, 0.0),
            table::xml(table, rels)
        ),
    }
}

fn blip(deck: &Deck, picture: &Picture, rels: &mut Rels) -> String {
    let name = |media: usize| format!("../media/{}", media_name(deck, media));
    let embed = rels.part("image", &name(picture.media));
    let alpha = if picture.alpha < 0.995 {
        format!("<a:alphaModFix amt=\"{}\"/>", share(picture.alpha))
    } else {
        String::new()
    };
    let drawing = picture.drawing.map_or_else(String::new, |drawing| {
        format!(
            "<a:extLst><a:ext uri=\"{{96DAC541-7B7A-43D3-8B79-37D633B846F1}}\"><asvg:svgBlip \
             xmlns:asvg=\"http://schemas.microsoft.com/office/drawing/2016/SVG/main\" r:embed=\"{}\"/></a:ext></a:extLst>",
            rels.part("image", &name(drawing))
        )
    });
    let [left, above, right, below] = picture.crop.map(share);
    let crop = if [left, above, right, below] == [0; 4] {
        String::new()
    } else {
        format!("<a:srcRect l=\"{left}\" t=\"{above}\" r=\"{right}\" b=\"{below}\"/>")
    };
    format!(
        "<p:blipFill><a:blip r:embed=\"{embed}\">{alpha}{drawing}</a:blip>{crop}<a:stretch><a:fillRect/></a:stretch></p:blipFill>"
    )
}

fn outline(outline: &Outline, area: Area) -> String {
    match outline {
        Outline::Rectangle => "<a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>".to_owned(),
        Outline::Ellipse => "<a:prstGeom prst=\"ellipse\"><a:avLst/></a:prstGeom>".to_owned(),
        Outline::Round(radius) => {
            let part = (radius / area.w.min(area.h).max(0.01)).clamp(0.0, 0.5);
            format!(
                "<a:prstGeom prst=\"roundRect\"><a:avLst><a:gd name=\"adj\" fmla=\"val {}\"/></a:avLst></a:prstGeom>",
                share(part)
            )
        }
        Outline::Path(steps) => {
            let point = |x: f64, y: f64| format!("<a:pt x=\"{}\" y=\"{}\"/>", emu(x), emu(y));
            let mut out = format!(
                "<a:custGeom><a:avLst/><a:gdLst/><a:ahLst/><a:cxnLst/><a:rect l=\"0\" t=\"0\" r=\"r\" b=\"b\"/><a:pathLst>\
                 <a:path w=\"{}\" h=\"{}\">",
                emu(area.w).max(1),
                emu(area.h).max(1)
            );
            for step in steps {
                let _ = match *step {
                    Step::Move(x, y) => write!(out, "<a:moveTo>{}</a:moveTo>", point(x, y)),
                    Step::Line(x, y) => write!(out, "<a:lnTo>{}</a:lnTo>", point(x, y)),
                    Step::Curve(points) => {
                        let [one, two, end] = [0, 2, 4].map(|at| point(points[at], points[at + 1]));
                        write!(out, "<a:cubicBezTo>{one}{two}{end}</a:cubicBezTo>")
                    }
                };
            }
            out + "<a:close/></a:path></a:pathLst></a:custGeom>"
        }
    }
}

fn shadow(form: &Form, area: Area) -> String {
    let Some(Shadow { x, y, blur, spread, colour: of }) = form.shadow.clone() else { return String::new() };
    // A box that lets light through would show its shadow through itself.
    if matches!(form.fill, None | Some(Fill::Plain(crate::slides::deck::Colour { alpha: ..0.3, .. }))) {
        return String::new();
    }
    let wider = |length: f64| share(((length + 2.0 * spread) / length.max(1.0)).clamp(0.1, 3.0));
    let size =
        if spread.abs() < 0.5 { String::new() } else { format!(" sx=\"{}\" sy=\"{}\"", wider(area.w), wider(area.h)) };
    format!(
        "<a:effectLst><a:outerShdw blurRad=\"{}\" dist=\"{}\" dir=\"{}\"{size} algn=\"ctr\" rotWithShape=\"0\">{}\
         </a:outerShdw></a:effectLst>",
        emu(blur),
        emu(x.hypot(y)),
        angle(y.atan2(x).to_degrees()),
        colour(of)
    )
}
