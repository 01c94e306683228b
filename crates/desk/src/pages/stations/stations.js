// Shows the states of stations as they change. The pages work without it.
"use strict";
(function () {
  const list = document.getElementById("stations");
  if (!list || !window.EventSource) return;
  const find = function (mac) {
    if (list.dataset.mac === mac) return list;
    return list.querySelector('[data-mac="' + CSS.escape(mac) + '"]');
  };
  const source = new EventSource(list.dataset.events);
  source.addEventListener("stations", function (event) {
    for (const station of JSON.parse(event.data)) {
      const row = find(station.mac);
      if (!row) continue;
      for (const name of ["state", "note"]) {
        const cell = row.querySelector('[data-cell="' + name + '"]');
        // Text, whatever it says: nothing of it becomes part of the page.
        if (cell && cell.textContent !== station[name]) cell.textContent = station[name];
      }
    }
  });
})();
