# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action mde_evidence: files are complete, grow with each batch, and never replace those of another run."""

from __future__ import annotations

import csv
import errno
import fcntl
import json
import math
import multiprocessing
import os
import resource
import stat
import tempfile
import typing as t
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
import yaml
from ansible import template
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.secops.mde.plugins.action.mde_evidence import OPTIONS, ActionModule
from ansible_collections.secops.mde.plugins.module_utils._clock import SystemClock
from ansible_collections.secops.mde.plugins.module_utils._evidence_format import load
from ansible_collections.secops.mde.plugins.modules import mde_evidence as documented
from ansible_collections.secops.mde.plugins.plugin_utils._evidence import html_report, recorder
from ansible_collections.secops.mde.plugins.plugin_utils._evidence.document import merge_batch
from ansible_collections.secops.mde.plugins.plugin_utils._evidence.files import write
from ansible_collections.secops.mde.tests.unit.plugins.modules.test_every_module import comparable_spec
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock, ModuleRun

CONTEXT = {"tenant_id": "t", "client_id": "c", "api_url": "https://api.example", "collection_version": "1.0.0"}


def batch(*names: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the result of mde_offboard for these devices."""
    times = {"started_at": "2026-02-03T04:05:06Z", "finished_at": "2026-02-03T04:06:06Z"}
    devices = [
        {
            "requested": {"device_name": name},
            "device_id": f"id-of-{name}",
            "device_name": name,
            "outcome": "submitted",
            "changed": True,
            "failed": False,
            "action": {"id": f"action-of-{name}", "status": "Pending"},
            "error": None,
            **more,
        }
        for name in names
    ]
    api = {"calls": 3, "retries": 1, "throttled_seconds": 0.5}
    return {"devices": devices, "context": {**CONTEXT, **times}, "summary": {"total": len(names), "api": api}}


def action_of(task: Task) -> ActionModule:
    connection = connection_loader.get("local", PlayContext())
    action = ActionModule(task, connection, PlayContext(), DataLoader(), None, None)
    action._load_name = "secops.mde.mde_evidence"  # as the plugin loader does
    return action


def write_batch(
    base: Path, result: dict[str, t.Any], *, check: bool = False, clock: ManualClock | None = None, **options: t.Any
) -> ModuleRun:
    """Run the action as Ansible does, but in this process."""
    task = Task()
    task.args, task.check_mode = {"path": str(base), "result": result, **options}, check
    action = action_of(task)
    action.clock = clock or SystemClock()
    found = action.run(task_vars={})
    return ModuleRun(code=int(found.get("failed", False)), result=found, output=json.dumps(found))


def read(base: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(base.with_name(f"{base.name}.json").read_text("utf-8")))


def test_the_documentation_matches_the_argument_spec() -> None:
    documentation = yaml.safe_load(documented.DOCUMENTATION)
    assert comparable_spec(documentation["options"]) == comparable_spec(OPTIONS)


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize("fails", [False, True], ids=["success", "failure"])
def test_the_result_has_the_documented_keys(tmp_path: Path, check: bool, fails: bool) -> None:
    if fails:
        (tmp_path / "run.csv").mkdir()
    run = write_batch(tmp_path / "run", batch("pc-1"), check=check)
    returned = yaml.safe_load(documented.RETURN)
    expected = {key for key, value in returned.items() if value["returned"] == "always" or not fails}
    assert run.failed == fails
    assert set(run.result) - {"changed", "failed"} == expected
    assert [row["action_id"] for row in run.result["devices"]] == ["action-of-pc-1"]


def test_three_files_are_written_for_their_owner_only(tmp_path: Path) -> None:
    base = tmp_path / "proof" / "CHG-1044"
    run = write_batch(base, batch("pc-1", "pc-2"), hosts=["h1", "h2"], comment="CHG-1044", run={"operator": "j.doe"})
    assert (run.failed, run.changed) == (False, False)
    assert sorted(path.name for path in base.parent.iterdir()) == ["CHG-1044.csv", "CHG-1044.html", "CHG-1044.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in base.parent.iterdir()} == {0o600}
    assert set(run.result["paths"]) == {"json", "csv", "html"}
    document = read(base)
    assert [device["host"] for device in document["devices"]] == ["h1", "h2"]
    assert (document["complete"], document["device_count"], document["prediction"]) == (True, 2, False)
    assert document["run"]["operator"] == "j.doe"
    with base.with_name("CHG-1044.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert "pc-1" in base.with_name("CHG-1044.html").read_text("utf-8")


def test_the_comment_is_that_of_the_result_unless_the_option_is_set(tmp_path: Path) -> None:
    verified = {**batch("pc-1"), "comment": "CHG-1044 retired"}
    write_batch(tmp_path / "later", verified, kind="verify")
    assert read(tmp_path / "later")["comment"] == "CHG-1044 retired"
    write_batch(tmp_path / "other", verified, kind="verify", comment="CHG-1051 audit")
    assert read(tmp_path / "other")["comment"] == "CHG-1051 audit"


def test_each_batch_is_added(tmp_path: Path) -> None:
    base = tmp_path / "run"
    first = write_batch(base, batch("pc-1"), device_count=3, complete=False)
    second = write_batch(base, batch("pc-2", "pc-3"), device_count=3)
    assert [device["device_name"] for device in read(base)["devices"]] == ["pc-1", "pc-2", "pc-3"]
    assert [row["device_name"] for row in first.result["devices"]] == ["pc-1"]
    assert [row["action_id"] for row in second.result["devices"]] == ["action-of-pc-2", "action-of-pc-3"]
    assert read(base)["api"] == {"calls": 6, "retries": 2, "throttled_seconds": 1.0}
    assert read(base)["run"]["started_at"] == "2026-02-03T04:05:06Z"


def test_evidence_can_start_without_devices(tmp_path: Path) -> None:
    started = write_batch(tmp_path / "run", {"devices": []}, device_count=2, complete=False)
    assert started.result["msg"] == "After 0 of 2 devices: no device was processed."
    write_batch(tmp_path / "run", batch("pc-1", "pc-2"), device_count=2)
    assert len(read(tmp_path / "run")["devices"]) == 2
    assert read(tmp_path / "run")["run"]["started_at"] == "2026-02-03T04:05:06Z"


@pytest.mark.parametrize("name", ["CHG-1044", "CHG-1", "CHG-2"])  # a number in the name is not a run number
def test_complete_evidence_never_changes(tmp_path: Path, name: str) -> None:
    base = tmp_path / name
    runs = [write_batch(base, batch(device)) for device in ("pc-1", "pc-2", "pc-3")]
    names = [Path(run.result["paths"]["json"]).name for run in runs]
    assert names == [f"{name}.json", f"{name}-2.json", f"{name}-3.json"]
    assert [device["device_name"] for device in read(base)["devices"]] == ["pc-1"]


def test_a_prediction_is_marked_and_never_mixed_with_a_run(tmp_path: Path) -> None:
    base = tmp_path / "run"
    write_batch(base, batch("pc-1"), check=True, complete=False)
    write_batch(base, batch("pc-1"), complete=False)
    assert read(base)["prediction"]
    assert len(read(base)["devices"]) == 1
    assert not read(tmp_path / "run-2")["prediction"]


def test_another_file_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": "something else"}', "utf-8")
    run = write_batch(tmp_path / "run", batch("pc-1"))
    assert run.failed
    assert "run.json is not an evidence file: its format is not" in run.result["msg"]
    assert path.read_text("utf-8") == '{"format": "something else"}'


def test_hosts_that_do_not_match_the_devices_are_an_error(tmp_path: Path) -> None:
    run = write_batch(tmp_path / "run", batch("pc-1", "pc-2"), hosts=["h1"])
    assert run.failed
    assert "hosts has 1 entries for 2 devices" in run.result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    run = write_batch(tmp_path / "file" / "run", batch("pc-1"))
    assert run.failed
    assert f"Cannot write evidence to {tmp_path / 'file'}" in run.result["msg"]


@pytest.mark.parametrize(
    ("tagged", "tag"),
    [
        ({"devices": [{"device_id": "id-of-pc-1", "error": None}]}, {"tag": "retired", "ok": True, "message": None}),
        (
            {"devices": [{"device_id": "id-of-pc-1", "error": {"message": "No."}}]},
            {"tag": "retired", "ok": False, "message": "No."},
        ),
        (
            {"devices": [], "failed": True, "error": {"message": "No sign-in."}},
            {"tag": "retired", "ok": False, "message": "No sign-in."},
        ),
        (
            {"devices": [], "failed": False, "error": {"message": "No read."}},  # with failed_when: false
            {"tag": "retired", "ok": False, "message": "No read."},
        ),
        ({"failed": False, "msg": "A crash."}, {"tag": "retired", "ok": False, "message": "A crash."}),
        ({"devices": []}, None),
        ({"skipped": True}, None),
        ({"devices": [{"device_id": "another", "error": {"message": "No."}}], "failed": True}, None),
    ],
    ids=["set", "not set", "no sign-in", "ignored failure", "no result", "not requested", "skipped", "another failed"],
)
def test_the_result_of_tagging_is_recorded(
    tmp_path: Path, tagged: dict[str, t.Any], tag: dict[str, t.Any] | None
) -> None:
    run = write_batch(tmp_path / "run", batch("pc-1"), tag="retired", tagged=tagged)
    assert read(tmp_path / "run")["devices"][0]["tag"] == tag
    assert run.result["devices"][0]["tagged"] == (tag["ok"] if tag else None)


def test_a_device_that_was_not_found_has_no_result_of_tagging(tmp_path: Path) -> None:
    result = batch("pc-1", device_id=None, outcome="not_found", changed=False, action=None)
    write_batch(tmp_path / "run", result, tag="retired", tagged={"devices": [], "error": {"message": "No read."}})
    assert read(tmp_path / "run")["devices"][0]["tag"] is None


def test_the_message_of_a_failed_device_has_the_hint_and_the_correlation_id(tmp_path: Path) -> None:
    error = {"code": "refused", "message": "The request was rejected", "hint": "Request it.", "correlation_id": "c-1"}
    result = batch("pc-1", outcome="refused", changed=False, failed=True, action=None, error=error)
    (row,) = write_batch(tmp_path / "run", result).result["devices"]
    assert row["message"] == "pc-1: The request was rejected. Request it. Correlation ID for Microsoft support: c-1."
    assert (row["failed"], row["changed"], row["action_id"]) == (True, False, None)


def test_a_verification_keeps_the_hosts(tmp_path: Path) -> None:
    write_batch(tmp_path / "run", batch("pc-1", outcome="done", host="kiosk"), kind="verify")
    document = read(tmp_path / "run")
    assert (document["kind"], document["devices"][0]["host"]) == ("verify", "kiosk")


def test_a_batch_is_added_to_evidence_of_an_earlier_version(tmp_path: Path) -> None:
    write_batch(tmp_path / "run", batch("pc-1"), device_count=3, complete=False)
    path = tmp_path / "run.json"
    path.write_text(path.read_text("utf-8").replace('"device_count": 3', '"asked": 3'), "utf-8")
    run = write_batch(tmp_path / "run", batch("pc-2"), device_count=3, complete=False)
    assert run.result["msg"].startswith("After 2 of 3 devices")
    document = read(tmp_path / "run")
    assert (document["device_count"], "asked" in document) == (3, False)


# -- input values ------------------------------------------------------------------------------------


STRANGE: list[tuple[str, t.Any, t.Any]] = [
    ("not a number", math.nan, "⟨nan⟩"),
    ("infinite", -math.inf, "⟨-inf⟩"),
    ("gigantic", 10**5000, "⟨a number of 16610 bits⟩"),
    ("half an emoji", "pc-\ud83d", "pc-⟨U+D83D⟩"),
    ("half an emoji in a key", {"pc-\udc00": 1}, {"pc-⟨U+DC00⟩": 1}),
    ("a complete emoji", "pc-💻", "pc-💻"),
    ("the largest integer", 2**63 - 1, 2**63 - 1),
    ("the smallest number", 5e-324, 5e-324),
    ("a time of YAML", datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc), "2026-02-03T04:05:06+00:00"),
    ("a day of YAML", date(2026, 2, 3), "2026-02-03"),
    ("tuples and sets", (1, {"a"}), [1, ["a"]]),
]


@pytest.mark.parametrize(("value", "kept"), [case[1:] for case in STRANGE], ids=[case[0] for case in STRANGE])
def test_evidence_is_strict_json_for_any_value_of_a_record(tmp_path: Path, value: t.Any, kept: t.Any) -> None:
    devices = batch("pc-1", machine={"id": "x", "odd": value})
    document = merge_batch(None, prediction=False, result=devices)
    write(tmp_path / "run", document)
    assert load(tmp_path / "run.json")["devices"][0]["machine"]["odd"] == kept
    assert document["devices"][0]["action"]["id"] == "action-of-pc-1"


def test_a_deeply_nested_record_does_not_lose_the_run(tmp_path: Path) -> None:
    deep: t.Any = "bottom"
    for _level in range(200):
        deep = [deep]
    run = write_batch(tmp_path / "run", batch("pc-1", machine={"odd": deep}))
    assert not run.failed
    assert "nested too deeply" in (tmp_path / "run.json").read_text("utf-8")


def test_half_an_emoji_in_any_text_loses_neither_the_run_nor_a_file(tmp_path: Path) -> None:
    half = "pc-\ud83d"
    result = batch(half, requested={"device_name": half}, host=half, error={"message": half}) | {"comment": half}
    run = write_batch(tmp_path / "run", result)
    assert not run.failed
    assert run.result["devices"][0]["device_name"] == "pc-⟨U+D83D⟩"
    assert "pc-⟨U+D83D⟩" in (tmp_path / "run.csv").read_text("utf-8")


def test_a_batch_is_added_to_evidence_with_half_an_emoji(tmp_path: Path) -> None:
    write_batch(tmp_path / "run", batch("pc-1"), complete=False)
    path = tmp_path / "run.json"
    path.write_text(path.read_text("utf-8").replace('"pc-1"', '"pc-\\ud83d"'), "utf-8")
    assert not write_batch(tmp_path / "run", batch("pc-2")).failed
    assert [device["device_name"] for device in read(tmp_path / "run")["devices"]] == ["pc-⟨U+D83D⟩", "pc-2"]


@pytest.mark.parametrize("devices", [["pc-1"], "pc-1", {"pc-1": {}}, 7], ids=repr)
def test_another_result_is_an_error(tmp_path: Path, devices: t.Any) -> None:
    run = write_batch(tmp_path / "run", {"devices": devices})
    assert run.failed
    assert run.result["msg"].startswith("result: devices must be a list of dictionaries.")
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(
    "odd",
    [{"action": "text"}, {"error": "text"}, {"requested": 7}, {"machine": []}, {"candidates": "x"}, {"device_id": [1]}],
    ids=repr,
)
def test_a_device_with_parts_of_another_type_is_recorded(tmp_path: Path, odd: dict[str, t.Any]) -> None:
    run = write_batch(tmp_path / "run", batch("pc-1", **odd), tag="t", tagged={"devices": [{"device_id": "x"}, 7]})
    assert not run.failed
    assert read(tmp_path / "run")["devices"][0].items() >= odd.items()


# -- concurrent tasks, and other files ---------------------------------------------------------------------------


def _add_batches(base: Path, task: int) -> None:
    for number in range(5):
        assert not write_batch(base, batch(f"pc-{task}-{number}"), complete=False).failed


def test_concurrent_tasks_lose_no_device(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    tasks = [fork.Process(target=_add_batches, args=(tmp_path / "run", number)) for number in range(4)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(60)
    assert [task.exitcode for task in tasks] == [0] * 4
    names = sorted(device["device_name"] for device in read(tmp_path / "run")["devices"])
    assert names == sorted(f"pc-{task}-{number}" for task in range(4) for number in range(5))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.csv", "run.html", "run.json"]


@pytest.fixture
def other_task(tmp_path: Path) -> t.Iterator[int]:
    """The descriptor with which another task holds the lock of the directory."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


def test_a_lock_that_is_not_released_is_an_error_with_the_ids(tmp_path: Path, other_task: int) -> None:
    clock = ManualClock()
    run = write_batch(tmp_path / "run", batch("pc-1"), clock=clock)
    assert run.failed
    assert f"another process has locked {tmp_path} for 60 seconds" in run.result["msg"]
    assert "action-of-pc-1" in run.result["msg"]
    assert 60 <= clock.passed < 61
    assert not list(tmp_path.iterdir())


def test_the_task_waits_for_the_lock(tmp_path: Path, other_task: int) -> None:
    class Releasing(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.passed > 30:
                fcntl.flock(other_task, fcntl.LOCK_UN)

    assert not write_batch(tmp_path / "run", batch("pc-1"), clock=Releasing()).failed
    assert not write_batch(tmp_path / "run-2", batch("pc-1")).failed  # released again


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_a_directory_that_does_not_support_locks_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    run = write_batch(tmp_path / "run", batch("pc-1"))
    assert not run.failed
    (warning,) = run.warnings
    assert f"{tmp_path} cannot be locked ({os.strerror(number)})" in warning


@pytest.mark.parametrize("suffix", [".json", ".csv", ".html"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a FIFO"),
        (os.mkdir, "a directory"),
        (lambda path: path.symlink_to("/dev/null"), "a symbolic link"),
        (lambda path: path.symlink_to("missing"), "a symbolic link"),
        (lambda path: path.symlink_to(path.with_name("elsewhere")), "a symbolic link"),
    ],
    ids=["FIFO", "directory", "link to a device", "dangling link", "link to a file"],
)
def test_a_path_that_is_not_a_regular_file_is_an_error_and_is_not_changed(
    tmp_path: Path, suffix: str, make: t.Callable[[Path], None], kind: str
) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / f"run{suffix}"
    write_batch(tmp_path / "other", batch("pc-0"), complete=False)
    elsewhere.write_bytes((tmp_path / "other.json").read_bytes())
    before = elsewhere.read_bytes()
    make(path)
    mode = path.lstat().st_mode
    run = write_batch(tmp_path / "run", batch("pc-1"))
    assert run.failed
    assert f"path: {path} is {kind}. Evidence is written to regular files only." in run.result["msg"]
    assert (path.lstat().st_mode, elsewhere.read_bytes()) == (mode, before)
    assert [found.name for found in tmp_path.glob("run*")] == [path.name]


def test_the_directory_can_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to("volume")
    assert not write_batch(tmp_path / "link" / "run", batch("pc-1")).failed
    assert (tmp_path / "volume" / "run.json").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_directories_and_files_are_for_their_owner_only_with_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert not write_batch(tmp_path / "a" / "b" / "c" / "run", batch("pc-1")).failed
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", *(tmp_path / "a").rglob("*"))}
    assert modes == dict.fromkeys("abc", 0o700) | dict.fromkeys(("run.json", "run.csv", "run.html"), 0o600)


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    folder.chmod(0o2750)
    assert not write_batch(folder / "run", batch("pc-1")).failed
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750


# -- write errors -----------------------------------------------------------------------------------


def fails(number: int) -> t.Callable[..., t.NoReturn]:
    def fail(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


CALLS: dict[str, tuple[t.Any, str]] = {
    "fsync": (os, "fsync"),
    "replace": (Path, "replace"),
    "mkstemp": (tempfile, "mkstemp"),
    "template": (html_report, "_template"),
}


@pytest.mark.parametrize(
    ("call", "number"),
    [
        *(("fsync", number) for number in (errno.ENOSPC, errno.EIO, errno.EDQUOT)),
        ("replace", errno.EROFS),
        ("mkstemp", errno.EMFILE),
        ("template", errno.EMFILE),
    ],
    ids=["disk full", "disk broken", "quota", "read-only", "no more open files", "templates cannot be read"],
)
def test_a_batch_that_cannot_be_written_is_in_the_result_with_the_ids_of_its_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    write_batch(tmp_path / "run", batch("pc-1"), complete=False)
    before = (tmp_path / "run.json").read_bytes()
    monkeypatch.setattr(*CALLS[call], fails(number))
    run = write_batch(tmp_path / "run", batch("pc-2", "pc-3"), hosts=["h2", "h3"])
    assert run.failed
    assert f"({os.strerror(number)})" in run.result["msg"]
    assert "action-of-pc-2, action-of-pc-3" in run.result["msg"]
    assert [(row["host"], row["device_id"], row["action_id"]) for row in run.result["devices"]] == [
        ("h2", "id-of-pc-2", "action-of-pc-2"),
        ("h3", "id-of-pc-3", "action-of-pc-3"),
    ]
    assert (tmp_path / "run.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "run.csv",
        "run.html",
        "run.json",
    ]  # no temporary file is left


def _write_with_limit(base: Path, limit: int, value: int) -> None:
    """The result names the action, whether the evidence can be written or not."""
    write_batch(base.with_name("before"), batch("pc-1"))  # so that Ansible has loaded its plugins
    if limit == resource.RLIMIT_NOFILE:  # so many more than are open
        free = os.open("/dev/null", os.O_RDONLY)
        os.close(free)
        value += free
    usual = resource.getrlimit(limit)
    resource.setrlimit(limit, (value, usual[1]))
    try:
        run = write_batch(base, batch("pc-1"))
    finally:
        resource.setrlimit(limit, usual)  # the process that measures the coverage writes a file at its end
    assert [row["action_id"] for row in run.result["devices"]] == ["action-of-pc-1"]
    assert not run.failed or "action-of-pc-1" in run.result["msg"]


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        *((resource.RLIMIT_NOFILE, number) for number in range(4)),
        *((resource.RLIMIT_FSIZE, size) for size in (0, 100, 3000)),
    ],
)
def test_a_limit_of_the_system_does_not_lose_the_ids(tmp_path: Path, limit: int, value: int) -> None:
    task = multiprocessing.get_context("fork").Process(target=_write_with_limit, args=(tmp_path / "run", limit, value))
    task.start()
    task.join(60)
    assert task.exitcode == 0


def test_the_message_has_at_most_a_hundred_ids(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    run = write_batch(tmp_path / "run", batch(*(f"pc-{number}" for number in range(150))))
    assert "and 50 more, in devices of this result" in run.result["msg"]
    assert len(run.result["devices"]) == 150


def test_hosts_that_do_not_match_the_devices_do_not_lose_the_ids(tmp_path: Path) -> None:
    run = write_batch(tmp_path / "run", batch("pc-1", "pc-2"), hosts=["h1"])
    assert "action-of-pc-1, action-of-pc-2" in run.result["msg"]
    assert [row["host"] for row in run.result["devices"]] == [None, None]


def test_a_bug_in_the_collection_does_not_lose_the_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_base: Path, _document: object) -> t.NoReturn:
        raise MemoryError

    monkeypatch.setattr(recorder, "write", bug)
    run = write_batch(tmp_path / "run", batch("pc-1"))
    assert "Unexpected MemoryError" in run.result["msg"]
    assert "action-of-pc-1" in run.result["msg"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"complete": "perhaps"}, "complete"),
        ({"asked": 1}, "Unsupported parameters"),
        ({"kind": "other"}, "value of kind must be one of"),
        ({"path": None}, "path"),  # rejected by some versions of Ansible
        *(({"path": path}, "has no file name") for path in ("", " ", "/")),
        ({"run": {"who": "j.doe"}}, "who"),
    ],
    ids=["a value", "a name", "a choice", "no path", "an empty path", "a path of spaces", "the root", "a suboption"],
)
def test_an_invalid_option_does_not_lose_the_ids(tmp_path: Path, options: t.Any, part: str) -> None:
    run = write_batch(tmp_path / "run", batch("pc-1"), **options)
    assert run.failed
    assert part in run.result["msg"]
    assert (
        ". Keep the action IDs of this batch, because the evidence can lack them: action-of-pc-1." in run.result["msg"]
    )
    assert [row["device_id"] for row in run.result["devices"]] == ["id-of-pc-1"]


@pytest.mark.parametrize("complete", [True, "perhaps"], ids=["valid", "invalid"])
@pytest.mark.parametrize("result", [7, "text", ["pc-1"], {"devices": ["pc-1"]}, None], ids=repr)
def test_a_value_that_is_not_a_result_is_an_error_and_nothing_is_written(
    tmp_path: Path, result: t.Any, complete: object
) -> None:
    run = write_batch(tmp_path / "run", result, complete=complete)
    assert run.failed
    assert run.result["devices"] == []
    assert "Unexpected" not in run.result["msg"]
    assert not list(tmp_path.iterdir())


def test_async_is_an_error_with_the_ids(tmp_path: Path) -> None:
    task = Task()
    task.args, task.async_val = {"path": str(tmp_path / "run"), "result": batch("pc-1")}, 10
    found = action_of(task).run(task_vars={})
    assert "async" in found["msg"]
    assert found["devices"][0]["action_id"] == "action-of-pc-1"


# -- output types -----------------------------------------------------------------------------------


def tagged_value(value: t.Any) -> t.Any:
    """Return the value as Ansible passes it, with tags, some of which mark text as a template."""
    trust = getattr(template, "trust_as_template", wrap_var)
    if isinstance(value, dict):
        return {tagged_value(key): tagged_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tagged_value(item) for item in value]
    return trust(value) if isinstance(value, str) else value


def types_in(value: t.Any) -> set[type]:
    if isinstance(value, dict):
        return {type(value)}.union(*map(types_in, value), *map(types_in, value.values()))
    return {type(value)}.union(*map(types_in, value)) if isinstance(value, list) else {type(value)}


@pytest.mark.parametrize("fails", [False, True], ids=["success", "failure"])
def test_the_result_has_plain_types_for_tagged_options(tmp_path: Path, fails: bool) -> None:
    name = "{{ lookup('pipe', 'id') }}"
    result = tagged_value(batch(name, host=name, error={"message": name, "hint": name}))
    assert str not in types_in(result)
    if fails:
        (tmp_path / f"{name}.csv").mkdir()
    found = write_batch(
        tmp_path,
        result,
        path=tagged_value(str(tmp_path / name)),
        comment=tagged_value(name),
        hosts=[tagged_value(name)],
    )
    assert found.failed == fails
    assert types_in(found.result) <= {dict, list, str, bool, int, type(None)}
    assert found.result["devices"][0]["device_name"] == name
