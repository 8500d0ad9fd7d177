# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of AWX between its database and ansible-runner, for the objects of setup.yml.

AWX's own code injects the credential, and jobs run with ansible-runner. The rest of AWX is not published as a package.
This file does the same as its tasks, as of ansible/awx in 2026: extra variables are written as ``!unsafe`` text, the
inventory is a script, a slice gets every n-th enabled host by name, and nodes of a workflow inherit artifacts.
"""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import ansible_runner
import yaml
from awx_plugins.interfaces._temporary_private_api import ManagedCredentialType
from awx_plugins.interfaces._temporary_private_credential_api import Credential
from awx_plugins.interfaces._temporary_private_inject_api import inject_credential

from ansible_collections.secops.mde.tests.awx.objects import Object
from ansible_collections.secops.mde.tests.awx.programs import program

Variables = dict[str, t.Any]

# AWX's settings for each process of a job, and for an inventory update.
JOB_SETTINGS = {
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "AWX_HOST": "https://awx.example.com",
    "MAX_EVENT_RES": "700000",
}
UPDATE_SETTINGS = {
    "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
    "ANSIBLE_INVENTORY_EXPORT": "True",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_VERBOSE_TO_STDERR": "True",
}


@dataclass(frozen=True)
class Host:
    """A host in AWX's database."""

    name: str
    variables: Variables
    enabled: bool = True


# The one host of AWX's demo inventory.
DEMO_HOST = Host(
    "localhost", {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
)


@dataclass(frozen=True)
class Job:
    """A finished job with its output and files."""

    number: int
    folder: Path
    status: str
    output: str
    events: list[dict[str, t.Any]]
    stored_environment: dict[str, str]
    """The environment variables that AWX stores and shows."""

    @property
    def successful(self) -> bool:
        return self.status == "successful"

    @property
    def one_line(self) -> str:
        """The output in one line."""
        return " ".join(self.output.replace('\\"', '"').split())

    @property
    def artifacts(self) -> Variables:
        """The data of set_stats, which AWX reads from the last event."""
        found: Variables = {}
        for event in self.events:
            found.update(event.get("event_data", {}).get("artifact_data", {}))
        return found

    @property
    def failures(self) -> list[str]:
        """The messages of the tasks that failed."""
        return [
            str(event["event_data"]["res"].get("msg"))
            for event in self.events
            if event["event"] == "runner_on_failed" and not event["event_data"].get("ignore_errors")
        ]

    def files(self) -> t.Iterator[Path]:
        """Return every file that remains after the job, as if AWX did not delete the job's folder.

        Files that always contain the credential are omitted: the injected files, and ansible-runner's record of its command.
        """
        command = self.folder / "artifacts" / str(self.number) / "command"
        for path in self.folder.rglob("*"):
            if path.is_file() and self.folder / "env" not in path.parents and path != command:
                yield path


class _UnsafeDumper(yaml.SafeDumper):
    """Writes all text, including keys, as AWX writes variables that users can set."""


_UnsafeDumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def extra_variables(variables: Variables, trusted: Variables) -> str:
    """Return the file of extra variables of a job. Unchanged values of the template itself are trusted."""
    documents = []
    for name, value in variables.items():
        dumper = yaml.SafeDumper if name in trusted and trusted[name] == value else _UnsafeDumper
        documents.append(yaml.dump({name: value}, Dumper=dumper, default_flow_style=False))
    return "".join(documents)


def sliced(hosts: t.Sequence[Host], number: int, count: int) -> list[Host]:
    """Return the hosts of slice ``number`` (from 1) of ``count``."""
    return sorted((host for host in hosts if host.enabled), key=lambda host: host.name)[number - 1 :: count]


def is_enabled(variables: Variables, path: str, wanted: str) -> bool:
    """AWX's rule for the enabled variable of an inventory source: case-insensitive. A host without it is enabled."""
    value: t.Any = variables
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return True
        value = value[key]
    return str(value).lower() == wanted.lower()


@dataclass
class Awx:
    """An AWX with the objects of setup.yml. Its jobs run in folders of the test."""

    objects: list[tuple[str, Object]]
    project: Path
    folder: Path
    container: dict[str, str] = field(default_factory=dict)
    """Variables that the container of a job already has, such as those of a managed identity."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(4711)
        self._number = threading.Lock()

    def get(self, kind: str, name: str) -> Object:
        """Return the options of an object by its module and name."""
        (found,) = (given for module, given in self.objects if (module, given["name"]) == (kind, name))
        return found

    # -- jobs --

    def launch(
        self,
        template: str,
        credential: t.Mapping[str, t.Any],
        *,
        answers: t.Mapping[str, t.Any] | None = None,
        artifacts: t.Mapping[str, t.Any] | None = None,
        hosts: t.Sequence[Host] = (),
        job_type: str | None = None,
        limit: str | None = None,
        launched: t.Mapping[str, str] = MappingProxyType({}),
    ) -> Job:
        """Run a job template. ``answers`` are those of its survey or prompts. ``launched`` has the user or schedule."""
        given = self.get("job_template", template)
        check = (job_type or given["job_type"]) == "check"
        assert not job_type or job_type == given["job_type"] or given["ask_job_type_on_launch"]
        number, folder, environment, stored = self._prepare(credential)
        trusted = dict(given["extra_vars"])
        variables = {**trusted, **(artifacts or {}), **(answers or {}), **_meta_variables(number, template, launched)}
        (folder / "env" / "extravars").write_text(extra_variables(variables, trusted), "utf-8")
        options = ["-u root", *(["--check"] if check else []), *([f"-l {limit}"] if limit else [])]
        return self._run(
            number,
            folder,
            environment,
            stored,
            playbook=given["playbook"],
            inventory=str(_inventory_script(folder, hosts)),
            cmdline=" ".join(options),
        )

    def ad_hoc(self, module: str, arguments: str, credential: t.Mapping[str, t.Any]) -> Job:
        """Run one module as an ad hoc command with the demo inventory."""
        number, folder, environment, stored = self._prepare(credential)
        return self._run(
            number,
            folder,
            environment,
            stored,
            module=module,
            module_args=arguments,
            host_pattern="localhost",
            inventory=str(_inventory_script(folder, [DEMO_HOST])),
        )

    def slices(
        self, template: str, credential: t.Mapping[str, t.Any], hosts: t.Sequence[Host], **more: t.Any
    ) -> list[Job]:
        """Run all slices of a template concurrently."""
        count = min(self.get("job_template", template)["job_slice_count"], len(hosts)) or 1
        jobs: dict[int, Job] = {}

        # A sliced job is a workflow with the name of the template.
        more["launched"] = {**more.get("launched", {}), **({"workflow_job_name": template} if count > 1 else {})}

        def run(number: int) -> None:
            jobs[number] = self.launch(template, credential, hosts=sliced(hosts, number, count), **more)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(1, count + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [jobs[number] for number in sorted(jobs)]

    # -- inventory --

    def update(self, source: str, credential: t.Mapping[str, t.Any]) -> tuple[Job, list[Host]]:
        """Update an inventory source. A failed update leaves no hosts."""
        given = self.get("inventory_source", source)
        number, folder, environment, stored = self._prepare(credential, updates=True)
        output = folder / "output.json"
        path = folder / "project" / given["source_path"]
        ended = ansible_runner.interface.run_command(
            executable_cmd=program("ansible-inventory"),
            cmdline_args=[
                "--list",
                "--export",
                "-i",
                str(path),
                "--output",
                str(output),
                "--playbook-dir",
                str(path.parent),
            ],
            private_data_dir=str(folder),
            envvars=environment,
            ident=str(number),
            quiet=True,
            runner_mode="subprocess",
        )
        text, errors, code = ended
        job = Job(number, folder, "failed" if code else "successful", f"{text}\n{errors}", [], stored)
        if code:
            return job, []
        variables = json.loads(output.read_text("utf-8")).get("_meta", {}).get("hostvars", {})
        return job, [
            Host(name, own, is_enabled(own, given["enabled_var"], given["enabled_value"]))
            for name, own in variables.items()
        ]

    # -- workflows --

    def run_workflow(
        self,
        name: str,
        credential: t.Mapping[str, t.Any],
        answers: t.Mapping[str, t.Any],
        decide: t.Callable[[str], bool],
        schedule: str = "",
    ) -> dict[str, list[Job]]:
        """Run a workflow of a user or a schedule, and return the jobs of each node that ran.

        ``decide`` approves or denies. A timeout is False.
        """
        launched = {"job_launch_type": "workflow", "workflow_job_name": name}
        launched |= {"parent_job_schedule_name": schedule} if schedule else {"user_name": "operator"}
        nodes = {node["identifier"]: node for node in self.get("workflow_job_template", name)["schema"]}
        children = {
            target["identifier"]
            for node in nodes.values()
            for targets in node.get("related", {}).values()
            for target in targets
        }
        jobs: dict[str, list[Job]] = {}
        waiting: list[tuple[str, Variables]] = [(identifier, {}) for identifier in nodes if identifier not in children]
        hosts: list[Host] = []
        while waiting:
            identifier, artifacts = waiting.pop(0)
            node = nodes[identifier]
            target = node["unified_job_template"]
            if target["type"] == "workflow_approval":
                jobs[identifier], passed = [], decide(identifier)
            elif target["type"] == "inventory_source":
                job, hosts = self.update(target["name"], credential)
                jobs[identifier], passed = [job], job.successful
            else:
                more: Variables = {"answers": answers, "artifacts": artifacts, "launched": launched}
                if self.get("job_template", target["name"]).get("job_slice_count"):
                    jobs[identifier] = self.slices(target["name"], credential, hosts, **more)
                else:
                    more["answers"] = {**answers, **node.get("extra_data", {})}
                    jobs[identifier] = [self.launch(target["name"], credential, job_type=node.get("job_type"), **more)]
                passed = all(job.successful for job in jobs[identifier])
            for job in jobs[identifier]:
                artifacts = {**artifacts, **job.artifacts}
            related = node.get("related", {})
            following = related.get("always_nodes", []) + related.get(
                "success_nodes" if passed else "failure_nodes", []
            )
            waiting += [(entry["identifier"], artifacts) for entry in following]
        return jobs

    # -- what all of them need --

    def _prepare(
        self, credential: t.Mapping[str, t.Any], updates: bool = False
    ) -> tuple[int, Path, dict[str, str], dict[str, str]]:
        """Return a job number, the folder of the project, the environment of the process, and the part that AWX shows."""
        with self._number:
            number = next(self._numbers)
        folder = self.folder / f"job-{number}"
        (folder / "env").mkdir(parents=True)
        shutil.copytree(self.project, folder / "project")
        settings = {**JOB_SETTINGS, "JOB_ID": str(number), "AWX_PRIVATE_DATA_DIR": str(folder)}
        if updates:
            settings |= {**UPDATE_SETTINGS, "INVENTORY_UPDATE_ID": str(number)}
        injected, stored, arguments = inject(self.objects, credential, folder)
        assert not arguments, "the credential sets extra variables"
        (folder / "env" / "settings").write_text(json.dumps({"suppress_ansible_output": True}), "utf-8")
        return number, folder, {**self.container, **settings, **injected}, {**settings, **stored}

    def _run(
        self, number: int, folder: Path, environment: dict[str, str], stored: dict[str, str], **arguments: t.Any
    ) -> Job:
        runner = ansible_runner.run(
            private_data_dir=str(folder),
            ident=str(number),
            envvars=environment,
            suppress_env_files=True,
            quiet=True,
            **arguments,
        )
        with runner.stdout as file:
            output = file.read()
        return Job(number, folder, runner.status, output, list(runner.events), stored)


def _meta_variables(number: int, template: str, launched: t.Mapping[str, str]) -> Variables:
    """Return the variables that AWX adds to each job."""
    values = {
        "job_id": number,
        "job_launch_type": "manual",
        "job_template_id": 7,
        "job_template_name": template,
        "inventory_id": 3,
        "inventory_name": "devices",
        **(launched or {"user_name": "operator"}),
    }
    return {f"{prefix}_{name}": value for name, value in values.items() for prefix in ("awx", "tower")}


def inject(
    objects: t.Sequence[tuple[str, Object]], credential: t.Mapping[str, t.Any], folder: Path
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Inject a credential with AWX's code. Returns its variables, the variables that AWX stores, and its arguments.

    ``folder`` is the folder of the job. AWX mounts it as /runner, so /runner is replaced with the folder.
    """
    (given,) = (given for kind, given in objects if kind == "credential_type")
    kind = ManagedCredentialType("mde", given["name"], given["kind"], given["inputs"], given["injectors"])
    environment: dict[str, t.Any] = {}
    stored: dict[str, t.Any] = {}
    arguments: list[str] = []
    inject_credential(kind, Credential(dict(credential)), environment, stored, arguments, str(folder))
    for variables in (environment, stored):
        for name, value in variables.items():
            variables[name] = value.replace("/runner/", f"{folder}/")
    return environment, stored, arguments


def _inventory_script(folder: Path, hosts: t.Sequence[Host]) -> Path:
    """Write the inventory of a job: a script that prints the hosts."""
    document = {
        "all": {"hosts": [host.name for host in hosts]},
        "_meta": {"hostvars": {host.name: {**host.variables, "remote_tower_enabled": "true"} for host in hosts}},
    }
    path = folder / "inventory" / "hosts"
    path.parent.mkdir()
    path.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(document)!r})\n", "utf-8")
    path.chmod(0o700)
    return path
