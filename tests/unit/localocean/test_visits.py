"""How a droplet is visited."""

from __future__ import annotations

from localocean.visits import ssh_command

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJVnRsmBDBoBhMqiOsIsVLLs7SkbAqVvXFtVqdxBdnZT"


def test_ssh_knows_the_droplet_and_nothing_else() -> None:
    command = ssh_command({"address": "198.18.0.2", "host_keys": [KEY]}, "/key", ["uptime", "-p"])
    assert command[0] == "ssh" and command[-3:] == ["root@198.18.0.2", "uptime", "-p"]
    assert f"KnownHostsCommand=/bin/echo 198.18.0.2 {KEY}" in command
    assert "StrictHostKeyChecking=yes" in command and "UserKnownHostsFile=/dev/null" in command
    assert command[command.index("-i") + 1] == "/key"
