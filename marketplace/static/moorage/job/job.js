// The page of a job and of a trial: a tab that nobody looks at asks for nothing, and is fresh as soon as somebody does.
// A module, so that a page that includes it twice runs it once.

const asks = "[data-asks]"; // parts that ask the market for their own next state

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches?.(asks)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.querySelectorAll(asks).forEach((part) => htmx.trigger(part, "look"));
});

// What was said last is read out once, not every second.
let told = "";
document.addEventListener("htmx:afterSwap", () => {
  const now = document.querySelector("[data-tell]")?.dataset.tell ?? "";
  if (now && now !== told) document.getElementById("announce").textContent = now;
  told = now;
});

// A file is sent as soon as it is chosen or dropped: there is nothing else to decide.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send-at-once] input[type=file]") && event.target.files.length) event.target.form.requestSubmit();
});
