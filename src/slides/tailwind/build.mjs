// Builds v3.js and v4.js, and puts the licences of what is in them together.
import { build } from "esbuild";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const preflight = readFileSync("node_modules/tailwindcss3/src/css/preflight.css", "utf8");
const same = "const c = (s) => String(s);";
// What belongs to Node is not there in a page; the one file that is read is the base stylesheet.
const stubs = {
  fs: `export const readFileSync = () => ${JSON.stringify(preflight)}; export default { readFileSync };`,
  path: "export const join = (...a) => a.join('/'), resolve = join; export default { join, resolve };",
  "source-map-js": "export default {};",
  picocolors: `${same} export default { bold: c, dim: c, yellow: c, cyan: c, magenta: c, red: c, gray: c };`,
};
const node = {
  name: "node",
  setup(build) {
    build.onResolve({ filter: /^(node:)?(fs|path|url|util|module|os|crypto|tty|source-map-js|picocolors)$/ }, (found) => ({
      path: found.path.replace("node:", ""),
      namespace: "stub",
    }));
    build.onLoad({ filter: /.*/, namespace: "stub" }, (found) => ({ contents: stubs[found.path] ?? "export default {};" }));
  },
};

const packages = new Set();
for (const version of ["v3", "v4"]) {
  const built = await build({
    entryPoints: [`${version}.entry.mjs`],
    outfile: `${version}.js`,
    bundle: true,
    minify: true,
    metafile: true,
    format: "iife",
    platform: "browser",
    target: "chrome110",
    charset: "ascii",
    legalComments: "none",
    loader: { ".css": "text" },
    logOverride: { "import-is-undefined": "silent" },
    define: { "process.env.NODE_ENV": '"production"', "process.env": "{}", __dirname: '"/"', __OXIDE__: "false" },
    plugins: [node],
  });
  for (const input of Object.keys(built.metafile.inputs)) {
    const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
}
const licences = [...packages].sort().map((name) => {
  const folder = `node_modules/${name}/`;
  const { version, license } = JSON.parse(readFileSync(folder + "package.json", "utf8"));
  const file = ["LICENSE", "LICENSE.md", "license", "LICENSE-MIT.txt"].find((file) => existsSync(folder + file));
  const text = file ? readFileSync(folder + file, "utf8").replace(/\r/g, "").trim() : license;
  return `${name} ${version}\n\n${text}\n`;
});
writeFileSync("LICENSE", licences.join("\n" + "-".repeat(80) + "\n\n"));
