// Passkeys, in the forms that ask for one: the answer of the browser goes into a hidden field, and
// the form is sent as any other. Without scripts, or without passkeys, those forms stay hidden.

const supported =
  globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;

let waiting = null; // the ceremony that the browser is in: there can be only one

/** Begins a ceremony at the service: `{ challenge_id, options }`, or only options. */
async function begin(url) {
  const answer = await fetch(url, { method: "POST", cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function ask(form, mediation) {
  waiting?.abort();
  const ceremony = (waiting = new AbortController());
  const { challenge_id: challenge, options } = await begin(form.dataset.passkeyForm);
  if (ceremony.signal.aborted) return;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({
    publicKey,
    mediation,
    signal: ceremony.signal,
  });
  send(form, challenge, credential);
}

async function make(form) {
  waiting?.abort();
  const { challenge_id: challenge, options } = await begin(form.dataset.passkeyNew);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  send(form, challenge, await navigator.credentials.create({ publicKey }));
}

function send(form, challenge, credential) {
  const shown = credential.toJSON();
  const field = form.querySelector("[data-passkey-answer], input[name=passkey]");
  field.value = JSON.stringify(challenge ? { challenge_id: challenge, credential: shown } : shown);
  form.noValidate = true; // the fields of the other ways may stay empty
  form.requestSubmit();
}

function attempt(form, work) {
  const error = form.querySelector("[data-passkey-error]");
  return async () => {
    if (error) error.hidden = true;
    try {
      await work();
    } catch (fault) {
      if (fault.name === "AbortError") return;
      if (error) error.hidden = false;
    }
  };
}

function enliven(form) {
  form.hidden = false;
  const button = form.querySelector("[data-passkey-button], [data-passkey=step-up]");
  if (!button) return;
  for (const part of form.querySelectorAll("[data-passkey-or]")) part.hidden = false;
  button.hidden = false;
  const work = form.dataset.passkeyNew ? () => make(form) : () => ask(form);
  button.addEventListener("click", attempt(form, work));
}

/** Makes the passkeys of a region work; `console.js` calls it for a region that it has replaced. */
export function enlivenPasskeys(root) {
  if (!supported) return;
  for (const form of root.querySelectorAll("[data-passkey-form], [data-passkey-new]")) enliven(form);
}

async function offerInAutofill() {
  const form = document.querySelector("[data-passkey-autofill]");
  if (!form || !supported) return;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  // A refusal is nobody's business: nothing was asked for.
  await ask(form, "conditional").catch(() => {});
}

enlivenPasskeys(document);
offerInAutofill();
