// The live switch of a log: the service tells that there are new lines, and the page shows them.
// And what a line is as JSON, which comes when it is asked for.
import { enliven } from "./keyfob.js";

const button = document.querySelector("[data-live]");
let source = null;
let due = 0;

const nameOf = (line) => line.querySelector("[data-raw]")?.dataset.raw ?? line.textContent;

/** Replaces the lines by those of now; what is new is marked for a moment. */
function renew() {
  due = 0;
  const known = new Map([...document.querySelectorAll("#log li")].map((line) => [nameOf(line), line]));
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.addEventListener("load", () => {
    const lines = request.response?.getElementById("log");
    if (request.status !== 200 || !lines) return;
    document.adoptNode(lines);
    for (const line of lines.querySelectorAll("li")) {
      const shown = known.get(nameOf(line));
      if (shown) line.replaceWith(shown); // with its details, if they are open
      (shown ?? line).classList.toggle("fresh", !shown);
    }
    document.getElementById("log").replaceWith(lines);
    enliven(lines);
  });
  request.send();
}

function come() {
  due ||= setTimeout(renew, 400);
}

function toggle() {
  if (source) {
    source.close();
    source = null;
  } else {
    source = new EventSource(button.dataset.live);
    source.addEventListener("logins", come);
    source.addEventListener("audit", come);
    renew();
  }
  button.setAttribute("aria-pressed", String(source !== null));
}

function showRaw(details) {
  const request = new XMLHttpRequest();
  request.open("GET", details.dataset.raw);
  request.responseType = "document";
  request.addEventListener("load", () => {
    const raw = request.response?.getElementById("raw");
    if (request.status !== 200 || !raw) return; // the link to it stays
    raw.removeAttribute("id");
    details.lastElementChild.replaceWith(document.adoptNode(raw));
  });
  request.send();
}

document.addEventListener(
  "toggle",
  ({ target }) => {
    if (!target.open || !target.dataset.raw || target.hasAttribute("data-asked")) return;
    target.dataset.asked = "";
    showRaw(target);
  },
  true,
);

if (button) {
  button.hidden = false;
  button.addEventListener("click", toggle);
  addEventListener("pagehide", () => source?.close());
}
