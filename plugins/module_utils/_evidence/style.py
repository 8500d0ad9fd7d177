# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The style of an evidence page, light and dark."""

from __future__ import annotations

import typing as t

from .style_media import NARROW, PAPER

_BASE: t.Final = """
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #fff; --ink: #1b2430; --soft: #566171; --line: #dfe3e9; --track: #e9ecf1; --focus: #1d5fd1;
  --offboarded: #1b7f4d; --planned: #0d7286; --waiting: #2860c4; --nothing: #647081; --other: #7a4fb5; --person: #b8321f;
  --notice: #fff6e0; --notice-line: #b7791f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151c; --card: #171e27; --ink: #e6eaf0; --soft: #9eabbb; --line: #2b3542; --track: #26303c; --focus: #8ab4ff;
    --offboarded: #57c48c; --planned: #53c3d6; --waiting: #7fadff; --nothing: #a3afbe; --other: #bf9df0; --person: #ff8f7d;
    --notice: #2c2412; --notice-line: #d9a441;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", system-ui, sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { max-width: 1440px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 44px; }
p, h1, h2, ul, dl, dd { margin: 0; padding: 0; }
ul { list-style: none; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.eyebrow { color: var(--soft); font-size: 13px; letter-spacing: .02em; }
.eyebrow span::before { content: "·"; margin: 0 8px; }
h1 { margin-top: 8px; max-width: 46em; font-size: 30px; line-height: 1.25; font-weight: 650; letter-spacing: -.012em;
  text-wrap: balance; }
h2 { font-size: 18px; line-height: 1.3; font-weight: 650; }
.notice { margin-top: 20px; max-width: 60em; padding: 10px 16px; background: var(--notice);
  border-left: 4px solid var(--notice-line); border-radius: 4px; }
.notice strong { margin-right: 6px; }
section { margin-top: 28px; }
code { font: 12px/1.5 ui-monospace, "SF Mono", SFMono-Regular, Consolas, "Liberation Mono", Menlo, monospace; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
.offboarded { --tone: var(--offboarded); } .planned { --tone: var(--planned); } .waiting { --tone: var(--waiting); }
.nothing { --tone: var(--nothing); } .other { --tone: var(--other); } .person { --tone: var(--person); }
rect { fill: var(--tone); }
.overview svg { display: block; width: 100%; height: 12px; border-radius: 6px; background: var(--track); }
.overview rect { stroke: var(--page); stroke-width: 2; vector-effect: non-scaling-stroke; }
.overview ul { display: flex; flex-wrap: wrap; gap: 8px 32px; margin-top: 14px; }
.overview li { display: flex; align-items: center; gap: 8px; color: var(--soft); }
.overview b { color: var(--ink); font-size: 20px; font-weight: 650; font-variant-numeric: tabular-nums; }
i { flex: none; width: 18px; height: 18px; border-radius: 50%; background: var(--tone); color: var(--card);
  font: 700 12px/18px "Segoe UI", "DejaVu Sans", system-ui, sans-serif; letter-spacing: 0; text-align: center; }
.facts, .chart { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 16px 28px; padding: 20px 24px; }
.facts > :first-child { grid-column: 1 / -1; padding-bottom: 16px; border-bottom: 1px solid var(--line); }
.facts > :first-child dd { font-size: 17px; }
dt { color: var(--soft); font-size: 13px; }
dd, td p { white-space: pre-line; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); gap: 20px; }
.chart { padding: 18px 24px 20px; }
.chart h2 { font-size: 15px; }
.chart li { display: grid; grid-template-columns: 10em 1fr 3.5em; gap: 12px; align-items: center; margin-top: 9px; }
.chart svg { display: block; width: 100%; height: 10px; border-radius: 3px; background: var(--track); }
.chart li b { text-align: right; font-weight: 600; font-variant-numeric: tabular-nums; }
#count { margin-top: 12px; color: var(--soft); font-variant-numeric: tabular-nums; }
"""

_TABLE: t.Final = """
form { display: flex; flex-wrap: wrap; align-items: end; gap: 12px 16px; margin-top: 14px; }
label { display: grid; gap: 4px; color: var(--soft); font-size: 13px; }
label.wide { flex: 1 1 280px; }
label.check { display: flex; align-items: center; gap: 8px; height: 38px; color: var(--ink); font-size: 15px; }
input, select, form button { font: inherit; font-size: 15px; color: var(--ink); }
input[type=search], select, form button { width: 100%; height: 38px; padding: 0 10px; background: var(--card);
  border: 1px solid var(--soft); border-radius: 6px; }
select { max-width: 230px; }
form button { width: auto; padding: 0 16px; cursor: pointer; }
input[type=checkbox] { width: 18px; height: 18px; margin: 0; accent-color: var(--focus); }
::placeholder { color: var(--soft); opacity: 1; }
table { width: 100%; margin-top: 10px; border-collapse: separate; border-spacing: 0; table-layout: fixed;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
th, td { padding: 13px 10px; text-align: left; vertical-align: top; font-weight: inherit; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
thead th { position: sticky; top: 0; z-index: 1; padding: 0; background: var(--card); border-bottom: 1px solid var(--soft);
  color: var(--soft); font-size: 13px; font-weight: 600; }
thead th:first-child { border-top-left-radius: 10px; }
thead th:last-child { border-top-right-radius: 10px; }
thead th { padding: 10px; }
thead th:has(button) { padding: 0; }
thead button { width: 100%; padding: 10px; background: none; border: 0; color: inherit; font: inherit; text-align: left;
  cursor: pointer; white-space: nowrap; }
thead button:hover, [aria-sort] button { color: var(--ink); }
thead button::after { content: "↕"; margin-left: 5px; opacity: .45; }
[aria-sort=ascending] button::after { content: "↑"; opacity: 1; }
[aria-sort=descending] button::after { content: "↓"; opacity: 1; }
thead button:focus-visible { outline-offset: -3px; }
thead th:nth-child(1) { width: 46px; } thead th:nth-child(2) { width: 322px; } thead th:nth-child(3) { width: 140px; }
thead th:nth-child(4) { width: 272px; } thead th:nth-child(5) { width: 150px; }
td:first-child { color: var(--soft); font-variant-numeric: tabular-nums; }
tr.person > :first-child { box-shadow: inset 3px 0 var(--tone); }
tbody b { display: block; font-weight: 600; }
tbody code { color: var(--soft); font-size: 11.5px; }
tbody b + code, tbody b + .none { display: block; }
code { user-select: all; }
.none { color: var(--soft); font-weight: 400; font-style: italic; }
.badge { display: inline-flex; align-items: flex-start; gap: 8px; font-weight: 600; color: var(--tone); }
.badge > i { margin-top: 2px; }
.note { color: var(--soft); font-size: 13px; }
.paper { display: none; }
td:nth-child(5) { font-size: 14px; line-height: 22px; }
time { color: var(--ink); font-variant-numeric: tabular-nums; white-space: nowrap; }
td p + p, td p + ul, td code + p { margin-top: 4px; }
th .note { font-size: 12.5px; }
td:last-child { font-size: 14px; }
.waiting td:last-child > p:first-child, .nothing td:last-child > p:first-child,
.offboarded td:last-child > p:first-child, .planned td:last-child > p:first-child { color: var(--soft); }
.hint { padding-left: 10px; border-left: 2px solid var(--line); }
.warn::before { content: "! "; font-weight: 700; color: var(--person); }
.candidates li { padding: 4px 0; }
.candidates span { display: block; color: var(--soft); font-size: 13px; }
section > dl { display: grid; gap: 8px; margin-top: 12px; }
section > dl:not(.facts) > div { display: grid; grid-template-columns: 11em 1fr; gap: 16px; }
section > dl:not(.facts) dt { color: var(--ink); font-size: 15px; font-weight: 600; }
section > dl:not(.facts) dd { color: var(--soft); }
footer { margin-top: 36px; padding-bottom: 44px; color: var(--soft); font-size: 13px; }
footer::before { content: ""; display: block; margin-bottom: 16px; border-top: 1px solid var(--line); }
"""

STYLE: t.Final = _BASE + _TABLE + NARROW + PAPER
