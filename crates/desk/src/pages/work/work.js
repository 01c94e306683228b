// Shows how orders stand as it changes. The pages work without it.
"use strict";
(function () {
  const page = document.querySelector("[data-live]");
  if (!page || !window.EventSource) return;
  const find = function (key) {
    if (page.dataset.key === key) return page;
    return page.querySelector('[data-key="' + CSS.escape(key) + '"]');
  };
  const show = function (event) {
    for (const row of JSON.parse(event.data)) {
      const place = find(row.key);
      if (!place) continue;
      for (const name of Object.keys(row.cells)) {
        const cell = place.querySelector('[data-cell="' + CSS.escape(name) + '"]');
        const text = row.cells[name];
        if (!cell) continue;
        if (cell instanceof HTMLProgressElement) cell.value = Number(text);
        // Text, whatever it says: nothing of it becomes part of the page.
        else if (cell.textContent !== text) cell.textContent = text;
      }
    }
  };
  let source = null;
  const listen = function () {
    source = new EventSource(page.dataset.live);
    source.addEventListener("cells", show);
  };
  // A page that the browser keeps for "Back" would hold its connection, of which there are six for all pages.
  window.addEventListener("pagehide", function () { source.close(); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) listen(); });
  listen();
})();
