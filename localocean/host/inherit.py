"""What a droplet inherits of its host, so that it reaches package archives exactly as the host does.

Name servers, certificate authorities and apt's proxies; the archives themselves are in the base image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from localocean.host.run import run

RESOLVERS = (
    Path("/etc/resolv.conf"),
    Path("/run/systemd/resolve/resolv.conf"),
    Path("/run/NetworkManager/no-stub-resolv.conf"),
)

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
AUTHORITIES = Path("/usr/local/share/ca-certificates")


def nameservers(sources: Iterable[Path] = RESOLVERS) -> list[str]:
    """The host's name servers that a droplet can reach too: those of the first source that are not loopback."""
    for source in sources:
        found = [address for address in _nameservers(source) if not ip_address(address.split("%")[0]).is_loopback]
        if found:
            return found
    return []


def _nameservers(source: Path) -> list[str]:
    lines = source.read_text().splitlines() if source.is_file() else []
    return [words[1] for line in lines if len(words := line.split()) >= 2 and words[0] == "nameserver"]


def proxies() -> list[str]:
    """apt's proxy settings on this host, as lines of apt.conf."""
    lines = run(["apt-config", "dump"]).splitlines()
    return [line for line in lines if line.startswith("Acquire::") and "proxy" in line.split()[0].lower()]


def proxy_urls() -> list[str]:
    """The addresses of apt's proxies."""
    return [value for line in proxies() if "://" in (value := line.partition(" ")[2].strip('"; '))]


def archive_urls() -> list[str]:
    """The addresses of the package archives that this host names, whether it ever fetched their lists or not."""
    without_lists = ["-o", "Dir::State::Lists=/nonexistent"]  # reading them takes half a second, and tells no address
    command = ["apt-get", *without_lists, "indextargets", "--no-release-info", "--format", "$(SITE)"]
    return run(command, check=False).splitlines()


def files(servers: Sequence[str]) -> dict[str, bytes]:
    """The files that a droplet gets, by absolute path."""
    resolv = "".join(f"nameserver {server}\n" for server in servers or nameservers())
    found = {"/etc/resolv.conf": resolv.encode()}
    if lines := proxies():
        found["/etc/apt/apt.conf.d/90localocean-proxy"] = "".join(f"{line}\n" for line in lines).encode()
    for path in sorted(AUTHORITIES.glob("**/*.crt")):
        found[str(path)] = path.read_bytes()
    if len(found) > 1 and BUNDLE.is_file():
        found[str(BUNDLE)] = BUNDLE.read_bytes()
    return found
