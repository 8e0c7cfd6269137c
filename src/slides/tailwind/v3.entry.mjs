// Tailwind 3 as a function, for decks written for cdn.tailwindcss.com.
import postcss from "postcss";
import nested from "postcss-nested";
import process from "tailwindcss3/src/processTailwindFeatures";
import resolveConfig from "tailwindcss3/src/public/resolve-config";

globalThis.okcvmTailwind3 = async (css, config, content) => {
  const resolved = resolveConfig({ ...config, content: [{ raw: "" }] });
  const flat = (await postcss([nested()]).process(css, { from: undefined })).css;
  const features = process(({ createContext }) => () => createContext(resolved, [{ content, extension: "html" }]));
  return (await postcss([features]).process(flat, { from: undefined })).css;
};
