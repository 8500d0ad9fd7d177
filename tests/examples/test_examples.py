# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documentation of the plugins does what it says. Whoever adds one says here what that is."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.examples import blocks
from ansible_collections.secops.mde.tests.examples.blocks import Block
from ansible_collections.secops.mde.tests.examples.conftest import CLIENT_ID, Played, Stage

DEVICE = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"


@dataclass(frozen=True)
class Effect:
    """What an example leaves behind: the outcome of each device, and the action that the service then holds for it."""

    outcomes: tuple[str, ...]
    comments: tuple[str, ...]
    status: str = "Succeeded"
    credential: str = "client_secret"
    # The only change to an example's text: files that it names and that a test has to put elsewhere.
    files: t.Mapping[str, t.Callable[[Emulator], str]] = field(default_factory=dict)
    # Files that it names and reads, with what stands in them.
    contents: t.Mapping[str, str] = field(default_factory=dict)
    # What stands around the example: shorter pauses, and nothing that changes what it does.
    defaults: t.Mapping[str, t.Any] = field(default_factory=dict)
    # A later task of the example that shows something: what that is, from the action.
    shows: t.Callable[[dict[str, t.Any]], t.Any] | None = None


EFFECTS: dict[str, Effect] = {
    "mde_offboard: Offboard one device by its id": Effect(("submitted",), ("CHG-1042 retired",)),
    "mde_offboard: Offboard by name, and insist that the id is that of the same device": Effect(
        ("submitted",), ("CHG-1042 retired",)
    ),
    "mde_offboard: Accept that a record has aged out, for a ticket that is run again": Effect(
        ("not_found",), ("CHG-0815 retired",)
    ),
    "mde_offboard: Offboard a device that is online, and wait until it is done": Effect(
        ("submitted",),
        ("CHG-1042 retired",),
        defaults={"secops.mde.mde_offboard": {"wait_sleep": 1}},
        shows=lambda action: f"{action['id']} Succeeded at {action['lastUpdateDateTimeUtc']}",
    ),
    "mde_offboard: Offboard a list in one task": Effect(
        ("submitted", "submitted", "submitted"),
        ("CHG-1044 retired", "CHG-1045 stolen", "CHG-1044 retired"),
        shows=lambda _action: [],
    ),
    # MDE_API_URL wins over the region's host, and the options' certificate over the secret of the environment.
    "mde_offboard: Sign in with a certificate, to the service in the United Kingdom": Effect(
        ("submitted",),
        ("CHG-1042 retired",),
        credential="certificate",
        files={"/etc/secops/mde.pem": lambda emulator: emulator.certificate_path},
    ),
    "parse_devices: Offboard what somebody typed into a survey": Effect(("submitted",) * 3, ("CHG-1044 retired",) * 3),
    "parse_devices: Offboard the rows that are left in an export of the device inventory": Effect(
        ("submitted", "submitted"),
        ("CHG-1044 retired", "CHG-1044 retired"),
        contents={
            "/srv/tickets/CHG-1044.csv": "\ufeffDevice ID;Device name;OS platform;Device AAD id;Tags\r\n"
            f'{DEVICE};lab-w11-07.corp.example;Windows11;;"Owner: Sam\r\nRoom 3"\r\n'
            ";pc-0103.corp.example;Windows11;11112222-bbbb-3333-cccc-4444dddd5555;\r\n"
        },
    ),
    "parse_devices: Try those again that failed in an earlier run": Effect(
        ("submitted",),
        ("CHG-1044 retired, second try",),
        contents={
            "/srv/tickets/CHG-1044.json": json.dumps(
                {
                    "devices": [
                        {
                            "failed": True,
                            "outcome": "refused",
                            "device_id": DEVICE,
                            "device_name": None,
                            "requested": {},
                        },
                        {"failed": False, "outcome": "submitted", "device_id": "a" * 40, "requested": {}},
                    ]
                }
            )
        },
    ),
}
EXAMPLES = {block.name: block for block in blocks.of_plugins()}


def test_every_example_has_an_effect_and_every_effect_an_example() -> None:
    assert EXAMPLES.keys() == EFFECTS.keys()


def text_of(block: Block, effect: Effect, stage: Stage) -> str:
    text = block.text
    elsewhere = {file: found(stage.emulator) for file, found in effect.files.items()}
    for file, content in effect.contents.items():
        written = stage.folder / Path(file).name
        written.write_text(content, "utf-8", newline="")
        elsewhere[file] = str(written)
    for file, place in elsewhere.items():
        assert file in text
        text = text.replace(file, place)
    return text


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_foretells_its_effect_in_check_mode_and_then_has_it(name: str, stage: Stage) -> None:
    effect, emulator = EFFECTS[name], stage.emulator
    text = text_of(EXAMPLES[name], effect, stage)
    submitted = [outcome == "submitted" for outcome in effect.outcomes]

    foretold = stage.play(text, "--check", defaults=effect.defaults)
    assert foretold.code == 0, foretold.output
    assert outcomes(foretold) == effect.outcomes
    assert foretold.ours.result["changed"] == any(submitted)
    assert emulator.calls("api", "GET")
    assert emulator.calls("api", "POST") == []

    real = stage.play(text, defaults=effect.defaults)
    assert real.code == 0, real.output
    assert {task.status for task in real.tasks} == {"ok"}
    assert outcomes(real) == effect.outcomes
    assert real.ours.result["changed"] == any(submitted)
    assert {call.credential for call in emulator.calls("entra", "POST")} == {effect.credential}
    held = {action["machineId"]: action for action in emulator.actions()}
    assert len(held) == len(emulator.actions()) == sum(submitted)
    for device, comment in zip(real.ours.result["devices"], effect.comments, strict=True):
        action = held.get(device["device_id"])
        assert (action is not None) == (device["outcome"] == "submitted")
        assert action is None or action["requestorComment"] == comment
    assert not any(submitted) or held[DEVICE]["status"] == effect.status
    assert [call.app for call in emulator.calls("api", "POST")] == [CLIENT_ID] * sum(submitted)
    if effect.shows:
        assert real.tasks[-1].result["msg"] == effect.shows(emulator.actions()[0])


def outcomes(played: Played) -> tuple[str, ...]:
    return tuple(device["outcome"] for device in played.ours.result["devices"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("device_id:", "devise_id:"),
        (DEVICE, DEVICE[:-1]),
        ("  delegate_to: localhost\n", ""),
    ],
)
def test_an_example_with_a_mistake_is_noticed(stage: Stage, right: str, wrong: str) -> None:
    text = EXAMPLES["mde_offboard: Offboard one device by its id"].text
    assert right in text
    assert stage.play(text.replace(right, wrong)).code != 0
