// Makes the pages live; each works without it, by loading itself again.
"use strict";

const LINES = 5000; // of a live console that are kept

// swap puts the parts of a page that are marked so in the place of what stands
// there, unless somebody is typing in them.
function swap(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.outerHTML === part.outerHTML) continue;
    const typing = [...part.querySelectorAll("input:not([type=hidden])")].some((i) => i.value !== i.defaultValue || i === document.activeElement);
    if (typing) continue;
    for (const open of part.querySelectorAll("details[open]")) {
      const same = next.querySelector("#" + CSS.escape(open.id));
      if (same) same.open = true;
    }
    const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceWith(next);
    if (focus) [...next.querySelectorAll("a"), next].find((a) => a.getAttribute("href") === focus)?.focus();
  }
  const said = fresh.getElementById("say"), say = document.getElementById("say");
  if (said && say && said.textContent !== say.textContent) say.textContent = said.textContent;
  document.title = fresh.title;
}

let due = 0, busy = false;

// renew asks for the page anew, soon and once however many changes there are.
function renew() {
  if (due) return;
  due = setTimeout(async () => {
    due = 0;
    if (busy) return renew();
    busy = true;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer && answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    busy = false;
  }, 150 + Math.random() * 350);
}

// follow appends to the console what the build writes, and keeps the end in view
// as long as the reader has not scrolled away from it.
function follow(log, source) {
  const atEnd = () => log.scrollTop + log.clientHeight >= log.scrollHeight - 60;
  const add = (html) => {
    const end = atEnd();
    log.insertAdjacentHTML("beforeend", html);
    while (log.childElementCount > LINES) log.firstElementChild.remove();
    if (end) log.scrollTop = log.scrollHeight;
  };
  source.addEventListener("lines", (event) => add(event.data));
  source.addEventListener("skip", (event) => add(`<span class="skipped">… ${Number(event.data)} lines came too fast: they are in the text</span>`));
  source.addEventListener("end", () => {
    source.close();
    renew();
    listen("/events");
  });
}

let source = null;

// listen opens the stream of the page; a page that nobody looks at has none.
function listen(address) {
  source?.close();
  source = new EventSource(address);
  source.addEventListener("change", renew);
  return source;
}

function start() {
  const log = document.querySelector(".log");
  if (!document.body.hasAttribute("data-live")) return;
  if (log?.dataset.events) {
    if (!location.hash) log.scrollTop = log.scrollHeight;
    follow(log, listen(log.dataset.events));
    return;
  }
  listen("/events");
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return source.close();
    listen("/events");
    renew();
  });
}

start();
