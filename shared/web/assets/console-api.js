"use strict";
// Speaks to this service and nobody else. The token lives in one variable: no storage, no cookie, no address.
const KV = "v1/app-connections/azure-key-vault";
let token = "";

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function api(method, path, body) {
  const request = { method, headers: { Authorization: `Bearer ${token}` }, credentials: "omit", cache: "no-store" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  const asked = token;
  let answer;
  try {
    answer = await fetch(path, { ...request, redirect: "error" });
  } catch {
    throw new Refusal(0, "The service did not answer. Check your network, then try again.");
  }
  const content = await answer.json().catch(() => null);
  if (asked !== token) throw new Refusal(-1, ""); // the token was forgotten meanwhile: the answer is nobody's
  if (!answer.ok) throw new Refusal(answer.status, told(answer.status, content));
  return content;
}

function told(status, content) {
  if (status === 401) return "The token is not accepted; it may have expired. Paste a new one.";
  const message = content?.message;
  if (Array.isArray(message)) return message.map((each) => `${each.path.join(".")}: ${each.message}`).join(". ");
  const request = status >= 500 && content?.reqId ? ` (request ${content.reqId})` : "";
  return (message || `The service answered with status ${status}.`) + request;
}

// What the token says of itself, for the reader's eyes; the service alone decides whether that is true.
function claims(text) {
  try {
    const part = text.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (each) => each.charCodeAt(0))));
  } catch {
    return {};
  }
}
