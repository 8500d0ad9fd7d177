# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Environments, Python interpreters and copies of the collection for the tools. All are in .cache."""

from __future__ import annotations

import ast
import configparser
import contextlib
import fcntl
import io
import os
import re
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
HOME = CACHE / "home"
COLLECTION = Path("ansible_collections", "secops", "mde")

CORES = {
    # version: (release, oldest and newest Python 3 of the controller)
    "2.16": ("2.16.19", 10, 12),
    "2.17": ("2.17.14", 10, 12),
    "2.18": ("2.18.19", 11, 13),
    "2.19": ("2.19.14", 11, 13),
    "2.20": ("2.20.10", 12, 14),
    "2.21": ("2.21.5", 12, 14),
}

# Variables of the caller that change the behavior of the collection, Ansible or Python in a test. With
# PYTHONDONTWRITEBYTECODE, each of the hundreds of processes would compile Ansible again.
REMOVED_VARIABLES = re.compile(
    r"(ANSIBLE|AZURE|MDE|GALAXY_IMPORTER)_|PYTHON(PATH|HOME|DONTWRITEBYTECODE)$|VIRTUAL_ENV$|GIT_(DIR|WORK_TREE)$"
)


@contextlib.contextmanager
def exclusive(name: str) -> t.Iterator[None]:
    """Hold a lock with this name against other runs in this checkout."""
    path = CACHE / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run: {name}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_python(minor: int) -> Path | None:
    """Find a Python 3.minor that runs and can create environments: this one, one in the PATH, or one of pyenv."""
    if minor == sys.version_info.minor:
        return Path(sys.executable)
    path = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    pyenvs = [Path.home() / ".pyenv", *(folder.parent for folder in path if folder.name == "shims")]
    folders = path + [folder for pyenv in pyenvs for folder in sorted(pyenv.glob(f"versions/3.{minor}.*/bin"))]
    return next((python for folder in folders if works(python := folder / f"python3.{minor}")), None)


def works(python: Path) -> bool:
    """Test the interpreter. A shim can have no interpreter, and a distribution can lack ensurepip."""
    command = [str(python), "-c", "import ensurepip, venv"]
    return python.is_file() and subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Environment:
    """A virtual environment with a version of ansible-core and the libraries of some requirements files.

    The default is the newest version for the running Python, with the requirements of the collection and the emulator.
    """

    core: str = [line for line, (_release, oldest, _newest) in CORES.items() if oldest <= sys.version_info.minor][-1]
    minor: int = sys.version_info.minor
    python: Path = Path(sys.executable)
    requirements: tuple[str, ...] = ("requirements.txt", "tests/emulator/requirements.txt")
    purpose: str = "core"
    lowest: bool = False
    """Whether the libraries of the collection have the lowest versions that requirements.txt allows."""

    @property
    def pins(self) -> list[str]:
        """The requirements with the lowest versions."""
        lines = (ROOT / "requirements.txt").read_text("utf-8").split() if self.lowest else ()
        return [line.replace(">=", "==") for line in lines]

    @property
    def version(self) -> str:
        return f"3.{self.minor}"

    @property
    def path(self) -> Path:
        name = f"{self.purpose}-{self.core}-python-{self.version}"
        return CACHE / "environments" / (f"{name}-lowest" if self.lowest else name)

    def program(self, name: str) -> str:
        return str(self.path / "bin" / name)

    def variables(self) -> dict[str, str]:
        """Return the caller's variables without REMOVED_VARIABLES, with the programs of the environment and its home."""
        kept = {name: value for name, value in os.environ.items() if not REMOVED_VARIABLES.match(name)}
        return kept | {"HOME": str(HOME), "PATH": f"{self.path / 'bin'}{os.pathsep}{kept['PATH']}"}

    def build(self, log: t.IO[str]) -> None:
        """Build the environment unless it exists with the same requirements."""
        with exclusive(self.path.name):
            self.install(log)
            self.copy_pip_settings()
            self.provide_get_pip()

    def install(self, log: t.IO[str]) -> None:
        releases = [f"ansible-core=={CORES[self.core][0]}", *self.pins]
        recipe = "\n".join(
            [str(self.python), *releases, *((ROOT / name).read_text("utf-8") for name in self.requirements)]
        )
        made = self.path / "recipe"
        if not made.exists() or made.read_text("utf-8") != recipe:
            files = [word for name in self.requirements for word in ("-r", str(ROOT / name))]
            install = [
                self.program("python"),
                *["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"],
            ]
            for command in ([str(self.python), "-m", "venv", "--clear", str(self.path)], [*install, *releases, *files]):
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=True)
            made.write_text(recipe, "utf-8")

    def copy_pip_settings(self) -> None:
        """Copy pip's settings into the home of the tools, because ansible-test does not pass them on."""
        pip = [self.program("python"), "-m", "pip"]
        listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
        cache = subprocess.run([*pip, "cache", "dir"], capture_output=True, text=True, check=False).stdout
        settings = {"global": {"cache-dir": cache.strip()}} if cache else {}
        for line in listing.splitlines():
            name, _equals, value = line.partition("=")
            section, _dot, option = name.replace(":env:", "global").rpartition(".")
            settings.setdefault(section, {})[option] = " ".join(ast.literal_eval(value).split())
        parser = configparser.RawConfigParser()
        parser.read_dict(settings)
        text = io.StringIO()
        parser.write(text)
        write(HOME / ".config" / "pip" / "pip.conf", text.getvalue())

    def provide_get_pip(self) -> None:
        """Copy get_pip.py to the path where ansible-test saves its download of get-pip.py."""
        replacement = (ROOT / "tests" / "tools" / "get_pip.py").read_text("utf-8")
        for source in self.path.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py"):
            for version in re.findall(r"pip='([\d.]+)'", source.read_text("utf-8")):
                write(HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py", replacement)


def tools() -> Environment:
    """Return the environment of the other gates: the pinned tools, and the requirements of all tests."""
    core = Environment()
    files = (
        "tests/tools/requirements.txt",
        "tests/unit/requirements.txt",
        "tests/functional/requirements.txt",
        "tests/browser/requirements.txt",
        "tests/awx/requirements.txt",
    )
    return Environment(requirements=(*core.requirements, *files), purpose="tools")


@dataclass(frozen=True)
class Shell:
    """Runs programs of an environment in a copy of the collection, with their output in a log."""

    environment: Environment
    tree: Path
    log: t.IO[str]
    cores: int = 1
    """The number of cores for this job."""

    @property
    def collections_path(self) -> Path:
        """The folder that contains ansible_collections."""
        return self.tree.parents[len(COLLECTION.parts) - 1]

    def __call__(self, *command: str | Path, cwd: Path | None = None, **variables: str) -> None:
        print("+", *command, file=self.log, flush=True)
        settings = {"ANSIBLE_COLLECTIONS_PATH": str(self.collections_path), "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
        subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.tree,
            env=self.environment.variables() | settings | variables,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            check=True,
        )


def write(path: Path, text: str) -> None:
    """Replace a file atomically, because another job can read it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{id(text)}")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def stage(name: str) -> Path:
    """Create a copy of the collection as a git repository in a directory with its full name, for ansible-test."""
    tree = CACHE / "stage" / name / COLLECTION
    shutil.rmtree(CACHE / "stage" / name, ignore_errors=True)
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for file in filter(None, listing.stdout.split("\0")):
        if (ROOT / file).exists():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, tree / file, follow_symlinks=False)
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=tree, check=True)
    return tree
