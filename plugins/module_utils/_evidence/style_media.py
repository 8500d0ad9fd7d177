# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The style of an evidence page on small screens, where rows become cards, and on paper."""

from __future__ import annotations

import typing as t

NARROW: t.Final = """
@media screen and (max-width: 1180px) {
  thead th:nth-child(2) { width: 24%; } thead th:nth-child(3) { width: 150px; } thead th:nth-child(4) { width: 20%; }
}
@media screen and (max-width: 860px) {
  header, main, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 24px; }
  h1 { font-size: 23px; }
  .eyebrow span { display: block; } .eyebrow span::before { content: none; }
  .overview li { flex: 1 1 40%; }
  .facts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 132px), 1fr)); padding: 16px; gap: 14px 16px; }
  .facts dd { font-size: 14px; }
  .chart { padding: 16px; }
  .chart li { grid-template-columns: 8.5em 1fr 2.5em; }
  label:not(.check), select { flex: 1 1 100%; max-width: none; }
  label.check { flex: 1; }
  table, thead, tbody, tbody tr, tbody th, tbody td { display: block; width: auto; }
  table { background: none; border: 0; }
  thead tr { display: flex; flex-wrap: wrap; gap: 6px; }
  thead th, thead th:nth-child(n) { position: static; width: auto; padding: 0; background: none; border: 0; }
  thead th:not(:has(button)) { display: none; }
  thead button { padding: 6px 10px; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
  thead button:focus-visible { outline-offset: 2px; }
  tbody tr { position: relative; margin-top: 12px; padding: 12px 16px; background: var(--card); border: 1px solid var(--line);
    border-radius: 10px; }
  tr.person { border-left: 4px solid var(--tone); }
  tr.person > :first-child { box-shadow: none; }
  tbody tr > *, tbody tr + tr > * { padding: 6px 0; border: 0; }
  tbody code { font-size: 12px; }
  tbody td:first-child { position: absolute; top: 12px; right: 16px; }
  tbody th b { padding-right: 40px; }
  td:nth-child(n + 3) { display: grid; grid-template-columns: 94px 1fr; }
  td:nth-child(n + 3) > * { grid-column: 2; }
  td:nth-child(n + 3)::before { grid-column: 1; grid-row: 1; color: var(--soft); font-size: 13px; line-height: 22px; }
  td:nth-child(3)::before { content: "Outcome"; } td:nth-child(4)::before { content: "Action"; }
  td:nth-child(5)::before { content: "Created, UTC"; } td:nth-child(6)::before { content: "Result"; }
  td:nth-child(5):empty { display: none; }
  section > dl:not(.facts) > div { grid-template-columns: 1fr; gap: 0; }
}
"""

PAPER: t.Final = """
@page { size: A4 landscape; margin: 12mm; }
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --soft: #333; --line: #999; --track: #e4e4e4; --notice: #fff;
    --offboarded: #14593a; --planned: #0b5361; --waiting: #1f4a99; --nothing: #444; --other: #553380; --person: #8f2213;
    --notice-line: #000;
  }
  body { font-size: 10pt; line-height: 1.35; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  header { padding-top: 0; }
  h1 { font-size: 17pt; max-width: none; }
  h2 { break-after: avoid; }
  form, thead button { display: none !important; }
  .paper { display: inline; }
  section { margin-top: 14pt; }
  .facts { grid-template-columns: repeat(4, 1fr); padding: 10pt 12pt; gap: 8pt 14pt; }
  .charts { grid-template-columns: 1fr 1fr; }
  .notice { border: 1pt solid #000; border-left-width: 4pt; }
  .facts, .chart, .notice, tr { break-inside: avoid; }
  thead { display: table-header-group; }
  thead th { position: static; }
  thead th:nth-child(n) { border-radius: 0; }
  thead th:nth-child(1) { width: 30px; } thead th:nth-child(2) { width: 278px; } thead th:nth-child(3) { width: 118px; }
  thead th:nth-child(4) { width: 230px; } thead th:nth-child(5) { width: 128px; }
  table { border-radius: 0; border-width: 1pt 0 0; }
  th, td { padding: 5pt 6pt; }
  thead th:nth-child(n) { padding: 3pt 6pt; }
  tr.person > :first-child { box-shadow: none; border-left: 2.5pt solid var(--tone); }
  code, tbody code { font-size: 7.2pt; line-height: inherit; }
  td:nth-child(5), td:last-child { font-size: 9pt; line-height: inherit; }
  .note, dt, .candidates span, footer, thead th { font-size: 8.5pt; }
}
"""
