// The page itself: signing in, the list, connect links.
let following = null;

async function attempt(work, refused) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) forget(error.message);
    else if (error.status !== -1) refused(error.message, error.status);
  }
}

// Each connection under its state's heading, the urgent ones first. Focus stays where it was.
function arrange() {
  const focused = document.activeElement;
  const all = [...cards.values()].sort((one, other) => one.connection.name.localeCompare(other.connection.name));
  const states = [...new Set([...Object.keys(STATES), ...all.map((card) => card.connection.status.state)])];
  const groups = states.map((state) => [state, all.filter((card) => card.connection.status.state === state)]);
  const full = groups.filter(([, members]) => members.length);
  const title = (state) => STATES[state]?.title ?? state;
  const counted = full.map(([state, members]) => badge(`${title(state)}: ${members.length}`, STATES[state]?.mark));
  at("counts").replaceChildren(...counted.map((each) => make("li", {}, each)));
  at("groups").replaceChildren(
    ...full.map(([state, members]) =>
      make("section", { "aria-label": title(state) }, make("h3", {}, title(state)), ...members.map((card) => card.article)),
    ),
  );
  if (!all.length) at("groups").append(make("p", { class: "note" }, "There is no connection yet. Make a connect link to begin."));
  if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
}

async function load() {
  await attempt(async () => {
    const query = new URLSearchParams({ limit: "100", ...(following ? { cursor: following } : {}) });
    const page = await api("GET", `${KV}?${query}`);
    if (!following) cards.clear();
    for (const connection of page.appConnections) cards.set(connection.id, new Card(connection));
    following = page.nextCursor ?? null;
    at("more").hidden = !following;
    arrange();
    say(`${cards.size} ${cards.size === 1 ? "connection" : "connections"} shown.`);
    if (at("signed-in").hidden) enter();
  }, refuse);
}

function refuse(text) {
  if (at("signed-in").hidden) forget(text);
  else fail(text);
}

function enter() {
  const { name, tid, exp } = claims(token);
  const until = exp ? `, until ${dated.format(new Date(exp * 1000))} UTC` : "";
  at("who").textContent = `${name ? `${name}, ` : ""}organisation ${tid ?? "of the token"}${until}`;
  at("sign-in").hidden = true;
  at("signed-in").hidden = false;
  at("connections").focus();
}

function forget(text) {
  token = "";
  following = null;
  cards.clear();
  at("link-form").reset();
  for (const id of ["groups", "counts", "link-made", "who"]) at(id).replaceChildren();
  at("signed-in").hidden = true;
  at("sign-in").hidden = false;
  at("token").value = "";
  if (text) fail(text);
  else say("The token is forgotten.");
  at("token").focus();
}

async function makeLink() {
  const [name, tenantId, description] = ["name", "tenant", "description"].map((each) => at(`link-${each}`).value.trim());
  const days = Number(at("link-days").value);
  const rotation = { rotationInterval: days, rotateAtUtc: { hours: 3, minutes: 0 } };
  const body = { name, method: "oauth", description, ...(days ? { isAutoRotationEnabled: true, rotation } : {}) };
  if (tenantId) body.credentials = { tenantId };
  await attempt(async () => {
    const made = await api("POST", `${KV}/oauth/authorize`, body);
    at("link-made").replaceChildren(...linkShown(`Connect link for ${name}`, made, restart));
    at("link-form").reset();
  }, (text) => at("link-made").replaceChildren(make("p", { class: "banner bad" }, text)));
}

function restart() {
  following = null;
  return load();
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim().replace(/^(export\s+)?TOKEN=|^Bearer\s+/i, "").replace(/^["']|["']$/g, "");
  at("token").value = "";
  say("Loading …");
  restart();
});
at("link-form").addEventListener("submit", (event) => {
  event.preventDefault();
  makeLink();
});
at("reload").addEventListener("click", restart);
at("more").addEventListener("click", load);
at("forget").addEventListener("click", () => forget(""));
at("token").focus();
