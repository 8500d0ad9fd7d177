# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes evidence on the controller: validates the options, adds a batch, returns the paths. The module file has the documentation."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.secops.mde.plugins.module_utils._clock import Clock, SystemClock
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import Spec
from ansible_collections.secops.mde.plugins.plugin_utils._evidence import recorder

OPTIONS: Spec = {
    "path": {"type": "path", "required": True},
    "result": {"type": "dict", "required": True},
    "kind": {"type": "str", "choices": ["offboard", "verify"], "default": "offboard"},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "device_count": {"type": "int"},
    "complete": {"type": "bool", "default": True},
    "comment": {"type": "str"},
    "run": {
        "type": "dict",
        "options": {name: {"type": "str"} for name in ("operator", "job_id", "job_url", "playbook")},
    },
    "tag": {"type": "str"},
    "tagged": {"type": "dict"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Needs no connection, because nothing runs on the hosts of the play."""

    _requires_connection = False
    clock: Clock = SystemClock()

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        prediction = bool(self._task.check_mode)
        try:
            super().run(tmp, task_vars)  # rejects async
            _validation, options = self.validate_argument_spec(argument_spec=OPTIONS)
        except AnsibleActionFail as error:
            # An error in this task must not lose the actions that were submitted.
            return recorder.refuse(str(error.message), self._task.args.get("result"), prediction=prediction)
        return recorder.add_batch(options, prediction=prediction, clock=self.clock)
