// Shows the states of stations as they change. The pages work without it.
"use strict";
(function () {
  const list = document.getElementById("stations");
  if (!list || !window.EventSource) return;
  const find = function (mac) {
    if (list.dataset.mac === mac) return list;
    return list.querySelector('[data-mac="' + CSS.escape(mac) + '"]');
  };
  const show = function (event) {
    for (const station of JSON.parse(event.data)) {
      const row = find(station.mac);
      if (!row) continue;
      for (const name of ["state", "note"]) {
        const cell = row.querySelector('[data-cell="' + name + '"]');
        // Text, whatever it says: nothing of it becomes part of the page.
        if (cell && cell.textContent !== station[name]) cell.textContent = station[name];
        if (cell && name === "state") cell.dataset.state = station.name;
      }
    }
  };
  let source = null;
  const listen = function () {
    source = new EventSource(list.dataset.events);
    source.addEventListener("stations", show);
  };
  // A page that the browser keeps for "Back" would hold its connection, of which there are six for all pages.
  window.addEventListener("pagehide", function () { source.close(); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) listen(); });
  listen();
})();
