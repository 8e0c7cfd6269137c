// Makes the page ready to be measured: the CSS of its Tailwind classes, fonts, pictures, no motion. Runs in a world of
// okcvm's own after the bundle of the deck's version of Tailwind; `request` is put in front.
(async () => {
  const told = [];
  const styles = [...document.querySelectorAll('style[type="text/tailwindcss"]')];
  const own = styles.map((style) => style.textContent).join("\n");
  const add = (css, first) => {
    const style = document.createElement("style");
    style.textContent = css;
    const head = document.head || document.documentElement;
    if (first) head.prepend(style);
    else head.append(style);
  };
  // A class that Tailwind does not know must not cost the deck all of its looks.
  const without = (css, name) =>
    css.replace(/@apply\s+([^;}]*)/g, (whole, list) => {
      const left = list.split(/\s+/).filter((word) => word && word !== name);
      return left.length ? "@apply " + left.join(" ") : "";
    });
  const compile = async (css, once) => {
    for (let tries = 0; ; tries++) {
      try {
        return await once(css);
      } catch (error) {
        const said = String((error && error.message) || error);
        const name = said.match(/`([^`\s]+)`/);
        const next = name && tries < 50 ? without(css, name[1].replace(/^\./, "")) : css;
        if (next === css) throw error;
        told.push("@apply " + name[1] + " is not known to Tailwind and was left out");
        css = next;
      }
    }
  };
  const classes = new Set();
  const marked = document.querySelectorAll("[class]");
  for (const element of marked) for (const name of element.classList) classes.add(name);
  try {
    if (request.version === 3) {
      // What the deck's own styles do not place themselves comes before them.
      let css = own;
      for (const part of ["utilities", "components", "base"]) {
        if (!new RegExp("@tailwind\\s+" + part).test(own)) css = "@tailwind " + part + ";\n" + css;
      }
      const content = [...classes].join(" ");
      let config = request.config;
      add(await compile(css, async (css) => {
        try {
          return await okcvmTailwind3(css, config, content);
        } catch (error) {
          if (config === null || /@apply|class/.test(String(error))) throw error;
          told.push("tailwind.config was left out: " + error);
          config = null;
          return okcvmTailwind3(css, {}, content);
        }
      }));
    } else {
      let css = own;
      if (!/@import\s+(url\()?["']?tailwindcss/.test(css)) css = '@import "tailwindcss";\n' + css;
      const config = request.config && Object.keys(request.config).length ? request.config : null;
      if (config) css += '\n@config "deck";';
      add(await compile(css, (css) => okcvmTailwind4(css, config || {}, [...classes])));
    }
  } catch (error) {
    told.push("the CSS of Tailwind could not be made: " + String((error && error.message) || error).slice(0, 300));
  }
  // The size of a slide where its classes give none; and nothing moves.
  add(":where(.ppt-slide){width:1024px;height:576px;position:relative;overflow:hidden;box-sizing:border-box}:where(body){margin:0}", true);
  add("*,*::before,*::after{transition:none !important;caret-color:transparent !important}html{scroll-behavior:auto !important}");
  for (const animation of document.getAnimations()) {
    try {
      animation.finish();
    } catch {
      animation.cancel();
    }
  }
  for (const picture of document.querySelectorAll("img[loading=lazy]")) picture.loading = "eager";
  const settled = (promise) => Promise.race([promise, request.patience ? new Promise((done) => setTimeout(done, request.patience)) : promise]);
  const pictures = [...document.images].slice(0, 500).map((picture) => picture.decode().catch(() => {}));
  await settled(Promise.allSettled([document.fonts.ready, ...pictures]));
  // How large pictures of backgrounds are by themselves.
  const naturals = {};
  const sizes = [];
  for (const element of document.querySelectorAll(".ppt-slide, .ppt-slide *")) {
    const back = getComputedStyle(element).backgroundImage;
    if (!back.includes("url(") || sizes.length > 200) continue;
    for (const found of back.matchAll(/url\("([^"]*)"\)/g)) {
      if (found[1] in naturals || found[1].length > 2000000) continue;
      naturals[found[1]] = null;
      const picture = new Image();
      picture.src = found[1];
      sizes.push(picture.decode().then(() => (naturals[found[1]] = [picture.naturalWidth, picture.naturalHeight]), () => {}));
    }
  }
  await settled(Promise.allSettled(sizes));
  return { told: told.slice(0, 20), naturals };
})()
