# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a run: whole, growing with each batch, and never over those of another."""

from __future__ import annotations

import csv
import json
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.modules import mde_evidence
from ansible_collections.secops.mde.tests.unit.conftest import run_module
from ansible_collections.secops.mde.tests.unit.harness import ModuleRun

CONTEXT = {"tenant_id": "t", "client_id": "c", "api_url": "https://api.example", "collection_version": "1.0.0"}


def batch(*names: str, **more: t.Any) -> dict[str, t.Any]:
    """The result of mde_offboard for these devices."""
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


def keep(base: Path, result: dict[str, t.Any], *, check: bool = False, **options: t.Any) -> ModuleRun:
    return run_module(mde_evidence.main, {"path": str(base), "result": result, **options}, check=check)


def read(base: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(base.with_name(f"{base.name}.json").read_text("utf-8")))


def test_three_files_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    base = tmp_path / "proof" / "CHG-1044"
    run = keep(base, batch("pc-1", "pc-2"), hosts=["h1", "h2"], comment="CHG-1044", run={"operator": "somebody"})
    assert (run.failed, run.changed) == (False, False)
    assert sorted(path.name for path in base.parent.iterdir()) == ["CHG-1044.csv", "CHG-1044.html", "CHG-1044.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in base.parent.iterdir()} == {0o600}
    assert set(run.result["paths"]) == {"json", "csv", "html"}
    document = read(base)
    assert [device["host"] for device in document["devices"]] == ["h1", "h2"]
    assert (document["complete"], document["asked"], document["prediction"]) == (True, 2, False)
    assert document["run"]["operator"] == "somebody"
    with base.with_name("CHG-1044.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert "pc-1" in base.with_name("CHG-1044.html").read_text("utf-8")


def test_the_reason_is_that_of_the_result_unless_another_is_given(tmp_path: Path) -> None:
    looked = {**batch("pc-1"), "comment": "CHG-1044 retired"}
    keep(tmp_path / "later", looked, kind="verify")
    assert read(tmp_path / "later")["comment"] == "CHG-1044 retired"
    keep(tmp_path / "other", looked, kind="verify", comment="CHG-1051 audit")
    assert read(tmp_path / "other")["comment"] == "CHG-1051 audit"


def test_batches_add_up(tmp_path: Path) -> None:
    base = tmp_path / "run"
    first = keep(base, batch("pc-1"), asked=3, complete=False)
    second = keep(base, batch("pc-2", "pc-3"), asked=3)
    assert [device["device_name"] for device in read(base)["devices"]] == ["pc-1", "pc-2", "pc-3"]
    assert [row["device_name"] for row in first.result["devices"]] == ["pc-1"]
    assert [row["action_id"] for row in second.result["devices"]] == ["action-of-pc-2", "action-of-pc-3"]
    assert read(base)["api"] == {"calls": 6, "retries": 2, "throttled_seconds": 1.0}
    assert read(base)["run"]["started_at"] == "2026-02-03T04:05:06Z"


def test_evidence_begins_before_there_is_a_device(tmp_path: Path) -> None:
    begun = keep(tmp_path / "run", {"devices": []}, asked=2, complete=False)
    assert begun.result["msg"] == "After 0 of 2 devices: no device was looked at."
    keep(tmp_path / "run", batch("pc-1", "pc-2"), asked=2)
    assert len(read(tmp_path / "run")["devices"]) == 2
    assert read(tmp_path / "run")["run"]["started_at"] == "2026-02-03T04:05:06Z"


@pytest.mark.parametrize("name", ["CHG-1044", "CHG-1", "CHG-2"])  # a number in the name is not the one of a run
def test_evidence_that_is_complete_is_never_touched(tmp_path: Path, name: str) -> None:
    base = tmp_path / name
    runs = [keep(base, batch(device)) for device in ("pc-1", "pc-2", "pc-3")]
    names = [Path(run.result["paths"]["json"]).name for run in runs]
    assert names == [f"{name}.json", f"{name}-2.json", f"{name}-3.json"]
    assert [device["device_name"] for device in read(base)["devices"]] == ["pc-1"]


def test_a_prediction_is_marked_and_never_mixed_with_a_run(tmp_path: Path) -> None:
    base = tmp_path / "run"
    keep(base, batch("pc-1"), check=True, complete=False)
    keep(base, batch("pc-1"), complete=False)
    assert read(base)["prediction"]
    assert len(read(base)["devices"]) == 1
    assert not read(tmp_path / "run-2")["prediction"]


def test_a_file_that_is_no_evidence_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": "something else"}', "utf-8")
    run = keep(tmp_path / "run", batch("pc-1"))
    assert run.failed
    assert "is no evidence to add to" in run.result["msg"]
    assert path.read_text("utf-8") == '{"format": "something else"}'


def test_hosts_that_do_not_match_the_devices_are_refused(tmp_path: Path) -> None:
    run = keep(tmp_path / "run", batch("pc-1", "pc-2"), hosts=["h1"])
    assert run.failed
    assert "there are 1 of them for 2 devices" in run.result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    run = keep(tmp_path / "file" / "run", batch("pc-1"))
    assert run.failed
    assert f"the evidence cannot be written to {tmp_path / 'file'}" in run.result["msg"]


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
            {"devices": [], "failed": False, "error": {"message": "No read."}},  # as failed_when leaves it
            {"tag": "retired", "ok": False, "message": "No read."},
        ),
        ({"failed": False, "msg": "A crash."}, {"tag": "retired", "ok": False, "message": "A crash."}),
        ({"devices": []}, None),
        ({"skipped": True}, None),
        ({"devices": [{"device_id": "another", "error": {"message": "No."}}], "failed": True}, None),
    ],
    ids=["set", "not set", "not even tried", "let pass", "no result", "not asked for", "skipped", "another failed"],
)
def test_what_became_of_the_tag_is_kept(tmp_path: Path, tagged: dict[str, t.Any], tag: dict[str, t.Any] | None) -> None:
    run = keep(tmp_path / "run", batch("pc-1"), tag="retired", tagged=tagged)
    assert read(tmp_path / "run")["devices"][0]["tag"] == tag
    assert run.result["devices"][0]["tagged"] == (tag["ok"] if tag else None)


def test_a_device_that_was_not_found_lacks_no_tag(tmp_path: Path) -> None:
    result = batch("pc-1", device_id=None, outcome="not_found", changed=False, action=None)
    keep(tmp_path / "run", result, tag="retired", tagged={"devices": [], "error": {"message": "No read."}})
    assert read(tmp_path / "run")["devices"][0]["tag"] is None


def test_a_failed_device_is_told_with_what_to_do_and_whom_to_ask(tmp_path: Path) -> None:
    error = {"code": "refused", "message": "The service said no", "hint": "Ask for it.", "correlation_id": "c-1"}
    result = batch("pc-1", outcome="refused", changed=False, failed=True, action=None, error=error)
    (row,) = keep(tmp_path / "run", result).result["devices"]
    assert row["message"] == "pc-1: The service said no. Ask for it. To quote to support: c-1."
    assert (row["failed"], row["changed"], row["action_id"]) == (True, False, None)


def test_looking_back_keeps_its_hosts(tmp_path: Path) -> None:
    keep(tmp_path / "run", batch("pc-1", outcome="done", host="kiosk"), kind="verify")
    document = read(tmp_path / "run")
    assert (document["kind"], document["devices"][0]["host"]) == ("verify", "kiosk")
