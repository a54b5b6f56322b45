"""One line with several verbs: what they share, and what is refused before the first of them begins."""

from __future__ import annotations

from typing import Any

from invoke.executor import Executor
from invoke.tasks import Call

from slipway.errors import PipelineError
from slipway.verbs import given
from slipway.verbs.verb import exit_with, words_after_dashes

SHARED = ("version", "environment", "dirty")
TAKE_WORDS = {"cloud.ssh", "cloud.shell"}


class SharingExecutor(Executor):
    """`invoke build deploy --version v2` gives both tasks v2; plain Invoke gives it to the last alone."""

    def normalize(self, tasks: Any) -> list[Call]:
        """Hand each shared argument to the tasks of the line that take it and were not given it.

        What cannot be meant is refused here, before the first task begins.
        """
        calls: list[Call] = super().normalize(tasks)
        if words_after_dashes() and not any(call.called_as in TAKE_WORDS for call in calls):
            hint = f"{' and '.join(sorted(TAKE_WORDS, reverse=True))} take a command there."
            raise exit_with("No verb of this line takes the words after --.", hint)
        for call in calls:
            try:
                given.check(call.kwargs, _spelt(call))
            except PipelineError as error:
                raise exit_with(error.message, error.hint) from error
        for name in SHARED:
            shared = [call.kwargs[name] for call in calls if call.kwargs.get(name)]
            for call in calls:
                if shared and name in call.kwargs and not call.kwargs[name]:
                    call.kwargs[name] = shared[0]
        return calls


def _spelt(call: Call) -> dict[str, str]:
    """How a person writes the arguments of a task."""
    arguments = call.task.get_arguments()
    return {each.name or "": each.names[0] if each.positional else f"--{each.names[0]}" for each in arguments}
