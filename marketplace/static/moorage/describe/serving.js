// What both workers do: hold one table, tell of its columns, reduce it. They can open no connection: the policy of their script says so.
import { encoded, summary } from "./columns.js";
import { exposure, picture } from "./exposure.js";
import { reduce } from "./reduce.js";
import { gettext_noop, Refused } from "./refused.js";
import { specification } from "./specification.js";

const FARTHEST = 1e4; // specs.specification.MAX_COORDINATE

export function serve(read) {
  let table = null, last = { key: "" };
  const does = {
    async read({ file }) {
      table = await read(file, (share) => postMessage({ said: "progress", stage: "read", share }));
      return { said: "table", n: table.n, columns: table.columns.map((column) => summary(column, table.n)) };
    },
    // Other words for the same points are written without a second reduction.
    reduce({ space, spaceId, mapping, points, seed, semantic }) {
      const key = JSON.stringify([spaceId, mapping, points, seed]);
      if (last.key !== key) last = { key, ...made(space, mapping, points, seed) };
      const { points: Z, weights, ...measured } = last.outline;
      return {
        said: "outline", text: specification({ space, spaceId, outline: last.outline, seed, points, semantic }),
        ...measured, weights: [...weights], exposure: last.exposure, picture: last.picture,
      };
    },
  };

  function made(space, mapping, points, seed) {
    const rows = encoded(space, table, mapping), tell = (stage, share) => postMessage({ said: "progress", stage, share });
    const outline = reduce(rows, { sigma: space.kernel.sigma, points, seed, tell });
    const far = outline.points.findIndex((z) => Math.abs(z) > FARTHEST);
    if (far >= 0) {
      throw new Refused("implausible-points", gettext_noop("Rows lie more than %(farthest)s scales from the centre of this space in the column “%(column)s”."), gettext_noop("Check its unit: the space measures it in another one."), { farthest: FARTHEST.toLocaleString("en"), column: rows.names[far % rows.d] });
    }
    tell("look", 0);
    return { outline, exposure: exposure(rows, outline), picture: picture(rows, outline) };
  }

  onmessage = async ({ data }) => {
    try {
      postMessage(await does[data.do](data));
    } catch (error) {
      const isOurs = error instanceof Refused, isMemory = error instanceof RangeError;
      postMessage({
        said: "refused", code: isOurs ? error.code : isMemory ? "too-large" : "not-readable",
        message: isOurs ? error.message : isMemory ? "This file does not fit into the memory of this page." : `The file can not be read: ${error.message}`,
        words: isOurs ? error.words : { message: isMemory ? gettext_noop("This file does not fit into the memory of this page.") : gettext_noop("The file can not be read: %(why)s"), hint: gettext_noop("Describe it with `moorage describe` instead, or drop a part of its rows."), values: { why: error.message } },
        hint: isOurs ? error.hint : "Describe it with `moorage describe` instead, or drop a part of its rows.",
      });
    }
  };
  postMessage({ said: "ready" });
}
