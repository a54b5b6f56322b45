"""What a droplet that failed its verification says of itself, kept before it is removed."""

from __future__ import annotations

from pathlib import Path

import requests

from pipeline.errors import PipelineError
from pipeline.keys import DeployKey
from pipeline.tools import ssh

FROM_INSIDE = {
    "journal.txt": "journalctl --boot --no-pager --output=short-precise",
    "unit.txt": "systemctl status app.service --no-pager --full; systemctl show app.service --no-pager",
    "failed-units.txt": "systemctl --failed --no-pager",
    "cloud-init.txt": "cloud-init status --long; cat /var/log/cloud-init-output.log",
    "cloud-init.log": "cat /var/log/cloud-init.log",
    "listening.txt": "ss --tcp --udp --listening --numeric --processes",
}
FROM_OUTSIDE = ("/health/ready", "/health/live", "/version", "/")


def collect(folder: Path, address: str, port: int, key: DeployKey, host_key: str) -> None:
    """Fill a folder with one file for each question; what cannot be had leaves a file that says why."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "responses.txt").write_text("\n".join(_response(f"http://{address}:{port}{p}") for p in FROM_OUTSIDE))
    try:
        with ssh.connect(address, key.identity, host_key) as client:
            for name, command in FROM_INSIDE.items():
                try:
                    text = ssh.run(client, command)
                except OSError as error:
                    text = f"{command}: {error}\n"
                (folder / name).write_text(text)
    except PipelineError as error:
        (folder / "ssh.txt").write_text(f"{error.message}\n")


def _response(url: str) -> str:
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException as error:
        return f"GET {url}\n{error}\n"
    headers = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
    return f"GET {url}\n{answer.status_code} {answer.reason}\n{headers}\n{answer.text[:4000]}\n"
