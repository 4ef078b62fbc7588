// What this page asks of the market, each request with what it sent: names and types of columns, never a row.
import { gettext, interpolate, ngettext } from "../words.js";
import { Refused } from "./refused.js";

export class Ledger {
  constructor(changed) {
    this.sent = []; // { what, bytes, body }
    this.loaded = []; // whatever the browser itself saw this page load
    this.changed = changed;
    // The browser's own count, so that nothing is left out that this file does not know of.
    this.watch = new PerformanceObserver((list) => { this.loaded.push(...list.getEntries()); changed(); });
    this.watch.observe({ type: "resource" });
  }

  between(from, to) {
    this.loaded.push(...this.watch.takeRecords());
    return this.loaded.filter(({ startTime }) => startTime >= from && startTime <= to).length;
  }

  note(what, body = "") {
    this.sent.push({ what, body, bytes: new TextEncoder().encode(body).length });
    this.changed();
  }
}

export class Market {
  constructor({ find, spaces }, ledger) {
    Object.assign(this, { find, address: spaces, ledger, held: new Map() });
  }

  async spacesFor(columns) {
    return this.ask(this.find, interpolate(ngettext("The name and type of %(n)s column", "The names and types of %(n)s columns", columns.length), { n: columns.length }), JSON.stringify({ columns }));
  }

  async space(id) {
    if (!this.held.has(id)) this.held.set(id, (await this.ask(`${this.address}/${encodeURIComponent(id)}`, gettext("Asked for a space by its id"))).space);
    return this.held.get(id);
  }

  async every() {
    return (this.list ??= await this.ask(this.address, gettext("Asked for the list of spaces")));
  }

  async ask(url, what, body) {
    this.ledger.note(what, body);
    let answer, found;
    try {
      answer = await fetch(url, body === undefined ? { credentials: "omit" } : { method: "POST", body, headers: { "Content-Type": "application/json" }, credentials: "omit" });
      found = await answer.json();
    } catch {
      throw new Refused("no-answer", gettext("The market does not answer."), gettext("Is the network there? Drop the file again to go on."));
    }
    if (!answer.ok) throw new Refused(found.code ?? "refused", found.message ?? interpolate(gettext("The market answered %(status)s."), { status: answer.status }), found.hint ?? "");
    return found;
  }
}
