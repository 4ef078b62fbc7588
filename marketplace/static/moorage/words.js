// Words in the language of the page, for modules; a worker, and a page in English, have no catalog and say what the source says (docs/operations.md).
// The names are those that `makemessages` looks for.
export const gettext = (text) => globalThis.gettext?.(text) ?? text;
export const ngettext = (one, many, n) => globalThis.ngettext?.(one, many, n) ?? (n === 1 ? one : many);
export const gettext_noop = (text) => text; // marks what somebody else says later
export const interpolate = (text, values) => text.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));
