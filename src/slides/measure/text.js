  // Text: its look, its lines, what marks the items of lists.

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
    const href = anchor && links.test(anchor.href) && URL.canParse(anchor.href) && new URL(anchor.href).host !== location.host ? anchor.href.slice(0, 2000) : "";
    const script = element.closest("sup") ? 1 : element.closest("sub") ? -1 : style.verticalAlign === "super" ? 1 : style.verticalAlign === "sub" ? -1 : 0;
    return {
      latin: faces.latin,
      far: faces.far,
      lang: (element.closest("[lang]") || document.documentElement).getAttribute("lang") || "",
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
        for (const [at, piece] of one.pieces.entries()) {
          let text = piece.text;
          if (!keeps && number > 0 && before === runs.length && !some[number - 1].hard && /^[ \t]/.test(text)) {
            text = text.replace(/^[ \t]+/, "");
            if (runs.length && !/\s$/.test(runs[runs.length - 1].t)) runs[runs.length - 1].t += " ";
          }
          if (!keeps && (/\s$/.test(last) || last === "\n") && /^[ \t]/.test(text)) text = text.replace(/^[ \t]+/, "");
          if (!text) continue;
          last = text;
          const worn = styleNumber(look(piece.leaf.element, piece.leaf.style, cx));
          // Padding and borders of what stands in the line push its text along: the letter before takes that as spacing.
          const prior = at > 0 && one.pieces[at - 1].box;
          const gap = prior && style.direction !== "rtl" && style.writingMode === "horizontal-tb" ? piece.box.x - prior.x - prior.width : 0;
          const tail = runs[runs.length - 1];
          if (Math.abs(gap) > 0.75 && Math.abs(gap) < 120 && runs.length > before && tail.t) {
            const last = [...tail.t].pop();
            const wider = styles[tail.s];
            tail.t = tail.t.slice(0, -last.length);
            if (!tail.t) runs.pop();
            runs.push({ t: last, s: styleNumber({ ...wider, spacing: round(wider.spacing + gap * cx.map.size) }), l: filled.indexOf(one) });
          }
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
