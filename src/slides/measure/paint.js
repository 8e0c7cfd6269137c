  // Boxes and pictures: shadows, backgrounds, borders, and what has no native form.

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
    // What a drawing alone does not hold would be missing in it; its picture shows it.
    if (element.querySelector("foreignObject,image")) return "";
    const inside = (reference) => reference.startsWith("#") && element.querySelector(`[id="${CSS.escape(reference.slice(1))}"]`);
    for (const one of [element, ...all]) {
      const own = one.getAttribute("href") || one.getAttribute("xlink:href") || "";
      if (own && one.tagName !== "a" && !inside(own)) return "";
      for (const attribute of one.attributes) {
        const used = attribute.value.match(/url\(["']?([^"')]+)/);
        if (used && !inside(used[1])) return "";
        if (!/^[A-Za-z_][\w:.-]*$/.test(attribute.name)) return "";
      }
    }
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
