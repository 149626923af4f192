"""The progress bar of every command that may take more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

SHOWN_AFTER = 2.0
"""s; what is done sooner shows no bar."""

Item = TypeVar("Item")


class Report(Protocol):
    """Called again and again with what is being done, how much of it is, and of how much in all.

    The numbers count anything: clips, steps, bytes, seconds. `total` is None where nobody knows.
    """

    def __call__(self, what: str, done: float, total: float | None) -> None: ...


@contextmanager
def progress(
    *, enabled: bool = True, show: Callable[[float], str] | None = None
) -> Iterator[Report]:
    """A bar for each thing that is reported, on standard error, if that is a terminal.

    Args:
        enabled: False shows nothing, as where the results themselves scroll by.
        show: how the amount done is written beside the bar; a percentage if None.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield lambda what, done, total: None
        return
    with ExitStack() as stack:
        bars = _bars(console, show is not None)
        tasks: dict[str, TaskID] = {}
        begun, shown = time.monotonic(), False

        def report(what: str, done: float, total: float | None) -> None:
            nonlocal shown
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, amount="")
            amount = show(done) if show is not None else ""
            finished = done == total
            bars.update(
                tasks[what], completed=done, total=total, amount=amount, visible=not finished
            )
            if not shown and time.monotonic() - begun > SHOWN_AFTER:
                stack.enter_context(bars)
                shown = True

        yield report


def tracked(items: Iterable[Item], what: str, total: int, report: Report) -> Iterator[Item]:
    """Pass items on, and report each."""
    for done, item in enumerate(items, 1):
        yield item
        report(what, done, total)


def _bars(console: Console, amounts: bool) -> Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = TextColumn("{task.fields[amount]}") if amounts else TaskProgressColumn()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        amount,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else lines for a file would go to the terminal
    )
