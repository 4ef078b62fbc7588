// What this browser was sending: survives a reload, and says where a file that is dropped again goes on.

const KEY = "moorage.uploads";

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries.slice(-50)));
  } catch {
    // A browser that keeps nothing still uploads; the drafts on the server remember too.
  }
}

export const remember = (entry) => write([...read().filter(({ url }) => url !== entry.url), entry]);
export const forget = (url) => write(read().filter((entry) => entry.url !== url));
// A draft on the server holds this upload from now on.
export const belongs = (url, draft) => write(read().map((entry) => (entry.url === url ? { ...entry, draft } : entry)));
// Uploads of this draft, and those that no draft held yet when the page went away.
export const left = (user, draft) => read().filter((entry) => entry.user === user && (!entry.draft || entry.draft === draft));
export const find = (user, sha256, size) => read().find((entry) => entry.user === user && entry.sha256 === sha256 && entry.size === size)?.url ?? "";
