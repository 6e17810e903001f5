// Comfort in the console: search as one types, keys, selection, the palette. It carries no words.

import { enliven } from "./keyfob.js";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const picks = () => all("[data-pick]");

// The regions of this page are replaced by those of another state of it, which the address then names.
let asking;
function show(url, then) {
  asking?.abort();
  asking = new XMLHttpRequest();
  asking.open("GET", url);
  asking.responseType = "document";
  asking.onload = () => {
    const found = asking.response && asking.status === 200 ? all("[data-region]", asking.response) : [];
    if (!found.length) {
      location.assign(url);
      return;
    }
    history.replaceState(null, "", url);
    for (const part of found) {
      const old = document.querySelector(`[data-region="${part.dataset.region}"]`);
      const fresh = document.adoptNode(part);
      old?.replaceWith(fresh);
      enliven(fresh);
    }
    tellPicked();
    then?.();
  };
  asking.onerror = () => location.assign(url);
  asking.send();
}

function urlOf(form) {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  return query.size ? `${form.action}?${query}` : form.action;
}

let typing;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form || event.isComposing) return;
  clearTimeout(typing);
  typing = setTimeout(() => show(urlOf(form)), 200);
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-live]")) return;
  event.preventDefault();
  clearTimeout(typing);
  show(urlOf(event.target));
});

// The number of rows that are selected; the bar shows itself by the stylesheet.
function tellPicked() {
  const boxes = picks();
  const amount = boxes.filter((box) => box.checked).length;
  for (const place of all("[data-picked]")) place.textContent = amount.toLocaleString(document.documentElement.lang);
  for (const box of all("[data-pick-all]")) {
    box.checked = amount > 0 && amount === boxes.length;
    box.indeterminate = amount > 0 && amount < boxes.length;
  }
}
let last;
document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-pick]");
  if (!box) return;
  const boxes = picks();
  const from = boxes.indexOf(last);
  if (event.shiftKey && from >= 0) {
    const to = boxes.indexOf(box);
    for (const one of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
  }
  last = box;
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-pick-all]")) for (const box of picks()) box.checked = event.target.checked;
  tellPicked();
});

// Keys. None works in a field, and all can be switched off (WCAG 2.1.4).
const KEYS = "keyfob-keys";
const palette = document.getElementById("palette");
const list = document.getElementById("key-list");
const areOn = () => localStorage.getItem(KEYS) !== "off";
const rows = () => all("[data-row]");
const current = () => document.querySelector("[data-row].current");

function move(by) {
  const found = rows();
  if (!found.length) return;
  const at = found.indexOf(current());
  const next = found[Math.max(0, Math.min(found.length - 1, at < 0 ? 0 : at + by))];
  current()?.classList.remove("current");
  next.classList.add("current");
  next.querySelector("a")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

// To what the page names, or else to the list that it belongs to: as it was, if one comes from there.
function goBack() {
  const back = document.querySelector("[data-back], .drawer [aria-current=page]");
  if (!back || back.pathname === location.pathname) return;
  const from = document.referrer && new URL(document.referrer);
  if (from && from.origin === location.origin && from.pathname === back.pathname) history.back();
  else back.click();
}

const keys = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => current()?.querySelector("[data-pick]")?.click(),
  Enter: () => current()?.querySelector("a")?.click(),
  Escape: goBack,
  "?": () => list?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
    event.preventDefault();
    openPalette();
    return;
  }
  const isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
  const isElsewhere = event.target.closest("input, select, textarea, dialog, [popover], [contenteditable]");
  const isButton = event.key === "Enter" && event.target.closest("a, button, summary");
  if (!isPlain || isElsewhere || isButton || event.defaultPrevented || !areOn() || !(event.key in keys)) return;
  if (event.key === "Enter" && !current()) return;
  // What is open closes by this key, unless it is taken from the browser.
  if (event.key === "Escape" && document.querySelector(":popover-open, dialog[open]")) return;
  event.preventDefault();
  keys[event.key]();
});

for (const box of all("[data-keys]")) {
  box.checked = areOn();
  box.addEventListener("change", () => localStorage.setItem(KEYS, box.checked ? "on" : "off"));
}

// The palette: links to pages, and a search for people.
const field = palette?.querySelector("input");
const options = palette?.querySelector("[role=listbox]");
const places = options ? all("[role=option]", options) : [];
let chosen;
let looking;

function openPalette() {
  if (palette.open) return;
  field.value = "";
  offer([]);
  palette.showModal();
  field.focus();
}

function choose(option) {
  chosen?.removeAttribute("aria-selected");
  chosen = option;
  if (!chosen) {
    field.removeAttribute("aria-activedescendant");
    return;
  }
  chosen.setAttribute("aria-selected", "true");
  field.setAttribute("aria-activedescendant", chosen.id);
  chosen.scrollIntoView({ block: "nearest" });
}

const offered = () => all("[role=option]", options).filter((one) => !one.hidden);

// Pages whose names contain what was typed, then people.
function offer(people) {
  const typed = field.value.trim().toLowerCase();
  for (const place of places) place.hidden = place.parentElement.hidden = !place.textContent.toLowerCase().includes(typed);
  for (const old of all("[data-person]", options)) old.parentElement.remove();
  people.forEach((person, at) => {
    const option = document.createElement("a");
    option.id = `palette-person-${at}`;
    option.setAttribute("role", "option");
    option.tabIndex = -1;
    option.dataset.person = "";
    option.href = person.href;
    const words = document.createElement("bdi");
    words.textContent = person.words;
    option.append(words);
    const line = document.createElement("li");
    line.setAttribute("role", "none");
    line.append(option);
    options.append(line);
  });
  choose(offered()[0]);
}

function look() {
  const typed = field.value.trim();
  const people = palette.dataset.people;
  if (!people || typed.length < 2) return;
  looking?.abort();
  looking = new XMLHttpRequest();
  looking.open("GET", `${people}?${new URLSearchParams({ search: typed })}`);
  looking.responseType = "document";
  looking.onload = () => {
    if (looking.status !== 200 || !looking.response) return;
    const found = all("[data-row] .main", looking.response).slice(0, 8);
    offer(found.map((cell) => {
      const who = all(".name, .address", cell).map((one) => one.textContent);
      return { href: cell.querySelector("a").href, words: who.join(" · ") };
    }));
  };
  looking.send();
}

if (palette) {
  let waiting;
  field.addEventListener("input", () => {
    offer([]);
    clearTimeout(waiting);
    waiting = setTimeout(look, 200);
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const found = offered();
    if (step && found.length) {
      event.preventDefault();
      choose(found[(found.indexOf(chosen) + step + found.length) % found.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      chosen?.click();
    }
  });
  for (const opener of all("[data-dialog=palette]")) {
    opener.addEventListener("click", (event) => {
      event.preventDefault();
      openPalette();
    });
  }
}

tellPicked();
