"""What a person gives on the command line, checked before the first task of the line begins.

Each rule follows from what a text becomes: a name in the cloud, a hostname, a tag, a file. It raises PipelineError with
the rule and an example.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from slipway import durations
from slipway.durations import milliseconds
from slipway.environment import reference
from slipway.errors import PipelineError
from slipway.image import version
from slipway.names import is_slug

Rule = Callable[[str], object]
_LONGEST_TEXT = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check(arguments: Mapping[str, object], spelt: Mapping[str, str]) -> None:
    """Raise PipelineError for the first text that cannot be meant; ``spelt`` is how each argument is written."""
    for name, value in arguments.items():
        texts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
        for text in texts:
            _check(name, text, spelt.get(name, name))
        if name == "set":
            reference.check_config(settings(texts))


def _rule(name: str) -> Rule:
    try:
        return RULES[name]
    except KeyError:
        raise LookupError(f"The argument {name} has no rule: add one to RULES in slipway/verbs/given.py.") from None


def _check(name: str, text: str, flag: str) -> None:
    if not text.strip():
        raise PipelineError(f"{flag} is empty.", f"Leave {flag} out, or give it a value.")
    try:
        _rule(name)(text)
    except PipelineError as error:
        named = error.message.startswith(f"{flag} ")
        raise PipelineError(error.message if named else f"{flag}: {error.message}", error.hint) from error


def _shaped(pattern: str, what: str, rule: str) -> Rule:
    def refuse(text: str) -> None:
        if not re.fullmatch(pattern, text):
            raise PipelineError(f"{ascii(text)} cannot be {what}.", rule)

    return refuse


def _one_line(text: str) -> None:
    if _CONTROL.search(text) or not _is_unicode(text) or len(text) > _LONGEST_TEXT:
        hint = f"At most {_LONGEST_TEXT} characters in UTF-8, without control characters."
        raise PipelineError(f"{ascii(text[:40])} cannot be a line of text.", hint)


def _is_unicode(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def _command(text: str) -> None:
    if "\0" in text or not _is_unicode(text):
        raise PipelineError(f"{ascii(text[:40])} cannot be a command.", "UTF-8 without a NUL byte.")


def _path(text: str) -> None:
    if "\0" in text or re.search(r"[\r\n]", text):
        raise PipelineError(f"{ascii(text)} cannot be a path.", "One line, without a NUL byte.")


def _setting(text: str) -> None:
    name, equals, _ = text.partition("=")
    if not equals:
        raise PipelineError(f"--set {ascii(name)[1:-1]} has no value.", "--set KEY=VALUE")


def _environment(text: str) -> None:
    if not is_slug(text):
        hint = "Small letters, digits and single dashes, beginning with a letter, such as staging or local-2."
        raise PipelineError(f"{ascii(text)} cannot be an environment.", hint)


def _address(text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError as error:
        raise PipelineError(f"{ascii(text)} is no address.", "An IPv4 address, such as 203.0.113.7.") from error


def count(text: int | str | None) -> int | None:
    """A number of the command line, which Invoke gives as text."""
    if text is not None and not re.fullmatch("[0-9]{1,9}", str(text)):
        raise PipelineError(f"{ascii(text)} is not a whole number from 0 on.", "At most nine digits, such as 5.")
    return int(text) if text is not None else None


def settings(texts: Iterable[str]) -> dict[str, str]:
    """The settings of `--set KEY=VALUE`; raises PipelineError for one that is given twice."""
    found: dict[str, str] = {}
    for text in texts:
        _setting(text)
        name, _, value = text.partition("=")
        if name in found:
            raise PipelineError(f"--set {name} is given twice.", "Give each setting once.")
        found[name] = value
    return found


_size = _shaped(
    "[a-z0-9][a-z0-9._-]{0,63}", "a droplet's size", "A slug of DigitalOcean's, such as s-1vcpu-1gb or s-2vcpu-2gb."
)
_key = _shaped(
    r"[A-Za-z0-9.-]{1,64}-[0-9a-f]{8}", "a release's key", "A version and eight digits, such as v1-17db1d13."
)
_droplet = _shaped(
    "[A-Za-z0-9.-]{1,255}", "a droplet", "Its id or its name: letters, digits, dots and dashes, such as 42 or web-1."
)
_image = _shaped(
    "[A-Za-z0-9.-]{1,255}",
    "a release, a version or an image",
    "Letters, digits, dots and dashes, such as v1, live or v1-17db1d13.",
)
_run = _shaped(
    "[A-Za-z0-9][A-Za-z0-9-]{0,63}", "a run's id", "Letters, digits and dashes: ./invoke report --list shows them."
)
_file = _shaped(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", "a backup", "A file's name without its folder: the folder has --folder."
)
_word = _shaped("[a-z0-9-]{1,40}", "a name of these", "Small letters, digits and dashes.")

RULES: Mapping[str, Rule] = {
    "version": version.check,
    "environment": _environment,
    "set": _setting,
    "size": _size,
    "max_lost": count,
    "max_gap": milliseconds,
    "soak": milliseconds,
    "force": _one_line,
    "release": _key,
    "droplet": _droplet,
    "address": _address,
    "what": _word,
    "run": _run,
    "html": _path,
    "before": _image,
    "after": _image,
    "older_than": durations.age,
    "max_age": durations.age,
    "keep": count,
    "to": _path,
    "folder": _path,
    "dump": _file,
    "only": _word,
    "match": _one_line,
    "command": _command,
    "key": _path,
}
"""What each argument of each verb that is a text may be; an argument without a rule is an error of the program."""
