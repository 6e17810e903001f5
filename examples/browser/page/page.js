import { Keyfob } from "./browser.js";

const ORDERS = "http://localhost:8004";
const keyfob = new Keyfob({ issuer: "http://localhost:8000/auth", apis: [ORDERS] });

const byId = (id) => document.getElementById(id);
const form = byId("sign-in");
let pending = null; // a sign-in that waits for its second factor

async function show() {
  form.hidden = keyfob.signedIn;
  byId("signed-in").hidden = !keyfob.signedIn;
  byId("orders").replaceChildren();
  if (!keyfob.signedIn) return;
  const answer = await keyfob.fetch(`${ORDERS}/orders`);
  if (!answer.ok) throw new Error(`The service of orders answers ${answer.status}`);
  const items = (await answer.json()).map((order) => {
    const item = document.createElement("li");
    item.textContent = order;
    return item;
  });
  byId("orders").replaceChildren(...items);
}

async function signIn() {
  const { email, password, code } = Object.fromEntries(new FormData(form));
  if (pending) await pending.finish({ code });
  else pending = await keyfob.signIn(email, password);
  if (keyfob.signedIn) {
    pending = null;
    form.reset();
  }
  byId("code").hidden = pending === null;
}

/** Do something, and say what went wrong. */
async function attempt(work) {
  byId("message").textContent = "";
  try {
    await work();
  } catch (fault) {
    byId("message").textContent = fault.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(signIn);
});
byId("sign-out").addEventListener("click", () => attempt(() => keyfob.signOut()));
keyfob.onChange(() => attempt(show)); // also when another tab signs in or out
attempt(show);
