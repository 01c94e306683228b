// Shows how orders stand as it changes. The pages work without it.
"use strict";
(function () {
  const page = document.querySelector("[data-live]");
  if (!page || !window.EventSource) return;
  // Rows that kept and go are made from these.
  const templates = Array.from(page.querySelectorAll("template[data-rows]"));
  const find = function (key) {
    if (page.dataset.key === key) return page;
    return page.querySelector('[data-key="' + CSS.escape(key) + '"]');
  };
  const add = function (key) {
    const template = templates.find(function (one) { return key.startsWith(one.dataset.rows); });
    if (!template) return null;
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.key = key;
    template.parentElement.append(row);
    return row;
  };
  const fill = function (place, cells) {
    for (const name of Object.keys(cells)) {
      const cell = place.querySelector('[data-cell="' + CSS.escape(name) + '"]');
      const text = cells[name];
      if (!cell) continue;
      if (cell instanceof HTMLProgressElement) cell.value = Number(text);
      // Text, whatever it says: nothing of it bekepts part of the page.
      else if (cell.textContent !== text) cell.textContent = text;
    }
  };
  const kept = function (rows) {
    return templates.flatMap(function (one) { return Array.from(one.parentElement.querySelectorAll("[data-key]")); })
      .filter(function (row) { return rows(row.dataset.key); });
  };
  const show = function (event) {
    const rows = JSON.parse(event.data);
    const gone = new Set(rows.filter(function (row) { return !row.cells; }).map(function (row) { return row.key; }));
    const there = new Set(rows.map(function (row) { return row.key; }));
    const isGone = function (key) { return gone.has(key) || (event.type === "all" && !there.has(key)); };
    kept(isGone).forEach(function (row) { row.remove(); });
    for (const row of rows) {
      const place = row.cells && (find(row.key) || add(row.key));
      if (place) fill(place, row.cells);
    }
    for (const one of templates) one.closest(".table").hidden = !one.parentElement.querySelector("tr");
  };
  let source = null;
  const listen = function () {
    source = new EventSource(page.dataset.live);
    source.addEventListener("all", show);
    source.addEventListener("cells", show);
  };
  // A page that the browser keeps for "Back" would hold its connection, of which there are six for all pages.
  window.addEventListener("pagehide", function () { source.close(); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) listen(); });
  listen();
})();
