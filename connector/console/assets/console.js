// What a page does besides being read. Without it every page works: it refreshes, shows what was typed, prints.
"use strict";
(() => {
  const QUIET_MS = [[60e3, 1], [300e3, 3], [Infinity, 12]]; // without input: refresh so many times slower
  const MISSES = 3;
  let touched = Date.now();
  let paused = false;
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });

  for (const button of document.querySelectorAll("[data-shows]")) {
    const field = document.getElementById(button.dataset.shows);
    button.hidden = false;
    button.addEventListener("click", () => { field.type = field.type === "password" ? "text" : "password"; });
  }
  for (const button of document.querySelectorAll("[data-prints]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  for (const part of document.querySelectorAll("[data-hides]")) { // a person's data is not left on a screen
    setTimeout(() => { part.replaceChildren(); location.replace(part.dataset.to); }, Number(part.dataset.hides) * 60e3);
  }
  for (const form of document.querySelectorAll("form[data-goes-on]")) form.requestSubmit(); // the next of many steps
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => { // a second press of the same button is no second act
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
  }
  addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
  addEventListener("keydown", (event) => {
    const field = document.getElementById("find");
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "/" && field && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
    }
  });

  // Somebody is reading or writing there: it must not move under their hands.
  const isUsed = (part) =>
    part.contains(document.activeElement) ||
    part.querySelector("details[open], input:checked") !== null ||
    (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));

  const late = document.querySelector("[data-late]");
  const say = (text) => { if (late && late.textContent !== text) late.textContent = text; };

  function refresh(part) {
    const every = Number(part.dataset.every) * 1e3;
    let tag = "";
    let missed = 0;
    const next = () => {
      const idle = Date.now() - touched;
      const slower = QUIET_MS.find(([most]) => idle < most)[1];
      setTimeout(look, every * slower * (0.9 + Math.random() * 0.2));
    };
    const look = async () => {
      if (paused || document.hidden || isUsed(part)) return next();
      try {
        const answer = await fetch(part.dataset.part, { headers: tag ? { "If-None-Match": tag } : {}, redirect: "error" });
        if (answer.status === 401) return say(late ? late.dataset.out : "");
        if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
        if (answer.status === 200) {
          const text = await answer.text();
          if (!isUsed(part)) {
            tag = answer.headers.get("ETag") || "";
            replace(part, text);
          }
        }
        missed = 0;
        clock(answer.headers.get("X-Seen-At"));
        part.classList.remove("old");
        say("");
      } catch {
        missed += 1;
        if (missed >= MISSES) {
          part.classList.add("old");
          say(late ? late.dataset.late : "");
        }
      }
      next();
    };
    document.addEventListener("visibilitychange", () => { if (!document.hidden) touched = Date.now(); });
    next();
  }

  function clock(at) {
    const shown = document.querySelector("[data-at]");
    if (!shown || !at) return;
    const how = { dateStyle: "medium", timeStyle: "medium", timeZone: shown.dataset.zone };
    shown.textContent = new Intl.DateTimeFormat(document.documentElement.lang, how).format(new Date(at));
  }

  // The verdict is a live region: it stays the same element, and is spoken only when its words change.
  function replace(part, text) {
    const made = new DOMParser().parseFromString(text, "text/html").body;
    const before = part.querySelector("[aria-live]");
    const after = made.querySelector("[aria-live]");
    if (before && after && before.textContent.trim() === after.textContent.trim()) after.replaceWith(before);
    part.replaceChildren(...made.childNodes);
  }

  for (const part of document.querySelectorAll("[data-part]")) refresh(part);
  for (const button of document.querySelectorAll("[data-pauses]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
    });
  }
})();
