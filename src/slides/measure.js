// Measures every slide: what is painted, in its order, as boxes, texts, tables and pictures. Runs in a world of okcvm's own,
// in which the page has changed nothing; what it tells is checked all the same. `request` is put in front.
(() => {
  const round = (value) => Math.round(value * 100) / 100;
  const left = { elements: request.elements, characters: request.characters };
  const kept = [];
  const styles = [];
  const numbers = new Map();
  const fontsMissing = new Set();
  const shot = (element, own) => (kept.length < request.pictures && element.nodeType ? kept.push({ element, own }) - 1 : -1);

  // Colours, as [red, green, blue, alpha].
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const colours = new Map();
  const colour = (text) => {
    if (!text || text === "none") return null;
    let found = colours.get(text);
    if (found === undefined) {
      const plain = text.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
      if (plain) {
        found = [plain[1], plain[2], plain[3], plain[4] === undefined ? 1 : plain[4]].map(Number);
      } else {
        const share = text.match(/\/\s*([\d.]+)(%?)\s*\)$/);
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = "#000";
        brush.fillStyle = text.replace(/\s*\/\s*[\d.]+%?\s*\)$/, ")");
        brush.fillRect(0, 0, 1, 1);
        const [red, green, blue, opaque] = brush.getImageData(0, 0, 1, 1).data;
        found = [red, green, blue, share ? Number(share[1]) / (share[2] ? 100 : 1) : opaque / 255];
      }
      colours.set(text, found);
    }
    return found;
  };
  const seen = (value) => value && value[3] > 0.003;

  // Fonts: the first of a list that is there, by the width of a text.
  const pattern = "mmWwiIl10oO&@";
  const widths = new Map();
  const width = (family) => {
    let found = widths.get(family);
    if (found === undefined) {
      brush.font = "72px " + family;
      found = brush.measureText(pattern).width;
      widths.set(family, found);
    }
    return found;
  };
  const generic = new Set(["serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui", "ui-sans-serif", "ui-serif", "ui-monospace", "ui-rounded", "math", "emoji", "fangsong", "-apple-system", "BlinkMacSystemFont"]);
  const quoted = (name) => '"' + name.replace(/["\\]/g, "") + '"';
  const there = (name) => {
    const one = quoted(name);
    return width(one + ", monospace") !== width("monospace") || width(one + ", serif") !== width("serif");
  };
  const offices = [["Arial", "Arial"], ["Liberation Sans", "Arial"], ["Times New Roman", "Times New Roman"], ["Liberation Serif", "Times New Roman"], ["Courier New", "Courier New"], ["Liberation Mono", "Courier New"], ["DejaVu Sans", "Verdana"], ["DejaVu Serif", "Georgia"], ["DejaVu Sans Mono", "Courier New"], ["Noto Sans Mono", "Courier New"], ["Calibri", "Calibri"], ["Segoe UI", "Segoe UI"], ["Helvetica Neue", "Helvetica Neue"]];
  const renamed = new Map([["Liberation Sans", "Arial"], ["Nimbus Sans", "Arial"], ["Liberation Serif", "Times New Roman"], ["Nimbus Roman", "Times New Roman"], ["Liberation Mono", "Courier New"], ["Nimbus Mono PS", "Courier New"], ["DejaVu Sans", "Verdana"], ["DejaVu Serif", "Georgia"], ["DejaVu Sans Mono", "Courier New"], ["Noto Sans Mono", "Courier New"]]);
  const isEmoji = (name) => /emoji|symbol/i.test(name);
  const eastern = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|hiragino|pingfang|yahei|simsun|simhei|songti|kaiti|heiti|noto s\w+ (cjk|sc|tc|jp|kr|hk)|source han|yu gothic|yu mincho|meiryo|ms p?gothic|ms p?mincho|malgun|wenquanyi|microsoft jhenghei|fangsong|dengxian|nanum/i;
  const families = new Map();
  const family = (list, language) => {
    const key = list + "|" + language;
    let found = families.get(key);
    if (found) return found;
    const names = (list.match(/"[^"]*"|'[^']*'|[^,]+/g) || []).map((name) => name.trim().replace(/^["']|["']$/g, "")).filter(Boolean);
    let latin = null;
    for (const name of names) {
      if (isEmoji(name)) continue;
      if (generic.has(name)) {
        if (name.startsWith("ui-") || name.startsWith("-") || name === "BlinkMacSystemFont") {
          // Known to some browsers only.
          if (width(name + ", monospace") === width("monospace") && width(name + ", serif") === width("serif")) continue;
        }
        const wide = width(name);
        const same = offices.find(([known]) => there(known) && Math.abs(width(quoted(known)) - wide) < 0.5);
        latin = same ? same[1] : /mono/.test(name) ? "Courier New" : /serif/.test(name) && !/sans/.test(name) ? "Times New Roman" : "Arial";
        break;
      }
      if (there(name)) {
        latin = renamed.get(name) || name;
        break;
      }
      if (!eastern.test(name)) fontsMissing.add(name);
    }
    const named = names.find((name) => eastern.test(name));
    const far = named || (/^ja/i.test(language) ? "Yu Gothic" : /^ko/i.test(language) ? "Malgun Gothic" : /^zh-(tw|hk|hant)/i.test(language) ? "Microsoft JhengHei" : "Microsoft YaHei");
    found = { latin: latin || "Times New Roman", far };
    families.set(key, found);
    return found;
  };

  // Geometry: what was measured without the transforms of elements above goes through `map`.
  const upright = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0, turn: 0, size: 1 };
  const place = (map, x, y) => [map.a * x + map.c * y + map.e, map.b * x + map.d * y + map.f];
  const rect = (map, { x, y, width, height }) => {
    const [middle, centre] = place(map, x + width / 2, y + height / 2);
    const [w, h] = [width * map.size, height * map.size];
    return [round(middle - w / 2), round(centre - h / 2), round(w), round(h)];
  };
  const boundsOf = (rects) => {
    const x = Math.min(...rects.map((r) => r.x));
    const y = Math.min(...rects.map((r) => r.y));
    const right = Math.max(...rects.map((r) => r.x + r.width));
    const bottom = Math.max(...rects.map((r) => r.y + r.height));
    return { x, y, width: right - x, height: bottom - y };
  };

  // Splits at commas that stand in no brackets.
  const parts = (text) => {
    const found = [];
    let depth = 0;
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      if (text[at] === "(") depth++;
      else if (text[at] === ")") depth--;
      else if (text[at] === "," && depth === 0) {
        found.push(text.slice(from, at).trim());
        from = at + 1;
      }
    }
    found.push(text.slice(from).trim());
    return found;
  };
  const gradient = (text, box) => {
    const call = text.match(/^(repeating-)?(linear|radial|conic)-gradient\((.*)\)$/s);
    if (!call || call[1] || call[2] === "conic") return null;
    const args = parts(call[3]);
    let angle = 180;
    let space = "";
    if (!/^(#|rgb|hsl|ok|lab|lch|color|transparent|[a-z]+\s+[\d.]+%$)/.test(args[0]) || /^to /.test(args[0])) {
      let head = args.shift();
      const inside = head.match(/\bin\s+(\S+)/);
      if (inside) {
        space = inside[1];
        head = head.replace(inside[0], "").trim();
      }
      const degrees = head.match(/(-?[\d.]+)(deg|turn|rad|grad)/);
      if (degrees) angle = Number(degrees[1]) * { deg: 1, turn: 360, rad: 57.29578, grad: 0.9 }[degrees[2]];
      else if (/^to /.test(head)) {
        const side = { top: 0, right: 90, bottom: 180, left: 270 };
        const sides = head.slice(3).split(/\s+/);
        if (sides.length === 1) angle = side[sides[0]];
        else {
          const tilt = (Math.atan2(box.height, box.width) * 180) / Math.PI;
          const [down, right] = [sides.includes("bottom"), sides.includes("right")];
          angle = right ? (down ? 90 + (90 - tilt) : tilt) : down ? 180 + tilt : 270 + (90 - tilt);
          // Corner to corner is at right angles to the other diagonal.
          const across = (Math.atan2(box.width, box.height) * 180) / Math.PI;
          angle = right ? (down ? 180 - across : across) : down ? 180 + across : 360 - across;
          angle = right ? (down ? 90 + across : 90 - across) : down ? 270 - across : 270 + across;
        }
      }
    }
    const turn = (angle * Math.PI) / 180;
    const long = call[2] === "linear" ? Math.abs(box.width * Math.sin(turn)) + Math.abs(box.height * Math.cos(turn)) : Math.hypot(box.width, box.height) / 2;
    const stops = [];
    for (const arg of args) {
      const where = [...arg.matchAll(/\s(-?[\d.]+)(%|px)(?=\s|$)/g)].map((found) => (found[2] === "%" ? Number(found[1]) : (Number(found[1]) / Math.max(long, 1)) * 100));
      const text = arg.replace(/\s-?[\d.]+(%|px)(?=\s|$)/g, "").trim();
      const paint = /^-?[\d.]+(%|px)?$/.test(arg) ? null : colour(text);
      if (!paint) continue;
      if (!where.length) stops.push({ at: null, paint, text });
      for (const at of where) stops.push({ at, paint, text });
    }
    if (!stops.length) return null;
    if (stops[0].at === null) stops[0].at = 0;
    if (stops[stops.length - 1].at === null) stops[stops.length - 1].at = 100;
    for (let at = 1; at < stops.length; at++) {
      if (stops[at].at === null) {
        let next = at;
        while (stops[next].at === null) next++;
        const step = (stops[next].at - stops[at - 1].at) / (next - at + 1);
        stops[at].at = stops[at - 1].at + step;
      }
      stops[at].at = Math.max(stops[at].at, stops[at - 1].at);
    }
    // What is clear takes the colour beside it, as painting does it.
    stops.forEach((stop, at) => {
      if (stop.paint[3] === 0) {
        const near = stops[at + 1] || stops[at - 1];
        if (near) stop.paint = [near.paint[0], near.paint[1], near.paint[2], 0];
      }
    });
    const told = [];
    stops.forEach((stop, at) => {
      const next = stops[at + 1];
      told.push([round(stop.at), ...stop.paint]);
      if (/^ok/.test(space) && next && next.at - stop.at > 20 && stops.length === 2) {
        const between = colour(`color-mix(in ${space}, ${stop.text}, ${next.text})`);
        if (between && next.paint[3] === 1 && stop.paint[3] === 1) told.push([round((stop.at + next.at) / 2), ...between]);
      }
    });
    return { radial: call[2] === "radial", angle: ((angle % 360) + 360) % 360, stops: told.slice(0, 20) };
  };

  const shadows = (text) => {
    if (!text || text === "none") return [];
    return parts(text).map((part) => {
      const paint = colour((part.match(/^(\w+\([^)]*\)|#\w+|[a-z]+(?=\s))/) || [""])[0]);
      const numbers = (part.replace(/^\w+\([^)]*\)/, "").match(/-?[\d.]+px/g) || []).map(parseFloat);
      return { inset: /inset/.test(part), x: numbers[0] || 0, y: numbers[1] || 0, blur: numbers[2] || 0, spread: numbers[3] || 0, paint };
    }).filter((shadow) => seen(shadow.paint) && (shadow.x || shadow.y || shadow.blur || shadow.spread));
  };

  const radii = (style, box) => {
    const corner = (name) => {
      const [across, down] = style[name].split(" ");
      const size = (text, whole) => (text.endsWith("%") ? (parseFloat(text) / 100) * whole : parseFloat(text)) || 0;
      return [size(across, box.width), size(down === undefined ? across : down, box.height)];
    };
    const all = ["borderTopLeftRadius", "borderTopRightRadius", "borderBottomRightRadius", "borderBottomLeftRadius"].map(corner);
    const over = (first, second, axis, whole) => whole / Math.max(all[first][axis] + all[second][axis], 0.001);
    const share = Math.min(1, over(0, 1, 0, box.width), over(3, 2, 0, box.width), over(0, 3, 1, box.height), over(1, 2, 1, box.height));
    return all.map(([across, down]) => [round(across * share), round(down * share)]);
  };
  const borders = (style) => ["Top", "Right", "Bottom", "Left"].map((side) => {
    const [kind, wide, paint] = [style["border" + side + "Style"], parseFloat(style["border" + side + "Width"]), colour(style["border" + side + "Color"])];
    return kind === "none" || kind === "hidden" || !(wide > 0) || !seen(paint) ? null : { w: wide, c: paint, s: kind };
  });

  const styleNumber = (style) => {
    const key = JSON.stringify(style);
    let number = numbers.get(key);
    if (number === undefined) {
      number = styles.push(style) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  const links = /^(https?:|mailto:)/i;
  const lengthy = (text) => String(text || "").slice(0, 300);

  // The look of a piece of text.
  const look = (element, style, cx) => {
    const faces = family(style.fontFamily, element.closest("[lang]") ? element.closest("[lang]").getAttribute("lang") : "");
    let paint = colour(style.webkitTextFillColor || style.color);
    let fill = null;
    for (let up = element; up && up !== cx.slide.parentElement; up = up.parentElement) {
      const over = getComputedStyle(up);
      if (/text/.test(over.backgroundClip || over.webkitBackgroundClip || "")) {
        fill = gradient(parts(over.backgroundImage)[0], up.getBoundingClientRect());
        if (fill && paint[3] < 0.1) paint = [...fill.stops[0].slice(1, 4), 1];
        break;
      }
      if (getComputedStyle(up).display.startsWith("block") || up === cx.slide) break;
    }
    if (fill) cx.gradientText = true;
    let line = "";
    let stroke = null;
    let strike = false;
    for (let up = element; up && up !== cx.slide; up = up.parentElement) {
      const over = getComputedStyle(up);
      if (/underline/.test(over.textDecorationLine)) line = over.textDecorationStyle === "wavy" ? "wavy" : over.textDecorationStyle === "dotted" ? "dotted" : over.textDecorationStyle === "double" ? "dbl" : "sng";
      if (/underline/.test(over.textDecorationLine) && over.textDecorationColor !== over.color) stroke = colour(over.textDecorationColor);
      if (/line-through/.test(over.textDecorationLine)) strike = true;
      if (!over.display.startsWith("inline")) break;
    }
    const anchor = element.closest("a[href]");
    const href = anchor && links.test(anchor.href) ? anchor.href.slice(0, 2000) : "";
    const script = element.closest("sup") ? 1 : element.closest("sub") ? -1 : style.verticalAlign === "super" ? 1 : style.verticalAlign === "sub" ? -1 : 0;
    return {
      latin: faces.latin,
      far: faces.far,
      size: round(parseFloat(style.fontSize) * cx.map.size),
      bold: Number(style.fontWeight) >= 600,
      italic: style.fontStyle !== "normal",
      line,
      stroke: seen(stroke) ? stroke : null,
      strike,
      colour: [paint[0], paint[1], paint[2], round(paint[3] * cx.opacity)],
      fill,
      spacing: style.letterSpacing === "normal" ? 0 : round(parseFloat(style.letterSpacing) * cx.map.size),
      script,
      around: script ? round(parseFloat(getComputedStyle((element.closest("sup,sub") || element).parentElement).fontSize) * cx.map.size) : 0,
      href,
    };
  };

  const far = "\\u2e80-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff\\uff00-\\uffef\\u3000-\\u303f";
  const words = new RegExp(`[${far}]|[^\\s${far}]+|\\s+`, "gu");
  const range = document.createRange();
  const rectsOf = (node, from, to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    return [...range.getClientRects()].filter((r) => r.width > 0 || r.height > 0);
  };
  const transformed = (text, how) => (how === "uppercase" ? text.toUpperCase() : how === "lowercase" ? text.toLowerCase() : how === "capitalize" ? text.replace(/(^|[\s\-("“])(\p{L})/gu, (_, before, letter) => before + letter.toUpperCase()) : text);

  // A text node as pieces that stand in one line each.
  const pieces = (node, style) => {
    const raw = node.data;
    const keeps = /pre|break-spaces/.test(style.whiteSpace) && style.whiteSpace !== "pre-line";
    const lines = keeps || style.whiteSpace === "pre-line";
    const out = [];
    const whole = rectsOf(node, 0, raw.length);
    if (!whole.length) return out;
    const clean = (text) => transformed(keeps ? text.replace(/\r\n?/g, "\n") : text.replace(lines ? /[ \t\r\f]+/g : /[ \t\r\n\f]+/g, " "), style.textTransform);
    const same = whole.every((r) => Math.abs(r.top - whole[0].top) < 1);
    if (same && !(lines && raw.includes("\n"))) {
      const box = boundsOf(whole);
      const first = raw.search(/\S/);
      const cut = first < 0 ? null : raw.slice(first).match(new RegExp(`^([${far}]|[^\\s${far}]+)`, "u"));
      out.push({ text: clean(raw), box, first: cut ? () => boundsOf(rectsOf(node, first, first + cut[0].length)).width : () => 0 });
      return out;
    }
    let current = null;
    const put = (text, box) => {
      if (current && Math.abs(box.y + box.height / 2 - current.middle) < Math.max(box.height, 1) * 0.5) {
        current.text += text;
        current.box = boundsOf([current.box, box]);
      } else {
        current = { text, box, middle: box.y + box.height / 2, first: () => box.width };
        out.push(current);
      }
    };
    for (const found of raw.matchAll(words)) {
      if (left.characters-- < 0) break;
      const [from, to] = [found.index, found.index + found[0].length];
      if (lines && found[0].includes("\n")) {
        const many = found[0].split("\n");
        many.forEach((part, at) => {
          if (at > 0) {
            out.push({ text: "\n", hard: true });
            current = null;
          }
          if (part && keeps) {
            const start = from + many.slice(0, at).reduce((sum, one) => sum + one.length + 1, 0);
            const rects = rectsOf(node, start, start + part.length);
            if (rects.length) put(clean(part), boundsOf(rects));
          }
        });
        continue;
      }
      const rects = rectsOf(node, from, to);
      if (current && !keeps && /^\s/.test(found[0]) && (!rects.length || boundsOf(rects).width < 0.5)) {
        current.text += " ";
        continue;
      }
      if (!rects.length) {
        if (current && /^\s/.test(found[0])) current.text += " ";
        continue;
      }
      if (rects.length > 1 && rects.some((r) => Math.abs(r.top - rects[0].top) > 1)) {
        // A word that is broken.
        let at = from;
        for (const letter of found[0]) {
          const one = rectsOf(node, at, at + letter.length);
          if (one.length) put(clean(letter), one[one.length - 1]);
          at += letter.length;
        }
        continue;
      }
      put(clean(found[0]), boundsOf(rects));
    }
    return out;
  };

  const isInline = (style) => style.display === "inline" || style.display === "contents" || style.display === "ruby" || style.display === "inline ruby";
  const outOfFlow = (style) => style.position === "absolute" || style.position === "fixed" || style.float !== "none";
  const graphic = new Set(["IMG", "SVG", "CANVAS", "VIDEO", "IFRAME", "OBJECT", "EMBED", "AUDIO", "MATH", "METER", "PROGRESS", "INPUT", "SELECT", "TEXTAREA"]);
  const skipped = new Set(["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT", "HEAD", "LINK", "META", "TITLE", "BR", "WBR", "DATALIST", "PARAM", "SOURCE", "TRACK", "COLGROUP", "COL"]);
  const nameOf = (element) => element.tagName.toUpperCase();

  const plainStyle = (style) => Object.fromEntries(["fontFamily", "fontSize", "fontWeight", "fontStyle", "color", "webkitTextFillColor", "letterSpacing", "verticalAlign", "textTransform"].map((name) => [name, style[name]]));

  // Lines of an inline run of leaves become one text item, or one for each piece where other boxes stand in between.
  const textItems = (leaves, block, style, cx, marker) => {
    const lines = [];
    let line = null;
    let split = false;
    let capital = null;
    let letter = getComputedStyle(block, "::first-letter");
    if (parseFloat(letter.fontSize) <= parseFloat(style.fontSize) * 1.2 || !leaves.some((leaf) => leaf.node === block.firstChild)) letter = null;
    for (const leaf of leaves) {
      if (leaf.br) {
        if (!line) lines.push((line = { pieces: [], box: null }));
        line.hard = true;
        line = null;
        continue;
      }
      if (leaf.atom) {
        split = true;
        if (line) line.gap = true;
        continue;
      }
      let own = pieces(leaf.node, leaf.style);
      if (letter && own.length && !own[0].hard) {
        const at = leaf.node.data.search(/\S/);
        const box = at < 0 ? null : rectsOf(leaf.node, at, at + 1)[0];
        if (box) {
          const text = transformed(leaf.node.data.slice(at, at + 1), leaf.style.textTransform);
          const number = styleNumber(look(leaf.element, { ...plainStyle(leaf.style), fontSize: letter.fontSize, fontWeight: letter.fontWeight, color: letter.color, webkitTextFillColor: letter.color, fontFamily: letter.fontFamily, fontStyle: letter.fontStyle, letterSpacing: "normal", verticalAlign: "baseline" }, cx));
          capital = { k: "text", r: rect(cx.map, box), turn: round(cx.map.turn), lines: [rect(cx.map, box)], soft: [], runs: [{ t: text, s: number, l: 0 }], most: 0, align: "l", high: 0, rtl: false, upright: "", block: rect(cx.map, box), tag: "span", list: 0, level: 0, loose: true };
          own = own.slice();
          const rest = own[0].text.replace(/^\s*\S/, "");
          const after = rectsOf(leaf.node, at + 1, leaf.node.data.length).filter((one) => one.height < box.height * 0.9);
          own[0] = { ...own[0], text: rest, box: after.length ? after[0] : own[0].box };
          if (!rest) own.shift();
          letter = null;
        }
      }
      for (const piece of own) {
        if (piece.hard) {
          if (!line) lines.push((line = { pieces: [], box: null }));
          line.hard = true;
          line = null;
          continue;
        }
        const middle = piece.box.y + piece.box.height / 2;
        const next = line && line.box && ((middle > line.box.y + line.box.height - 1 && piece.box.y > line.box.y + line.box.height * 0.4) || (middle < line.box.y + 1 && piece.box.y + piece.box.height < line.box.y + line.box.height * 0.6) || (piece.box.x < line.box.x + line.box.width - 4 && middle > line.middle + line.box.height * 0.4 && style.direction !== "rtl"));
        if (!line || next) lines.push((line = { pieces: [], box: null, middle, first: piece.first }));
        line.box = line.box ? boundsOf([line.box, piece.box]) : piece.box;
        if (line.middle === undefined) line.middle = middle;
        if (!line.first) line.first = piece.first;
        line.pieces.push({ ...piece, leaf, gap: line.gap });
        line.gap = false;
      }
    }
    const keeps = /pre|break-spaces/.test(style.whiteSpace) && style.whiteSpace !== "pre-line";
    const make = (some) => {
      const filled = some.filter((one) => one.box);
      if (!filled.length) return null;
      const runs = [];
      let last = " ";
      some.forEach((one, number) => {
        const before = runs.length;
        for (const piece of one.pieces) {
          let text = piece.text;
          if (!keeps && number > 0 && before === runs.length && !some[number - 1].hard && /^[ \t]/.test(text)) {
            text = text.replace(/^[ \t]+/, "");
            if (runs.length && !/\s$/.test(runs[runs.length - 1].t)) runs[runs.length - 1].t += " ";
          }
          if (!keeps && (/\s$/.test(last) || last === "\n") && /^[ \t]/.test(text)) text = text.replace(/^[ \t]+/, "");
          if (!text) continue;
          last = text;
          const worn = styleNumber(look(piece.leaf.element, piece.leaf.style, cx));
          const previous = runs[runs.length - 1];
          if (runs.length > before && previous.s === worn) previous.t += text;
          else runs.push({ t: text, s: worn, l: filled.indexOf(one) });
        }
        if (one.hard && number < some.length - 1) {
          while (!keeps && runs.length && /^ *$/.test(runs[runs.length - 1].t) && runs[runs.length - 1].t) runs.pop();
          if (!keeps && runs.length) runs[runs.length - 1].t = runs[runs.length - 1].t.replace(/ +$/, "");
          runs.push({ t: "\n", s: runs.length ? runs[runs.length - 1].s : styleNumber(look(one.pieces[0] ? one.pieces[0].leaf.element : block, one.pieces[0] ? one.pieces[0].leaf.style : style, cx)), l: Math.max(0, filled.indexOf(one)) });
          last = "\n";
        }
      });
      if (!keeps) {
        while (runs.length && !runs[runs.length - 1].t.trim()) runs.pop();
        if (runs.length) runs[runs.length - 1].t = runs[runs.length - 1].t.replace(/[ \t]+$/, "");
      }
      if (!runs.some((run) => run.t.replace(/[\s\u200b\ufeff]/g, ""))) return null;
      // How far the width may go without another break of lines.
      let most = Infinity;
      filled.forEach((one, number) => {
        const next = filled[number + 1];
        if (!next || one.hard) return;
        const space = /\s$/.test(one.pieces[one.pieces.length - 1].text) ? parseFloat(style.fontSize) * 0.27 : 0;
        most = Math.min(most, one.box.width + space + (next.first ? next.first() : 0));
      });
      const box = boundsOf(filled.map((one) => one.box));
      const turned = style.writingMode !== "horizontal-tb";
      const align = style.textAlign;
      const rtl = style.direction === "rtl";
      const item = {
        k: "text",
        r: rect(cx.map, box),
        turn: round(cx.map.turn),
        lines: filled.map((one) => rect(cx.map, one.box)),
        blank: filled.map((one, at) => (at ? some.indexOf(one) - some.indexOf(filled[at - 1]) - 1 : 0)),
        soft: filled.slice(0, -1).map((one) => !one.hard),
        runs,
        most: Number.isFinite(most) ? round(most * cx.map.size) : 0,
        align: /center/.test(align) ? "ctr" : align === "justify" ? "just" : align === "right" || (align === "end" && !rtl) || (align === "start" && rtl) || (/-webkit-right/.test(align)) ? "r" : "l",
        high: style.lineHeight === "normal" ? 0 : round(parseFloat(style.lineHeight) * cx.map.size),
        rtl,
        upright: turned ? style.writingMode : "",
        block: rect(cx.map, block.getBoundingClientRect()),
        tag: block.tagName.toLowerCase().slice(0, 20),
        list: cx.list || 0,
        level: cx.level || 0,
      };
      const heading = block.closest("h1,h2,h3,h4,h5,h6");
      if (heading && heading !== cx.slide) item.tag = heading.tagName.toLowerCase();
      return item;
    };
    const items = [];
    if (!split) {
      const item = make(lines);
      if (item) items.push(item);
    } else {
      for (const one of lines) {
        let some = [];
        const flush = () => {
          if (some.length) {
            const item = make([{ pieces: some, box: boundsOf(some.map((piece) => piece.box)), first: some[0].first }]);
            if (item) items.push({ ...item, align: "l", loose: true });
          }
          some = [];
        };
        for (const piece of one.pieces) {
          if (piece.gap) flush();
          some.push(piece);
        }
        flush();
      }
    }
    if (capital) items.unshift(capital);
    if (marker && items.length) items[0].marker = marker;
    return items;
  };

  const markerOf = (element, style, cx) => {
    if (style.display !== "list-item" || style.listStyleType === "none") return null;
    const list = element.parentElement;
    const mark = getComputedStyle(element, "::marker");
    const type = style.listStyleType;
    const numbered = { decimal: "arabicPeriod", "decimal-leading-zero": "arabicPeriod", "lower-alpha": "alphaLcPeriod", "lower-latin": "alphaLcPeriod", "upper-alpha": "alphaUcPeriod", "upper-latin": "alphaUcPeriod", "lower-roman": "romanLcPeriod", "upper-roman": "romanUcPeriod" }[type];
    const paint = colour(mark.color || style.color);
    const told = { colour: [paint[0], paint[1], paint[2], round(paint[3] * cx.opacity)], inside: style.listStylePosition === "inside" };
    const content = mark.content && /^["']/.test(mark.content) ? mark.content.replace(/^["']|["']$/g, "").trim() : "";
    if (content) return { ...told, character: content.slice(0, 2) };
    if (numbered) {
      let number = Number(list && list.getAttribute && list.getAttribute("start")) || 1;
      for (const other of list ? list.children : []) {
        if (other.hasAttribute("value")) number = Number(other.getAttribute("value")) || number;
        if (other === element) break;
        if (other.tagName === "LI") number++;
      }
      return { ...told, numbered, number };
    }
    const own = type.match(/^["'](.*)["']$/s);
    return { ...told, character: own ? own[1].trim().slice(0, 2) || "•" : { circle: "○", square: "▪" }[type] || "•" };
  };

  const paintsBox = (style) => seen(colour(style.backgroundColor)) || style.backgroundImage !== "none" || borders(style).some(Boolean) || shadows(style.boxShadow).length > 0;
  const inlineUrl = /^url\(["']?(.*?)["']?\)$/s;

  // The parts of a rectangle that a box above lets through.
  const clipped = (box, clip) => {
    if (!clip) return box;
    const x = Math.max(box.x, clip.x);
    const y = Math.max(box.y, clip.y);
    return { x, y, width: Math.min(box.x + box.width, clip.x + clip.width) - x, height: Math.min(box.y + box.height, clip.y + clip.height) - y };
  };
  const cornersIn = (corners, box, clip) => {
    if (!clip || !clip.corners) return corners;
    const near = (one, other) => Math.abs(one - other) < 1.5;
    const [l, t, r, b] = [near(box.x, clip.x), near(box.y, clip.y), near(box.x + box.width, clip.x + clip.width), near(box.y + box.height, clip.y + clip.height)];
    return [l && t, r && t, r && b, l && b].map((shared, at) => (shared && clip.corners[at][0] > corners[at][0] ? clip.corners[at] : corners[at]));
  };
  const scaled = (corners, map) => corners.map(([across, down]) => [round(across * map.size), round(down * map.size)]);

  const altOf = (element) => lengthy(element.getAttribute("alt") || element.getAttribute("aria-label") || element.getAttribute("title") || (element.querySelector && element.querySelector(":scope > title") || {}).textContent);

  // The corners of a clip-path that is a polygon, from the corner of the box.
  const polygon = (style, box) => {
    const call = (style.clipPath || "").match(/^polygon\((?:(?:evenodd|nonzero),\s*)?([^()]*)\)$/);
    if (!call) return null;
    const points = call[1].split(",").map((point) => point.trim().split(/\s+/).map((value, axis) => (value.endsWith("%") ? (parseFloat(value) / 100) * (axis ? box.height : box.width) : parseFloat(value))));
    return points.length > 2 && points.length < 100 && points.every((point) => point.length === 2 && point.every(Number.isFinite)) ? points : null;
  };
  const clipsPlainly = (style, box) => polygon(style, box) && style.boxShadow === "none" && !/url\(/.test(style.backgroundImage) && !borders(style).some(Boolean);

  // The box of an element: shadow, background, borders.
  const boxItems = (element, style, cx, box, out, sliding) => {
    const all = style.boxShadow === "none" ? [] : shadows(style.boxShadow);
    const edge = sliding ? [null, null, null, null] : borders(style);
    let back = colour(style.backgroundColor);
    const clipText = /text/.test(style.backgroundClip || "");
    const layers = style.backgroundImage === "none" || clipText ? [] : parts(style.backgroundImage);
    if (clipText) back = null;
    let whole = box;
    let corners = radii(style, box);
    const round0 = corners.every(([across]) => across < 0.5);
    const inner = cx.clip && !cx.clip.page ? cx.clip : round0 ? cx.clip : null;
    const cut = clipped(whole, inner);
    if (cut.width <= 0 || cut.height <= 0) return;
    const isCut = Math.abs(cut.width - whole.width) + Math.abs(cut.height - whole.height) > 0.5;
    if (isCut && !round0 && Math.min(...corners.map(([across]) => across)) > Math.min(whole.width, whole.height) * 0.3) {
      // A circle that is cut off has no simple form.
      const at = shot(element, true);
      out.push({ k: "pic", id: at, r: [], why: "a round box that is cut off", alt: altOf(element), cut: rect(cx.map, cut) });
      return;
    }
    whole = cut;
    corners = cornersIn(corners, whole, cx.clip);
    if (all.some((shadow) => shadow.inset && shadow.blur > 2)) {
      out.push({ k: "pic", id: shot(element, true), r: [], why: "an inner shadow", alt: altOf(element) });
      return;
    }
    const lines = all.filter((shadow) => shadow.inset && shadow.blur < 0.5 && !shadow.x && !shadow.y && shadow.spread > 0);
    const outer = all.filter((shadow) => !shadow.inset);
    const rings = outer.filter((shadow) => shadow.blur < 0.5 && shadow.x === 0 && shadow.y === 0 && shadow.spread > 0);
    const soft = outer.filter((shadow) => shadow.blur >= 0.5 || shadow.x || shadow.y).sort((one, two) => two.blur * two.paint[3] - one.blur * one.paint[3])[0];
    const base = { k: "box", turn: round(cx.map.turn), alt: element.hasAttribute("aria-label") ? altOf(element) : "" };
    const fade = (paint) => [paint[0], paint[1], paint[2], round(paint[3] * cx.opacity * 1000) / 1000];
    const opaque = seen(back) || layers.length > 0;
    const shape = polygon(style, box);
    if (shape) base.points = shape.map(([across, down]) => [round(across * cx.map.size), round(down * cx.map.size)]);
    for (const ring of rings.sort((one, two) => two.spread - one.spread).slice(0, 4)) {
      const grown = { x: whole.x - ring.spread, y: whole.y - ring.spread, width: whole.width + 2 * ring.spread, height: whole.height + 2 * ring.spread };
      const wider = corners.map(([across, down]) => [across > 0 ? across + ring.spread : 0, down > 0 ? down + ring.spread : 0]);
      const stroke = { w: ring.spread * cx.map.size, c: fade(ring.paint), s: "solid" };
      out.push({ ...base, r: rect(cx.map, grown), radii: scaled(wider, cx.map), borders: [stroke, stroke, stroke, stroke], alt: "" });
    }
    const simple = [];
    let shadow = soft && opaque && !isCut ? { x: soft.x * cx.map.size, y: soft.y * cx.map.size, blur: soft.blur * cx.map.size, spread: soft.spread * cx.map.size, c: fade(soft.paint) } : null;
    const put = (item) => {
      simple.push({ ...base, r: rect(cx.map, whole), radii: scaled(corners, cx.map), borders: [null, null, null, null], shadow, ...item });
      shadow = null;
    };
    if (seen(back)) put({ fill: fade(back) });
    const names = ["backgroundSize", "backgroundPosition", "backgroundRepeat"].map((name) => parts(style[name]));
    for (let at = layers.length - 1; at >= 0; at--) {
      const layer = layers[at];
      if (layer === "none") continue;
      const [size, position, repeat] = names.map((list) => list[at % list.length]);
      const url = layer.match(inlineUrl);
      if (url) {
        out.push(...simple.splice(0));
        const whyNot = !/^(cover|contain|100% 100%|auto)$/.test(size) || (size !== "cover" && size !== "100% 100%" && !/no-repeat/.test(repeat));
        const natural = request.naturals[url[1]];
        const id = shot(element, true);
        if (whyNot || !natural || cx.map.turn) {
          out.push({ k: "pic", id, r: [], why: "a background picture", alt: altOf(element), content: true });
          continue;
        }
        let share = size === "cover" ? Math.max(whole.width / natural[0], whole.height / natural[1]) : size === "contain" ? Math.min(whole.width / natural[0], whole.height / natural[1]) : 1;
        let drawn = { width: natural[0] * share, height: natural[1] * share };
        if (size === "100% 100%") drawn = { width: whole.width, height: whole.height };
        const offset = (text, free) => (text.endsWith("%") ? (parseFloat(text) / 100) * free : parseFloat(text) || 0);
        const [across, down] = position.split(" ");
        drawn.x = whole.x + offset(across, whole.width - drawn.width);
        drawn.y = whole.y + offset(down === undefined ? "50%" : down, whole.height - drawn.height);
        imageItem(out, id, url[1], drawn, whole, corners, cx, altOf(element), true);
        continue;
      }
      const fill = gradient(layer, box);
      const tiles = /(\d+(\.\d+)?(px|%))/.test(size) && size !== "100% 100%";
      if (!fill || tiles) {
        out.push(...simple.splice(0));
        out.push({ k: "pic", id: shot(element, true), r: [], why: tiles ? "a pattern" : "a gradient that has no native form", alt: altOf(element), over: seen(back) });
        // The picture has all layers.
        return;
      }
      fill.stops = fill.stops.map(([where, red, green, blue, alpha]) => [where, red, green, blue, round(alpha * cx.opacity * 1000) / 1000]);
      put({ gradient: fill });
    }
    if (edge.some(Boolean)) {
      const strokes = edge.map((one) => one && { w: one.w * cx.map.size, c: fade(one.c), s: one.s });
      const flat = simple[simple.length - 1];
      if (flat && !isCut) flat.borders = strokes;
      else simple.push({ ...base, r: rect(cx.map, whole), radii: scaled(corners, cx.map), borders: strokes, shadow: null });
    }
    for (const ring of lines.slice(0, 2)) {
      const stroke = { w: ring.spread * cx.map.size, c: fade(ring.paint), s: "solid" };
      simple.push({ ...base, r: rect(cx.map, whole), radii: scaled(corners, cx.map), borders: [stroke, stroke, stroke, stroke], alt: "" });
    }
    const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && seen(colour(style.outlineColor)) && parseFloat(style.outlineWidth) < 20;
    out.push(...simple);
    if (outline && !sliding) {
      const wide = parseFloat(style.outlineWidth);
      const grow = wide + (parseFloat(style.outlineOffset) || 0);
      const stroke = { w: wide * cx.map.size, c: fade(colour(style.outlineColor)), s: style.outlineStyle };
      out.push({ ...base, alt: "", r: rect(cx.map, { x: whole.x - grow, y: whole.y - grow, width: whole.width + 2 * grow, height: whole.height + 2 * grow }), radii: scaled(corners, cx.map), borders: [stroke, stroke, stroke, stroke] });
    }
  };

  // A picture of a file: `drawn` is where all of it would lie, `frame` what is seen of that.
  const imageItem = (out, id, source, drawn, frame, corners, cx, alt, content) => {
    const part = clipped(clipped(drawn, frame), cx.clip);
    if (part.width <= 0.5 || part.height <= 0.5) return;
    const crop = [(part.x - drawn.x) / drawn.width, (part.y - drawn.y) / drawn.height, 1 - (part.x + part.width - drawn.x) / drawn.width, 1 - (part.y + part.height - drawn.y) / drawn.height].map((share) => Math.max(0, Math.round(share * 1e5) / 1e5));
    const shared = cornersIn(corners, part, { ...frame, corners });
    out.push({ k: "image", id, source: source.startsWith("data:") ? source : source.slice(0, 4000), r: rect(cx.map, part), turn: round(cx.map.turn), crop, radii: scaled(cornersIn(shared, part, cx.clip), cx.map), alpha: round(cx.opacity), alt, content });
  };

  const svgText = (element) => {
    const all = element.querySelectorAll("*");
    if (all.length > 1500) return "";
    const copy = element.cloneNode(true);
    const names = ["fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline", "letter-spacing", "stop-color", "stop-opacity", "visibility", "display", "transform", "transform-origin", "paint-order"];
    const initial = { "fill-opacity": "1", "fill-rule": "nonzero", "stroke-opacity": "1", "stroke-linecap": "butt", "stroke-linejoin": "miter", "stroke-dasharray": "none", "stroke-dashoffset": "0px", opacity: "1", "font-style": "normal", "text-anchor": "start", "dominant-baseline": "auto", "letter-spacing": "normal", "stop-opacity": "1", visibility: "visible", display: "inline", transform: "none", "paint-order": "normal" };
    const from = [element, ...all];
    const to = [copy, ...copy.querySelectorAll("*")];
    from.forEach((one, at) => {
      const style = getComputedStyle(one);
      const target = to[at];
      for (const name of ["style", "class", "onload", "onclick"]) if (at > 0 || name !== "style") target.removeAttribute(name);
      if (at === 0) target.removeAttribute("style");
      for (const name of names) {
        if (at === 0 && (name === "display" || name === "transform" || name === "opacity")) continue;
        if (/^(stop)/.test(name) && one.tagName !== "stop") continue;
        if (/^(font|text-a|dominant|letter)/.test(name) && !/^(text|tspan|textPath)$/.test(one.tagName)) continue;
        if (name === "transform-origin" && style.transform === "none") continue;
        if (name === "transform" && one.hasAttribute("transform") && !one.hasAttribute("style") && !one.hasAttribute("class")) continue;
        let value = style.getPropertyValue(name);
        if (!value || value === initial[name]) continue;
        const paint = /^(fill|stroke|stop-color)$/.test(name) && !/url|none/.test(value) ? colour(value) : null;
        if (paint) value = paint[3] < 1 ? `rgba(${paint.join(",")})` : `rgb(${paint.slice(0, 3).join(",")})`;
        target.style.setProperty(name, value);
      }
    });
    for (const bad of copy.querySelectorAll("script,foreignObject,style")) bad.remove();
    const box = element.getBoundingClientRect();
    copy.setAttribute("width", String(round(box.width)));
    copy.setAttribute("height", String(round(box.height)));
    if (!copy.hasAttribute("viewBox")) copy.setAttribute("viewBox", `0 0 ${round(box.width)} ${round(box.height)}`);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const text = new XMLSerializer().serializeToString(copy);
    return text.length < 400000 ? text : "";
  };

  // Why an element cannot be drawn natively, it and all that is in it.
  const whyPicture = (element, style) => {
    const has = (name) => style[name] && style[name] !== "none";
    if (has("clipPath")) return "clip-path";
    if (has("maskImage") || has("webkitMaskImage")) return "a mask";
    if (has("filter") && !/^(drop-shadow|opacity|brightness\(1\))/.test(style.filter)) return "a filter";
    if (style.mixBlendMode && style.mixBlendMode !== "normal") return "a blend mode";
    return "";
  };
  const hasText = (element) => /\S/.test(element.innerText || "");

  // How an element is turned and sized by its transforms; null where that is no turn and no even size.
  const linear = (style) => {
    let matrix = new DOMMatrix();
    try {
      if (style.rotate && style.rotate !== "none") {
        const turn = style.rotate.match(/^(-?[\d.]+)deg$/);
        if (!turn) return null;
        matrix = matrix.rotate(Number(turn[1]));
      }
      if (style.scale && style.scale !== "none") {
        const [across, down, deep] = style.scale.split(" ").map(Number);
        if (deep !== undefined && deep !== 1) return null;
        matrix = matrix.scale(across, down === undefined ? across : down);
      }
      if (style.transform !== "none") matrix = matrix.multiply(new DOMMatrix(style.transform));
    } catch {
      return null;
    }
    if (!matrix.is2D) return null;
    const { a, b, c, d } = matrix;
    const size = Math.hypot(a, b);
    if (size < 0.01 || Math.abs(a - d) > 0.002 * size || Math.abs(b + c) > 0.002 * size) return null;
    return { a, b, c, d, size, turn: (Math.atan2(b, a) * 180) / Math.PI };
  };

  const pseudo = (element, which, cx, below) => {
    const style = getComputedStyle(element, which);
    if (style.content === "none" || style.content === "normal" || style.display === "none" || style.visibility === "hidden" || Number(style.opacity) === 0) return;
    const text = /^["']/.test(style.content) ? style.content.slice(1, -1).replace(/\\(["'\\])/g, "$1") : "";
    if (style.position !== "absolute" && style.position !== "fixed") return;
    const out = [];
    const index = style.zIndex === "auto" ? 0 : Number(style.zIndex) || 0;
    cx.layers.push({ index, items: out });
    const wide = parseFloat(style.width);
    const high = parseFloat(style.height);
    if (!Number.isFinite(wide) || !Number.isFinite(high)) return;
    // Where it stands is known against the nearest positioned box.
    let holder = element;
    while (holder !== cx.slide && getComputedStyle(holder).position === "static" && holder.parentElement) holder = holder.parentElement;
    const outer = holder.getBoundingClientRect();
    const edge = getComputedStyle(holder);
    const number = (value) => parseFloat(value) || 0;
    const sides = style.boxSizing === "border-box" ? [0, 0] : [number(style.paddingLeft) + number(style.paddingRight) + number(style.borderLeftWidth) + number(style.borderRightWidth), number(style.paddingTop) + number(style.paddingBottom) + number(style.borderTopWidth) + number(style.borderBottomWidth)];
    const box = { x: outer.x + number(edge.borderLeftWidth) + number(style.left) + number(style.marginLeft), y: outer.y + number(edge.borderTopWidth) + number(style.top) + number(style.marginTop), width: wide + sides[0], height: high + sides[1] };
    let map = cx.map;
    if (style.transform !== "none" || (style.rotate && style.rotate !== "none") || (style.translate && style.translate !== "none")) {
      const turn = linear(style);
      if (!turn) return;
      const matrix = style.transform === "none" ? new DOMMatrix() : new DOMMatrix(style.transform);
      const shift = (style.translate && style.translate !== "none" ? style.translate.split(" ") : []).map((value, at) => (value.endsWith("%") ? (parseFloat(value) / 100) * (at ? box.height : box.width) : parseFloat(value)));
      const [ox, oy] = style.transformOrigin.split(" ").map(parseFloat);
      const [cxx, cyy] = [box.width / 2 - ox, box.height / 2 - oy];
      const middle = [box.x + ox + turn.a * cxx + turn.c * cyy + matrix.e + (shift[0] || 0), box.y + oy + turn.b * cxx + turn.d * cyy + matrix.f + (shift[1] || 0)];
      map = joined(cx.map, { x: box.x + box.width / 2, y: box.y + box.height / 2 }, { x: middle[0], y: middle[1] }, turn);
    }
    const inner = { ...cx, map, opacity: cx.opacity * Number(style.opacity) };
    if (style.filter !== "none" || style.clipPath !== "none") {
      cx.slideTold.add("a decoration with a filter or clip-path was left out");
      return;
    }
    boxItems({ hasAttribute: () => false, getAttribute: () => null }, style, inner, box, out, false);
    if (text.trim() && text.length < 200) {
      const number = styleNumber(look(element, style, inner));
      const size = parseFloat(style.fontSize);
      const wideOf = (brush.font = `${style.fontWeight} ${size}px ${style.fontFamily}`, brush.measureText(text).width);
      const high = size * 1.15;
      const from = { x: box.x + number(style.paddingLeft) * 0, y: box.y, width: Math.max(box.width, wideOf), height: Math.max(box.height, high) };
      out.push({ k: "text", r: rect(map, from), turn: round(map.turn), lines: [rect(map, from)], soft: [], runs: [{ t: transformed(text, style.textTransform), s: number, l: 0 }], most: 0, align: /center/.test(style.textAlign) ? "ctr" : "l", high: 0, rtl: false, upright: "", block: rect(map, box), tag: "span", list: 0, level: 0, loose: true });
    }
  };
  const joined = (map, from, to, turn) => {
    // To the place within what is above, and then with what that went through.
    const e = to.x - (turn.a * from.x + turn.c * from.y);
    const f = to.y - (turn.b * from.x + turn.d * from.y);
    return {
      a: map.a * turn.a + map.c * turn.b, b: map.b * turn.a + map.d * turn.b,
      c: map.a * turn.c + map.c * turn.d, d: map.b * turn.c + map.d * turn.d,
      e: map.a * e + map.c * f + map.e, f: map.b * e + map.d * f + map.f,
      turn: map.turn + turn.turn, size: map.size * turn.size,
    };
  };

  // The order of painting of what lies in one stacking context: behind, in flow, above.
  const layerOf = (style, parent) => {
    const positioned = style.position !== "static";
    const item = /flex|grid/.test(parent);
    const index = style.zIndex === "auto" || !(positioned || item) ? null : Number(style.zIndex);
    const context = index !== null || style.opacity !== "1" || style.transform !== "none" || (style.rotate && style.rotate !== "none") || (style.scale && style.scale !== "none") || (style.translate && style.translate !== "none") || style.filter !== "none" || style.isolation === "isolate" || style.position === "fixed" || style.position === "sticky" || (style.backdropFilter && style.backdropFilter !== "none") || style.mixBlendMode !== "normal";
    return { index: index === null ? 0 : index, context, lifted: positioned || context };
  };

  const tableItem = (element, style, cx, out) => {
    const rows = [...element.rows].filter((row) => row.cells.length && getComputedStyle(row).display !== "none").slice(0, 200);
    const whole = element.getBoundingClientRect();
    const lines = rows.map((row) => row.getBoundingClientRect());
    const edges = new Set();
    const cells = [];
    for (const [at, row] of rows.entries()) {
      for (const cell of row.cells) {
        const box = cell.getBoundingClientRect();
        if (box.width < 1 || box.height < 1) continue;
        edges.add(Math.round(box.left * 2) / 2);
        edges.add(Math.round(box.right * 2) / 2);
        cells.push({ cell, row, at, box });
      }
    }
    let xs = [...edges].sort((one, two) => one - two);
    xs = xs.filter((x, at) => at === 0 || x - xs[at - 1] > 2);
    if (xs.length < 2 || xs.length > 60 || !cells.length) return false;
    const gaps = element.style && getComputedStyle(element).borderCollapse === "separate" && parseFloat(style.borderSpacing) > 3;
    if (gaps || lines.some((line) => line.height < 1)) return false;
    const column = (x) => xs.reduce((best, edge, at) => (Math.abs(edge - x) < Math.abs(xs[best] - x) ? at : best), 0);
    const overlays = [];
    const told = [];
    for (const { cell, row, at, box } of cells) {
      const own = getComputedStyle(cell);
      const back = [own, getComputedStyle(row), getComputedStyle(row.parentElement)].map((one) => colour(one.backgroundColor)).filter(seen);
      const pictured = [own, getComputedStyle(row), getComputedStyle(row.parentElement)].find((one) => one.backgroundImage !== "none");
      const found = [];
      walkInside(cell, own, { ...cx, list: 0, clip: cx.clip }, found);
      const graphics = found.filter((item) => item.k !== "text");
      const inside = (item) => graphics.some((other) => other.r.length && item.r[0] + item.r[2] / 2 > other.r[0] && item.r[0] + item.r[2] / 2 < other.r[0] + other.r[2] && item.r[1] + item.r[3] / 2 > other.r[1] && item.r[1] + item.r[3] / 2 < other.r[1] + other.r[3]);
      let texts = found.filter((item) => item.k === "text" && !inside(item) && !item.turn && !item.upright);
      texts.sort((one, two) => one.r[1] - two.r[1]);
      const beside = texts.some((item, number) => number > 0 && item.r[1] < texts[number - 1].r[1] + texts[number - 1].r[3] * 0.6);
      if (beside) texts = [];
      overlays.push(...found.filter((item) => item.k !== "text" || !texts.includes(item)));
      const edge = borders(own);
      const rowEdge = borders(getComputedStyle(row));
      if (rowEdge[0] && !edge[0]) edge[0] = rowEdge[0];
      if (rowEdge[2] && !edge[2]) edge[2] = rowEdge[2];
      const rowGroup = borders(getComputedStyle(row.parentElement));
      if (rowGroup[0] && !edge[0] && row === row.parentElement.rows[0]) edge[0] = rowGroup[0];
      if (rowGroup[2] && !edge[2] && row === row.parentElement.rows[row.parentElement.rows.length - 1]) edge[2] = rowGroup[2];
      const fill = pictured ? gradient(parts(pictured.backgroundImage)[0], box) : null;
      const from = column(box.left);
      const span = Math.max(1, column(box.right) - from);
      const down = Math.max(1, Math.min(cell.rowSpan || 1, rows.length - at));
      told.push({
        row: at, column: from, across: span, down,
        fill: fill ? [...fill.stops[0].slice(1, 4), fill.stops[0][4] * cx.opacity] : back.length ? [back[0][0], back[0][1], back[0][2], back[0][3] * cx.opacity] : null,
        borders: edge.map((one) => one && { w: one.w, c: [one.c[0], one.c[1], one.c[2], one.c[3] * cx.opacity], s: one.s }),
        r: rect(cx.map, box),
        padding: [own.paddingTop, own.paddingRight, own.paddingBottom, own.paddingLeft].map(parseFloat),
        anchor: own.verticalAlign === "middle" ? "ctr" : own.verticalAlign === "bottom" ? "b" : "t",
        texts,
      });
    }
    const [left0, top0] = [xs[0], lines[0].top];
    const tall = lines.map((line, at) => round((at + 1 < lines.length ? lines[at + 1].top : line.bottom) - line.top));
    // The table's own frame and ground lie under it.
    const ground = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };
    boxItems(element, style, cx, ground, out, false);
    out.push({ k: "table", r: rect(cx.map, { x: left0, y: top0, width: xs[xs.length - 1] - left0, height: lines[lines.length - 1].bottom - top0 }), columns: xs.slice(1).map((x, at) => round((x - xs[at]) * cx.map.size)), rows: tall.map((one) => round(one * cx.map.size)), header: Boolean(element.tHead), cells: told, alt: lengthy(element.getAttribute("aria-label") || (element.caption ? element.caption.textContent.trim() : "")) });
    if (element.caption) walk(element.caption, { ...cx }, out);
    out.push(...overlays);
    return true;
  };

  // One element and what is in it. Lifted children wait for their layer.
  const walk = (element, cx, out) => {
    if (left.elements-- <= 0 || cx.depth > 300) return;
    const tag = nameOf(element);
    if (skipped.has(tag)) return;
    let style = getComputedStyle(element);
    if (style.display === "none") return;
    const opacity = Number(style.opacity);
    if (opacity < 0.004) return;
    const parent = element.parentElement ? getComputedStyle(element.parentElement).display : "";
    const { index, context, lifted } = element === cx.slide ? { index: 0, context: true, lifted: false } : layerOf(style, parent);
    if (lifted && !cx.now) {
      // Waits with its stacking context for the order of layers. What is no context itself leaves its own to that.
      const items = [];
      cx.layers.push({ index, items });
      walk(element, { ...cx, now: true }, items);
      return;
    }
    const before = element.getBoundingClientRect();
    let inner = { ...cx, now: false, depth: cx.depth + 1, opacity: cx.opacity * opacity, layers: context ? [] : cx.layers, owns: context };
    const why = element === cx.slide ? "" : whyPicture(element, style);
    if (why === "clip-path" && clipsPlainly(style, before) && (hasText(element) || !element.children.length) && !graphic.has(tag)) {
      // Drawn natively in its form; what is in it is not cut.
    } else if (why) {
      if (!graphic.has(tag) && hasText(element)) {
        if (why === "clip-path" || why === "a mask") {
          out.push({ k: "pic", id: shot(element, true), r: [], why, alt: altOf(element) });
          inner.bare = true;
        } else cx.slideTold.add(`${why} around text was left out`);
      } else {
        if (before.width > 0 && before.height > 0) out.push({ k: "pic", id: shot(element, false), r: [], why, alt: altOf(element), pad: /blur|shadow/.test(style.filter) ? 60 : 0, content: graphic.has(tag) });
        return;
      }
    }
    let restore = null;
    const moves = style.transform !== "none" || (style.rotate && style.rotate !== "none") || (style.scale && style.scale !== "none");
    if (moves && element !== cx.slide) {
      const turn = linear(style);
      if (!turn) {
        if (!hasText(element)) {
          out.push({ k: "pic", id: shot(element, false), r: [], why: "a transform that is no turn", alt: altOf(element) });
          return;
        }
        cx.slideTold.add("a transform of text that is no turn was left out");
      } else if (Math.abs(turn.turn) > 0.01 || Math.abs(turn.size - 1) > 0.001) {
        const old = element.getAttribute("style");
        for (const name of ["transform", "rotate", "scale", "translate"]) element.style.setProperty(name, "none", "important");
        const flat = element.getBoundingClientRect();
        const from = { x: flat.x + flat.width / 2, y: flat.y + flat.height / 2 };
        const to = { x: before.x + before.width / 2, y: before.y + before.height / 2 };
        inner.map = joined(cx.map, from, to, turn);
        inner.clip = null;
        style = getComputedStyle(element);
        restore = () => (old === null ? element.removeAttribute("style") : element.setAttribute("style", old));
      }
    }
    try {
      inside(element, style, tag, inner, out);
    } finally {
      if (restore) restore();
    }
  };

  const inside = (element, style, tag, cx, out) => {
    const hidden = style.visibility !== "visible";
    const box = element.getBoundingClientRect();
    if (style.position === "absolute" && (style.clip !== "auto" || style.clipPath !== "none") && box.width <= 1.5 && box.height <= 1.5) return;
    if (graphic.has(tag)) {
      if (!hidden && box.width > 0.5 && box.height > 0.5) graphicItem(element, style, tag, cx, box, out);
      return;
    }
    if (!hidden && element !== cx.slide && !cx.bare) {
      if (isInline(style)) {
        if (paintsBox(style)) for (const one of [...element.getClientRects()].slice(0, 50)) boxItems(element, style, cx, one, out, false);
      } else if (tag !== "TABLE" && box.width > 0 && box.height > 0 && paintsBox(style)) boxItems(element, style, cx, box, out, false);
    }
    cx = { ...cx, bare: false };
    if (tag === "TABLE" && style.display === "table" && !hidden && Math.abs(cx.map.turn) < 0.01) {
      const made = [];
      const layers = [];
      if (tableItem(element, style, { ...cx, layers, owns: false }, made)) {
        out.push(...made);
        paintLayers(layers, out, true);
        paintLayers(layers, out, false);
        return;
      }
      if (paintsBox(style)) boxItems(element, style, cx, box, out, false);
    }
    if (style.overflowX !== "visible" || style.overflowY !== "visible") {
      if (Math.abs(cx.map.turn) < 0.01) {
        const edge = ["Left", "Top", "Right", "Bottom"].map((side) => parseFloat(style["border" + side + "Width"]) || 0);
        const [width, height] = [box.width - edge[0] - edge[2], box.height - edge[1] - edge[3]];
        const padded = { x: box.x + edge[0], y: box.y + edge[1], width, height };
        const corners = radii(style, box).map(([across, down]) => [Math.max(0, across - edge[0]), Math.max(0, down - edge[1])]);
        const cut = clipped(padded, cx.clip);
        const page = element === cx.slide;
        cx.clip = { ...cut, corners: page ? null : cornersIn(corners, cut, cx.clip), page };
      }
    }
    walkInside(element, style, cx, out);
  };

  const paintLayers = (layers, out, behind) => {
    const some = layers.filter((layer) => (behind ? layer.index < 0 : layer.index >= 0));
    some.sort((one, two) => one.index - two.index);
    for (const layer of some) out.push(...layer.items);
  };

  const walkInside = (element, style, cx, out) => {
    const own = [];
    const inner = { ...cx, owns: false };
    pseudo(element, "::before", inner, own);
    children(element, style, inner, own);
    pseudo(element, "::after", inner, own);
    if (cx.owns) paintLayers(cx.layers, out, true);
    out.push(...own);
    if (cx.owns) paintLayers(cx.layers, out, false);
  };

  const children = (element, style, cx, out) => {
    const items = /flex|grid/.test(style.display);
    const listing = element.tagName === "UL" || element.tagName === "OL";
    if (listing) {
      cx = { ...cx, level: cx.list ? cx.level + 1 : 0 };
      if (!cx.list) cx.list = ++cx.lists.count;
    }
    let marker = markerOf(element, style, cx);
    const visible = style.visibility === "visible";
    let leaves = [];
    const flush = () => {
      if (leaves.some((leaf) => leaf.node) && visible) {
        const made = textItems(leaves, element, style, cx, marker);
        if (made.length) marker = null;
        for (const item of made) {
          if (cx.clip && !cx.clip.page && !item.turn) {
            const [x, y, w, h] = item.r;
            const [px, py] = place(cx.map, cx.clip.x, cx.clip.y);
            if (x + w < px || y + h < py || x > px + cx.clip.width * cx.map.size || y > py + cx.clip.height * cx.map.size) continue;
          }
          out.push(item);
        }
      }
      leaves = [];
    };
    // Inline content in its order; what is a box of its own is painted by itself.
    const gather = (parent, over, flows) => {
      for (const node of parent.childNodes) {
        if (node.nodeType === 3) {
          if (!node.data) continue;
          if (getComputedStyle(parent).visibility !== "visible") continue;
          leaves.push({ node, element: parent, style: over });
          continue;
        }
        if (node.nodeType !== 1) continue;
        const tag = nameOf(node);
        if (tag === "BR") {
          leaves.push({ br: true });
          continue;
        }
        if (skipped.has(tag)) continue;
        const own = getComputedStyle(node);
        if (own.display === "none") continue;
        const plain = isInline(own) && !graphic.has(tag) && own.position === "static" && own.opacity === "1" && own.float === "none" && !items;
        if (plain || (isInline(own) && own.display === "contents")) {
          if (left.elements-- <= 0) return;
          if (paintsBox(own) && own.display !== "contents") for (const one of [...node.getClientRects()].slice(0, 50)) boxItems(node, own, cx, one, out, false);
          inlinePseudo(node, own, "::before");
          gather(node, own, flows);
          inlinePseudo(node, own, "::after");
          continue;
        }
        if (isInline(own) && own.position === "relative" && !graphic.has(tag) && !items && own.opacity === "1" && own.zIndex === "auto" && !node.children.length) {
          // Raised or lowered by a little, as numbers of notes are.
          if (paintsBox(own)) for (const one of [...node.getClientRects()].slice(0, 50)) boxItems(node, own, cx, one, out, false);
          gather(node, own, flows);
          continue;
        }
        const inline = own.display.startsWith("inline");
        if (items || (!inline && !outOfFlow(own))) flush();
        else if (!outOfFlow(own) && node.getBoundingClientRect().width > 0.5) leaves.push({ atom: true });
        const lent = marker && !leaves.some((leaf) => leaf.node) ? marker : null;
        const count = out.length;
        walk(node, cx, out);
        if (lent && !items) {
          const first = out.slice(count).find((item) => item.k === "text");
          if (first && !first.marker) {
            first.marker = lent;
            marker = null;
          }
        }
      }
    };
    const inlinePseudo = (node, own, which) => {
      const over = getComputedStyle(node, which);
      if (over.content !== "none" && over.content !== "normal" && over.position !== "static") pseudo(node, which, cx, out);
    };
    gather(element, style, true);
    flush();
  };

  const graphicItem = (element, style, tag, cx, box, out) => {
    const alt = altOf(element);
    if (paintsBox(style) && tag !== "INPUT" && tag !== "SELECT" && tag !== "TEXTAREA") boxItems(element, style, cx, box, out, false);
    if (tag === "IMG") {
      const source = element.currentSrc || element.src;
      if (!element.naturalWidth || !element.naturalHeight) {
        if (source) cx.slideTold.add(`picture not loaded: ${lengthy(source)}`);
        // What the browser shows in its place.
        if (alt && box.width > 20 && box.height > 8) {
          const high = parseFloat(style.fontSize) * 1.15;
          const from = { x: box.x, y: box.y, width: box.width, height: Math.min(box.height, high) };
          out.push({ k: "text", r: rect(cx.map, from), turn: round(cx.map.turn), lines: [rect(cx.map, from)], soft: [], runs: [{ t: alt, s: styleNumber(look(element, style, cx)), l: 0 }], most: 0, align: "l", high: 0, rtl: false, upright: "", block: rect(cx.map, box), tag: "img", list: 0, level: 0, loose: true });
        }
        return;
      }
      const inset = ["Top", "Right", "Bottom", "Left"].map((side) => (parseFloat(style["border" + side + "Width"]) || 0) + (parseFloat(style["padding" + side]) || 0));
      const frame = { x: box.x + inset[3], y: box.y + inset[0], width: box.width - inset[1] - inset[3], height: box.height - inset[0] - inset[2] };
      const fit = style.objectFit;
      const [nw, nh] = [element.naturalWidth, element.naturalHeight];
      const contain = Math.min(frame.width / nw, frame.height / nh);
      const share = fit === "cover" ? Math.max(frame.width / nw, frame.height / nh) : fit === "contain" ? contain : fit === "scale-down" ? Math.min(1, contain) : fit === "none" ? 1 : 0;
      const drawn = share ? { width: nw * share, height: nh * share } : { width: frame.width, height: frame.height };
      const [across, down] = style.objectPosition.split(" ");
      const offset = (text, free) => ((text || "50%").endsWith("%") ? (parseFloat(text) / 100) * free : parseFloat(text));
      drawn.x = frame.x + offset(across, frame.width - drawn.width);
      drawn.y = frame.y + offset(down, frame.height - drawn.height);
      const corners = radii(style, box).map(([one, two]) => [Math.max(0, one - inset[3]), Math.max(0, two - inset[0])]);
      imageItem(out, shot(element, false), source, drawn, frame, corners, cx, alt, true);
      return;
    }
    if (tag === "SVG") {
      out.push({ k: "pic", id: shot(element, false), r: [], why: "a drawing", alt, svg: svgText(element), content: true });
      return;
    }
    const why = { CANVAS: "a canvas", VIDEO: "a video", IFRAME: "a frame", MATH: "a formula" }[tag] || "a form field";
    out.push({ k: "pic", id: shot(element, false), r: [], why, alt, content: true });
  };

  // What stands in the flow before and after an element becomes an element, where nothing moves by that.
  const copied = ["display", "margin", "padding", "border", "border-radius", "background", "color", "font", "letter-spacing", "text-transform", "text-decoration", "line-height", "vertical-align", "opacity", "float", "flex", "align-self", "order", "box-shadow", "transform", "transform-origin", "position", "top", "left", "right", "bottom", "white-space", "box-sizing", "z-index", "text-align"];
  const hide = document.createElement("style");
  hide.textContent = "[data-okcvm-before]::before,[data-okcvm-after]::after{content:none !important;display:none !important}";
  document.documentElement.append(hide);
  const embody = (element, which, cx) => {
    const style = getComputedStyle(element, "::" + which);
    if (style.content === "none" || style.content === "normal" || style.display === "none" || style.position === "absolute" || style.position === "fixed") return;
    const text = style.content.match(/^(["'])(.*)\1$/s);
    if (!text) {
      if (!/url\(/.test(style.content)) cx.add("a counter before or after an element was left out");
      return;
    }
    const said = text[2].replace(/\\(["'\\])/g, "$1");
    if (!said.trim() && !paintsBox(style)) return;
    const span = document.createElement("span");
    for (const name of copied) span.style.setProperty(name, style.getPropertyValue(name));
    if (style.display !== "inline") for (const name of ["width", "height"]) span.style.setProperty(name, style.getPropertyValue(name));
    span.textContent = said;
    const around = [element, ...[...element.children].slice(0, 30)];
    const where = () => around.map((one) => one.getBoundingClientRect());
    const old = where();
    element.setAttribute("data-okcvm-" + which, "");
    if (which === "before") element.prepend(span);
    else element.append(span);
    const moved = where().some((one, at) => Math.abs(one.x - old[at].x) + Math.abs(one.y - old[at].y) + Math.abs(one.width - old[at].width) + Math.abs(one.height - old[at].height) > 1);
    if (moved) {
      span.remove();
      element.removeAttribute("data-okcvm-" + which);
      cx.add("what stands before or after an element by CSS was left out");
    }
  };

  const slides = [];
  const all = [...document.querySelectorAll(".ppt-slide")].filter((slide) => !slide.parentElement.closest(".ppt-slide"));
  const told = [];
  for (const slide of all.slice(0, request.slides)) {
    let style = getComputedStyle(slide);
    if (style.display === "none") slide.style.setProperty("display", "block", "important");
    if (style.visibility !== "visible") slide.style.setProperty("visibility", "visible", "important");
    if (Number(style.opacity) < 0.5) slide.style.setProperty("opacity", "1", "important");
    style = getComputedStyle(slide);
    for (const name of ["transform", "scale", "rotate"]) if (style[name] && style[name] !== "none") slide.style.setProperty(name, "none", "important");
    const box = slide.getBoundingClientRect();
    if (!(box.width > 10) || !(box.height > 10)) {
      told.push("a slide without a size was left out");
      continue;
    }
    const share = Math.abs(box.width - 1024) < 1.5 ? 1 : 1024 / box.width;
    const map = { ...upright, a: share, d: share, e: -box.x * share, f: -box.y * share, size: share };
    const slideTold = new Set();
    const out = [];
    for (const element of [...slide.querySelectorAll("*")].slice(0, Math.max(0, Math.min(left.elements, 5000)))) {
      if (skipped.has(nameOf(element)) || graphic.has(nameOf(element)) || element.closest("svg")) continue;
      embody(element, "before", slideTold);
      embody(element, "after", slideTold);
    }
    const cx = { slide, map, opacity: 1, clip: null, layers: [], list: 0, level: 0, lists: { count: 0 }, now: true, owns: true, depth: 0, slideTold, bare: false };
    // The ground: its own, or that of what it lies on.
    const ground = [];
    for (let up = slide.parentElement; up; up = up.parentElement) {
      const over = getComputedStyle(up);
      const paint = colour(over.backgroundColor);
      const layer = over.backgroundImage !== "none" ? gradient(parts(over.backgroundImage)[0], up.getBoundingClientRect()) : null;
      if (layer || seen(paint)) {
        ground.push({ k: "box", r: [0, 0, 1024, 576], turn: 0, radii: [[0, 0], [0, 0], [0, 0], [0, 0]], borders: [null, null, null, null], ...(layer ? { gradient: layer } : { fill: paint }), alt: "" });
        break;
      }
    }
    const page = { x: box.x, y: box.y, width: box.width, height: Math.min(box.height, 576 / share) };
    boxItems(slide, style, { ...cx, opacity: 1 }, page, out, true);
    const edge = borders(style);
    walk(slide, { ...cx, clip: { ...page, corners: null, page: true } }, out);
    if (edge.some(Boolean)) out.push({ k: "box", r: rect(map, page), turn: 0, radii: scaled(radii(style, page), map), borders: edge, alt: "" });
    const title = slide.querySelector("h1,h2,h3");
    slides.push({
      title: lengthy((slide.getAttribute("data-title") || (title && title.innerText) || "").trim().replace(/\s+/g, " ")),
      notes: (slide.getAttribute("data-notes") || (slide.querySelector("aside.notes") || {}).textContent || "").slice(0, 20000),
      ground,
      items: out,
      told: [...slideTold].slice(0, 20),
      over: [round((slide.scrollWidth - slide.clientWidth) * share), round((Math.max(slide.scrollHeight - slide.clientHeight, box.height - 576 / share)) * share)],
      page: [round(page.x + scrollX), round(page.y + scrollY), round(page.width), round(page.height)],
      share,
    });
  }
  if (all.length > request.slides) told.push(`only the first ${request.slides} of ${all.length} slides were taken`);
  if (left.elements <= 0) told.push("the deck has too many elements; what comes later was left out");
  // Leaves one element to be seen, for a picture of it; all for -1. Gives the part of the document that it takes.
  let marked = null;
  const only = document.createElement("style");
  only.textContent = `*, *::before, *::after { visibility: hidden !important }
    html, body { background: transparent !important }
    [data-okcvm-whole], [data-okcvm-whole] *, [data-okcvm-whole]::before, [data-okcvm-whole]::after, [data-okcvm-whole] *::before, [data-okcvm-whole] *::after { visibility: visible !important }
    [data-okcvm-own] { visibility: visible !important; color: transparent !important; -webkit-text-fill-color: transparent !important; text-shadow: none !important }`;
  globalThis.okcvmShow = (id, pad) => {
    if (marked) for (const name of ["whole", "own"]) marked.removeAttribute("data-okcvm-" + name);
    marked = null;
    only.remove();
    const one = kept[id];
    if (!one || !one.element.getBoundingClientRect) return null;
    marked = one.element;
    marked.setAttribute(one.own ? "data-okcvm-own" : "data-okcvm-whole", "");
    document.documentElement.append(only);
    const box = marked.getBoundingClientRect();
    const slide = marked.closest(".ppt-slide").getBoundingClientRect();
    const [x, y] = [Math.max(box.x - pad, slide.x), Math.max(box.y - pad, slide.y)];
    const right = Math.min(box.right + pad, slide.x + slide.width);
    const bottom = Math.min(box.bottom + pad, slide.y + Math.min(slide.height, (slide.width * 576) / 1024));
    return [x + scrollX, y + scrollY, right - x, bottom - y].map(round);
  };
  const clean = (text) => (text.toWellFormed ? text.toWellFormed() : text).replace(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g, "");
  const result = { slides, styles, told, missing: [...fontsMissing].slice(0, 20), title: lengthy(document.title) };
  return JSON.stringify(result, (_, value) => (typeof value === "string" ? clean(value) : value));
})()
