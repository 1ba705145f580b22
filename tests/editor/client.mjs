// The least of an editor: speaks the Language Server Protocol with a server over its standard input and output.
import { spawn } from "node:child_process";

export class Editor {
  #server;
  #pending = new Map();
  #diagnostics = new Map();
  #bytes = Buffer.alloc(0);
  #next = 1;
  #settings;

  constructor(program, settings) {
    this.#settings = settings;
    this.#server = spawn(process.execPath, [program, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
    this.#server.stdout.on("data", (bytes) => this.#read(bytes));
  }

  async start() {
    await this.#request("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities: { workspace: { configuration: true }, textDocument: { hover: {}, completion: {} } },
    });
    this.#notify("initialized", {});
    this.#notify("workspace/didChangeConfiguration", { settings: this.#settings });
  }

  /** Opens a file and answers what is wrong with it. */
  async open(name, text) {
    const uri = `file:///work/${name}`;
    const told = new Promise((resolve) => this.#diagnostics.set(uri, resolve));
    this.#notify("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
    return { uri, diagnostics: await told };
  }

  async hover(uri, position) {
    const answer = await this.#request("textDocument/hover", { textDocument: { uri }, position });
    return answer?.contents?.value ?? "";
  }

  async complete(uri, position) {
    const answer = await this.#request("textDocument/completion", { textDocument: { uri }, position });
    return answer?.items ?? answer ?? [];
  }

  async stop() {
    await this.#request("shutdown", null);
    this.#notify("exit", null);
  }

  #request(method, params) {
    const id = this.#next++;
    this.#send({ id, method, params });
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #notify(method, params) {
    this.#send({ method, params });
  }

  #send(message) {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  #read(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#bytes.subarray(0, end).toString())[1]);
      const whole = end + 4 + length;
      if (this.#bytes.length < whole) return;
      const message = JSON.parse(this.#bytes.subarray(end + 4, whole).toString());
      this.#bytes = this.#bytes.subarray(whole);
      this.#take(message);
    }
  }

  #take(message) {
    if (message.method === "workspace/configuration") {
      const result = message.params.items.map((item) => this.#settings[item.section] ?? null);
      this.#send({ id: message.id, result });
    } else if (message.method === "textDocument/publishDiagnostics") {
      this.#diagnostics.get(message.params.uri)?.(message.params.diagnostics);
    } else if (message.method && message.id !== undefined) {
      this.#send({ id: message.id, result: null });
    } else if (message.id !== undefined && this.#pending.has(message.id)) {
      const { resolve, reject } = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    }
  }
}
