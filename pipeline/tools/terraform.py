"""OpenTofu or Terraform, through python-terraform."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.tools.process import environment as process_environment
from pipeline.tools.process import stream

Event = Mapping[str, Any]
"""One line of `apply -json`: a machine-readable UI event with at least `type` and `@message`."""


def backend(source: Path, environment_name: str) -> Path:
    """Where an environment says that its state is kept elsewhere; without this file it is in the working folder."""
    return source / "environments" / f"{environment_name}.backend.tf"


def has_state(work: Path, source: Path, environment_name: str) -> bool:
    """Whether there may be a state: one kept elsewhere, or one in the working folder."""
    return backend(source, environment_name).exists() or (work / "terraform" / "terraform.tfstate").exists()


class Terraform:
    """The root module of one environment, in a working folder of its own that holds its state.

    The folder is a copy of `terraform/`: environments can be worked on side by side, and one with a backend of its own
    (`environments/<environment>.backend.tf`) gets it without the others.
    """

    def __init__(self, binary: Path, source: Path, work: Path, env: Mapping[str, str], environment_name: str) -> None:
        self._binary = binary
        self._source = source
        self.folder = work / "terraform"
        self.environment = dict(env)
        self._backend = backend(source, environment_name)

    def init(self) -> None:
        """Bring the working folder up to date; `init` runs only when something in it changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {path.name: path for path in self._source.glob("*.tf")}
        if self._backend.exists():
            wanted["backend.tf"] = self._backend
        for stale in {path.name for path in self.folder.glob("*.tf")} - set(wanted):
            (self.folder / stale).unlink()
        for name, path in wanted.items():
            shutil.copyfile(path, self.folder / name)
        modules = self._source / "modules"
        if modules.exists():
            shutil.copytree(modules, self.folder / "modules", dirs_exist_ok=True)
        stamp = self.folder / ".terraform" / "slipway-stamp"
        key = self._key(wanted.values())
        if not stamp.exists() or stamp.read_text() != key:
            self._checked("init", upgrade=True)
            stamp.write_text(key)

    def _key(self, files: Iterable[Path]) -> str:
        texts = [
            str(self._binary),
            str(self.environment.get("TF_CLI_CONFIG_FILE")),
            *(f.read_text() for f in sorted(files)),
        ]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def outputs(self) -> dict[str, Any]:
        """The outputs in the state, by name; empty before the first apply."""
        out = self._checked("output", json=True)
        return {name: output["value"] for name, output in json.loads(out or "{}").items()}

    def apply(self, var_file: Path, on_event: Callable[[Event], None]) -> None:
        """Make the world what a file of variables says; raises PipelineError with the first error if that fails."""
        self._stream("apply", on_event, var_file=str(var_file), auto_approve=True)

    def destroy(self, var_file: Path, on_event: Callable[[Event], None]) -> None:
        """Remove everything that the state knows of."""
        self._stream("apply", on_event, var_file=str(var_file), auto_approve=True, destroy=True)

    def _checked(self, command: str, **flags: object) -> str:
        with process_environment(self.environment):
            status, out, err = self._terraform().cmd(command, **_options(flags))
        if status != 0:
            raise PipelineError(f"`{self._binary.name} {command}` failed.", str(err).strip()[-2000:])
        return str(out)

    def _stream(self, command: str, on_event: Callable[[Event], None], **flags: object) -> None:
        """Run a command that reports as it goes; python-terraform words it, but waits for the end to hand it over."""
        argv = self._terraform().generate_cmd_string(command, **_options({**flags, "json": True, "input": False}))
        errors: list[Event] = []

        def on_line(line: str) -> None:
            event = _event(line)
            if event.get("@level") == "error":
                errors.append(event)
            on_event(event)

        status, last_words = stream(argv, cwd=self.folder, env=self.environment, on_line=on_line)
        if status != 0:
            raise PipelineError(*_explain(errors, last_words, self._binary.name))

    def _terraform(self) -> Any:
        import python_terraform

        return python_terraform.Terraform(working_dir=str(self.folder), terraform_bin_path=str(self._binary))


def _options(flags: Mapping[str, object]) -> dict[str, object]:
    """Flags in python-terraform's spelling, where a bare flag is the class IsFlagged."""
    from python_terraform import IsFlagged

    return {name: IsFlagged if value is True else value for name, value in {"no_color": True, **flags}.items()}


def _event(line: str) -> Event:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"type": "log", "@message": line.rstrip()}


def _explain(errors: list[Event], last_words: str, name: str) -> tuple[str, str]:
    """The first error's summary as a sentence, and its detail."""
    if not errors:
        return f"{name} failed.", last_words.strip()[-2000:]
    diagnostic = errors[0].get("diagnostic") or {}
    summary = diagnostic.get("summary") or errors[0].get("@message", "").removeprefix("Error: ")
    return f"{name}: {summary.rstrip('.')}.", str(diagnostic.get("detail", ""))[-2000:].strip()
