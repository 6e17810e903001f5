// Questions in dialogs: the proof that a recent sign-in needs, and confirmations. Pages of their own ask
// them without scripts, and bring the words and the forms; here nothing of this page is lost.

import { enlivenPasskeys } from "./passkeys.js";

function load(method, url, body) {
  return new Promise((resolve) => {
    const asking = new XMLHttpRequest();
    asking.open(method, url);
    asking.responseType = "document";
    asking.onload = () => resolve(asking);
    asking.onerror = () => resolve(null);
    asking.send(body);
  });
}

// `form.action` could be a button of that name.
const placeOf = (form) => new URL(form.getAttribute("action"), location);
const fieldsOf = (form, button) => new URLSearchParams(new FormData(form, button));

function free(root) {
  for (const busy of root.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
}

// The question of a page, with its title; none if the answer is another page.
function find(answer, selector) {
  const asks = answer?.response?.querySelector(selector);
  if (!asks) return null;
  const heading = asks.closest("dialog")?.querySelector("h2") ?? answer.response.querySelector("h1");
  const title = document.createElement("h2");
  title.id = "question-title";
  title.textContent = heading.textContent;
  const question = document.createElement("div");
  question.className = "stack";
  question.append(title);
  const about = heading.nextElementSibling;
  if (asks.contains(heading)) heading.remove();
  else if (about?.matches("p")) question.append(document.adoptNode(about));
  question.append(document.adoptNode(asks));
  return question;
}

function focusIn(question) {
  const first = question.querySelector("[data-focus]") ?? question.querySelector("[data-first], [autofocus]");
  const fields = [...question.querySelectorAll("input:not([type=hidden], .unseen), button")];
  (first ?? fields.find((field) => field.checkVisibility()))?.focus();
}

/** Shows a question in the dialog that `control` is in, or in one of its own.
 *
 * `send(form, button, stage)` is called for each form that is sent. `stage.ended` resolves to what
 * `stage.end` is given; to false if somebody turns back.
 */
function put(question, control, enliven, send) {
  control.removeAttribute("aria-busy"); // it waits for an answer, and not for the service
  const own = control.closest("dialog") ? null : document.createElement("dialog");
  const dialog = own ?? control.closest("dialog");
  const others = [...dialog.children].filter((other) => !other.hidden);
  const label = dialog.getAttribute("aria-labelledby");
  const box = document.createElement("div");
  const stage = { box };
  const turnBack = () => stage.end(false);

  stage.show = (next) => {
    box.replaceChildren(next);
    enliven(next);
    enlivenPasskeys(next);
    focusIn(next);
  };
  stage.ended = new Promise((resolve) => {
    stage.end = (answer) => {
      dialog.removeEventListener("close", turnBack);
      box.remove();
      for (const other of others) other.hidden = false;
      if (label) dialog.setAttribute("aria-labelledby", label);
      own?.close();
      own?.remove();
      resolve(answer);
    };
  });

  box.addEventListener("submit", (event) => send(event, stage));
  box.addEventListener("click", (event) => {
    if (!event.target.closest("[data-turn-back], [data-cancel]")) return;
    event.preventDefault();
    dialog.close();
  });
  for (const other of others) other.hidden = true;
  dialog.append(box);
  dialog.setAttribute("aria-labelledby", "question-title");
  dialog.addEventListener("close", turnBack);
  if (own) {
    document.body.append(own);
    own.showModal();
  }
  stage.show(question);
  return stage;
}

/** Resolves to true once the sign-in is recent, or cannot be made so here; to false if somebody turns back. */
export async function prove(control, enliven) {
  const question = find(await load("GET", document.body.dataset.proofAt), "[data-proof]");
  if (!question) return true;
  const stage = put(question, control, enliven, async (event) => {
    event.preventDefault();
    const answer = await load("POST", placeOf(event.target), fieldsOf(event.target, event.submitter));
    if (!stage.box.isConnected) return; // somebody has turned back
    const again = find(answer, "[data-proof]");
    if (again) stage.show(again);
    else if (answer) stage.end(true);
    else free(stage.box);
  });
  return stage.ended;
}

/** Asks what the page at the end of a link, or of a form, would ask; resolves to whether it asks. */
export async function ask(control, form, enliven) {
  const selector = control.dataset.asks || "[data-question]";
  const answer = await (form ? load("POST", placeOf(form), fieldsOf(form, control)) : load("GET", control.href));
  const question = find(answer, selector);
  if (question) put(question, control, enliven, (event, stage) => keep(event, stage, selector, enliven));
  return question !== null;
}

// A form that stays in its dialog until it is good; any other is sent as if there were no dialog.
async function keep(event, stage, selector, enliven) {
  const form = event.target;
  const button = event.submitter;
  if (!("stays" in form.dataset)) return;
  event.preventDefault();
  const answer = await load("POST", placeOf(form), fieldsOf(form, button));
  if (!stage.box.isConnected) return;
  const again = find(answer, selector);
  const isElsewhere = answer && new URL(answer.responseURL).pathname !== placeOf(form).pathname;
  if (again) stage.show(again);
  else if (isElsewhere) location.assign(answer.responseURL);
  else {
    free(stage.box);
    const asksForProof = find(answer, "[data-proof]");
    if (asksForProof && !(await prove(form, enliven))) return;
    if (answer && !asksForProof) delete form.dataset.stays; // its page tells what is wrong
    if (answer) form.requestSubmit(button);
  }
}
