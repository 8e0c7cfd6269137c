  // The deck: every slide in turn, and pictures of single boxes afterwards.

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
