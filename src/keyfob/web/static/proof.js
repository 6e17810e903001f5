// The question for a proof of identity, in a dialog: before what needs a recent sign-in is sent. The
// page that asks without scripts brings the words and the form; this one loses nothing.

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

// The question in an answer; none if there is nothing to prove, or if something else is wrong.
function findQuestion(answer) {
  const question = answer?.response?.querySelector("[data-proof]");
  if (!question) return null;
  const title = document.createElement("h2");
  const heading = question.querySelector("h1");
  title.id = "proof-title";
  title.textContent = heading.textContent;
  heading.replaceWith(title);
  return document.adoptNode(question);
}

function focusIn(question) {
  const error = question.querySelector("[data-focus]");
  const fields = [...question.querySelectorAll("input:not([type=hidden], .unseen), button")];
  (error ?? fields.find((field) => field.checkVisibility()))?.focus();
}

/** Resolves to true once the sign-in is recent, or cannot be made so here; to false if somebody turns back.
 *
 * In the dialog that `control` is in, or in one of its own.
 */
export async function prove(control, url, enliven) {
  let question = findQuestion(await load("GET", url));
  if (!question) return true;
  const own = control.closest("dialog") ? null : document.createElement("dialog");
  const dialog = own ?? control.closest("dialog");
  const others = [...dialog.children].filter((other) => !other.hidden);
  const box = document.createElement("div");
  box.append(question);
  const label = dialog.getAttribute("aria-labelledby");

  function show(next) {
    if (next !== question) question.replaceWith(next);
    question = next;
    enliven(question);
    enlivenPasskeys(question);
    focusIn(question);
  }

  return new Promise((resolve) => {
    function end(mayGoOn) {
      dialog.removeEventListener("close", turnBack);
      box.remove();
      for (const other of others) other.hidden = false;
      if (label) dialog.setAttribute("aria-labelledby", label);
      own?.close();
      own?.remove();
      resolve(mayGoOn);
    }
    const turnBack = () => end(false);

    async function send(event) {
      const form = event.target;
      event.preventDefault();
      const answer = await load("POST", form.action, new URLSearchParams(new FormData(form)));
      if (!box.isConnected) return; // somebody has turned back
      const again = findQuestion(answer);
      if (again) show(again);
      else if (answer) end(true);
      else for (const busy of question.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
    }

    box.addEventListener("submit", send);
    box.addEventListener("click", (event) => {
      if (!event.target.closest("[data-turn-back]")) return;
      event.preventDefault();
      dialog.close();
    });
    for (const other of others) other.hidden = true;
    dialog.append(box);
    dialog.setAttribute("aria-labelledby", "proof-title");
    dialog.addEventListener("close", turnBack);
    if (own) {
      document.body.append(own);
      own.showModal();
    }
    show(question);
  });
}
