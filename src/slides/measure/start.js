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
      // Only what is wanted most is told.
      if (!eastern.test(name) && name === names[0]) fontsMissing.add(name);
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
