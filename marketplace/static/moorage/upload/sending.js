// One file on its way to the market by tus 1.0: in parts, each with its checksum; goes on after a pause, a lost line or an error of the server.

import { gettext, interpolate } from "../words.js";

const PART = 4 * 2 ** 20;
const TRIES = 10;
const LONGEST_WAIT_MS = 30_000;
const VERSION = "1.0.0";

const base64 = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
const words = (text) => base64(new TextEncoder().encode(text));

// What the market said when it refused: {code, message, hint, fields, problems}.
export class Refusal extends Error {
  constructor(status, said) {
    super(said.message ?? interpolate(gettext("The market answered %(status)s."), { status }));
    Object.assign(this, { status, code: said.code ?? "", hint: said.hint ?? "", problems: said.problems ?? null });
  }
}

export class Sending {
  constructor({ file, name, sha256, url, address, csrf, begun, moved }) {
    Object.assign(this, { file, name, sha256, url, address, csrf, begun, moved });
    this.offset = 0;
    this.paused = false;
  }

  // "done" once the market has the whole, "paused" or "cancelled" when the user wanted that; throws a Refusal.
  async run() {
    this.paused = false;
    for (let failures = 0; ;) {
      try {
        if (!this.url) await this.#begin();
        this.#at(Number((await this.#ask("HEAD", this.url)).offset));
        while (this.offset < this.file.size) {
          await this.#part();
          failures = 0;
        }
        return "done";
      } catch (error) {
        if (this.cancelled) return "cancelled";
        if (this.paused) return "paused";
        if (error.status === 404 && this.url && failures < TRIES) this.url = "";
        else if (error instanceof Refusal && !(error.status >= 500 && error.status !== 507) && ![409, 423, 460].includes(error.status)) throw error;
        failures += 1;
        if (failures > TRIES) throw error;
        this.moved({ waits: true });
        await this.#rest(Math.min(LONGEST_WAIT_MS, 500 * 2 ** (failures - 1)) * (0.5 + Math.random() / 2));
        if (this.cancelled) return "cancelled";
        if (this.paused) return "paused";
      }
    }
  }

  pause() {
    this.paused = true;
    this.request?.abort();
    this.wake?.();
  }

  async cancel() {
    this.cancelled = true;
    this.request?.abort();
    this.wake?.();
    if (this.url) await this.#ask("DELETE", this.url).catch(() => {});
  }

  async #begin() {
    const said = await this.#ask("POST", this.address, { "Upload-Length": this.file.size, "Upload-Metadata": `filename ${words(this.name)},sha256 ${words(this.sha256)}` });
    this.url = new URL(said.location, location.href).pathname;
    this.begun(this.url);
  }

  async #part() {
    const from = this.offset, part = await this.file.slice(from, from + PART).arrayBuffer();
    const headers = { "Upload-Offset": from, "Content-Type": "application/offset+octet-stream" };
    if (globalThis.crypto?.subtle) headers["Upload-Checksum"] = `sha256 ${base64(await crypto.subtle.digest("SHA-256", part))}`;
    if (this.paused || this.cancelled) throw new Error("stopped");
    this.#at(Number((await this.#ask("PATCH", this.url, headers, part, from)).offset));
  }

  #at(offset) {
    this.offset = offset;
    this.moved({ done: offset });
  }

  #ask(method, url, headers = {}, body = null, from = 0) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open(method, url);
      for (const [name, value] of Object.entries({ "Tus-Resumable": VERSION, "X-CSRFToken": this.csrf, ...headers })) request.setRequestHeader(name, value);
      request.upload.onprogress = body && ((event) => this.moved({ done: from + event.loaded }));
      request.onload = () => {
        if (request.status < 300) resolve({ offset: request.getResponseHeader("Upload-Offset"), location: request.getResponseHeader("Location") });
        else reject(new Refusal(request.status, parsed(request.responseText)));
      };
      request.onerror = request.onabort = () => reject(new Error(gettext("The line to the market broke.")));
      request.send(body);
    });
  }

  #rest(milliseconds) {
    return new Promise((resolve) => {
      const over = () => { clearTimeout(timer); window.removeEventListener("online", over); resolve(); };
      const timer = setTimeout(over, milliseconds);
      window.addEventListener("online", over);
      this.wake = over;
    });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// A call with JSON; returns what came back, throws a Refusal.
export async function call(method, url, csrf, body) {
  const answer = await fetch(url, {
    method, credentials: "same-origin", headers: { "X-CSRFToken": csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = parsed(await answer.text());
  if (!answer.ok) throw new Refusal(answer.status, said);
  return said;
}
