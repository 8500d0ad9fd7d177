# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Pieces of HTML in which everything from outside is escaped, also for Jinja."""

from __future__ import annotations

import html

from .._presentable import escape_invisible


def esc(text: str) -> str:
    """Text for an element or a quoted attribute. A brace could begin an expression where the page is taken for a template."""
    return html.escape(text).replace("{", "&#123;") if text else ""


def element(tag: str, text: str, cls: str = "") -> str:
    """An element around text from outside; nothing where there is none."""
    return f"<{tag}{f' class={cls}' if cls else ''}>{esc(text)}</{tag}>" if text else ""


def name(text: str) -> str:
    """A name beside other text. One that is written from right to left must not take what follows along."""
    return element("bdi", text)


def code(text: str) -> str:
    """An id or another value that people copy."""
    return element("code", text)


def labelled(label: str, content: str) -> str:
    """A line with a label before content that is HTML already; nothing where there is none."""
    return f"<p class=note>{label} {content}</p>" if content else ""


def time(stamp: str, *, short: bool = False) -> str:
    """A UTC time that is easy to read, ``short`` without its date; what is none as it is."""
    if len(stamp) == 20 and stamp.endswith("Z"):
        return f'<time datetime="{esc(stamp)}">{"" if short else f"{esc(stamp[:10])} "}{esc(stamp[11:19])}</time>'
    return esc(stamp)


def facts(pairs: list[tuple[str, str]]) -> str:
    """A list of labels and content that is HTML already, without those that have none."""
    return "".join(f"<div><dt>{label}</dt><dd>{content}</dd></div>" for label, content in pairs if content)


def link(address: str, text: str) -> str:
    """A link where the address is one of the web, else the text alone."""
    if address.lower().startswith(("https://", "http://")):
        return f'<a href="{esc(address)}" rel="noopener noreferrer">{esc(escape_invisible(text))}</a>'
    return esc(text)
