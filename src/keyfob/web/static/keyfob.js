// Comfort on every page: everything works without it. It carries no words; those stand in the page.

const on = (event, listen, options) => document.addEventListener(event, listen, options);
const all = (selector, root = document) => root.querySelectorAll(selector);
const language = document.documentElement.lang;

// Shows the other of the pairs of spans in a control: Show and Hide, Copy and Copied.
function swap(control, isOn) {
  const spans = [...control.children].filter((child) => child.matches("span:not(.unseen)"));
  spans.forEach((span, at) => { span.hidden = (at % 2 === 1) !== isOn; });
}

// Times in the browser's zone, where the server did not know the reader's; and how long ago it was.
const forms = {
  moment: { dateStyle: "medium", timeStyle: "short" },
  day: { dateStyle: "medium" },
  clock: { timeStyle: "short" },
};
const units = [["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = units.find(([, least]) => Math.abs(seconds) >= least) ?? ["second", 60];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

function tellTimes(root) {
  for (const time of all("time[data-form]", root)) {
    const at = new Date(time.dateTime);
    const { form, zone } = time.dataset;
    if (form === "ago") time.textContent = ago(at);
    else if (!zone) time.textContent = new Intl.DateTimeFormat(language, forms[form]).format(at);
    if (zone || time.dataset.told) continue;
    time.dataset.told = "";
    const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" }).format(at);
    time.title = `${whole} (${time.title})`;
  }
}

// "0:42" on a button that is free when the time is up.
function countDown(button) {
  const until = Date.now() + 1000 * button.dataset.countdown;
  const left = button.querySelector("[data-left]");
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    const isOver = seconds <= 0;
    button.setAttribute("aria-disabled", String(!isOver));
    swap(button, !isOver);
    if (isOver) return;
    left.textContent = `${Math.trunc(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    setTimeout(tick, 1000);
  };
  tick();
}

// Toasts leave after six seconds (ten, if something can be undone), unless somebody looks at them.
function show(toast) {
  const box = document.getElementById("toasts");
  toast.remove();
  requestAnimationFrame(() => box.append(toast)); // what is there from the start is not read out
  if (toast.dataset.toast) return; // it waits for an answer
  let timer;
  const leave = () => (document.hidden || toast.matches(":hover, :focus-within") ? wait() : toast.remove());
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, toast.querySelector("form") ? 10000 : 6000);
  };
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
  wait();
}

// What a page contains, or a region of it that came later (console.js calls this).
export function enliven(root = document) {
  tellTimes(root);
  for (const button of all("[data-show], [data-copy], [data-print], [data-dismiss]", root)) {
    button.hidden = "copy" in button.dataset && !navigator.clipboard;
  }
  for (const button of all("[data-countdown]", root)) countDown(button);
  for (const dialog of all("dialog[data-open]", root)) {
    dialog.open = false;
    dialog.showModal();
  }
  for (const toast of all("[data-toast]", root)) show(toast);
}

const presses = {
  show(button) {
    const field = document.getElementById(button.dataset.show);
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    swap(button, isShown);
    field.focus();
  },
  async copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy || location.href);
    swap(button, true);
    setTimeout(() => swap(button, false), 2000);
  },
  print: () => print(),
  dismiss(button) {
    button.closest("[data-toast]").remove();
    document.getElementById("main")?.focus({ preventScroll: true });
  },
  dialog(opener, event) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog) return;
    event.preventDefault();
    opener.closest("[popover]")?.hidePopover();
    if (!dialog.open) dialog.showModal();
  },
  // An address that is typed already is not asked for again on the next page.
  carriesAddress(link) {
    const typed = document.getElementById("f-email")?.value;
    const there = new URL(link.href);
    if (typed) there.searchParams.set("email", typed);
    link.href = there.href;
  },
  recent: prepareLink,
  asks: prepareLink,
  stay(button) {
    const asking = new XMLHttpRequest();
    asking.open("GET", button.dataset.stay);
    asking.responseType = "document";
    asking.onload = () => {
      const then = asking.response?.body.dataset.endsIn;
      if (!then) { // it has ended, and the sign-in page says so
        location.assign(button.dataset.stay);
        return;
      }
      button.closest("[data-toast]").remove();
      document.getElementById("main")?.focus({ preventScroll: true });
      document.body.dataset.endsIn = then;
      warnOfTheEnd();
    };
    asking.send();
  },
};

on("click", (event) => {
  const control = event.target.closest("button, a, [data-dialog]");
  if (!control) return;
  if (control.getAttribute("aria-disabled") === "true") event.preventDefault();
  for (const name of Object.keys(control.dataset)) presses[name]?.(control, event);
});

// What needs a recent sign-in asks for a proof first, and what cannot be undone asks back: in a dialog,
// and then it goes on. If that cannot be done here, pages of the service ask.
const isReady = new WeakSet();
async function prepare(control, form, goOn) {
  if (control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  let mayGoOn = true;
  try {
    const { prove, ask } = await import("./questions.js");
    if ("recent" in (form ?? control).dataset) mayGoOn = await prove(control, enliven);
    if (mayGoOn && "asks" in control.dataset) mayGoOn = !(await ask(control, form, enliven));
  } catch (fault) {
    console.error(fault);
  }
  control.removeAttribute("aria-busy");
  if (mayGoOn) goOn();
}
function prepareLink(link, event) {
  if (!link.href || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.closest("[popover]")?.hidePopover(); // the focus returns to what has opened it
  prepare(link, null, () => location.assign(link.href));
}

// Passwords that are shown are hidden again before they are sent, and kept by no form history.
on("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || event.submitter?.formMethod === "dialog") return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  const button = event.submitter;
  const asksFirst = "recent" in form.dataset || "asks" in (button?.dataset ?? {});
  if (asksFirst && !event.defaultPrevented && !isReady.delete(form)) {
    event.preventDefault();
    prepare(button ?? form, form, () => {
      isReady.add(form);
      form.requestSubmit(button);
    });
    return;
  }
  for (const button of all("[data-show]", form)) document.getElementById(button.dataset.show).type = "password";
  // After a download the page stays, and its form can be sent again.
  if (form.method === "get" || "download" in form.dataset) return;
  form.setAttribute("aria-busy", "true");
  (button ?? form.querySelector("[type=submit]"))?.setAttribute("aria-busy", "true");
});

// A page that comes back by Back is asked for again, if it was somebody's own; else it is made free.
// On a narrow screen the places stand in one row, which scrolls.
document.querySelector("nav.side [aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "center" });

// What is shown once is gone when one has left, also from a page that the browser keeps for Back.
addEventListener("pagehide", () => {
  for (const secret of all("[data-once]")) secret.replaceChildren();
});

addEventListener("pageshow", (event) => {
  const once = document.querySelector("[data-once]");
  if (event.persisted && once) {
    location.replace(once.dataset.once); // to ask for this page once more would make others
    return;
  }
  if (event.persisted && "signedIn" in document.body.dataset) {
    location.reload();
    return;
  }
  for (const busy of all("[aria-busy=true]")) busy.removeAttribute("aria-busy");
});

on("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  tellTimes(document);
  carryOn();
});

// Signed in in another tab: this one goes on, too. A GET of a sign-in page does so on the server.
let asked = false;
function carryOn() {
  const form = document.querySelector("form[data-carry-on]");
  if (!form || asked || all("dialog[open]").length) return;
  asked = true;
  const asking = new XMLHttpRequest();
  asking.open("HEAD", form.dataset.carryOn);
  asking.onload = () => {
    asked = false;
    const isIn = asking.status === 200 && new URL(asking.responseURL).pathname === new URL(form.dataset.carryOn, location).pathname;
    if (isIn) location.reload();
  };
  asking.onerror = () => { asked = false; };
  asking.send();
}

// A code is sent once it is whole: six digits, with spaces and dashes wherever somebody likes.
on("input", (event) => {
  const field = event.target;
  if (!("sends" in field.dataset) || !/^\d{6}$/.test(field.value.replace(/[\s-]/g, ""))) return;
  if (field.dataset.sent === field.value) return;
  field.dataset.sent = field.value;
  field.form.requestSubmit();
});

function tellCaps(event) {
  const note = document.getElementById(event.target.dataset?.caps ?? "")?.firstElementChild;
  if (note && event.getModifierState) note.hidden = !event.getModifierState("CapsLock");
}
on("keydown", tellCaps);
on("keyup", tellCaps);

// Two minutes before the session ends, somebody may stay.
let ending;
function warnOfTheEnd() {
  const words = document.getElementById("session-ends");
  if (!words) return;
  clearTimeout(ending);
  const seconds = Math.max(0, document.body.dataset.endsIn - 120);
  if (seconds < 2147483) ending = setTimeout(() => show(words.content.firstElementChild.cloneNode(true)), 1000 * seconds);
}

// A minute before a step of the sign-in ends, its page says so.
function warnOfTheStep() {
  const place = document.querySelector("[data-soon]");
  if (!place) return;
  const tell = () => place.append(place.querySelector("template").content.cloneNode(true));
  setTimeout(tell, 1000 * Math.max(0, place.dataset.soon - 60));
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && "keepsZone" in document.body.dataset) document.cookie = `keyfob-zone=${zone}; path=/; max-age=31536000; samesite=lax`;

// What was just done is said once: not again by a reload, or on the way back.
function forgetWhatWasDone() {
  const here = new URL(location);
  for (const name of ["done", "who", "undo"]) here.searchParams.delete(name);
  if (here.href !== location.href) history.replaceState(null, "", here);
}

enliven();
forgetWhatWasDone();
warnOfTheEnd();
warnOfTheStep();
document.querySelector("form[data-sends-itself]")?.submit();
document.querySelector("[data-focus]")?.focus();
