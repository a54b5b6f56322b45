"""OpenTofu or Terraform, through python-terraform."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slipway.data import Malformed, OpenTable, read_json
from slipway.errors import PipelineError
from slipway.tools.programs.environment import DOWNLOADS, PIPELINE, STATE, compose
from slipway.tools.programs.process import call, stream
from slipway.tools.terraform import provider, state_lock
from slipway.tools.terraform import state as state_file
from slipway.tools.terraform.encryption import UNREADABLE, Encryption

Event = Mapping[str, Any]
"""One line of `apply -json`: a machine-readable UI event with at least `type` and `@message`."""

_NONE_THERE = ("No matching objects found", "No state file was found")
"""OpenTofu's words when the state has none of the resources that `state rm` names, or is not there itself."""
_UNLOCK = "force-unlock -force"
_CHANGES = 2
"""The exit status of `plan -detailed-exitcode` when there is something to do."""


@dataclass(frozen=True, kw_only=True)
class _Output(OpenTable):
    value: Any


class UnreadableState(PipelineError):
    """A state that the key at hand does not open."""


@dataclass(frozen=True)
class Root:
    """A root module of one environment: its sources, and the working folder that holds its state.

    The folder is a copy of the sources: environments can be worked on side by side, and one with a ``backend`` of its
    own (a file, which need not be there) gets it without the others. ``lock`` is the lock file to which the provider
    is held, where a registry gives it.
    """

    source: Path
    folder: Path
    backend: Path
    lock: Path | None = None

    @property
    def state(self) -> Path:
        """The state, where it is not kept elsewhere."""
        return self.folder / "terraform.tfstate"

    @property
    def elsewhere(self) -> bool:
        """Whether the state is kept elsewhere."""
        return self.backend.exists()

    @property
    def has_state(self) -> bool:
        """Whether there may be a state: one kept elsewhere, or one in the working folder."""
        return self.elsewhere or self.state.exists()


class Terraform:
    """The engine at work in one root module. Every method raises PipelineError with the engine's first error."""

    def __init__(self, binary: Path, root: Root, env: Mapping[str, str], encryption: Encryption) -> None:
        self._binary = binary
        self._root = root
        self._env = dict(env)
        self._encryption = encryption
        self.folder = root.folder

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the engine can be run by hand. They hold secrets."""
        return {**self._env, **self._encryption.environment}

    def _call(self, command: str, *arguments: str, downloads: bool = False, **flags: object) -> tuple[int, str, str]:
        """Run a command to its end. python-terraform words it, but would start it in the caller's environment."""
        argv = self._terraform().generate_cmd_string(command, *arguments, **flags)
        done = call(argv, cwd=self.folder, env=self._composed(DOWNLOADS if downloads else ()))
        return done.returncode, done.stdout, done.stderr

    def _composed(self, *more: Iterable[str]) -> dict[str, str]:
        return {**compose(PIPELINE, STATE, *more), **self.environment}

    def using(self, variables: Mapping[str, str]) -> Terraform:
        """The same engine with more variables in its environment."""
        return Terraform(self._binary, self._root, {**self._env, **variables}, self._encryption)

    def init(self) -> None:
        """Bring the working folder up to date; `init` runs only when something in it changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {path.name: path for path in self._root.source.glob("*.tf")}
        if self._root.elsewhere:
            wanted["backend.tf"] = self._root.backend
        for stale in {path.name for path in self.folder.glob("*.tf")} - set(wanted):
            (self.folder / stale).unlink()
        for name, path in wanted.items():
            shutil.copyfile(path, self.folder / name)
        modules = self._root.source / "modules"
        if modules.exists():
            shutil.copytree(modules, self.folder / "modules", dirs_exist_ok=True)
        stamp = self.folder / ".terraform" / "slipway-stamp"
        key = self._key(wanted.values())
        if not stamp.exists() or stamp.read_text(errors="replace") != key:
            stamp.unlink(missing_ok=True)  # an `init` that fails leaves the folder half way to something else
            self._checked("init", **self._locked())
            stamp.write_text(key)

    def _locked(self) -> dict[str, object]:
        """The flags of `init`: a provider that lies here is taken as it is, a registry's only as it was locked."""
        lock = self._root.lock
        if lock is None:
            # Its checksums would refuse another build of the same version.
            (self.folder / provider.WORKING_LOCK).unlink(missing_ok=True)
            return {"upgrade": True}
        if not lock.exists():
            raise PipelineError(
                f"The provider comes from a registry, and there is no {lock.parent.name}/{lock.name} that says which.",
                "./invoke lock writes it; then commit it.",
            )
        shutil.copyfile(lock, self.folder / provider.WORKING_LOCK)
        return {"lockfile": "readonly"}

    def _key(self, files: Iterable[Path]) -> str:
        texts = [
            str(self._binary),
            str(self.environment.get("TF_CLI_CONFIG_FILE")),
            *(f.read_text() for f in sorted([*files, *self._lock_files()])),
        ]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def _lock_files(self) -> list[Path]:
        return [self._root.lock] if self._root.lock and self._root.lock.exists() else []

    def outputs(self) -> dict[str, Any]:
        """The outputs in the state, by name; empty before the first apply."""
        out = self._checked("output", json=True)
        try:
            told = read_json(out or "{}", dict[str, _Output])
        except Malformed as error:
            raise PipelineError(
                f"{self._binary.name} tells the state's outputs in an unknown form: {error}."
            ) from error
        return {name: output.value for name, output in told.items()}

    def resources(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Type and attributes of everything in the state."""
        shown = json.loads(self._checked("show", json=True) or "{}")
        found = ((shown.get("values") or {}).get("root_module") or {}).get("resources") or []
        return [(each["type"], each["values"]) for each in found if each["mode"] == "managed"]

    def apply(self, var_file: Path | None, on_event: Callable[[Event], None]) -> None:
        """Apply the configuration with a file of variables, if there is one beside those of the environment."""
        self._stream("apply", on_event, **_variables(var_file), auto_approve=True)

    def plan(self, var_file: Path | None, file: Path) -> list[Event] | None:
        """Write to a file what `apply` would do, and return its changes; None when there is nothing to do.

        A change has `resource` and `action`: https://opentofu.org/docs/internals/machine-readable-ui/#planned-change
        What an interrupted apply has set aside for a successor that never came is taken back first.
        """
        changes = self._plan(var_file, file)
        addresses = [each["resource"]["addr"] for each in changes or []]
        if len(set(addresses)) < len(addresses):  # something is to be made, and what stands in its place removed
            state_file.keep(self.folder)
            self._rewrite(state_file.take_back)
            changes = self._plan(var_file, file)
        return changes

    def _plan(self, var_file: Path | None, file: Path) -> list[Event] | None:
        changes: list[Event] = []

        def on_event(event: Event) -> None:
            if event.get("type") == "planned_change":
                changes.append(event["change"])

        flags = {**_variables(var_file), "out": str(file), "detailed_exitcode": True}
        return changes if self._stream("plan", on_event, **flags) == _CHANGES else None

    def show(self, file: Path) -> Mapping[str, Any]:
        """What `plan` wrote to a file, with all values: it holds secrets.

        The shape: https://opentofu.org/docs/internals/json-format/#plan-representation
        """
        shown: Mapping[str, Any] = json.loads(self._checked("show", str(file), json=True))
        return shown

    def apply_plan(self, file: Path, on_event: Callable[[Event], None]) -> None:
        """Do what `plan` wrote to a file, and nothing else."""
        self._stream("apply", on_event, str(file))

    def destroy(self, var_file: Path | None, on_event: Callable[[Event], None]) -> None:
        """Remove everything that the state knows of."""
        self._stream("apply", on_event, **_variables(var_file), auto_approve=True, destroy=True)

    def forget(self, resources: Iterable[str]) -> None:
        """Remove resources from the state, and from nowhere else; there need be neither them nor a state."""
        state_file.keep(self.folder)
        try:
            self._plain("state rm", "-no-color", *resources)
        except PipelineError as error:
            if not any(words in error.hint for words in _NONE_THERE):
                raise

    def adopt(self, resource: str, id: str) -> None:
        """Take something that is there into the state, as a resource of the root module."""
        state_file.keep(self.folder)
        self._plain("import -input=false -no-color", resource, id)

    def _plain(self, command: str, *arguments: str) -> str:
        status, out, err = self._call(command, *arguments)
        if status != 0 and command != _UNLOCK and self._unlock(err):
            return self._plain(command, *arguments)
        if status != 0:
            raise self._failed(command, err)
        return out

    def _unlock(self, said: str) -> bool:
        """Take away the lock of a dead run, if an error tells of one; raises PipelineError for that of a living one."""
        lock = state_lock.found(said)
        if lock is None:
            return False
        if not (self._root.elsewhere and lock.is_dead_here(self.folder)):
            raise lock.explained(self._binary.name)
        self._plain(_UNLOCK, lock.id)  # whoever runs this holds the environment, so nobody waits for it
        return True

    def unprotect(self, resources: Iterable[str]) -> None:
        """Lift `prevent_destroy` of resources (type.name) in the working copy, until the next `init`."""
        blocks = []
        for kind, _, name in (resource.partition(".") for resource in resources):
            lifecycle = "  lifecycle {\n    prevent_destroy = false\n  }"
            blocks.append(f'resource "{kind}" "{name}" {{\n{lifecycle}\n}}\n')
        (self.folder / "unprotected_override.tf").write_text("\n".join(blocks))

    def reencrypt(self) -> None:
        """Write the state anew as its encryption says, wherever it is kept. The world is neither asked nor changed."""
        self._rewrite(lambda state: state)
        for backup in [*self.folder.glob("terraform.tfstate.*backup"), self.folder / state_file.KEPT]:
            backup.unlink(missing_ok=True)  # it is written as the state was before
        self._encryption = replace(self._encryption, previous=None, migrating=False)

    def _rewrite(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        argv, env = [str(self._binary), "state"], self._composed()
        done = call([*argv, "pull", "-no-color"], cwd=self.folder, env=env)
        if done.returncode == 0 and done.stdout.strip():
            state = change(json.loads(done.stdout))
            # What has the same serial is taken for the same state, and left as it is.
            text = json.dumps({**state, "serial": state["serial"] + 1})
            done = call([*argv, "push", "-no-color", "-"], cwd=self.folder, env=env, stdin=text)
        if done.returncode != 0:
            raise self._failed("state", done.stderr)

    def _failed(self, command: str, output: str) -> PipelineError:
        if any(words in output for words in UNREADABLE):
            return UnreadableState(
                "The state cannot be read with the key that is here.",
                "Is SLIPWAY_STATE_KEY (or state.key) the one it was written with? ./invoke rotate state changes keys.",
            )
        refused = provider.refusal(output) if self._root.lock else None
        return refused or PipelineError(f"`{self._binary.name} {command}` failed.", output.strip()[-2000:])

    def _checked(self, command: str, *arguments: str, **flags: object) -> str:
        status, out, err = self._call(command, *arguments, downloads=command == "init", **_options(flags))
        if status != 0:
            raise self._failed(command, err)
        return out

    def _stream(self, command: str, on_event: Callable[[Event], None], *arguments: str, **flags: object) -> int:
        """Run a command that reports as it goes; python-terraform words it, but waits for the end to hand it over."""
        options = _options({**flags, "json": True, "input": False})
        argv = self._terraform().generate_cmd_string(command, *arguments, **options)
        errors: list[Event] = []

        def on_line(line: str) -> None:
            event = _event(line)
            if event.get("@level") == "error":
                errors.append(event)
            on_event(event)

        if command == "apply":
            state_file.keep(self.folder)
        status, last_words = stream(argv, cwd=self.folder, env=self._composed(), on_line=on_line)
        if status != 0 and self._unlock("\n".join([*map(_detail, errors), last_words])):
            errors.clear()
            status, last_words = stream(argv, cwd=self.folder, env=self._composed(), on_line=on_line)
        if status != 0 and not (status == _CHANGES and flags.get("detailed_exitcode")):
            said = last_words + "".join(map(_detail, errors))
            if any(words in said for words in UNREADABLE):
                raise self._failed(command, said)
            if status < 0:
                raise PipelineError(
                    f"{self._binary.name} was ended by signal {-status}.", "./invoke deploy tries again."
                )
            raise PipelineError(*_explain(errors, last_words, self._binary.name))
        if command == "apply":
            state_file.keep(self.folder)
        return status

    def _terraform(self) -> Any:
        import python_terraform

        return python_terraform.Terraform(working_dir=str(self.folder), terraform_bin_path=str(self._binary))


def expression(data: object) -> str:
    """Plain data as the engine reads a variable that is not a text from the environment: as an expression of HCL.

    HCL has other escapes than JSON, and its texts are templates.
    """
    text = json.dumps(data, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    return re.sub(r"\\(.)", lambda escape: _HCL_ESCAPES.get(escape[1], escape[0]), text)


_HCL_ESCAPES = {"b": r"\u0008", "f": r"\u000c"}


def _variables(var_file: Path | None) -> dict[str, str]:
    return {"var_file": str(var_file)} if var_file else {}


def _options(flags: Mapping[str, object]) -> dict[str, object]:
    """Flags in python-terraform's spelling, where a bare flag is the class IsFlagged."""
    from python_terraform import IsFlagged

    return {name: IsFlagged if value is True else value for name, value in {"no_color": True, **flags}.items()}


def _event(line: str) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    return event if isinstance(event, dict) else {"type": "log", "@message": line.rstrip()}


def _detail(error: Event) -> str:
    return str((error.get("diagnostic") or {}).get("detail", ""))


def _explain(errors: list[Event], last_words: str, name: str) -> tuple[str, str]:
    """The first error's summary as a sentence, and its detail."""
    if not errors:
        return f"{name} failed.", last_words.strip()[-2000:]
    diagnostic = errors[0].get("diagnostic") or {}
    summary = diagnostic.get("summary") or errors[0].get("@message", "").removeprefix("Error: ")
    return f"{name}: {summary.rstrip('.')}.", str(diagnostic.get("detail", ""))[-2000:].strip()
