// The pages that links in mails open. Nothing is sent before somebody presses a button, so that
// programs which follow links in mails use none up.
import { textsOf } from "./page-texts.js";

const page = document.getElementById("page");
const form = document.getElementById("form");
const factor = document.getElementById("factor");
const ask = document.getElementById("ask");
const fresh = document.getElementById("fresh");
const message = document.getElementById("message");
const password = document.getElementById("password");

const texts = textsOf(languages());
// The fragment keeps it from server logs and the Referer; this removes it from the history, too.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname + location.search);

class Refused extends Error {
  constructor(status, problem, wait) {
    super(problem.code);
    Object.assign(this, { status, problem, wait });
  }
}

function languages() {
  const asked = new URLSearchParams(location.search).get("lang");
  return asked ? [asked, ...navigator.languages] : navigator.languages;
}

function translate() {
  document.documentElement.lang = texts.language;
  for (const part of document.querySelectorAll("[data-text]")) {
    part.textContent = texts[part.dataset.text] ?? part.textContent;
  }
  document.title = document.querySelector("h1").textContent;
}

async function call(method, path, body, access) {
  const headers = { "Content-Type": "application/json" };
  if (access) headers.Authorization = `Bearer ${access}`;
  const answer = await fetch(page.dataset.api + path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
  });
  const told = await answer.json().catch(() => ({})); // a 204 has no body
  if (answer.ok) return told;
  throw new Refused(answer.status, told, Number(answer.headers.get("Retry-After")));
}

function say(text, isGood) {
  message.textContent = text;
  message.className = isGood ? "good" : "bad";
}

function show(inside) {
  for (const one of [form, factor, ask, fresh]) if (one) one.hidden = one !== inside;
  (inside?.querySelector("input, button") ?? document.querySelector("h1")).focus();
}

function finish(text, isGood) {
  say(text, isGood);
  show(null);
}

function reasonOf(fault) {
  if (!(fault instanceof Refused)) return texts.away;
  const { code, reason, request_id: id } = fault.problem;
  if (code === "weak_password") return texts[`weak.${reason}`] ?? texts["weak.common"];
  if (fault.status === 429) return texts.wait.replace("{}", Math.max(1, Math.ceil(fault.wait / 60)));
  if (fault.status >= 500) return texts.busy;
  return texts[`${page.dataset.page}.${code}`] ?? texts[code] ?? texts.refused.replace("{}", id ?? "-");
}

function refuse(fault, fields) {
  if (fault.message === "invalid_link") {
    say(texts[`${page.dataset.page}.invalid_link`] ?? texts.invalid_link, false);
    show(ask);
    return;
  }
  say(reasonOf(fault), false);
  for (const field of fields) field.setAttribute("aria-invalid", "true");
  fields[0]?.focus();
}

// Runs the action of a form or button, one at a time, and shows the result.
async function attempt(inside, work) {
  const fields = [...inside.querySelectorAll("input:not([type=checkbox])")];
  const buttons = inside.querySelectorAll("button");
  for (const field of fields) field.removeAttribute("aria-invalid");
  const empty = fields.find((field) => !field.value);
  if (empty && work !== withPasskey) {
    say(texts.empty, false);
    empty.setAttribute("aria-invalid", "true");
    empty.focus();
    return;
  }
  for (const button of buttons) button.disabled = true;
  message.textContent = "";
  try {
    await work();
  } catch (fault) {
    refuse(fault, fields);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

async function verify() {
  let tokens;
  try {
    tokens = await call("POST", "/verify-email/confirm", { token, password: password.value });
  } catch (fault) {
    if (fault.message === "password_change_required") {
      chooseWith(fault.problem.token);
      return;
    }
    if (fault.message !== "mfa_required") throw fault; // otherwise it is verified, and nobody signs in here
  }
  password.value = "";
  if (tokens) await endSession(tokens.access_token);
  finish(texts["verify.done"], true);
}

// The token for /recover/confirm, once known; kept, since the first password may be too weak.
let choosing = null;

function chooseWith(given) {
  choosing = given;
  document.getElementById("fresh-lead").textContent = texts["verify.change"];
  show(fresh);
}

// "That was not me, or I forgot it": the link alone verifies the address and removes others' data.
async function startAfresh() {
  const chosen = document.getElementById("new-password");
  choosing ??= (await call("POST", "/verify-email/confirm", { token })).token;
  await call("POST", "/recover/confirm", { token: choosing, password: chosen.value });
  chosen.value = "";
  finish(texts["verify.chosen"], true);
}

async function endSession(access) {
  await call("DELETE", "/logout", undefined, access).catch(() => {}); // the session was only for this
}

async function setPassword() {
  await call("POST", "/recover/confirm", { token, password: password.value });
  password.value = "";
  finish(texts[`${page.dataset.page}.done`], true);
}

// The answer is the same whether or not there is such an account.
async function askForLink() {
  const path = page.dataset.page === "verify" ? "/verify-email/request" : "/recover/request";
  await call("POST", path, { email: document.getElementById("asking").value.trim() });
  finish(texts.asked, true);
}

// A new address is confirmed by its owner: the API needs an access token beside the link's.
async function changeEmail() {
  const email = document.getElementById("email").value.trim();
  try {
    await confirmEmail(await call("POST", "/login", { email, password: password.value }));
  } catch (fault) {
    if (fault.message !== "mfa_required") throw fault;
    askForFactor(fault.problem);
  }
}

async function confirmEmail(tokens) {
  const access = tokens.access_token;
  password.value = "";
  try {
    await call("POST", "/me/email/confirm", { token }, access);
  } finally {
    await endSession(access);
  }
  finish(texts["email.done"], true);
}

let pending = null;

function askForFactor(problem) {
  pending = problem.mfa_token;
  const types = new Set((problem.factors ?? []).map((one) => one.type));
  document.getElementById("by-passkey").hidden =
    !types.has("passkey") || !window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  show(factor);
}

async function withCode() {
  const code = document.getElementById("code").value.trim();
  const proof = /^[\d\s]{6,8}$/.test(code)
    ? { code: code.replaceAll(/\s/g, "") }
    : { recovery_code: code };
  await answerFactor(proof);
}

async function withPasskey() {
  const { options, ...bare } = await call("POST", "/login/mfa/options", { mfa_token: pending });
  const asked = PublicKeyCredential.parseRequestOptionsFromJSON(options ?? bare);
  const credential = await navigator.credentials.get({ publicKey: asked }).catch(() => null);
  if (credential === null) throw new Refused(0, { code: "no_passkey" });
  await answerFactor({ credential: credential.toJSON() });
}

async function answerFactor(proof) {
  await confirmEmail(await call("POST", "/login/mfa", { mfa_token: pending, ...proof }));
}

const works = { verify, recover: setPassword, invite: setPassword, email: changeEmail };

function listen(inside, work) {
  inside.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(inside, work);
  });
}

translate();
listen(form, works[page.dataset.page]);
if (ask) listen(ask, askForLink);
if (factor) {
  listen(factor, withCode);
  document.getElementById("by-passkey").addEventListener("click", () => attempt(factor, withPasskey));
}
if (fresh) {
  listen(fresh, startAfresh);
  document.getElementById("without").addEventListener("click", () => {
    message.textContent = "";
    show(fresh);
  });
}
for (const [box, field] of [["show", "password"], ["show-new", "new-password"]]) {
  document.getElementById(box)?.addEventListener("change", (event) => {
    document.getElementById(field).type = event.target.checked ? "text" : "password";
  });
}
if (token) show(form);
else if (ask) show(ask);
else finish(texts.missing, false);
