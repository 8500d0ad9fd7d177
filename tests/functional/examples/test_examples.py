# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documentation of the plugins has the effect that is listed here. New examples need an entry."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.examples import blocks
from ansible_collections.secops.mde.tests.functional.examples.blocks import Block
from ansible_collections.secops.mde.tests.functional.examples.example_command import CLIENT_ID, RETIRED, ExampleCommand
from ansible_collections.secops.mde.tests.functional.support.ansible_command import Task

DEVICE = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
OTHER = "2e5bc9d7e413ddd7902c2932e418702b84d0cc08"
ACTION = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"


@dataclass(frozen=True)
class Effect:
    """The result of an example in check mode and in a real run, and its effect on the service."""

    # The relevant part of the result of the last task of the collection, and its expected value.
    value: t.Callable[[dict[str, t.Any]], t.Any]
    expected: t.Any
    # The number of calls that change something, and the resulting state of the service.
    posts: int = 0
    read_state: t.Callable[[Emulator, dict[str, t.Any]], t.Any] = lambda _emulator, _result: None
    state: t.Any = None
    # Creates the initial state: devices, actions, permissions.
    prepare: t.Callable[[Emulator], t.Any] = lambda _emulator: None
    # The example that this example continues.
    continues: str | None = None
    credential: str | None = "client_secret"
    # The only change to the text of an example: paths of files that the test has in another directory.
    files: t.Mapping[str, t.Callable[[Emulator], str]] = field(default_factory=dict)
    # Files that the example reads, with their contents.
    contents: t.Mapping[str, str] = field(default_factory=dict)
    # Keywords around the example: shorter pauses, and nothing that changes its effect.
    defaults: t.Mapping[str, t.Any] = field(default_factory=dict)
    # The inventory host of the play.
    hosts: str = RETIRED
    # The output of a later task of the example that shows something.
    shows: t.Callable[[Emulator], t.Any] | None = None
    # Whether the task only records the changes of another task.
    records: bool = False

    @property
    def changes(self) -> bool:
        return self.posts > 0 and not self.records


def offboards(outcomes: tuple[str, ...], comments: tuple[str, ...], **more: t.Any) -> Effect:
    """Expect the outcome of each device, and its action in the service."""
    submitted = [outcome == "submitted" for outcome in outcomes]

    def read_state(emulator: Emulator, result: dict[str, t.Any]) -> t.Any:
        actions_by_device = {action["machineId"]: action for action in emulator.actions()}
        assert len(actions_by_device) == len(emulator.actions())
        actions = [actions_by_device.get(device["device_id"], {}) for device in result["devices"]]
        return [action.get("requestorComment") for action in actions], actions_by_device.get(DEVICE, {}).get("status")

    return Effect(
        value=lambda result: tuple(device["outcome"] for device in result["devices"]),
        expected=outcomes,
        posts=sum(submitted),
        read_state=read_state,
        state=(
            [comment if new else None for comment, new in zip(comments, submitted, strict=True)],
            "Succeeded" if any(submitted) else None,
        ),
        **more,
    )


def finds(key: str, ids: list[str], prepare: t.Callable[[Emulator], t.Any], **more: t.Any) -> Effect:
    """Expect the IDs of the records."""
    return Effect(value=lambda result: [record["id"] for record in result[key]], expected=ids, prepare=prepare, **more)


def tags(
    changed: list[bool], key: str, state: list[str], prepare: t.Callable[[Emulator], t.Any], **more: t.Any
) -> Effect:
    """Expect which devices change, and the resulting tags of one device."""
    return Effect(
        value=lambda result: [device["changed"] for device in result["devices"]],
        expected=changed,
        posts=1,
        read_state=lambda emulator, _result: emulator.machine(key)["machineTags"],
        state=state,
        prepare=prepare,
        **more,
    )


def tag_loaned_devices(emulator: Emulator) -> None:
    """Tag two devices, one of them with two tags. The application may change tags."""
    emulator.grant("Machine.ReadWrite.All")
    emulator.update_machine("lab-w11-08.corp.example", machineTags=["loaned", "kiosk"])
    emulator.add_device(Device(id=OTHER, name="kiosk-02.corp.example", tags=["loaned"]))


def retire(emulator: Emulator) -> None:
    """Offboard two devices, one of which has reported again. The application may exclude devices."""
    emulator.grant("Machine.ReadWrite.All")
    emulator.add_device(Device(id=OTHER, name="kiosk-02.corp.example"))
    for device in (DEVICE, OTHER):
        emulator.add_action(device, status="Succeeded", age="3d")
    emulator.update_machine(DEVICE, onboardingStatus="CanBeOnboarded")


def exclusions(posts: int, state: list[bool], prepare: t.Callable[[Emulator], t.Any], **more: t.Any) -> Effect:
    """Expect which devices change, and which of two devices are excluded afterwards."""
    return Effect(
        value=lambda result: [device["device_id"] for device in result["devices"] if device["changed"]],
        expected=[DEVICE] if state[0] else [OTHER],
        posts=posts,
        read_state=lambda emulator, _result: [emulator.machine(id_)["isExcluded"] for id_ in (DEVICE, OTHER)],
        state=state,
        prepare=prepare,
        **more,
    )


def exclude_other(emulator: Emulator) -> None:
    """Exclude a device. The application may include it again."""
    retire(emulator)
    emulator.update_machine(OTHER, isExcluded=True, exclusionReason="InactiveDevice")


EFFECTS: dict[str, Effect] = {
    "mde_offboard: Offboard one device by its ID": offboards(("submitted",), ("CHG-1042 retired",)),
    "mde_offboard: Offboard by name, with the device ID as a safeguard": offboards(
        ("submitted",), ("CHG-1042 retired",)
    ),
    "mde_offboard: Accept an expired record when an old ticket is run again": offboards(
        ("not_found",), ("CHG-0815 retired",)
    ),
    "mde_offboard: Offboard a device that is online, and wait until it is done": offboards(
        ("submitted",),
        ("CHG-1042 retired",),
        defaults={"secops.mde.mde_offboard": {"wait_sleep": 1}},
        shows=lambda emulator: "{id} Succeeded at {lastUpdateDateTimeUtc}".format(**emulator.actions()[0]),
    ),
    "mde_offboard: Offboard a list in one task": offboards(
        ("submitted", "submitted", "submitted"),
        ("CHG-1044 retired", "CHG-1045 stolen", "CHG-1044 retired"),
        shows=lambda _emulator: [],
    ),
    # MDE_API_URL takes precedence over the region, and the options take precedence over the secret in the environment.
    "mde_offboard: Sign in with a certificate, and use the API servers in the United Kingdom": offboards(
        ("submitted",),
        ("CHG-1042 retired",),
        credential="certificate",
        files={"/etc/secops/mde.pem": lambda emulator: emulator.certificate_path},
    ),
    "mde_machine_info: Find a device by its name": finds(
        "machines", [DEVICE], lambda _emulator: None, shows=lambda _emulator: [DEVICE]
    ),
    "mde_machine_info: Find onboarded devices that have not reported for 30 days": finds(
        "machines",
        [OTHER],
        lambda emulator: emulator.add_devices(
            [
                Device(id=OTHER, name="kiosk-02.corp.example", last_seen="40d"),
                Device(last_seen="40d", not_onboarded=True),
            ]
        ),
        shows=lambda _emulator: ["kiosk-02.corp.example"],
    ),
    "mde_machine_info: Find tagged Windows 10 devices with an OData filter": finds(
        "machines",
        [OTHER],
        lambda emulator: emulator.add_devices(
            [Device(id=OTHER, os_platform="Windows10", tags=["retire"]), Device(tags=["retire"])]
        ),
    ),
    "mde_machine_action_info: Follow up on an offboard action days later": finds(
        "machine_actions",
        [ACTION],
        lambda emulator: emulator.add_action(DEVICE, status="Succeeded", age="3d", id=ACTION),
        shows=lambda _emulator: ["Succeeded"],
    ),
    "mde_machine_action_info: Find the offboard actions of the last week that did not succeed": finds(
        "machine_actions",
        [ACTION],
        lambda emulator: [
            emulator.add_action(DEVICE, status=status, age=age, **more)
            for status, age, more in (("Failed", "2d", {"id": ACTION}), ("Failed", "9d", {}), ("Succeeded", "1d", {}))
        ],
    ),
    "mde_machine_action_info: Read the last action on a device": finds(
        "machine_actions",
        [ACTION],
        lambda emulator: [
            emulator.add_action(DEVICE, age="9d"),
            emulator.add_action(DEVICE, "Isolate", age="1h", id=ACTION),
        ],
    ),
    "mde_machine_action_cancel: Cancel a pending offboard action": Effect(
        value=lambda result: (result["cancelled"], result["action"]["status"], result["action"]["cancellationComment"]),
        expected=(True, "Cancelled", "CHG-1042 withdrawn, the device stays"),
        posts=1,
        read_state=lambda emulator, _result: [action["status"] for action in emulator.actions()],
        state=["Cancelled"],
        prepare=lambda emulator: emulator.add_action(
            emulator.device("pc-0101.corp.example").id, status="Pending", age=60, id=ACTION
        ),
    ),
    "mde_machine_tag: Tag a device as retired": tags(
        [True], DEVICE, ["retired"], lambda emulator: emulator.grant("Machine.ReadWrite.All")
    ),
    "mde_machine_tag: Find devices that are tagged as loaned": Effect(
        value=lambda result: [machine["computerDnsName"] for machine in result["machines"]],
        expected=["lab-w11-08.corp.example", "kiosk-02.corp.example"],
        prepare=tag_loaned_devices,
    ),
    "mde_machine_tag: Remove the tag from all of them": tags(
        [True, True],
        "lab-w11-08.corp.example",
        ["kiosk"],
        tag_loaned_devices,
        continues="mde_machine_tag: Find devices that are tagged as loaned",
    ),
    "mde_machine_exclusion: Get the outcome of the offboard actions of last week": Effect(
        value=lambda result: [device["outcome"] for device in result["devices"]],
        expected=["done", "came_back"],
        prepare=retire,
    ),
    "mde_machine_exclusion: Exclude the devices that are offboarded": exclusions(
        1,
        [True, False],
        retire,
        continues="mde_machine_exclusion: Get the outcome of the offboard actions of last week",
    ),
    "mde_machine_exclusion: Include a device that is back in use": exclusions(1, [False, False], exclude_other),
    "mde_offboard_info: Get the outcome of an offboard action": Effect(
        value=lambda result: [device["outcome"] for device in result["devices"]],
        expected=["pending"],
        prepare=lambda emulator: emulator.add_action(
            emulator.device("pc-0101.corp.example").id, status="Pending", age=60, id=ACTION
        ),
        shows=lambda _emulator: "pc-0101.corp.example: the offboard action has not ended",
    ),
    "mde_offboard_info: Fail if a device has come back": Effect(
        value=lambda result: [device["outcome"] for device in result["devices"]],
        expected=["done"],
        prepare=lambda emulator: [
            emulator.add_action(DEVICE, age="3d"),
            emulator.update_machine(DEVICE, onboardingStatus="CanBeOnboarded"),
        ],
    ),
    "mde_evidence: Offboard a list": offboards(("submitted",) * 2, ("CHG-1044 retired",) * 2),
    "mde_evidence: Write the evidence": Effect(
        value=lambda result: [device["outcome"] for device in result["devices"]],
        expected=["submitted", "submitted"],
        posts=2,
        records=True,
        continues="mde_evidence: Offboard a list",
    ),
    "host_devices: Offboard the hosts of the play in one task": offboards(
        ("submitted",), ("CHG-1044 retired",), hosts="lab-w11-07.corp.example", shows=lambda _emulator: ["submitted"]
    ),
    "runbook_input: Check the variables before the first step of a decommission": Effect(
        value=lambda result: (result["devices"], result["options"]["wait"], result["source"]),
        expected=([{"device_name": RETIRED}], True, "host"),
        credential=None,
    ),
    "runbook_options: Offboard with survey answers, one of them empty and one converted to a number": (
        offboards(("submitted",), ("20261044",))
    ),
    "show_warning: Offboard a device that can be missing": offboards(
        ("not_found",), ("CHG-0815 retired",), shows=lambda _emulator: "not_found: check the ticket"
    ),
    "parse_devices: Offboard devices from a survey": offboards(("submitted",) * 3, ("CHG-1044 retired",) * 3),
    "parse_devices: Offboard the devices in an export of the device inventory": offboards(
        ("submitted", "submitted"),
        ("CHG-1044 retired", "CHG-1044 retired"),
        contents={
            "/srv/tickets/CHG-1044.csv": "\ufeffDevice ID;Device name;OS platform;Device AAD id;Tags\r\n"
            f'{DEVICE};lab-w11-07.corp.example;Windows11;;"Owner: Sam\r\nRoom 3"\r\n'
            ";pc-0103.corp.example;Windows11;11112222-bbbb-3333-cccc-4444dddd5555;\r\n"
        },
    ),
    "parse_devices: Offboard the devices in a table with custom headers": offboards(
        ("submitted",),
        ("CHG-2 replaced",),
        contents={
            "/srv/tickets/CHG-1045.csv": "Asset;Replaced by;Ticket\r\nlab-w11-07.corp.example;pc-0103.corp.example;CHG-2 replaced\r\n"
        },
    ),
    "parse_devices: Try the failed devices of an earlier run again": offboards(
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


def text_of(block: Block, effect: Effect, stage: ExampleCommand) -> str:
    text = (EXAMPLES[effect.continues].text if effect.continues else "") + block.text
    moved = {file: found(stage.emulator) for file, found in effect.files.items()}
    for file, content in effect.contents.items():
        written = stage.folder / Path(file).name
        written.write_text(content, "utf-8", newline="")
        moved[file] = str(written)
    for file, target in moved.items():
        assert file in text
        text = text.replace(file, target)
    return text


@pytest.mark.parametrize("name", EXAMPLES)
def test_check_mode_predicts_the_effect_of_the_example_and_a_real_run_has_it(name: str, stage: ExampleCommand) -> None:
    effect, emulator = EFFECTS[name], stage.emulator
    text = text_of(EXAMPLES[name], effect, stage)
    effect.prepare(emulator)

    # A POST in check mode would change the result of the real run and the number of POSTs.
    both = stage.predict_and_run(text, defaults=effect.defaults, hosts=effect.hosts)
    assert both.code == 0, both.output
    predicted = last(task for task in both.tasks if task.check)
    assert effect.value(predicted) == effect.expected
    assert predicted["changed"] == effect.changes

    real = [task for task in both.tasks if not task.check]
    assert {task.status for task in real} == {"ok"}
    assert effect.value(last(real)) == effect.expected
    assert last(real)["changed"] == effect.changes
    assert {call.credential for call in emulator.calls("entra", "POST")} == {effect.credential} - {None}
    assert effect.read_state(emulator, last(real)) == effect.state
    assert [call.app for call in emulator.calls("api", "POST")] == [CLIENT_ID] * effect.posts
    if effect.shows:
        assert real[-1].result["msg"] == effect.shows(emulator)


def last(tasks: t.Iterable[Task]) -> dict[str, t.Any]:
    """Return the result of the last task of the collection."""
    return [task.result for task in tasks if task.is_ours][-1]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("device_id:", "devise_id:"),
        (DEVICE, DEVICE[:-1]),
        ("  delegate_to: localhost\n", ""),
    ],
)
def test_an_example_with_a_mistake_is_noticed(stage: ExampleCommand, right: str, wrong: str) -> None:
    text = EXAMPLES["mde_offboard: Offboard one device by its ID"].text
    assert right in text
    assert stage.run_playbook(text.replace(right, wrong)).code != 0
