// One connection: its facts, its state's group, and what can be done with it.
const cards = new Map();

class Card {
  constructor(connection) {
    this.id = connection.id;
    const name = connection.name;
    this.mark = make("span");
    this.note = make("p", { class: "note" });
    this.facts = make("div");
    this.told = make("div", { class: "told", "aria-live": "polite" });
    this.rotateButton = make("button", { class: "quiet", type: "button", "aria-label": `Rotate ${name} now` }, "Rotate now");
    this.rotateButton.addEventListener("click", () => this.rotate());
    this.reconnectButton = make("button", { type: "button", "aria-label": `Reconnect ${name}` }, "Reconnect");
    this.reconnectButton.addEventListener("click", () => this.reconnect(false));
    const head = make("div", { class: "head" }, make("h4", {}, name), this.mark, this.note);
    this.actions = make("div", { class: "row actions" }, this.reconnectButton, this.rotateButton);
    const details = [this.checkPanel(name), this.historyPanel(name)];
    const panels = make("div", { class: "panels" }, this.told, ...details);
    this.article = make("article", { class: "card", "aria-label": name }, head, this.facts, this.actions, panels);
    this.show(connection);
  }

  show(connection) {
    const state = STATES[connection.status.state] ?? { title: connection.status.state, mark: "" };
    const project = connection.project ? ` · project ${connection.project.name}` : "";
    const text = connection.description ? ` · ${connection.description}` : "";
    this.connection = connection;
    this.mark.className = `badge ${state.mark}`;
    this.mark.textContent = state.title;
    this.note.textContent = `${METHODS[connection.method] ?? connection.method} · tenant ${connection.credentials.tenantId}${project}${text}`;
    this.facts.replaceChildren(connectionFacts(connection));
    this.rotateButton.hidden = !connection.rotation;
    this.reconnectButton.hidden = connection.method !== "oauth"; // other credentials are submitted, not signed in for
    this.reconnectButton.className = connection.status.state === "needs-reconnect" ? "" : "quiet";
    this.actions.hidden = this.rotateButton.hidden && this.reconnectButton.hidden;
  }

  tell(...what) {
    this.told.replaceChildren(...what);
  }

  async rotate() {
    this.rotateButton.setAttribute("aria-disabled", "true");
    await attempt(async () => {
      this.tell(make("p", { class: "note" }, "Asking for a rotation …"));
      this.refresh((await api("POST", `${KV}/${this.id}/rotate-credentials`)).appConnection);
      this.tell(make("p", { class: "note" }, "The rotation is under way."));
      await this.untilRotated();
    }, (text) => this.tell(make("p", { class: "banner bad" }, text)));
    this.rotateButton.removeAttribute("aria-disabled");
  }

  // A link under which somebody signs in again. The connection keeps its id, and works as before until they have.
  async reconnect(anybody) {
    await attempt(async () => {
      const body = { connectionId: this.id, allowDifferentAccount: anybody };
      const made = await api("POST", `${KV}/oauth/authorize`, body);
      const whom = anybody ? "Any account may sign in. " : "The same account has to sign in. ";
      const link = linkShown(`Link to reconnect ${this.connection.name}`, made, () => this.reconnected(), whom);
      const other = make("button", { class: "quiet", type: "button" }, "Allow another account");
      other.addEventListener("click", () => this.reconnect(true));
      this.tell(...link, ...(anybody ? [] : [other]));
      link[0].querySelector("input").focus();
    }, (text) => this.tell(make("p", { class: "banner bad" }, text)));
  }

  async reconnected() {
    this.refresh((await api("GET", `${KV}/${this.id}`)).appConnection);
    this.tell(make("p", { class: "banner" }, "Reconnected."));
    this.reconnectButton.focus();
  }

  async untilRotated() {
    for (let looks = 0; looks < 60 && cards.get(this.id) === this; looks += 1) {
      const { rotation } = this.connection;
      if (rotation?.rotationStatus !== "in-progress") {
        const good = rotation?.rotationStatus === "success";
        this.tell(make("p", { class: good ? "banner" : "banner bad" }, good ? "Rotated." : "The rotation failed."));
        return;
      }
      await new Promise((done) => setTimeout(done, 1000));
      this.refresh((await api("GET", `${KV}/${this.id}`)).appConnection);
    }
    this.tell(make("p", { class: "note" }, "The rotation is still under way. Reload later to see how it went."));
  }

  refresh(connection) {
    const before = this.connection.status.state;
    this.show(connection);
    if (connection.status.state !== before) arrange();
  }

  checkPanel(name) {
    const field = `vault-${this.id}`;
    const input = make("input", { id: field, type: "url", placeholder: "https://….vault.azure.net", autocomplete: "off" });
    const button = make("button", { class: "quiet", type: "submit", "aria-label": `Check ${name} now` }, "Check now");
    const label = make("label", { for: field }, "Vault address ", make("span", { class: "hint" }, "(optional)"));
    const row = make("div", { class: "row" }, input, button);
    const answer = make("div", { class: "told", "aria-live": "polite" });
    const form = make("form", { class: "field" }, label, row);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.check(input.value.trim(), button, answer);
    });
    const summary = make("summary", { "aria-label": `Check ${name}` }, "Check");
    return make("details", { class: "panel" }, summary, form, answer);
  }

  async check(vaultUrl, button, answer) {
    button.setAttribute("aria-disabled", "true");
    answer.replaceChildren(make("p", { class: "note" }, "Checking …"));
    await attempt(async () => {
      const found = await api("POST", `${KV}/${this.id}/check`, vaultUrl ? { vaultUrl } : {});
      const mayList = { true: "Yes", false: "No" }[found.canListSecrets];
      answer.replaceChildren(
        facts([
          ["Result", badge(STATES[found.status]?.title ?? found.status, STATES[found.status]?.mark)],
          ["Checked", moment(found.checkedAt)],
          ["May list secrets", mayList],
          ["Message", found.message],
        ]),
      );
      this.refresh((await api("GET", `${KV}/${this.id}`)).appConnection);
    }, (text) => answer.replaceChildren(make("p", { class: "banner bad" }, text)));
    button.removeAttribute("aria-disabled");
  }

  historyPanel(name) {
    const list = make("ol", { class: "runs", "aria-label": `Rotations of ${name}` });
    const answer = make("div", { "aria-live": "polite" });
    const more = make("button", { class: "quiet", type: "button" }, "Older rotations");
    const panel = make("details", { class: "panel" }, make("summary", { "aria-label": `History of ${name}` }, "History"));
    panel.append(list, answer, more);
    let cursor = null;
    const load = () => attempt(async () => {
      const query = new URLSearchParams({ limit: "20", ...(cursor ? { cursor } : {}) });
      const page = await api("GET", `${KV}/${this.id}/rotations?${query}`);
      list.append(...page.rotations.map(run));
      cursor = page.nextCursor ?? null;
      more.hidden = !cursor;
      answer.replaceChildren(...(list.children.length ? [] : [make("p", { class: "note" }, "No rotation has ended yet.")]));
    }, (text) => answer.replaceChildren(make("p", { class: "banner bad" }, text)));
    more.hidden = true;
    more.addEventListener("click", load);
    panel.addEventListener("toggle", () => {
      if (!panel.open) return;
      cursor = null;
      list.replaceChildren();
      load();
    });
    return panel;
  }
}
