//! What pages build of their own in place of the browser's controls, and how a model sees and uses it.

use serde_json::json;

use super::{index, machine_for, ok};
use crate::support::machine;
use crate::support::site::{Answer, Asked, Site};

const CONTROLS: &str = r##"<!doctype html><title>Controls</title><style>
.gone { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip: rect(0 0 0 0); }
.none { display: none }
.mark::after { content: "✓"; display: block; position: absolute; inset: 0; text-align: center }
.mark { position: relative; display: block; width: 80px; height: 40px }
.row { display: flex; gap: 9px }
.folded { height: 1px; overflow: hidden }
</style>
<button onclick="said.textContent='icon heard'" title="By icon"><svg width=40 height=40><rect width=40 height=40 /></svg></button>
<label for=a><span>Box A</span></label><input class=gone type=checkbox id=a>
<label><input class=none type=radio name=r id=b>Choice B</label>
<button class=mark onclick="said.textContent='mark heard'" aria-label="Marked"></button>
<ul role=tablist><li role=tab aria-selected=true><a tabindex=-1 href="#t">First tab</a></li></ul>
<div class=row><div>Left</div><div>Right</div></div>
<button id=nameless style="width:30px;height:30px"></button>
<label>Card <input placeholder="MM/YY"></label>
<div class=folded><a href="/x">folded away</a></div>
<input aria-label="Propose" id=propose> <output id=list></output> <output id=keys></output>
<p id=said>nothing</p>
<div style="height:2500px"></div><button onclick="said.textContent='far heard'; this.textContent='went'">far</button>
<div style="height:900px"></div>
<script>
let wait;
propose.oninput = () => { clearTimeout(wait); wait = setTimeout(() => { list.textContent = 'proposed for ' + propose.value }, 300); };
propose.onkeydown = event => { keys.textContent += event.code + '/' + event.keyCode + (event.shiftKey ? '+' : '') + ' '; };
</script>"##;

#[tokio::test(flavor = "multi_thread")]
async fn controls_that_a_page_draws_itself_are_seen_and_used() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/" => Answer::Html(CONTROLS.to_owned()),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x521) else { return };
    let page = machine.visit(&site.url("/")).await;
    let text = ok(&page);
    assert!(text.contains("By icon[0]"), "a picture is called by its name: {text}");
    assert!(text.contains("checkbox ☐] Box A") && text.contains("radio ☐] Choice B"), "{text}");
    assert!(text.contains("tab \"First tab\", selected") && !text.contains("link \"First tab\""), "{text}");
    assert!(text.contains("Left Right"), "{text}");
    assert!(text.contains("button (#nameless)"), "{text}");
    assert!(text.contains("textbox \"Card\", placeholder \"MM/YY\"") && text.contains("empty: \"MM/YY\""), "{text}");
    assert!(!text.contains("folded away"), "{text}");
    let page = machine.click(&page, "\"By icon\"").await;
    assert!(ok(&page).contains("icon heard"), "{}", page.output);
    let page = machine.click(&page, "\"Marked\"").await;
    assert!(ok(&page).contains("mark heard"), "what a style sheet draws covers nothing: {}", page.output);
    let page = machine.click(&page, "\"Box A\"").await;
    assert!(ok(&page).contains("checkbox \"Box A\", checked"), "{}", page.output);
    let page = machine.fill(&page, "\"Choice B\"", "on").await;
    assert!(ok(&page).contains("radio \"Choice B\", checked"), "{}", page.output);
    let page = machine.fill(&page, "\"Propose\"", "aZ ?9").await;
    assert!(ok(&page).contains("proposed for aZ ?9"), "{}", page.output);
    let keys = "KeyA/65 KeyZ/90+ Space/32 Slash/191+ Digit9/57";
    assert!(page.output.contains(keys), "{}", page.output);
    let page = machine.on_page("scroll_down", json!({"scroll_amount": 2400})).await;
    let page = machine.click(&page, "\"far\"").await;
    assert!(ok(&page).contains("\"went\""), "{}", page.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_table_keeps_its_head_and_a_long_text_stands_in_whole() {
    let rows: String = (0..200).map(|row| format!("<tr><td>name {row}</td><td>{}</td></tr>", row * 7)).collect();
    let words = "a sentence of some words. ".repeat(20);
    let html = format!(
        "<title>Long</title><p contenteditable aria-label=Text>{words}the end</p><table><thead><tr><th>Who</th><th>How many</th></tr></thead>\
         <tfoot><tr><td>all</td><td>the sum</td></tr></tfoot><tbody>{rows}</tbody></table>"
    );
    let site = Site::start(move |_: &Asked| Answer::Html(html.clone()));
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x522) else { return };
    let page = machine.visit(&site.url("/")).await;
    assert!(ok(&page).contains("| --- | --- |\n| name 0 | 0 |"), "no row without words: {}", page.output);
    assert!(page.output.contains("the end"), "{}", page.output);
    let page = machine.on_page("scroll_down", json!({"scroll_amount": 2000})).await;
    assert!(ok(&page).contains("| Who | How many |\n| --- | --- |\n| name "), "{}", page.output);
    assert!(!page.output.contains("| name 0 |"), "{}", page.output);
    let listed = index(&machine.on_page("scroll_up", json!({"scroll_amount": 9000})).await, "textbox \"Text\"");
    assert_eq!(listed, 0);
    machine.toolbox.close().await;
}
