// A Worker: reads a file in parts and answers with its SHA-256; tells how far it is.
import { Sha256 } from "./sha256.js";

const PART = 4 * 2 ** 20;

self.onmessage = async ({ data: file }) => {
  const sha256 = new Sha256();
  try {
    for (let at = 0; at < file.size; at += PART) {
      sha256.update(new Uint8Array(await file.slice(at, at + PART).arrayBuffer()));
      self.postMessage({ done: Math.min(at + PART, file.size) });
    }
    self.postMessage({ sha256: sha256.hex() });
  } catch {
    self.postMessage({ unreadable: true });
  }
};
