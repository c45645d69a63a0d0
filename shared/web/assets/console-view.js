// Builds what is shown. Text from anywhere becomes text only: there is no markup in this file's inputs or outputs.
const STATES = {
  "needs-reconnect": { title: "Needs reconnecting", mark: "bad" },
  degraded: { title: "Degraded", mark: "warn" },
  active: { title: "Active", mark: "good" },
};
const REMEDIES = {
  "needs-reconnect": "Somebody has to sign in again, through a new connect link.",
  degraded: "It is tried again by itself; a check tells how it stands now.",
};
const OUTCOMES = { success: { title: "Succeeded", mark: "good" }, failed: { title: "Failed", mark: "bad" } };
const TRIGGERS = { scheduled: "On schedule", manual: "Asked for", enable: "On enabling" };
const METHODS = { oauth: "OAuth", "client-secret": "Client secret", certificate: "Certificate", federated: "Federated" };

const at = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

const badge = (text, mark = "") => make("span", { class: `badge ${mark}` }, text);
const dated = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });

function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? String(text) : make("time", { datetime: text }, `${dated.format(date)} UTC`);
}

function facts(pairs) {
  const rows = pairs.filter(([, value]) => value);
  return make("dl", {}, ...rows.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
}

// A reason reads "what happened. what to do. Correlation id: x.", of which the first part is always there.
function reasonAndRemedy({ state, reason }) {
  const [told, correlation] = (reason ?? "").split(/ Correlation id: ([\w-]+)\.$/);
  const end = told.indexOf(". ");
  const [what, remedy] = end < 0 ? [told, ""] : [told.slice(0, end + 1), told.slice(end + 2)];
  return [what, remedy || REMEDIES[state], correlation];
}

function nextRotation({ isAutoRotationEnabled, rotation }) {
  if (!rotation) return "Not scheduled";
  if (rotation.rotationStatus === "in-progress") return "Under way now";
  if (!isAutoRotationEnabled) return "Switched off";
  return rotation.nextRotationAt ? moment(rotation.nextRotationAt) : "Not set";
}

function connectionFacts(connection) {
  const { rotation, status } = connection;
  const [reason, remedy, correlation] = reasonAndRemedy(status);
  const late = rotation?.lastRotationMessage;
  return facts([
    ["Next rotation", nextRotation(connection)],
    ["Last rotation", rotation?.lastRotatedAt ? moment(rotation.lastRotatedAt) : null],
    ["Rotation says", late && late !== status.reason ? late : null],
    ["State since", moment(status.since)],
    ["Reason", reason],
    ["Remedy", remedy],
    ["Correlation id", correlation],
  ]);
}

function run(record) {
  const took = record.attempts === 1 ? "1 try" : `${record.attempts} tries`;
  const { title, mark } = OUTCOMES[record.outcome] ?? { title: record.outcome };
  const head = make("div", { class: "head" }, badge(title, mark), moment(record.startedAt));
  const message = record.message ? make("p", {}, record.message) : null;
  return make("li", {}, head, make("p", { class: "note" }, `${TRIGGERS[record.trigger] ?? record.trigger}, ${took}`), message);
}

function say(text) {
  at("failed").hidden = true;
  at("said").hidden = !text;
  at("said").textContent = text;
}

function fail(text) {
  say("");
  at("failed").hidden = !text;
  at("failed").textContent = text;
}
