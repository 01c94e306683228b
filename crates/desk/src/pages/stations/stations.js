// Shows the states of stations as they change. The pages work without it.
"use strict";
(function () {
  const list = document.getElementById("stations");
  const news = document.getElementById("news");
  if (!list || !window.EventSource) return;
  const find = function (mac) {
    if (list.dataset.mac === mac) return list;
    return list.querySelector('[data-mac="' + CSS.escape(mac) + '"]');
  };
  // Text, whatever it says: nothing of it becomes part of the page.
  const write = function (cell, text) {
    if (!cell || cell.textContent === text) return false;
    cell.textContent = text;
    return true;
  };
  const show = function (event) {
    const changed = [];
    for (const station of JSON.parse(event.data)) {
      const row = find(station.mac);
      if (!row) continue;
      const state = row.querySelector('[data-cell="state"]');
      if (write(state, station.state)) changed.push(station.mac + ": " + station.state);
      if (state) state.dataset.state = station.name;
      write(row.querySelector('[data-cell="note"]'), station.note);
    }
    if (changed.length === 1) write(news, changed[0]);
    else if (changed.length > 1) write(news, changed.length + " stations have changed");
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
