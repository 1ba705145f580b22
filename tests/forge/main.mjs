// Whether GitHub's description of its REST API knows every request on record, and what the fake answered.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, record] = process.argv.slice(2);
const require = createRequire(join(modules, "privlink.cjs"));
const Ajv = require("ajv");
const addFormats = require("ajv-formats");
const description = JSON.parse(readFileSync(join(modules, "@octokit", "openapi", "generated", "api.github.com.json"), "utf8"));

// ajv knows OpenAPI's "nullable" only beside a type.
function mend(node) {
  if (node === null || typeof node !== "object") return;
  for (const child of Object.values(node)) mend(child);
  if (node.nullable === true && node.type === undefined) {
    const rest = { ...node };
    for (const key of Object.keys(node)) delete node[key];
    delete rest.nullable;
    node.anyOf = [{ type: "null" }, rest];
  }
}
mend(description);

// Words of OpenAPI that are none of JSON Schema are ignored, and so is what a description leaves open.
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true, logger: false });
addFormats(ajv);
ajv.addSchema(description, "github");

let passed = 0;
let failed = 0;
function check(what, problems) {
  if (problems.length === 0) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAILED: ${what}\n  ${problems.join("\n  ")}`);
  }
}

const resolve = (own) => (own.$ref ? own.$ref.slice(2).split("/").reduce((at, key) => at[key], description) : own);
const pointer = (...keys) => "github#" + keys.map((key) => `/${encodeURIComponent(String(key).replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");
const validators = new Map();
function validator(ref) {
  if (!validators.has(ref)) {
    validators.set(ref, ajv.compile({ $ref: ref }));
  }
  return validators.get(ref);
}
const shown = (error) => `${error.instancePath || "/"} ${error.message}`;

const templates = Object.keys(description.paths).map((path) => ({
  path,
  pattern: new RegExp("^" + path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, "([^/]+)") + "$"),
  fixed: path.split("/").filter((part) => !part.startsWith("{")).length,
}));

/** The operation of a request: of several paths that fit, the one with the fewest holes. */
function operation(method, path) {
  const fits = templates.filter((own) => own.pattern.test(path) && description.paths[own.path][method]);
  return fits.sort((a, b) => b.fixed - a.fixed)[0];
}

/** A parameter of a path or query, as its schema has it. */
function typed(text, schema) {
  const type = resolve(schema).type;
  if (type === "integer" || type === "number") return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  return type === "boolean" && (text === "true" || text === "false") ? text === "true" : text;
}

function request({ method, path, query, body }, found) {
  const own = description.paths[found.path][method];
  const parameters = [...(description.paths[found.path].parameters ?? []), ...(own.parameters ?? [])].map(resolve);
  const problems = [];
  const holes = [...found.path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
  const given = [
    ...found.pattern.exec(path).slice(1).map((text, at) => ["path", holes[at], decodeURIComponent(text)]),
    ...[...new URLSearchParams(query)].map(([name, text]) => ["query", name, text]),
  ];
  for (const [where, name, text] of given) {
    const parameter = parameters.find((each) => each.in === where && each.name === name);
    if (!parameter) {
      problems.push(`the ${where} parameter ${name} is not known`);
      continue;
    }
    const validate = ajv.compile({ ...parameter.schema, ...(parameter.schema.$ref ? { $ref: "github" + parameter.schema.$ref } : {}) });
    if (!validate(typed(text, parameter.schema))) {
      problems.push(`${name}=${text}: ${validate.errors.map(shown).join("; ")}`);
    }
  }
  for (const parameter of parameters.filter((each) => each.required && each.in === "query")) {
    if (!given.some(([where, name]) => where === "query" && name === parameter.name)) problems.push(`${parameter.name} is missing`);
  }
  if (body !== null && !own.requestBody) problems.push("no body is taken");
  if (own.requestBody) {
    const validate = validator(pointer("paths", found.path, method, "requestBody", "content", "application/json", "schema"));
    if (!validate(body ?? {})) problems.push(...validate.errors.map(shown));
    // Fields that nobody reads are allowed by the description, and are a mistake of ours.
    const schema = resolve(own.requestBody.content["application/json"].schema);
    const known = new Set([schema, ...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])]
      .flatMap((part) => Object.keys(resolve(part).properties ?? {})));
    problems.push(...Object.keys(body ?? {}).filter((key) => !known.has(key)).map((key) => `the field ${key} is not known`));
  }
  return problems;
}

/** What an answer holds has to be as described; the fake leaves out what nobody reads. */
function answer({ method, status, answer: body }, found) {
  const own = description.paths[found.path][method].responses[status];
  // GitHub's refusals are described for few operations.
  if (!own) return status < 400 ? [`no answer with status ${status} is described`] : [];
  const at = own.$ref ? own.$ref.slice(2).split("/") : ["paths", found.path, method, "responses", String(status)];
  if (!resolve(own).content?.["application/json"]) return [];
  const validate = validator(pointer(...at, "content", "application/json", "schema"));
  if (validate(body)) return [];
  const kept = validate.errors.filter((error) => !["required", "anyOf", "oneOf", "allOf", "if"].includes(error.keyword));
  return kept.map(shown);
}

const graphql = { query: "query { viewer { login databaseId } }" };
const seen = new Set();
for (const line of readFileSync(record, "utf8").split("\n").filter(Boolean)) {
  const exchange = JSON.parse(line);
  const { method, path, body } = exchange;
  if (path === "/graphql") {
    check("the one question to GraphQL", method === "POST" && body.query === graphql.query ? [] : [JSON.stringify(body)]);
    continue;
  }
  exchange.method = method.toLowerCase();
  const found = operation(exchange.method, path);
  if (!found) {
    check(`${method} ${path}`, ["no such operation is described"]);
    continue;
  }
  seen.add(`${method} ${found.path}`);
  check(`request ${method} ${path}`, request(exchange, found));
  check(`answer to ${method} ${path} (${exchange.status})`, answer(exchange, found));
}
// A judge that lets everything pass would be none.
const comment = operation("post", "/repos/o/r/issues/7/comments");
const wrong = [
  { method: "post", path: "/repos/o/r/issues/7/comments", query: "", body: { text: "x" } },
  { method: "post", path: "/repos/o/r/issues/seven/comments", query: "", body: { body: "x" } },
  { method: "post", path: "/repos/o/r/issues/7/comments", query: "page=1", body: { body: "x" } },
];
for (const each of wrong) check(`it is found out: ${JSON.stringify(each)}`, request(each, comment).length > 0 ? [] : ["it passed"]);
check("an unknown path is found out", operation("put", "/repos/o/r/issues/7/comments") ? ["it passed"] : []);

console.log(`${passed} hold, ${failed} do not; ${seen.size} operations of GitHub`);
process.exit(failed === 0 && seen.size > 10 ? 0 : 1);
