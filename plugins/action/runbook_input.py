# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validates the variables of the role and lists its devices. The module of the same name has the documentation."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError, OptionError
from ansible_collections.secops.mde.plugins.module_utils._evidence_format import mapping
from ansible_collections.secops.mde.plugins.module_utils._presentable import one_line
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.parser import parse_devices
from ansible_collections.secops.mde.plugins.plugin_utils._host_devices import (
    DEVICE_VARIABLES,
    device_of_host,
    devices_of_hosts,
    is_controller,
    is_unset,
)
from ansible_collections.secops.mde.plugins.plugin_utils._runbook_options import (
    ENTRY_POINTS,
    REQUIRED,
    misspelled,
    read_ids,
    read_options,
)
from ansible_collections.secops.mde.plugins.plugin_utils._unsafe import make_unsafe

# Names of the artifacts that the entry point offboard sets, by playbook and job ID. A workflow passes them on as variables.
_ARTIFACT: t.Final = re.compile(r"mde_(?:offboard|offboard_list|role)_[0-9]+")
ARGUMENTS: t.Final = {
    "entry_point": {"type": "str", "choices": list(ENTRY_POINTS), "default": "offboard"},
    "source": {"type": "str", "choices": ["any", "list", "hosts"], "default": "any"},
    "hosts": {"type": "list", "elements": "str", "default": []},
}
# Strategies that ignore run_once: each host would offboard the complete list.
_WITHOUT_RUN_ONCE: t.Final = ("free", "host_pinned")
_WHICH: t.Final = "No devices specified. Set either mde_devices (a list or text) or mde_devices_file (a text, CSV, JSON or YAML file)."


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Needs no connection: nothing runs on the hosts of the play."""

    _requires_connection = False

    def run(self, tmp: object = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=dict(ARGUMENTS))
        reader = _Reader(self._task, self._templar, self._loader, task_vars or {}, arguments)
        try:
            reader.read()
        except (MdeError, AnsibleError) as error:
            reader.errors.append(str(error))
        if not reader.errors:
            for sentence in reader.converted:
                self._display.warning(one_line(sentence))
        public = {name: value for name, value in vars(reader).items() if not name.startswith("_")}
        result = {"changed": False, **public, "unreached": reader.unreached()}
        if reader.errors:
            result.update(failed=True, msg=" ".join(reader.errors))
        return t.cast("dict[str, t.Any]", make_unsafe(result))


class _Reader:
    """Reads the variables as they apply to one task and host. Methods raise MdeError or AnsibleError.

    The public attributes are keys of the result of the task.
    """

    def __init__(
        self, task: t.Any, templar: t.Any, loader: t.Any, variables: dict[str, t.Any], arguments: dict[str, t.Any]
    ) -> None:
        self._task = task
        self._templar = templar
        self._loader = loader
        self._variables = variables
        self._entry_point: str = arguments["entry_point"]
        self._host = str(variables.get("inventory_hostname", "localhost"))
        self._play_hosts = list(variables.get("ansible_play_hosts_all") or [self._host])
        self.source: str = arguments["source"]
        self.hosts: list[str] = [str(host) for host in arguments["hosts"]]
        self.devices: list[dict[str, str]] = []
        self.action_ids: list[str] = []
        self.device_ids: list[str] = []
        self.artifacts: list[str] = []
        self.options: dict[str, t.Any] = {}
        self.errors: list[str] = []
        self.converted: list[str] = []
        self.run_once = False
        # ansible_check_mode is that of the command line, also where a block or an include has a check_mode of its own.
        self.prediction = bool(task.check_mode)

    def read(self) -> None:
        """Set the attributes. Errors of variables are in ``errors``."""
        self.errors = misspelled(name for name in self._variables if isinstance(name, str))
        rest = self._variables.get("_raw_params")
        if rest:  # ansible-core's name for the words of "-e" after a value that has blanks but no quotes
            self.errors.append(
                f'-e has "{rest}" without a name, so the value before it is incomplete: Ansible ends a value at a blank. Put '
                "the value in quotes, for example -e \"mde_comment='CHG-1044 retired'\"."
            )
        given = {name: self._value(name) for name in ENTRY_POINTS[self._entry_point]}
        found = read_options(given, REQUIRED[self._entry_point])
        self.options, self.converted = found.options, found.warnings
        # A variable that cannot be read has its error already.
        unread = [error.split()[0] for error in self.errors]
        self.errors += [error for error in found.errors if error.split()[0] not in unread]
        self.run_once = self._runs_once()
        if self.errors:
            return
        if self._entry_point == "offboard":
            if self.options["external_id"] is not None and not self.options["send_external_id"]:
                raise OptionError(
                    "mde_external_id is set, but mde_send_external_id is false.", hint="Do not set one of them."
                )
            self._find_devices(given["mde_devices"])
            self._check_count(is_default=is_unset(given["mde_max_devices"]))
        else:
            self._find_actions()

    def unreached(self) -> list[dict[str, t.Any]]:
        """Return a row for each device, with the keys of mde_evidence, for a run that ends before it reaches the device."""
        hosts: t.Sequence[str | None] = self.hosts or [None] * len(self.devices)
        if not self.devices:
            return []
        return [
            {
                "host": host,
                "device_id": device.get("device_id"),
                "device_name": device.get("device_name"),
                "outcome": "error",
                "changed": False,
                "failed": True,
                "action_id": None,
                "status": None,
                "tagged": None,
                "message": "No outcome, because the run ended early.",
            }
            for host, device in zip(hosts, self.devices, strict=True)
        ]

    def _value(self, name: str) -> t.Any:
        """Return the value of a variable, or None if it is not defined. Adds an error if it cannot be read."""
        if name not in self._variables:
            return None
        try:
            return self._templar.template(self._variables[name])
        except AnsibleError as error:
            self.errors.append(f"{name} cannot be read: {error}")
            return None

    def _find_devices(self, listed: t.Any) -> None:
        options = self.options
        if self.source == "hosts":
            self.devices = devices_of_hosts(self.hosts, self._variables["hostvars"])
            return
        self.hosts = []
        if options["devices"] and options["devices_file"] is not None:
            raise OptionError("Both mde_devices and mde_devices_file are set.", hint="Set only one of them.")
        if options["devices"] or options["devices_file"] is not None:
            self.source = "list"
            self._check_once()
            self.devices = self._parse(listed)
            if not self.devices and not options["allow_empty"]:
                raise OptionError(
                    "The list has no devices.",
                    hint="Check where the list comes from, or set mde_allow_empty to accept an empty list.",
                )
            return
        if self.source == "list" or self.run_once:
            self.source = "list"
            if not options["allow_empty"]:
                once = (
                    " With run_once, the role requires a list: it never takes one host for all."
                    if self.run_once
                    else ""
                )
                raise OptionError(_WHICH + once)
            return
        self.source = "host"
        own = {name: self._value(name) for name in DEVICE_VARIABLES.values()}
        if self.errors:
            return
        if is_controller(self._host) and all(map(is_unset, own.values())):
            if options["allow_empty"]:
                return
            raise OptionError(
                f"{_WHICH} Without a list, the current host is the device, but {self._host} is the controller.",
                hint="To offboard one device by its name or ID, set mde_device_name or mde_device_id.",
            )
        self.devices, self.hosts = [device_of_host(self._host, own)], [self._host]

    def _check_count(self, *, is_default: bool) -> None:
        """Raise OptionError if there are more devices than mde_max_devices, or if a slice cannot apply its default."""
        template, count, maximum = self._sliced_template(), len(self.devices), self.options["max_devices"]
        if template is not None and is_default and self.source != "host":
            raise OptionError(
                f"This job is a slice of the job template {template}. A slice does not know the number of devices in the other "
                "slices, so it cannot apply the default of mde_max_devices.",
                hint="Set mde_max_devices in the job template, to the maximum number of devices of one slice.",
            )
        if count > maximum:
            where = " In a sliced job, it applies to each slice." if template is not None else ""
            raise OptionError(
                f"{count} devices exceed mde_max_devices ({maximum}).{where}",
                hint=f"To allow them, set -e mde_max_devices={count}.",
            )

    def _sliced_template(self) -> str | None:
        """Return the name of the job template if this job is a slice of it.

        AWX runs the slices of a job template as a workflow that has the name of the template.
        """
        for prefix in ("awx", "tower"):
            template = self._variables.get(f"{prefix}_job_template_name")
            if template is not None and template == self._variables.get(f"{prefix}_workflow_job_name"):
                return str(template)
        return None

    def _find_actions(self) -> None:
        """Set what to verify, if it is not a file: IDs of actions, or those in the artifacts of earlier jobs."""
        options = self.options
        self.action_ids = list(options["action_ids"])
        if options["evidence"] is not None:
            if self.action_ids:
                raise OptionError("Both mde_evidence and mde_action_ids are set.", hint="Set only one of them.")
            return
        if not self.action_ids:
            self._read_artifacts()
        if not self.action_ids and not self.device_ids and not options["allow_empty"]:
            without = f" The artifacts {', '.join(self.artifacts)} have no action IDs." if self.artifacts else ""
            raise OptionError(
                f"Nothing to verify.{without}",
                hint="Set either mde_evidence (the JSON file of an earlier run) or mde_action_ids (a list or text).",
            )

    def _read_artifacts(self) -> None:
        for name in sorted(filter(_ARTIFACT.fullmatch, self._variables)):
            artifact = mapping(self._value(name))
            # The role as a step of a play has one summary for each of its runs.
            for summary in [artifact] if "action_ids" in artifact else map(mapping, artifact.values()):
                if "action_ids" in summary and not summary.get("prediction"):
                    self.action_ids += read_ids(f"action_ids of {name}", summary["action_ids"])
                    self.device_ids += read_ids(f"device_ids of {name}", summary.get("device_ids"))
            self.artifacts.append(name)
        self.action_ids, self.device_ids = (list(dict.fromkeys(ids)) for ids in (self.action_ids, self.device_ids))

    def _check_once(self) -> None:
        """Raise OptionError if several hosts, or a host that is a device itself, would offboard the list."""
        if self.run_once:
            strategy = str(self._play_strategy()).rpartition(".")[2]
            if strategy in _WITHOUT_RUN_ONCE and len(self._play_hosts) > 1:
                raise OptionError(
                    f"The strategy {strategy} ignores run_once, so each of the {len(self._play_hosts)} hosts of this play would "
                    "offboard the complete list.",
                    hint="Set strategy: linear for this play, or use a play for localhost.",
                )
            return
        if self._play_hosts != [self._host] or not is_controller(self._host):
            raise OptionError(
                f"It is unclear whether to offboard the host {self._host} or the list. This play has {len(self._play_hosts)} "
                "host(s), and each would offboard the complete list.",
                hint="For a list, set run_once: true where you include the role, or use a play for localhost. To offboard each "
                "host as a device, do not set mde_devices and mde_devices_file.",
            )
        template = self._sliced_template()
        if template is not None:
            raise OptionError(
                f"This job is a slice of the job template {template}, and each slice would offboard the complete list.",
                hint="Set the number of slices of the job template to 1, or use the playbook secops.mde.offboard. If the job is a "
                "node of a workflow with the same name as its job template, rename one of them.",
            )
        own = [name for name in DEVICE_VARIABLES.values() if not is_unset(self._value(name))]
        if own:
            raise OptionError(
                f"It is unclear whether to offboard the list or the device of {', '.join(own)}.",
                hint="Set only one of them.",
            )

    def _parse(self, listed: t.Any) -> list[dict[str, str]]:
        path = self.options["devices_file"]
        if path is not None:
            # A relative path starts where ansible-playbook was started, not in the collection.
            expanded = str(Path(path).expanduser().resolve())
            lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
            (listed,) = lookup.run([expanded], self._variables)
        return parse_devices(listed, self.options["columns"])

    def _runs_once(self) -> bool:
        """Whether run_once is set for this task or for a block or include around it.

        A task in a dynamic include does not inherit the keyword, but the include ran for the first host only.
        """
        keywords = (self._templar.template(each.run_once) for each in self._task_and_parents())
        return any(boolean(keyword or False, strict=False) for keyword in keywords)

    def _play_strategy(self) -> object:
        plays = (getattr(each, "_play", None) for each in self._task_and_parents())
        return next((play.strategy for play in plays if play is not None), "")

    def _task_and_parents(self) -> t.Iterator[t.Any]:
        each = self._task
        while each is not None:
            yield each
            each = getattr(each, "_parent", None)
