// What a person can mend: what, the rule, what came; and what to do next. The same parts as the market's own answers.
// `message` may hold %(name)s for each of `values`: a worker knows no other language, so its page says both anew.
import { gettext_noop, interpolate } from "../words.js";

export { gettext_noop };

export class Refused extends Error {
  constructor(code, message, hint = "", values = {}) {
    super(interpolate(message, values));
    Object.assign(this, { code, hint, words: { message, hint, values } });
  }
}
