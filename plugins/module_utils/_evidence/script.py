# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The script of an evidence page: search, filter, sort. The page is whole without it."""

from __future__ import annotations

import typing as t

SCRIPT: t.Final = r"""
"use strict";
(() => {
  const at = id => document.getElementById(id);
  const table = at("devices"), body = table.tBodies[0], rows = Array.from(body.rows), controls = at("controls");
  const search = at("search"), outcome = at("outcome"), status = at("status"), person = at("person"), count = at("count");
  const all = rows.length, collator = new Intl.Collator("en", {numeric: true, sensitivity: "base"});
  const numbers = new Intl.NumberFormat("en");
  let texts = null;

  const fits = (choice, value) => choice === "" || choice === "=" + value;

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) texts ??= rows.map(row => row.textContent.toLowerCase());
    let shown = 0;
    rows.forEach((row, i) => {
      const fit = fits(outcome.value, row.dataset.outcome) && fits(status.value, row.dataset.status)
        && (!person.checked || row.classList.contains("person")) && words.every(word => texts[i].includes(word));
      row.hidden = !fit;
      if (fit) shown += 1;
    });
    const devices = numbers.format(all) + (all === 1 ? " device" : " devices");
    count.textContent = shown === all ? devices : numbers.format(shown) + " of " + devices + " shown";
  }

  function key(row, column) {
    const cell = row.cells[column], first = cell.querySelector(":scope > b, :scope > time, :scope > .badge");
    if (first === null) return cell.querySelector(".none") ? "" : cell.textContent;
    return first.classList.contains("none") ? "" : first.getAttribute("datetime") || first.lastChild.textContent;
  }

  function sort(head, column) {
    const down = head.getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
    const keys = new Map(rows.map((row, i) => [row, [key(row, column), i]]));
    const order = rows.slice().sort((one, other) => {
      const [a, i] = keys.get(one), [b, j] = keys.get(other);
      // Rows without a value stay last, and equal ones in the order asked.
      return (a === "") - (b === "") || sign * collator.compare(a, b) || i - j;
    });
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...order);
  }

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, column));
    if (column === 0) button.setAttribute("aria-label", "Order asked");
    // On paper the text stands: browsers leave buttons out where they repeat a header.
    const text = document.createElement("span");
    text.className = "paper";
    text.textContent = head.textContent;
    head.replaceChildren(button, text);
  });
  table.tHead.rows[0].cells[0].setAttribute("aria-sort", "ascending");
  for (const event of ["input", "change"]) controls.addEventListener(event, show);
  controls.addEventListener("submit", event => event.preventDefault());
  controls.addEventListener("reset", () => setTimeout(show));
  controls.hidden = false;
  // A browser may bring back what was chosen before the page was loaded again.
  window.addEventListener("pageshow", show);
})();
"""
