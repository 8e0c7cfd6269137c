  // The walk over a slide, in the order of painting.

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
        if (!source) cx.slideTold.add("a picture without an address");
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
