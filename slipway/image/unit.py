"""What a project's own wishes add to the app's unit and to the bake, as text."""

from __future__ import annotations

import shlex

from slipway.project import LOOSENED, AppSettings


def drop_in(app: AppSettings) -> str:
    """What systemd reads after `app.service`."""
    lines = ["[Service]", f"Type={app.unit}", "ExecStart=", f"ExecStart={app.command}"]
    lines += [f"ReadWritePaths={folder}" for folder in app.writable]
    for name, reason in app.loosen.items():
        lines += [f"# {' '.join(reason.split())}", f"{name}={LOOSENED[name]}"]
    return "\n".join(lines) + "\n"


def needs(app: AppSettings) -> str:
    """What the bake's script reads."""
    said = {
        "APP_PORT": str(app.port),
        "APP_PACKAGES": " ".join(app.packages),
        "APP_WRITABLE": " ".join(app.writable),
        "APP_STARTS_BARE": "yes" if app.starts_bare else "",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in said.items())
