"use strict";
(() => {
  const all = (q, in_) => [...(in_ || document).querySelectorAll(q)];
  const filter = document.getElementById("filter");
  const units = all(".unit[id]");
  const links = new Map(all("nav a[data-unit]").map((a) => [a.dataset.unit, a]));
  let severity = "", at = -1;

  const wanted = (e) => {
    const text = (e.dataset.text || "").toLowerCase();
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const level = !severity || e.dataset.severity === undefined || e.dataset.severity === severity ||
      (severity === "warning" && e.dataset.severity === "danger");
    return level && words.every((w) => text.includes(w));
  };
  const show = () => {
    for (const e of all("[data-text]")) e.hidden = !wanted(e);
    for (const u of units) links.get(u.id).hidden = u.hidden;
    for (const b of all(".chip")) b.setAttribute("aria-pressed", String(b.dataset.severity === severity));
  };
  const choose = (s) => { severity = severity === s ? "" : s; show(); };
  const visible = () => units.filter((u) => !u.hidden);
  const step = (by) => {
    const seen = visible();
    if (!seen.length) return;
    at = Math.max(0, Math.min(seen.length - 1, seen.indexOf(units[at]) + by));
    all(".unit.at").forEach((u) => u.classList.remove("at"));
    const u = seen[at];
    at = units.indexOf(u);
    u.classList.add("at");
    u.querySelector("summary").focus({ preventScroll: true });
    u.scrollIntoView({ block: "nearest" });
  };
  const toggleAll = () => {
    const seen = visible(), open = seen.some((u) => !u.open);
    seen.forEach((u) => { u.open = open; });
    document.getElementById("all").textContent = open ? "Close all" : "Open all";
  };
  const theme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("leat-theme", root.dataset.theme); } catch (e) { /* a page from a file may have no storage */ }
  };
  try { const t = localStorage.getItem("leat-theme"); if (t === "dark" || t === "light") document.documentElement.dataset.theme = t; } catch (e) { /* as above */ }
  const goto = () => {
    const e = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (e && e.tagName === "DETAILS") e.open = true;
  };
  const keys = document.getElementById("keys");
  const does = {
    "/": () => filter.focus(), j: () => step(1), k: () => step(-1), e: toggleAll, t: theme, d: () => choose("danger"), w: () => choose("warning"),
    "?": () => keys.showModal(), Escape: () => { filter.value = ""; severity = ""; show(); },
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || keys.open) return;
    if (e.target === filter) { if (e.key === "Escape") { does.Escape(); filter.blur(); } return; }
    if (does[e.key]) { e.preventDefault(); does[e.key](); }
  });
  filter.addEventListener("input", show);
  all(".chip").forEach((b) => b.addEventListener("click", () => choose(b.dataset.severity)));
  document.getElementById("all").addEventListener("click", toggleAll);
  document.getElementById("theme").addEventListener("click", theme);
  document.getElementById("help").addEventListener("click", does["?"]);
  addEventListener("hashchange", goto);
  goto();
})();
