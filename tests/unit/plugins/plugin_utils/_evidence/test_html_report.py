# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page is well-formed, complete without its script, sends no requests, and escapes all values."""

from __future__ import annotations

import base64
import hashlib
import re
import time
import typing as t
from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.plugin_utils._evidence.html_report import TEMPLATES, render
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import (
    MALICIOUS,
    Record,
    device,
    evidence,
    guid,
    malicious,
    many_devices,
    small_office,
    verification,
)

STYLE, SCRIPT = ((TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
VOID = {"meta", "link", "rect", "input"}
PLACES = {"code", "message", "hint", "correlation_id", "http_status"}


class Page(HTMLParser):
    """A parsed page. Fails if an element is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.rows: list[str] = []
        self.texts: Counter[str] = Counter()
        self.declarations: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        assert len(dict(attrs)) == len(attrs), "an attribute twice"
        if tag == "tr":
            self.rows.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "rect"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        where = self.open[-1] if self.open else ""
        self.texts[where] += len(data)
        if "tr" in self.open:
            self.rows[-1] += data + " "

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    @property
    def elements_and_attributes(self) -> set[tuple[str, str]]:
        """The attributes of each element, which no value may change."""
        return {(tag, name) for tag, name, _value in self.attributes}

    def values(self, name: str) -> list[str]:
        return [value for _tag, found, value in self.attributes if found == name]


@pytest.mark.parametrize(
    "sample",
    [
        small_office(),
        verification(),
        malicious(),
        many_devices(30),
        evidence([]),
        {"format": "secops.mde/evidence-1"},
        small_office() | {"prediction": True, "complete": False, "device_count": 99},
    ],
    ids=["office", "verification", "malicious", "many devices", "no device", "nothing known", "aborted prediction"],
)
def test_a_page_is_well_formed_and_has_one_script_and_one_style(sample: Record) -> None:
    page = Page(render(sample))
    assert page.declarations == ["DOCTYPE html"]
    assert (page.tags["script"], page.tags["style"], page.tags["h1"], page.tags["table"]) == (1, 1, 1, 1)
    assert len(set(page.values("id"))) == len(page.values("id"))
    assert not [name for _tag, name, _value in page.attributes if name.startswith("on") or name == "style"]


def test_the_policy_forbids_every_request_and_allows_only_one_style_and_one_script() -> None:
    text = render(small_office())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    for block, rule in ((STYLE, "style-src"), (SCRIPT, "script-src")):
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    assert "unsafe" not in policy[1]
    assert f"<style>{STYLE}</style>" in text
    assert f"<script>{SCRIPT}</script>" in text


def test_no_python_file_contains_html_css_or_javascript() -> None:
    for path in TEMPLATES.parent.glob("*.py"):
        assert not re.search(r"</?[a-z][a-z0-9]*[ />]|\bpx;|=>", path.read_text("utf-8")), path.name


def test_the_page_sends_no_request() -> None:
    page = Page(render(small_office()))
    assert not page.values("src")
    assert page.values("href") == [
        "data:,",
        "https://awx.corp.example/#/jobs/playbook/4711",
    ]  # a link, not a request
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert not re.search(r"fetch|XMLHttpRequest|import|eval|innerHTML|localStorage|https?:", SCRIPT)


def test_only_an_http_url_becomes_a_link() -> None:
    page = Page(render(malicious()))
    assert page.values("href") == ["data:,"]


def test_all_devices_are_in_the_page_without_script() -> None:
    sample = small_office()
    _header, *rows = Page(render(sample)).rows
    assert len(rows) == len(sample["devices"])
    for text, found in zip(rows, sample["devices"], strict=True):
        assert (found["device_name"] or found["requested"]["device_name"]) in text
        assert (found["device_id"] or "no device ID") in text
        assert (found["action"] or {"id": "no action"})["id"] in text
        assert all(candidate["device_id"] in text for candidate in found["candidates"])
        if found["error"]:
            assert all(str(found["error"][key]) in text for key in PLACES if found["error"][key])


def test_controls_are_hidden_until_the_script_enables_them() -> None:
    text = render(small_office())
    assert re.search(r'<form id="controls"[^>]* hidden>', text)
    assert "<button" not in text.split("<table")[1].split("</table>")[0]


def test_the_page_shows_who_when_why_and_where() -> None:
    text = render(small_office())
    for part in (
        "CHG-1042 retired with the Harbour Street office",
        "2026-02-03 04:05:06",
        "2026-02-03 04:21:40",
        "j.doe",
        ">4711</a>",
        "secops.mde.offboard",
        "7e9d3c54-1b2a-4c3d-8e4f-001122334455",
        "0a1b2c3d-4e5f-4a6b-8c7d-001122334455",
        "https://api.security.microsoft.com",
        "31 calls, 1 retry",
        "secops.mde 1.0.0",
    ):
        assert part in text


def test_throttling_is_shown_if_there_was_any() -> None:
    text = render(small_office() | {"api": {"calls": 1200, "retries": 3, "throttled_seconds": 61}})
    assert "1,200 calls, 3 retries, 61 s throttled" in text


@pytest.mark.parametrize(
    ("fields", "present", "absent"),
    [
        ({}, [], ["Prediction", "Not complete"]),
        ({"prediction": True}, ["<strong>Prediction</strong>", "changed nothing"], ["Not complete"]),
        (
            {"complete": False, "device_count": 500},
            ["<strong>Not complete</strong>", "had processed 19 of 500 devices"],
            ["Prediction"],
        ),
    ],
    ids=["a complete run", "a prediction", "an aborted run"],
)
def test_a_prediction_and_an_aborted_run_are_marked(fields: Record, present: list[str], absent: list[str]) -> None:
    text = render(small_office() | fields)
    assert all(part in text for part in present)
    assert not [part for part in absent if part in text]


def test_an_action_that_check_mode_did_not_create_is_not_shown_as_one() -> None:
    found = device("pc-1", "submitted", {"id": None, "status": "Pending", "type": "Offboard"})
    assert "Pending, not sent" in Page(render(evidence([found], prediction=True))).rows[1]


def test_an_action_of_another_application_shows_its_requestor_and_comment() -> None:
    row = next(row for row in Page(render(small_office())).rows if "lab-w11-08" in row)
    assert "by  m.roe@corp.example" in row
    assert "comment CHG-1040 lab" in row


def test_the_identity_of_a_request_is_shown_with_and_without_an_action() -> None:
    sample = evidence(
        [device("pc-1", "submitted"), device("pc-2", "refused"), device("pc-3", "error", external_id="e-3")]
    )
    rows = Page(render(sample)).rows[1:]
    assert ["external ID" in row for row in rows] == [True, False, True]
    assert f"external ID  {guid('request pc-1')} CHG-1042" in rows[0]


def test_the_numbers_of_the_charts_are_shown_as_text() -> None:
    text = render(small_office())
    assert re.search(r"<span>Submitted</span><svg aria-hidden.*?</svg><b>13</b>", text)
    assert re.search(r"<span>No action</span><svg aria-hidden.*?</svg><b>4</b>", text)
    assert "<b>12</b>Offboarded" in text


def test_a_tag_that_was_not_set_is_shown() -> None:
    found = device("pc-1", "submitted", tag={"tag": "retired", "ok": False, "message": "Too many."})
    assert '<p class="warn">The tag retired was not set. Too many.</p>' in render(evidence([found]))


def test_the_meaning_of_each_outcome_that_occurs_is_explained_once() -> None:
    text = render(small_office()).split('id="meaning"')[1]
    assert Counter(re.findall("<dt>([^<]*)", text)) == dict.fromkeys(
        ["Submitted", "In progress", "Already offboarded", "Not onboarded", "Not found", "Ambiguous", "Refused"], 1
    )


def test_a_failure_shows_its_correlation_id() -> None:
    assert f"correlation ID <code>{guid('correlation')}</code>" in render(small_office())


# A page with every element and attribute.
COMPLETE = Page(
    render(
        small_office()
        | {
            "complete": False,
            "devices": [*small_office()["devices"], device("a", "submitted", tag={"ok": False}), device("", "error")],
        }
    )
)


def harmless_copy(sample: t.Any) -> t.Any:
    """Return the same evidence with a harmless word for every string."""
    if isinstance(sample, dict):
        return {key: harmless_copy(value) for key, value in sample.items()}
    if isinstance(sample, list):
        return [harmless_copy(value) for value in sample]
    return "word" if isinstance(sample, str) else sample


def test_malicious_values_change_no_element_and_no_attribute() -> None:
    sample = malicious()
    malicious_page = Page(render(sample))
    harmless = Page(render(harmless_copy(sample) | {"format": sample["format"], "kind": sample["kind"]}))
    assert malicious_page.elements_and_attributes <= COMPLETE.elements_and_attributes
    assert {key: malicious_page.tags[key] for key in ("tr", "td", "th", "form", "caption")} == {
        key: harmless.tags[key] for key in ("tr", "td", "th", "form", "caption")
    }
    assert malicious_page.tags["script"] == 1
    assert malicious_page.tags["img"] == 0


@pytest.mark.parametrize("text", MALICIOUS, ids=repr)
def test_braces_of_a_template_never_reach_the_page(text: str) -> None:
    page = render(evidence([device(text, "error")], comment=text))
    assert not re.search(r"\{[{%#]", page)


values = st.one_of(st.text(max_size=10), st.sampled_from(MALICIOUS), st.none(), st.integers(), st.booleans())
records = st.dictionaries(
    st.sampled_from(["id", "status", "device_id", "device_name", "requestor", "requestorComment", "creationDateTimeUtc",
                     "lastUpdateDateTimeUtc", "aadDeviceId", "last_seen", "code", "message", "http_status", "hint",
                     "correlation_id", "tag", "ok", "comment", "job_id", "job_url", "operator", "tenant_id", "calls"]),
    values,
)  # fmt: skip
devices = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("requested", "action", "machine", "error", "tag"), st.one_of(values, records)),
        **dict.fromkeys(("host", "device_id", "device_name", "outcome", "failed"), values),
        "candidates": st.one_of(values, st.lists(st.one_of(values, records), max_size=2)),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    found=st.fixed_dictionaries(
        {"format": st.just("secops.mde/evidence-1")},
        optional={
            **dict.fromkeys(("kind", "prediction", "complete", "comment", "device_count"), values),
            **dict.fromkeys(("run", "context", "api"), st.one_of(values, records)),
            "devices": st.one_of(values, st.lists(devices, max_size=3)),
        },
    )
)
def test_any_evidence_gives_a_well_formed_page_with_all_values_escaped(found: Record) -> None:
    text = render(found)
    page = Page(text)
    assert (page.tags["script"], page.tags["style"], page.tags["form"]) == (1, 1, 1)
    assert page.texts["script"] == len(SCRIPT)
    assert page.texts["style"] == len(STYLE)
    assert set(page.tags) <= set(COMPLETE.tags)
    assert page.elements_and_attributes <= COMPLETE.elements_and_attributes
    assert text.encode()
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00]", text)


def test_two_thousand_devices_are_written_in_two_seconds() -> None:
    sample = many_devices(2000)
    began = time.process_time()
    text = render(sample)
    assert time.process_time() - began < 2
    assert text.count("<tr ") == 2000
    assert len(text) < 2_000_000


def test_a_right_to_left_name_does_not_reorder_the_text_next_to_it() -> None:
    name = "\u05e9\u05dc\u05d5\u05dd 12"
    near = {"device_id": "a1", "device_name": name, "last_seen": "2026-02-03T04:05:06Z"}
    sample = evidence(
        [
            device("pc-1", "ambiguous", candidates=[near])
            | {"device_name": "pc-1", "requested": {"device_name": name}, "host": name}
        ]
    )
    text = render(sample)
    assert text.count(f"<bdi>{name}</bdi>") == 3
    assert text.count(name) == 3


@pytest.mark.parametrize(
    "name", ["n" * 100_000, "a\nb", "half \ud83d", "\u2066pc\u2069", "pc\u061c", "\x9b31m"], ids=ascii
)
def test_a_name_of_any_kind_is_on_the_page_and_visible(name: str) -> None:
    text = render(evidence([device(name, "submitted")]))
    assert text.encode()
    assert name in text or "⟨U+" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
