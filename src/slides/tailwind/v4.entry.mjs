// Tailwind 4 as a function.
import { compile } from "tailwindcss";
import index from "tailwindcss/index.css";
import preflight from "tailwindcss/preflight.css";
import theme from "tailwindcss/theme.css";
import utilities from "tailwindcss/utilities.css";

const sheets = { "": index, "/index": index, "/preflight": preflight, "/theme": theme, "/utilities": utilities };

globalThis.okcvmTailwind4 = async (css, config, classes) => {
  const compiler = await compile(css, {
    base: "/",
    loadStylesheet: async (id) => {
      const content = id.startsWith("tailwindcss") ? sheets[id.slice("tailwindcss".length).replace(/\.css$/, "")] : undefined;
      if (content === undefined) throw new Error("@import of " + id + " is not known");
      return { path: "virtual:" + id, base: "/", content };
    },
    loadModule: async () => ({ path: "virtual:config", base: "/", module: config }),
  });
  return compiler.build(classes);
};
