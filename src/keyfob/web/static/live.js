// The live switch of a log: the service tells that there are new lines, and the page shows them.
import { enliven } from "./keyfob.js";

const button = document.querySelector("[data-live]");
let source = null;
let due = 0;

/** Replaces the lines by those of now; what is new is marked for a moment. */
function renew() {
  due = 0;
  const known = new Set([...document.querySelectorAll("#log li")].map((line) => line.textContent));
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.addEventListener("load", () => {
    const lines = request.response?.getElementById("log");
    if (request.status !== 200 || !lines) return;
    for (const line of lines.querySelectorAll("li")) {
      line.classList.toggle("fresh", !known.has(line.textContent));
    }
    document.getElementById("log").replaceWith(document.adoptNode(lines));
    enliven(document.getElementById("log"));
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

if (button) {
  button.hidden = false;
  button.addEventListener("click", toggle);
  addEventListener("pagehide", () => source?.close());
}
