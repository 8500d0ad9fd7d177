# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the result of every task as a line of JSON to the file that RECORDER_FILE names."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._keep("ok", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._keep("failed", result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._keep("skipped", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._keep("unreachable", result)

    @staticmethod
    def _keep(status: str, result: t.Any) -> None:
        task = result._task
        line = {"status": status, "task": task.get_name(), "check": bool(task.check_mode), "result": result._result}
        with Path(os.environ["RECORDER_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
