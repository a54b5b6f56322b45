"""The chosen environment and the one cloud that it lives on.

Nothing else in slipway knows which cloud it is on: it gets an endpoint and a token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from slipway.errors import PipelineError
from slipway.names import Names, is_slug
from slipway.project import Project

DIGITALOCEAN = "https://api.digitalocean.com"
LOCAL = "local"
ENVIRONMENTS = "terraform/environments"
"""Where the reference files are."""


@dataclass(frozen=True)
class Cloud:
    """One DigitalOcean API: its address (without /v2) and the token for it."""

    name: str
    endpoint: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """The same endpoint in the spelling of each client: Packer and Terraform, python-digitalocean."""
        return {
            "DIGITALOCEAN_API_URL": self.endpoint,
            "DIGITALOCEAN_END_POINT": f"{self.endpoint}/v2/",
            "DIGITALOCEAN_TOKEN": self.token,
            "DIGITALOCEAN_ACCESS_TOKEN": self.token,
        }


@dataclass(frozen=True)
class Settings:
    """One environment of the project on its cloud."""

    project: Project
    environment: str
    cloud: Cloud

    @property
    def work(self) -> Path:
        """The environment's own folder for state, keys, locks and evidence."""
        return self.project.work / self.environment

    @property
    def reference_path(self) -> Path:
        """The tracked file that says what is released."""
        return reference_path(self.project.root, self.environment)

    @property
    def names(self) -> Names:
        """How everything of the environment is called."""
        return Names(self.project.name, self.environment)

    @property
    def cluster(self) -> str:
        """The name of the environment's database cluster."""
        return self.names.cluster

    @property
    def tag(self) -> str:
        """The tag of the environment's droplets."""
        return self.names.tag


def reference_path(root: Path, environment: str) -> Path:
    """The reference file of an environment."""
    return root / ENVIRONMENTS / f"{environment}.tfvars.json"


_EMPTY = '{"live": null, "releases": {}, "standby": null}'


def choose_environment(root: Path, environ: Mapping[str, str], asked: str | None) -> str:
    """The environment asked for, else `production` with a token and `local` without.

    Raises PipelineError when there is no such environment.
    """
    name = (LOCAL if _is_local(environ) else "production") if asked is None else asked
    if not is_slug(name) or not reference_path(root, name).exists():
        folder = root / ENVIRONMENTS
        known = sorted(path.name.removesuffix(".tfvars.json") for path in folder.glob("*.tfvars.json"))
        raise PipelineError(
            f"There is no environment {name!r}; known are {', '.join(known)}.",
            f"To make it, write this into {ENVIRONMENTS}/NAME.tfvars.json: {_EMPTY}",
        )
    return name


def _is_local(environ: Mapping[str, str]) -> bool:
    return is_loopback(environ.get("DIGITALOCEAN_API_URL", "")) or not environ.get("DIGITALOCEAN_TOKEN")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own, as a local cloud's is."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return False


def choose_cloud(environment: str, environ: Mapping[str, str], local_cloud: Callable[[], Cloud]) -> Cloud:
    """`local` and `local-…` live on the local cloud, which `local_cloud` starts; the others on DigitalOcean.

    Raises PipelineError when an environment of DigitalOcean's is asked for without a token, and for a token or an
    address that cannot be one.
    """
    if environment == LOCAL or environment.startswith(f"{LOCAL}-"):
        return local_cloud()
    token = environ.get("DIGITALOCEAN_TOKEN", "")
    if not token:
        raise PipelineError(
            f"The environment {environment!r} lives on DigitalOcean, and DIGITALOCEAN_TOKEN is not set.",
            "export DIGITALOCEAN_TOKEN=…, or leave --environment out to use the local cloud.",
        )
    refuse_unsendable("DIGITALOCEAN_TOKEN", token)
    return Cloud("digitalocean", _endpoint(environ.get("DIGITALOCEAN_API_URL") or DIGITALOCEAN), token)


def refuse_unsendable(name: str, token: str) -> None:
    """Raise PipelineError for a token that no HTTP header can hold; ``name`` is the variable that it comes from."""
    if not re.fullmatch("[!-~]*", token):
        raise PipelineError(
            f"{name} has a blank, the end of a line or another character that no token has.",
            "The value is not shown. Set it anew; from a file, $(cat FILE) leaves the end of the line out.",
        )


def _endpoint(url: str) -> str:
    url = url.rstrip("/")
    if not _is_address(url):
        raise PipelineError(
            f"DIGITALOCEAN_API_URL is {ascii(url)}, which is not the address of an API.", f"{DIGITALOCEAN}, without /v2"
        )
    if url.startswith("http:") and not is_loopback(url):
        raise PipelineError(f"{url} would get the token unencrypted.", "Give DIGITALOCEAN_API_URL as https://…")
    return url


def _is_address(url: str) -> bool:
    try:
        where = urlsplit(url)
    except ValueError:
        return False
    whole = re.fullmatch("https?://[!-~]+", url) and where.hostname and not where.query and not where.fragment
    return bool(whole) and not where.path.endswith("/v2")
