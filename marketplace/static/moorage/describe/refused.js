// What a person can mend: what, the rule, what came; and what to do next. The same parts as the market's own answers.
export class Refused extends Error {
  constructor(code, message, hint = "") {
    super(message);
    Object.assign(this, { code, hint });
  }
}
