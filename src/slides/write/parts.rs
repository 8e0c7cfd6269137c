//! The parts that every deck has: theme, master, layouts, notes, properties.

use std::fmt::Write as _;

use super::xml::{HEAD, NAMES, escaped};

/// Small parts of the presentation, with the names of their kinds.
pub(super) const SMALL: [(&str, &str); 3] = [
    ("presProps", "<p:presentationPr NAMES/>"),
    ("viewProps", "<p:viewPr NAMES/>"),
    (
        "tableStyles",
        "<a:tblStyleLst xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         def=\"{5C22544A-7EE6-4342-B048-85BDC9FD1C3A}\"/>",
    ),
];

const NO_GROUP: &str = "<p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr><a:xfrm>\
     <a:off x=\"0\" y=\"0\"/><a:ext cx=\"0\" cy=\"0\"/><a:chOff x=\"0\" y=\"0\"/><a:chExt cx=\"0\" cy=\"0\"/></a:xfrm></p:grpSpPr>";

const COLOURS: &str = "bg1=\"lt1\" tx1=\"dk1\" bg2=\"lt2\" tx2=\"dk2\" accent1=\"accent1\" accent2=\"accent2\" \
     accent3=\"accent3\" accent4=\"accent4\" accent5=\"accent5\" accent6=\"accent6\" hlink=\"hlink\" folHlink=\"folHlink\"";

pub(super) fn core(title: &str) -> String {
    format!(
        "{HEAD}<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{}</dc:title><dc:creator>okcvm</dc:creator></cp:coreProperties>",
        escaped(title)
    )
}

pub(super) fn app(slides: usize) -> String {
    format!(
        "{HEAD}<Properties xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties\">\
         <Application>okcvm</Application><Slides>{slides}</Slides></Properties>"
    )
}

/// How text looks that says nothing of it, for nine levels.
pub(super) fn levels() -> String {
    let mut out = String::new();
    for level in 1..=9 {
        let _ = write!(
            out,
            "<a:lvl{level}pPr marL=\"{}\" algn=\"l\" defTabSz=\"914400\" rtl=\"0\" eaLnBrk=\"1\" latinLnBrk=\"0\" \
             hangingPunct=\"1\"><a:defRPr sz=\"1800\" kern=\"1200\"><a:solidFill><a:schemeClr val=\"tx1\"/></a:solidFill>\
             <a:latin typeface=\"+mn-lt\"/><a:ea typeface=\"+mn-ea\"/><a:cs typeface=\"+mn-cs\"/></a:defRPr></a:lvl{level}pPr>",
            (level - 1) * 457_200
        );
    }
    out
}

fn holder(id: u32, kind: &str, name: &str, place: &str, prompt: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name}\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr>\
         <p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr><p:txBody><a:bodyPr/><a:lstStyle/><a:p><a:r>\
         <a:rPr lang=\"en-US\"/><a:t>{prompt}</a:t></a:r></a:p></p:txBody></p:sp>"
    )
}

fn area(x: i64, y: i64, w: i64, h: i64) -> String {
    format!(
        "<a:xfrm><a:off x=\"{x}\" y=\"{y}\"/><a:ext cx=\"{w}\" cy=\"{h}\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>"
    )
}

pub(super) fn master(layouts: &[String]) -> String {
    let mut ids = String::new();
    for (at, layout) in layouts.iter().enumerate() {
        let _ = write!(ids, "<p:sldLayoutId id=\"{}\" r:id=\"{layout}\"/>", 2_147_483_649 + at as u64);
    }
    let title = holder(2, "type=\"title\"", "Title", &area(457_200, 274_638, 8_839_200, 1_000_000), "Title");
    let body = holder(3, "type=\"body\" idx=\"1\"", "Text", &area(457_200, 1_400_000, 8_839_200, 3_600_000), "Text");
    format!(
        "{HEAD}<p:sldMaster {NAMES}><p:cSld><p:bg><p:bgPr><a:solidFill><a:srgbClr val=\"FFFFFF\"/></a:solidFill><a:effectLst/>\
         </p:bgPr></p:bg><p:spTree>{NO_GROUP}{title}{body}</p:spTree></p:cSld><p:clrMap {COLOURS}/>\
         <p:sldLayoutIdLst>{ids}</p:sldLayoutIdLst><p:txStyles><p:titleStyle>{}</p:titleStyle><p:bodyStyle>{}</p:bodyStyle>\
         <p:otherStyle>{}</p:otherStyle></p:txStyles></p:sldMaster>",
        levels(),
        levels(),
        levels()
    )
}

pub(super) fn layout(titled: bool) -> String {
    let (kind, name, title) = if titled {
        ("titleOnly", "Title", holder(2, "type=\"title\"", "Title", "", "Title"))
    } else {
        ("blank", "Blank", String::new())
    };
    format!(
        "{HEAD}<p:sldLayout {NAMES} type=\"{kind}\" preserve=\"1\"><p:cSld name=\"{name}\"><p:spTree>{NO_GROUP}{title}</p:spTree>\
         </p:cSld><p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sldLayout>"
    )
}

const PICTURE_OF_SLIDE: &str = "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"Slide\"/><p:cNvSpPr><a:spLocks noGrp=\"1\" noRot=\"1\" \
     noChangeAspect=\"1\"/></p:cNvSpPr><p:nvPr><p:ph type=\"sldImg\"";

pub(super) fn notes_master() -> String {
    let body = holder(
        3,
        "type=\"body\" sz=\"quarter\" idx=\"3\"",
        "Notes",
        &area(685_800, 4_400_550, 5_486_400, 3_600_450),
        "Notes",
    );
    format!(
        "{HEAD}<p:notesMaster {NAMES}><p:cSld><p:bg><p:bgPr><a:solidFill><a:srgbClr val=\"FFFFFF\"/></a:solidFill><a:effectLst/>\
         </p:bgPr></p:bg><p:spTree>{NO_GROUP}{PICTURE_OF_SLIDE} idx=\"2\"/></p:nvPr></p:nvSpPr><p:spPr>{}<a:noFill/><a:ln \
         w=\"12700\"><a:solidFill><a:prstClr val=\"black\"/></a:solidFill></a:ln></p:spPr></p:sp>{body}</p:spTree></p:cSld>\
         <p:clrMap {COLOURS}/><p:notesStyle>{}</p:notesStyle></p:notesMaster>",
        area(685_800, 1_143_000, 5_486_400, 3_086_100),
        levels()
    )
}

pub(super) fn notes(notes: &str) -> String {
    let mut lines = String::new();
    for line in notes.lines() {
        let _ = write!(
            lines,
            "<a:p><a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>{}</a:t></a:r></a:p>",
            escaped(line.trim())
        );
    }
    format!(
        "{HEAD}<p:notes {NAMES}><p:cSld><p:spTree>{NO_GROUP}{PICTURE_OF_SLIDE}/></p:nvPr></p:nvSpPr><p:spPr/></p:sp><p:sp>\
         <p:nvSpPr><p:cNvPr id=\"3\" name=\"Notes\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr><p:ph type=\"body\" \
         idx=\"1\"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:lstStyle/>{lines}</p:txBody></p:sp></p:spTree></p:cSld>\
         <p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:notes>"
    )
}

pub(super) fn theme() -> String {
    let colours = [
        ("dk1", "000000"),
        ("lt1", "FFFFFF"),
        ("dk2", "1F2937"),
        ("lt2", "F3F4F6"),
        ("accent1", "2563EB"),
        ("accent2", "0D9488"),
        ("accent3", "D97706"),
        ("accent4", "DC2626"),
        ("accent5", "7C3AED"),
        ("accent6", "64748B"),
        ("hlink", "2563EB"),
        ("folHlink", "7C3AED"),
    ];
    let mut scheme = String::new();
    for (name, value) in colours {
        let _ = write!(scheme, "<a:{name}><a:srgbClr val=\"{value}\"/></a:{name}>");
    }
    let font = "<a:latin typeface=\"Arial\"/><a:ea typeface=\"\"/><a:cs typeface=\"\"/>";
    let plain = "<a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill>".repeat(3);
    let line =
        "<a:ln w=\"9525\"><a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill><a:prstDash val=\"solid\"/></a:ln>"
            .repeat(3);
    let effects = "<a:effectStyle><a:effectLst/></a:effectStyle>".repeat(3);
    format!(
        "{HEAD}<a:theme xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" name=\"okcvm\"><a:themeElements>\
         <a:clrScheme name=\"okcvm\">{scheme}</a:clrScheme><a:fontScheme name=\"okcvm\"><a:majorFont>{font}</a:majorFont>\
         <a:minorFont>{font}</a:minorFont></a:fontScheme><a:fmtScheme name=\"okcvm\"><a:fillStyleLst>{plain}</a:fillStyleLst>\
         <a:lnStyleLst>{line}</a:lnStyleLst><a:effectStyleLst>{effects}</a:effectStyleLst><a:bgFillStyleLst>{plain}\
         </a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>"
    )
}
