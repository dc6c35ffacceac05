// Makes the pages live; each works without it, by reloading itself.
"use strict";

// follow appends to the console what the build writes, and keeps the end in view
// as long as the reader has not scrolled away from it.
function follow(pre) {
  const source = new EventSource(pre.dataset.events);
  pre.scrollTop = pre.scrollHeight;
  source.addEventListener("text", (event) => {
    const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 40;
    pre.append(JSON.parse(event.data));
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  });
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
}

// refresh replaces the page's content by what the server says now, every few seconds.
async function refresh(seconds) {
  const answer = await fetch(location.href).catch(() => null);
  if (answer && answer.ok) {
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    if (main && main.innerHTML !== document.querySelector("main").innerHTML) {
      document.querySelector("main").replaceWith(main);
    }
    seconds = Number(fresh.body.dataset.refresh) || seconds;
  }
  setTimeout(refresh, seconds * 1000, seconds);
}

const live = document.querySelector("pre[data-events]");
if (live) follow(live);
else if (document.body.dataset.refresh && !document.querySelector("#console")) {
  const seconds = Number(document.body.dataset.refresh);
  setTimeout(refresh, seconds * 1000, seconds);
}
