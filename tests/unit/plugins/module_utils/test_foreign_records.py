# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and records from outside: parsed strictly, and made safe, so that Ansible can return every result."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.error_responses import error_from_response
from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine, MachineAction, RecordError
from ansible_collections.secops.mde.plugins.module_utils._errors import InternalError, MdeError
from ansible_collections.secops.mde.plugins.module_utils._foreign_json import parse_json
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._presentable import one_line, presentable

DEVICE = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
DEEP = "[" * 200_000 + "]" * 200_000

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda key: not key.lstrip("_").startswith("ansible_"))
HARMLESS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)
# All Python values that can be a part of JSON.
ARBITRARY_JSON = st.recursive(
    st.one_of(
        LEAVES,
        st.floats(),
        st.text(),
        st.sampled_from([700, 5000]).map(lambda digits: 10**digits),  # Python does not print the larger number
        st.sampled_from([float("nan"), "\ud83d", "\udc00x", b"bytes", "-oProxyCommand=x", "{{ x }}"]),
    ),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["__ansible_type", "__ansible_unsafe", "_ansible_x", "ansible_x", "\ud800"]),
            inner,
        )
    ),
    max_leaves=30,
)


@given(value=HARMLESS)
def test_harmless_values_do_not_change(value: t.Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert presentable(value, deepest=100) == value


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("[NaN]", ["NaN"]),
        ("[-Infinity, 1e999, -1e999]", ["-Infinity", "1e999", "-1e999"]),
        (f"[{'9' * 5000}]", ["9" * 5000]),
        (f"[-{'9' * 641}]", ["-" + "9" * 641]),
        ("\ufeff[1]", [1]),
        ('{"title": 1, "title": 1.0}', {"title": None}),
        ('{"lastSeen": "a", "lastSeen": "b", "osPlatform": "x"}', {"lastSeen": None, "osPlatform": "x"}),
        ('{"osPlatform": true, "osPlatform": 1}', {"osPlatform": None}),
        ('{"id": "a", "id": "a"}', {"id": "a"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_that_json_does_not_define_are_ignored(body: str, read: t.Any) -> None:
    assert parse_json(body.encode()) == read


@pytest.mark.parametrize("key", ["id", "machineId", "computerDnsName", "aadDeviceId", "mergedIntoMachineId", "value"])
def test_a_duplicate_identifier_makes_a_response_unusable(key: str) -> None:
    body = f'{{"value": [{{"{key}": "a", "x": 1, "{key}": "b"}}]}}'.encode()
    with pytest.raises(ValueError, match=f"duplicate key {key}"):
        parse_json(body)
    assert Response("GET", "https://api.example.test", 200, body=body).json() is None


@pytest.mark.parametrize("body", [DEEP, '{"a":' * 100_000, "", "\x00", "[1,]", "{'a': 1}"], ids=lambda text: text[:9])
def test_an_unreadable_body_is_a_value_error(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(body.encode())


def test_many_duplicate_keys_take_linear_time() -> None:
    body = '{"a": "' + "x" * 1_000_000 + '"' + ', "a": 1' * 100_000 + "}"
    assert parse_json(body.encode()) == {"a": None}


def nested_duplicates(size: int) -> str:
    """Each level has a duplicate key beside the rest of the document."""
    levels = 200
    return '{"a": ' * levels + '"' + "x" * size + '"' + ', "b": 1, "b": 1}' * levels


# As one record; the size is that of its text, about.
MANY_KEYS: t.Final[dict[str, t.Callable[[int], str]]] = {
    "nested duplicates": nested_duplicates,
    "keys that become the same": lambda size: (
        "{" + ", ".join(f'"\\ud8{n % 256:02x}\\ud8{n // 256 % 256:02x}": 1' for n in range(size // 18)) + "}"
    ),
    "keys that become each other": lambda size: (
        "{"
        + ", ".join(f'"ansible_x_{n}": 1' for n in range(size // 40))
        + "".join(f', "{"_" * (1 + n % 2)}ansible_x": 1' for n in range(2))
        + "}"
    ),
}


@pytest.mark.parametrize("make", MANY_KEYS.values(), ids=MANY_KEYS)
def test_the_time_for_a_record_is_linear_in_its_size(make: t.Callable[[int], str]) -> None:
    def cost(size: int) -> float:
        body, began = make(size).encode(), time.process_time()
        presentable(parse_json(body))
        return time.process_time() - began

    cost(100)
    assert cost(1_000_000) < 40 * cost(100_000) + 0.5


def test_keys_that_become_the_same_are_all_kept() -> None:
    made = presentable(
        {"__ansible_x": 1, "_ansible_x": 2, "ansible_x": 3, "ansible_x_1": 4, chr(0xD800): 5, chr(0xD801): 6}
    )
    assert sorted(made.values()) == [1, 2, 3, 4, 5, 6]
    assert (made["ansible_x"], made["ansible_x_1"]) == (3, 4)
    assert presentable(made) == made


def all_values(value: t.Any, depth: int = 0) -> t.Iterator[tuple[t.Any, int]]:
    yield value, depth
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, depth
            yield from all_values(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from all_values(item, depth + 1)


@given(value=ARBITRARY_JSON)
def test_a_presentable_value_is_json_that_every_core_can_return(value: t.Any) -> None:
    made = presentable(value)
    again = json.loads(json.dumps(made, allow_nan=False, ensure_ascii=False).encode("utf-8"))
    assert again == made == presentable(made)
    for part, depth in all_values(made):
        assert depth <= 40
        assert type(part) in (type(None), bool, int, float, str, list, dict)
    keys = [key for part, _depth in all_values(made) if isinstance(part, dict) for key in part]
    assert not [key for key in keys if key.startswith(("_ansible_", "__ansible_"))]
    if isinstance(value, dict):
        assert len(made) == len(value)  # no key replaces another key


@pytest.mark.parametrize(
    "text",
    ["..", ".", "", " ", "a/b", "a b", "a\n", "-oProxyCommand=touch /x;", "{{ lookup('pipe', 'x') }}", "all ", "é", "a" * 256,
     "%2e%2e", "a;b", "a\u202eb", "\uff41"],
)  # fmt: skip
def test_an_invalid_id_is_refused_with_the_reason(text: str) -> None:
    for record in ({"id": text, "machineId": DEVICE}, {"id": "x1", "machineId": text}):
        assert MachineAction.from_json(record) is None
        with pytest.raises(RecordError, match=r"its (id|machineId) is|it has no"):
            MachineAction.checked(record)
    assert Machine.from_json({"id": text}) is None


@given(value=ARBITRARY_JSON)
def test_every_value_is_a_record_or_is_refused(value: t.Any) -> None:
    for record in (value, {**(value if isinstance(value, dict) else {"x": value}), "id": DEVICE, "machineId": DEVICE}):
        for kind in (Machine, MachineAction):
            found = kind.from_json(record)
            if found is not None:
                json.dumps(found.record, allow_nan=False, ensure_ascii=False).encode("utf-8")
                assert kind.from_json(found.record) == found


def test_a_record_that_is_nested_too_deeply_is_cut_and_stays_a_record() -> None:
    deep: t.Any = "x"
    for _level in range(300):
        deep = {"a": [deep]}
    found = Machine.from_json({"id": DEVICE, "extra": deep, "computerDnsName": "pc1"})
    assert found is not None
    assert found.name == "pc1"
    assert "nested too deeply" in json.dumps(found.record)


ESCAPES = "a\x1b]0;x\x07b\u202ec\x9bd\r\ne\u2028f\x00"


def raw(text: str) -> list[str]:
    return [char for char in text if not char.isprintable()]


def test_a_message_shows_terminal_escapes() -> None:
    assert one_line("a\r\nb\tc\x1b[31m") == "a b c⟨U+001B⟩[31m"
    body = json.dumps({"error": {"code": ESCAPES, "message": ESCAPES, "target": ESCAPES}}).encode()
    for error in (
        MdeError(ESCAPES, hint=ESCAPES, correlation_id=ESCAPES),
        InternalError(ValueError(ESCAPES)),
        error_from_response(Response("GET", "https://api.example.test/x", 400, body=body)),
        error_from_response(
            Response("GET", "https://api.example.test/x", 500, body=f"<title>{ESCAPES}</title>".encode())
        ),
        error_from_response(Response("GET", "https://api.example.test/x", 307, headers={"location": ESCAPES})),
        MdeError("x", hint="y", correlation_id=ESCAPES).for_skipped_devices(),
    ):
        assert not raw(str(error))
        assert not raw(json.dumps(error.as_dict(), ensure_ascii=False))
        assert "⟨U+202E⟩" in str(error)


def test_a_hint_that_is_added_later_is_visible_too() -> None:
    error = MdeError("x")
    error.hint = ESCAPES
    assert not raw(str(error) + str(error.as_dict()["hint"]))
