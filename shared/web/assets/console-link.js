// A connect link: where it leads, who may use it until when, and whether somebody has, whereupon `used` is called.
const LINK_STATES = {
  pending: "Nobody has signed in yet.",
  failed: "The last sign-in failed; the link can be opened again.",
  expired: "The link has expired. Make a new one.",
  succeeded: "Yes: somebody has signed in.",
};

function linkShown(title, made, used, whom = "") {
  const id = `link-${made.flowId}`;
  const input = make("input", { id, readonly: "", value: made.connectUrl });
  const copy = make("button", { class: "quiet", type: "button" }, "Copy");
  const look = make("button", { class: "quiet", type: "button" }, "Has it been used?");
  const answer = make("p", { class: "note", "aria-live": "polite" });
  copy.addEventListener("click", async () => {
    input.select();
    const copied = await navigator.clipboard?.writeText(input.value).then(() => true, () => false);
    answer.textContent = copied ? "Copied." : "The link is selected: copy it with your keyboard.";
  });
  look.addEventListener("click", () => attempt(async () => {
    const { state, message } = await api("GET", `${KV}/oauth/flows/${made.flowId}`);
    answer.textContent = [LINK_STATES[state] ?? state, message].filter(Boolean).join(" ");
    if (state === "succeeded") await used();
  }, (text) => { answer.textContent = text; }));
  const row = make("div", { class: "row" }, input, copy, look);
  const until = make("p", { class: "note" }, `${whom}Send it as you would send a password. Valid until `, moment(made.expiresAt), ".");
  return [make("div", { class: "field" }, make("label", { for: id }, title), row), until, answer];
}
