"""The DigitalOcean provider: the one that slipway builds, a user's own binary, or what a registry gives.

An engine takes a provider only out of a mirror or a registry, by a version. So a user's own binary is laid into a
mirror under the version that it tells; a registry's is held to the checksums of a lock file that is in git.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from slipway.errors import PipelineError
from slipway.tools.programs.process import call

NAME = "terraform-provider-digitalocean"
VARIABLE = "TERRAFORM_PROVIDER"
LOCK = "provider.lock.hcl"
"""The lock file beside the root module `terraform/`, which the database's root module shares."""
WORKING_LOCK = ".terraform.lock.hcl"
"""The name under which an engine looks for it in its working folder."""
_SOURCE = "digitalocean/digitalocean"
_HOSTS = ("registry.opentofu.org", "registry.terraform.io")  # each engine looks under its own name
_MODULE = f"github.com/digitalocean/{NAME}"
_VERSION = r"([0-9]+\.[0-9]+\.[0-9]+)"
_UNTOLD = "2.999.0"
"""For a binary that tells no version: the newest that the range of terraform/versions.tf has."""
_HINT = f"Unset {VARIABLE} to use the one that slipway builds."


def lay_out(folder: Path, final: Path, binary: Path, version: str, platform: str) -> None:
    """Put a provider into a mirror within a folder, which will be called ``final``, with the configuration for it."""
    for host in _HOSTS:
        place = folder / "mirror" / host / _SOURCE / version / platform
        place.mkdir(parents=True)
        (place / f"{NAME}_v{version}").hardlink_to(binary)
    binary.unlink()
    (folder / "cli.tfrc").write_text(_configuration(f'filesystem_mirror {{\n    path = "{final / "mirror"}"\n  }}'))


def own(value: str, cache: Path, go: Path, pinned: tuple[str, str], platform: str) -> Path:
    """The configuration with which an engine takes a user's own binary.

    ``pinned`` is the module's version that slipway builds, and the provider's version that this is. Raises
    PipelineError for what is no provider.
    """
    binary = Path(value).expanduser().absolute()
    if not binary.is_file():
        raise PipelineError(f"{VARIABLE} names {value}, which is not a file.", _HINT)
    facts = binary.stat()
    key = f"{binary.resolve()} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {platform}"
    folder = cache / "own-provider" / hashlib.sha256(key.encode()).hexdigest()[:12]
    if not folder.exists():
        _refuse_other_programs(binary, value)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".half-", dir=folder.parent) as half:
            copy = Path(half) / "layout" / "provider"
            copy.parent.mkdir()
            shutil.copyfile(binary, copy)
            copy.chmod(0o755)
            lay_out(copy.parent, folder, copy, version_of(binary, go, pinned), platform)
            if not folder.exists():  # another run may have been as quick
                copy.parent.rename(folder)
    return folder / "cli.tfrc"


def _refuse_other_programs(binary: Path, value: str) -> None:
    done = call([str(binary)], cwd=Path("/"))
    if "This binary is a plugin" not in done.stdout + done.stderr:
        raise PipelineError(f"{VARIABLE} names {value}, which does not answer as a provider does.", _HINT)


def version_of(binary: Path, go: Path, pinned: tuple[str, str]) -> str:
    """The version of a provider, by its file's name as in a release, else by what Go wrote into it."""
    for name in (binary.name, binary.resolve().name):
        if found := re.match(rf"{NAME}_v{_VERSION}", name):
            return found[1]
    told = call([str(go), "version", "-m", str(binary)], cwd=Path("/")).stdout
    module = re.search(rf"^\s(?:mod|dep)\s{re.escape(_MODULE)}\s(\S+)", told, re.MULTILINE)
    if module and module[1] == pinned[0]:
        return pinned[1]
    found = re.fullmatch(rf"v{_VERSION}(?:\+.*)?", module[1]) if module else None
    return found[1] if found else _UNTOLD


def from_registry(cache: Path, mirror: str) -> Path:
    """The configuration with which an engine asks the registry, or a mirror of it at an address."""
    method = f'network_mirror {{\n    url = "{mirror.rstrip("/")}/"\n  }}' if mirror else "direct {}"
    text = _configuration(method)
    path = cache / "registry" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.tfrc"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).rename(path)
    return path


def lock(engine: Path, env: dict[str, str], root: Path, mirror: str, platforms: list[str]) -> Path:
    """Choose the newest version in the range of terraform/versions.tf, and write its checksums to the lock file.

    A mirror need not have all platforms: there this machine's alone, the first one, is asked for.
    """
    path = root / "terraform" / LOCK
    options = [f"-net-mirror={mirror.rstrip('/')}/"] if mirror else []
    options += [f"-platform={platform}" for platform in (platforms[:1] if mirror else platforms)]
    with tempfile.TemporaryDirectory(prefix="slipway-lock-") as folder:
        shutil.copyfile(root / "terraform" / "versions.tf", Path(folder) / "versions.tf")
        done = call([str(engine), "providers", "lock", "-no-color", *options], cwd=Path(folder), env=env)
        made = Path(folder) / WORKING_LOCK
        if done.returncode != 0 or not made.exists():
            raise refusal(done.stderr) or PipelineError(
                "The provider could not be locked.", done.stderr.strip()[-2000:]
            )
        shutil.copyfile(made, path)
    return path


def locked_version(path: Path) -> str:
    """The version that a lock file names; empty for one that names none."""
    found = re.search(rf'^\s*version\s*=\s*"{_VERSION}', path.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else ""


def refusal(said: str) -> PipelineError | None:
    """A sentence for why an engine does not take a registry's provider; None for another reason."""
    text = " ".join(said.split())
    if "match any of the checksums" in text:
        return PipelineError(
            f"The provider that the registry gives is not the one that terraform/{LOCK} names: its checksum differs.",
            "Nothing was started. If another build is what you want: ./invoke lock, and commit what that changes.",
        )
    if "the lock file is read-only" in text or re.search(r"must use \S+ init -upgrade", text):
        return PipelineError(
            f"terraform/{LOCK} names no provider in the range of terraform/versions.tf for this engine.",
            "./invoke lock chooses one; commit what that changes.",
        )
    if re.search(
        r"[Ff]ailed to (?:resolve|query) (?:available )?provider|[Cc]ould not (?:query|connect to) .*registry", text
    ):
        return PipelineError("The registry does not give the provider.", said.strip()[-1500:])
    return None


def _configuration(method: str) -> str:
    return f"provider_installation {{\n  {method}\n}}\n"
