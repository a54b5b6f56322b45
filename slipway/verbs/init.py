"""The verb that begins a project."""

from __future__ import annotations

import sys

from slipway.verbs.verb import ROOT, Answer, verb


@verb(name="init", yes="ask nothing, and take what was found")
def init(yes: bool = False) -> Answer:
    """Write what slipway needs to release the app of this repository: slipway.toml and its reference files."""
    from slipway.scaffold.init import choose, texts, write
    from slipway.scaffold.shape import look
    from slipway.tools.git.git import Git

    found = look(Git(ROOT))
    asks = not yes and sys.stdin.isatty()
    choice = choose(ROOT, found, _ask if asks else lambda question, taken: taken)
    written, differs = write(ROOT, texts(choice))
    where = {"": "", ".": ", its main package at the top"}.get(choice.package, f", of {choice.package}")
    said = [f"This is {found.kind}{where}."]
    if written:
        said.append(f"Written: {', '.join(written)}. Read slipway.toml before you go on.")
    if differs:
        said += ["slipway.toml is there, and stays as it is. Today's would differ:", *(f"  {each}" for each in differs)]
    recorded = f'git add {" ".join(written)} && git commit -m "Release with slipway"; ' if written else ""
    said.append(f"Next: {recorded}./invoke build deploy --version v1")
    return Answer("\n".join(said))


def _ask(question: str, taken: str) -> str:
    return input(f"{question} [{taken}]: ").strip() or taken
