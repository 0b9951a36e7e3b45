// Asks how far a new tenant is, until there is nothing to wait for, and shows it. Without it the page reloads itself.
const page = document.querySelector(".tenant-progress");
const part = (name) => page.querySelector(`[data-${name}]`);
const INTERVAL_MS = 400;

const show = (progress) => {
  const states = Object.entries(progress.steps);
  const done = states.filter(([, state]) => state === "done").length;
  for (const [name, state] of states) {
    const step = page.querySelector(`[data-step="${CSS.escape(name)}"]`);
    if (step) step.className = `step-${state}`;
  }
  part("state").textContent = progress.status[0].toUpperCase() + progress.status.slice(1);
  part("state").className = `tenant-state tenant-${progress.status}`;
  part("count").textContent = `${done} of ${states.length} migrations`;
  page.querySelector("progress").value = done;
  part("reason").textContent = progress.reason;
  part("reason").hidden = !progress.reason;
  part("cut-off").hidden = !progress.cut_off;
  part("active").hidden = progress.status !== "active";
  part("again").hidden = progress.status !== "failed" && !progress.cut_off;
};

const poll = async () => {
  let waiting = true;
  try {
    const answer = await fetch(page.dataset.url, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const progress = await answer.json();
      show(progress);
      waiting = progress.under_way;
    }
  } catch {
    // The server may be restarting: ask again.
  }
  if (waiting) setTimeout(poll, INTERVAL_MS);
};

poll();
