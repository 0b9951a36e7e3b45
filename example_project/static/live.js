// Keeps the parts of a page that are marked `data-live` up to date. The server says that something changed, and no
// more; the page is then asked for again, as whoever looks at it may see it.
const { stream } = document.currentScript.dataset;
const WITHOUT_STREAM_MS = 15_000;
let source, polling, waiting;

const links = (part) => new Set([...part.querySelectorAll("tbody a[href]")].map((link) => link.getAttribute("href")));

const show = (part, fresh) => {
  const known = links(part);
  part.replaceChildren(...fresh.childNodes);
  for (const link of part.querySelectorAll("tbody .lead-cell > a")) {
    if (!known.has(link.getAttribute("href"))) link.closest("tr").classList.add("fresh");
  }
};

const refresh = async () => {
  const answer = await fetch(location.href).catch(() => null);
  if (answer === null) return;
  // Logged out, or not served any more: the page that says so.
  if (answer.redirected || !answer.ok) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) show(part, fresh);
  }
};

// Many changes in a moment are one.
const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 200);
};

const close = () => {
  source?.close();
  clearInterval(polling);
};

const open = () => {
  let lost = false;
  source = new EventSource(stream);
  source.onmessage = soon;
  source.onopen = () => {
    if (lost) soon();
    lost = false;
  };
  source.onerror = () => {
    lost = true;
    if (source.readyState !== EventSource.CLOSED) return;
    // The server does not stream, or not to us any more.
    polling = setInterval(refresh, WITHOUT_STREAM_MS);
    soon();
  };
};

// A browser has six connections to a host for all of its tabs: those that nobody looks at give theirs back.
document.addEventListener("visibilitychange", () => {
  close();
  if (!document.hidden) {
    open();
    soon();
  }
});
addEventListener("pagehide", close);
open();
