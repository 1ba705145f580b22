// What an editor offers, explains and marks with privlink's schemas; and whether its SARIF report is SARIF.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Editor } from "./client.mjs";

const [modules, binary] = process.argv.slice(2);
const require = createRequire(join(modules, "privlink.cjs"));
const prefix = "service.beta.kubernetes.io/";

let passed = 0;
let failed = 0;
function check(what, holds, shown) {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAILED: ${what}\n  ${JSON.stringify(shown)}`);
  }
}

/** A text with the cursor at `|`. */
function cursor(text) {
  const before = text.slice(0, text.indexOf("|")).split("\n");
  return {
    text: text.replace("|", ""),
    position: { line: before.length - 1, character: before[before.length - 1].length },
  };
}

const schema = (name) => pathToFileURL(join(process.cwd(), "schemas", `${name}.json`)).href;
const schemas = {
  [schema("service")]: "*.service.yaml",
  [schema("private-link-service")]: "*.pls.yaml",
  [schema("private-endpoint")]: "*.pe.yaml",
  [schema("world")]: "*.world.yaml",
};
const yaml = { validate: true, hover: true, completion: true, schemas, schemaStore: { enable: false } };
const editor = new Editor(join(modules, "yaml-language-server", "bin", "yaml-language-server"), {
  yaml,
  editor: { detectIndentation: false },
});

const service = (annotations) => `apiVersion: v1
kind: Service
metadata:
  name: orders
  annotations:
${annotations}
spec:
  type: LoadBalancer
  ports:
  - port: 443
  selector:
    app: orders
`;

async function offersAnnotations() {
  const { text, position } = cursor(service(`    ${prefix}azure-pls-|`));
  const { uri } = await editor.open("complete.service.yaml", text);
  // A label is cut at 50 characters, what is inserted is not.
  const texts = (await editor.complete(uri, position)).map((item) => item.insertText ?? item.label);
  for (const key of ["azure-pls-create", "azure-pls-visibility", "azure-pls-ip-configuration-ip-address"]) {
    check(`the annotation ${key} is offered`, texts.some((text) => text.startsWith(`${prefix}${key}:`)), texts);
  }
}

async function offersValues() {
  const { text, position } = cursor(service(`    ${prefix}azure-load-balancer-internal: |`));
  const { uri } = await editor.open("value.service.yaml", text);
  const offered = (await editor.complete(uri, position)).map((item) => item.insertText ?? item.label);
  check("true and false are offered, as text", offered.some((it) => it.includes('"true"')), offered);
}

async function explainsAnnotations() {
  const { text, position } = cursor(service(`    ${prefix}azure-pls-vis|ibility: "*"`));
  const { uri, diagnostics } = await editor.open("hover.service.yaml", text);
  const told = await editor.hover(uri, position);
  check("an annotation is explained where the cursor is", told.includes("Who may ask for a connection"), told);
  check("a right annotation is left alone", diagnostics.length === 0, diagnostics);
}

async function marksMistakes() {
  const wrong = [
    ["an address of five numbers", "azure-load-balancer-ipv4", '"10.0.0.0.1"'],
    ["a misspelt true that leaves the load balancer public", "azure-load-balancer-internal", '"True"'],
    ["a boolean that is no text", "azure-load-balancer-internal", "true"],
    ["nine NAT addresses", "azure-pls-ip-configuration-ip-address-count", '"9"'],
    ["subscriptions separated by commas", "azure-pls-auto-approval",
      '"00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002"'],
  ];
  for (const [at, [what, key, value]] of wrong.entries()) {
    const { diagnostics } = await editor.open(`wrong${at}.service.yaml`, service(`    ${prefix}${key}: ${value}`));
    check(`${what}: is marked in line 6`, diagnostics.some((it) => it.range.start.line === 5), diagnostics);
  }
}

async function knowsOwnKinds() {
  const link = cursor(`apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata: { name: orders }
spec:
  service: { name: orders }
  |
`);
  const { uri } = await editor.open("complete.pls.yaml", link.text);
  const labels = (await editor.complete(uri, link.position)).map((item) => item.label);
  for (const key of ["visibility", "autoApproval", "managedBy", "nat"]) {
    check(`${key} is offered in a PrivateLinkService`, labels.includes(key), labels);
  }
  const endpoint = cursor(`apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: orders }
spec:
  resourceGr|oup: rg-apps
`);
  const opened = await editor.open("hover.pe.yaml", endpoint.text);
  const told = await editor.hover(opened.uri, endpoint.position);
  check("a field of a PrivateEndpoint is explained", told.length > 10, told);
  check("what is missing in it is told", opened.diagnostics.some((it) => it.message.includes("subnet")), opened.diagnostics);
}

function* files(folder) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (name.endsWith(".yaml")) yield path;
  }
}

/** Files that are right are not marked: the example repository's and the world's. */
async function leavesRightFilesAlone() {
  const kinds = { Service: "service", PrivateLinkService: "pls", PrivateEndpoint: "pe" };
  let opened = 0;
  for (const path of [...files("examples/repo-layout/environments"), "examples/world.yaml"]) {
    for (const [at, document] of readFileSync(path, "utf8").split(/^---$/m).entries()) {
      const kind = path.endsWith("world.yaml") ? "world" : kinds[/^kind: (\w+)$/m.exec(document)?.[1]];
      if (!kind) continue;
      opened += 1;
      const name = `${path.replaceAll("/", "-")}-${at}.${kind}.yaml`;
      const { diagnostics } = await editor.open(name, document);
      check(`${path} is not marked`, diagnostics.length === 0, diagnostics);
    }
  }
  check("there are right files to open", opened > 10, opened);
}

/** A text with the replacements of a report's repairs made: lines and columns count from 1, columns in code points. */
function repaired(text, results) {
  const replacements = results.flatMap((result) => result.fixes ?? []).flatMap((fix) => fix.artifactChanges[0].replacements);
  const lines = text.split("\n").map((line) => [...line]);
  replacements.sort((one, other) => other.deletedRegion.startColumn - one.deletedRegion.startColumn);
  for (const { deletedRegion: { startLine, startColumn, endColumn }, insertedContent } of replacements) {
    lines[startLine - 1].splice(startColumn - 1, endColumn - startColumn, ...insertedContent.text);
  }
  return lines.map((line) => line.join("")).join("\n");
}

/** The repairs of a report, made by its reader, are those that privlink makes. */
function repairsOfReportsAreOurs(folder, path, results) {
  const before = readFileSync(path, "utf8");
  check("the report brings repairs", results.filter((result) => result.fixes).length > 1, results);
  const byReader = repaired(before, results);
  spawnSync(binary, ["check", folder, "--fix"]);
  const byUs = readFileSync(path, "utf8");
  check("the repairs of the report are privlink's", byReader === byUs && byReader !== before, [byReader, byUs]);
}

/** A report of mistakes, and one of none, are SARIF 2.1.0 by its own schema. */
function reportsAreSarif() {
  const Ajv = require("ajv");
  const ajv = new Ajv({ schemaId: "auto", unknownFormats: "ignore", logger: false });
  ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
  const schema = JSON.parse(readFileSync(join(modules, "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json")));
  const valid = ajv.compile(schema);
  const folder = mkdtempSync(join(tmpdir(), "privlink-editor-"));
  try {
    const environment = join(folder, "environments", "prod");
    mkdirSync(environment, { recursive: true });
    writeFileSync(join(folder, "privlink.toml"), readFileSync("examples/repo-layout/privlink.toml"));
    writeFileSync(join(environment, "müll 1.yaml"), service(`    ${prefix}azure-load-balancer-internal: "True"
    ${prefix}azure-pls-create: "true"
    ${prefix}azure-pls-ip-configuration-ip-address-count: "9"`));
    const path = join(environment, "repairs.yaml");
    writeFileSync(path, service(`    ${prefix}azure-load-balancer-internal: "True" # ü 😀
    ${prefix}azure-load-balancer-tcp-idle-timeout: 5
    ${prefix}azure-load-balancer-health-probe-protcol: http`).replace("orders", "repairs"));
    writeFileSync(join(environment, "broken.yaml"), "a: [\n");
    const rows = [[folder, (results) => results.length > 2, 3], ["examples/repo-layout", (results) => results.length === 0, 0]];
    for (const [where, expected, exit] of rows) {
      const run = spawnSync(binary, ["check", where, "--format", "sarif"], { encoding: "utf8" });
      const report = JSON.parse(run.stdout);
      check(`the report about ${where} is SARIF`, valid(report), valid.errors);
      check(`the report about ${where} has what is wrong`, expected(report.runs[0].results), report.runs[0].results);
      check(`the exit code about ${where}`, run.status === exit, [run.status, run.stderr]);
      const rules = new Set(report.runs[0].tool.driver.rules.map((rule) => rule.id));
      check(`every finding about ${where} names a rule of the report`,
        report.runs[0].results.every((result) => rules.has(result.ruleId)), [...rules]);
      if (where === folder) {
        const of = (result) => result.locations[0].physicalLocation.artifactLocation.uri.endsWith("/repairs.yaml");
        repairsOfReportsAreOurs(folder, path, report.runs[0].results.filter(of));
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const late = setTimeout(() => {
  console.log("FAILED: the language server does not answer");
  process.exit(1);
}, 120_000);
await editor.start();
await offersAnnotations();
await offersValues();
await explainsAnnotations();
await marksMistakes();
await knowsOwnKinds();
await leavesRightFilesAlone();
await editor.stop();
clearTimeout(late);
reportsAreSarif();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
