// Renders comments as GitHub-flavoured Markdown and looks at the elements that come out.
//
// A forge makes a link of an address, a person or a number that stands in prose, so the check is over the text outside code
// too. What must be found is tried first: a check that finds nothing in a comment that is alive would be none.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pages] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(modules, name)));
const { micromark } = await load("micromark/index.js");
const { gfm, gfmHtml } = await load("micromark-extension-gfm/index.js");
const { parseFragment } = await load("parse5/dist/index.js");

// What our comments are made of, and the attributes that they have.
const elements = new Set("h3 p strong em ul li code pre table thead tbody tr th td details summary b br".split(" "));
const attributes = new Set(["class", "align"]);
// What a forge looks for in prose: people, issues and requests, addresses, commands.
const alive = [/@[A-Za-z<]/, /[#!~%&$]\d/, /\bGH-\d/i, /https?:\/\//, /\bwww\./, /^\s*\/[a-z]/m, /##/];

const render = (markdown) => {
  // The Markdown of Azure DevOps has a fence of its own for pictures.
  const common = markdown.replace(/^::: mermaid$/m, "```mermaid").replace(/^:::$/m, "```");
  return micromark(common, {
    allowDangerousHtml: true,
    allowDangerousProtocol: true,
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
  });
};

// Everything in a comment that should not be there.
const faults = (markdown) => {
  const html = render(markdown);
  const found = [];
  const visit = (node, inCode, inFold) => {
    const name = node.tagName;
    if (name && !elements.has(name)) found.push(`<${name}>`);
    for (const { name: attribute } of node.attrs ?? []) {
      if (!attributes.has(attribute)) found.push(`attribute ${attribute}`);
    }
    if (node.nodeName === "#text" && !inCode) {
      for (const sign of alive) if (sign.test(node.value)) found.push(`${sign} in ${JSON.stringify(node.value)}`);
    }
    const isCode = inCode || name === "code" || name === "pre";
    const isFold = inFold || name === "details";
    if (name === "p" && isFold && /^plan .* read\s*$/s.test(text(node))) found.push("an open <details>");
    for (const child of node.childNodes ?? []) visit(child, isCode, isFold);
  };
  const tree = parseFragment(html);
  visit(tree, false, false);
  if (!text(tree).includes("objects read")) found.push("no foot");
  return found;
};

const text = (node) => (node.nodeName === "#text" ? node.value : (node.childNodes ?? []).map(text).join(""));

const page = (html) => `<!doctype html><meta charset="utf-8"><title>comment</title><style>
  body { font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; color: #1f2328; max-width: 880px;
    margin: 24px auto; padding: 0 24px; border: 1px solid #d1d9e0; border-radius: 6px; overflow-wrap: break-word; }
  h3 { font-size: 20px } table { border-collapse: collapse; display: block; overflow: auto; font-size: 14px; }
  td, th { border: 1px solid #d1d9e0; padding: 6px 13px; } tr:nth-child(2n) { background: #f6f8fa; }
  code { background: #818b981f; border-radius: 6px; padding: .2em .4em; font-size: 85%; } pre code { background: none; padding: 0; }
  pre { background: #f6f8fa; padding: 16px; border-radius: 6px; overflow: auto; } summary { cursor: pointer; }
</style>${html}`;

for (const [what, comment] of [
  ["a link", "https://example.com"],
  ["a picture", "![x](https://example.com/x.png)"],
  ["a person", "hello @somebody"],
  ["an issue", "see #12"],
  ["a script", '<b onclick="x()">x</b>'],
  ["a command", "/approve"],
  ["an open fold", "<details><summary>x</summary>\n\nplan x - 7 objects read"],
]) {
  assert.notDeepEqual(faults(`${comment}\n\n7 objects read`), [], `${what} is not found`);
}

const folders = ["examples/ci", "tests/comments/hostile"];
const files = folders.flatMap((folder) =>
  readdirSync(folder).filter((name) => name.endsWith(".md")).map((name) => path.join(folder, name)),
);
assert.ok(files.length >= 6, `only ${files}`);
for (const file of files) {
  const markdown = readFileSync(file, "utf8");
  assert.deepEqual(faults(markdown), [], `${file} has something alive in it`);
  if (file.includes("hostile")) assert.ok(markdown.includes("vso[task") && markdown.includes("approve"), `${file} is tame`);
  // Opened, so that whoever looks at the picture sees everything.
  const shown = page(render(markdown).replaceAll("<details>", "<details open>"));
  writeFileSync(path.join(pages, `${path.basename(path.dirname(file))}-${path.basename(file, ".md")}.html`), shown);
}
console.log(`${files.length} comments: no link, person, picture, script, command or open fold`);
