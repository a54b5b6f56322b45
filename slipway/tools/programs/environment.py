"""The environment of every program that slipway starts, composed from a list of what may pass.

A variable of the caller's shell that is on no list stays out. Those that would change what a run does (`HOSTILE`) are
also taken out of slipway's own process when it starts, since libraries read them too, and are named once.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

from slipway.errors import PipelineError

BASE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR"),
    *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR"),
    *("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "CI"),
    *("SLIPWAY_RUN", "SLIPWAY_CHAOS"),
)
"""For every program. By the last two its processes are found: by a later run, if this one dies, and by tests."""
DOWNLOADS = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH", "NETRC"),
    *("GOPATH", "GOMODCACHE", "GOCACHE"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_PROXY"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "PIP_CACHE_DIR", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
)
"""For programs that fetch from registries and mirrors; no proxy stands between slipway and a cloud or a droplet."""
GIT = (
    *("GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*", "XDG_CONFIG_HOME"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSL_*", "GH_TOKEN", "GITHUB_TOKEN"),
    *("GNUPGHOME", "GPG_TTY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"),
    *DOWNLOADS,
    "SUDO_UID",
)
"""For git: who commits, how it gets to a remote, and whose repository root may read."""
LOCALOCEAN = ("LOCALOCEAN_*", "LOCALCLOUD_*", "SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_ASKPASS")
"""For the local cloud's command line."""
PIPELINE = (
    *("SLIPWAY_*", "DIGITALOCEAN_*", "VAULT_*", "DEPLOY_SSH_KEY", "GITHUB_ACTOR"),
    *("PACKER", "TERRAFORM", "TERRAFORM_PROVIDER"),
    *LOCALOCEAN,
)
"""What slipway itself reads, for the programs that call it."""
STATE = (
    *("AWS_*", "SPACES_*", "GOOGLE_*", "ARM_*", "CONSUL_*", "KUBE_*", "ALICLOUD_*", "TENCENTCLOUD_*", "PG_CONN_STR"),
    *("TF_HTTP_*", "TF_TOKEN_*", "ACTIONS_ID_TOKEN_REQUEST_*"),
)
"""Credentials of the backends that keep OpenTofu's states, and of its registries."""
EVERYTHING = (*BASE, *GIT, *PIPELINE, *STATE)

HOSTILE = (
    *("TF_*", "PKR_VAR_*", "PACKER_*", "HCP_*"),
    *("GOFLAGS", "GOOS", "GOARCH", "GOAMD64", "GOARM", "GOARM64", "GOEXPERIMENT", "GOFIPS140", "GODEBUG"),
    *("GOENV", "GOROOT", "GOTOOLCHAIN", "GOWORK", "GO111MODULE", "GOCACHEPROG", "CGO_*"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_TRACE*"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_SHALLOW_FILE"),
    *("GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_*_PATHSPECS"),
    *("GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE", "GIT_DEFAULT_HASH"),
    *("PYTHON*", "PYTEST_*", "INVOKE_*", "LD_*", "CDPATH", "BASH_ENV", "PG[A-Z]*", "SHELLCHECK_OPTS"),
)
"""Variables that change what a program does, in ways that no run asked for."""
_HARMLESS = (
    *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONHASHSEED"),
    *("PYTHONFAULTHANDLER", "PYTHONPYCACHEPREFIX", "TF_IN_AUTOMATION", "TF_INPUT"),
)
"""Variables that look like hostile ones, do not reach a program either, and need no word."""
_FAMILIES = ("TF_VAR_", "PKR_VAR_", "GIT_TRACE", "PYTHON", "CGO_")

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_given: dict[str, str] = {}
_ignored: dict[str, str] = {}


def compose(*lists: Iterable[str], caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of the caller's that are for every program or on one of the lists, and those of `giving`.

    A folder of PATH counts when it is absolute, because programs run in several folders; TMPDIR when it is there.
    Raises PipelineError for a user without a home directory.
    """
    caller = os.environ if caller is None else caller
    allowed = [*BASE, *(pattern for patterns in lists for pattern in patterns)]
    passing = {name: value for name, value in caller.items() if _is_among(name, allowed)}
    passing["PATH"] = os.pathsep.join(filter(os.path.isabs, passing.get("PATH", "").split(os.pathsep))) or _PATH
    if not (os.path.isabs(folder := passing.get("TMPDIR", "")) and os.path.isdir(folder)):
        passing.pop("TMPDIR", None)
    return {**passing, "HOME": home(caller), "PYTHONUTF8": "1", **_given}


def home(caller: Mapping[str, str]) -> str:
    """The caller's home directory; cron and some services set no HOME, and the user database knows it then."""
    if os.path.isabs(given := caller.get("HOME", "")):
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError as error:
        raise PipelineError(f"User {os.getuid()} has no home directory.", "export HOME=/a/folder/of/yours") from error


@contextmanager
def giving(values: Mapping[str, str]) -> Iterator[None]:
    """Add variables to the environment of every program that is started meanwhile."""
    before = dict(_given)
    _given.update(values)
    try:
        yield
    finally:
        _given.clear()
        _given.update(before)


def drop(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take the hostile variables out of this process's environment, because libraries in it read them too."""
    for name in hostile(environ):
        _ignored[name] = environ.pop(name)


def hostile(environ: Iterable[str]) -> list[str]:
    """The names of variables that would change a run, and that no list lets pass; sorted."""
    return sorted(name for name in environ if _is_among(name, HOSTILE) and not _is_among(name, EVERYTHING))


def ignored() -> Mapping[str, str]:
    """What `drop` took, with the values: a secret of the app may have such a name."""
    return _ignored


def notice(names: Iterable[str]) -> str:
    """One line that names what is ignored, variables of one family once; empty when there is nothing to say."""
    told = [name for name in names if name not in _HARMLESS]
    families = dict.fromkeys(
        next((f"{begin}*" for begin in _FAMILIES if name.startswith(begin)), name) for name in told
    )
    return f"ignored in your environment, because it would change the run: {', '.join(families)}" if told else ""


def _is_among(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
