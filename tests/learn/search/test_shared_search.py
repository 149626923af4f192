"""Processes that search in one folder divide its trials, and each ends with the same result."""

import csv
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_corpus import RECIPE, write_corpus

from sottovoce.cli import run
from sottovoce.errors import RecipeError
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.search import search
from sottovoce.learn.search.space import SearchSpace

WORKER = Path(__file__).parents[2] / "fakes" / "search_worker.py"
SEARCH = RECIPE.replace("epochs = 2", "epochs = 1")
SEARCH += """
[search]
trials = 4
sampler = "random"

[search.space]
"training.learning_rate" = { low = 1e-3, high = 1e-1, log = true }
"""
PATIENCE = 300
"""s."""
YES = b"!"
"""Train it."""

Start = Callable[..., "subprocess.Popen[str]"]


class Desk:
    """Where processes ask before they train a trial."""

    def __init__(self, server: socket.socket, stack: ExitStack) -> None:
        self.server, self.stack = server, stack
        self.port = server.getsockname()[1]

    def next(self) -> tuple[str, socket.socket]:
        """Which trial a process wants to train, and where it waits for an answer."""
        line = self.stack.enter_context(self.server.accept()[0])
        with line.makefile() as words:
            return words.readline().strip(), line


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(PATIENCE)
        yield Desk(server, stack)


@pytest.fixture
def start(desk: Desk, tmp_path: Path) -> Iterator[Start]:
    """Start a search in tmp_path/out."""
    corpus = write_corpus(tmp_path / "ravdess", speakers=6)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(SEARCH)
    with ExitStack() as stack:

        def started(*more: str) -> "subprocess.Popen[str]":
            words = ["search", str(recipe), "--data", f"ravdess={corpus}", "--device", "cpu"]
            words += ["--out", str(tmp_path / "out"), "--threads", "1", *more]
            process = subprocess.Popen(
                [sys.executable, WORKER, str(desk.port), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_divide_the_trials_and_agree_on_the_best(
    desk: Desk, start: Start, tmp_path: Path
) -> None:
    processes = [start()]
    asked = [desk.next()]
    processes.append(start())  # joins what is under way, without --resume
    asked.append(desk.next())
    assert [trial for trial, _ in asked] == ["trial 1", "trial 2"]
    for _, line in reversed(asked):
        line.sendall(YES)
    for _ in range(2):
        asked.append(desk.next())
        asked[-1][1].sendall(YES)
    said = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert {trial for trial, _ in asked} == {f"trial {number}" for number in (1, 2, 3, 4)}
    told = [re.findall(r"(?m)^trial (\d) of 4: UAR", out) for out, _ in said]
    assert sorted(told[0] + told[1]) == ["1", "2", "3", "4"]
    assert all(told)
    results = [re.findall(r"(?m)^best of 4: .*", out) for out, _ in said]
    assert results[0] == results[1]
    table = rows(tmp_path / "out")
    assert [(row["number"], row["state"]) for row in table] == [
        (str(number), "complete") for number in (1, 2, 3, 4)
    ]
    best = max(table, key=lambda row: float(row["value"]))
    recipe = Recipe.load(tmp_path / "out" / "best.toml")
    assert f"trial {best['number']}, " in results[0][0]
    assert recipe.training.learning_rate == float(best["training.learning_rate"])


def test_the_trial_of_a_process_that_is_killed_falls_to_another(
    desk: Desk, start: Start, tmp_path: Path
) -> None:
    killed = start("--trials", "2")
    first, _ = desk.next()
    other = start("--trials", "2")
    second, line = desk.next()
    line.sendall(YES)  # then it waits for the first, which gets no answer
    killed.kill()
    killed.wait()
    again, line = desk.next()
    assert (first, second, again) == ("trial 1", "trial 2", "trial 1")
    line.sendall(YES)
    out, errors = other.communicate(timeout=PATIENCE)
    assert other.returncode == 0, errors
    assert re.findall(r"(?m)^trial (\d) of 2: ", out) == ["2", "1"]
    assert [(row["number"], row["state"]) for row in rows(tmp_path / "out")] == [
        ("1", "complete"),
        ("2", "complete"),
    ]


def test_a_search_that_was_left_needs_resume(
    desk: Desk, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = start()
    desk.next()
    left.kill()
    left.wait()
    words = ["search", str(tmp_path / "tiny.toml"), "--data", f"ravdess={tmp_path / 'ravdess'}"]
    assert run([*words, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 2
    assert "there is a search here already; add --resume" in capsys.readouterr().err


def test_a_trial_that_ends_while_it_is_taken_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "ravdess", speakers=6)
    space, cpu = SearchSpace(Recipe.parse(SEARCH)), torch.device("cpu")

    def look() -> None:
        search.search(
            space,
            tmp_path / "out",
            lambda recipe: Data.load(recipe, {"ravdess": corpus}),
            trials=1,
            device=cpu,
            log=lambda line: None,
        )

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "fit_fold", killed)
    with pytest.raises(KeyboardInterrupt):
        look()
    lock = search._Search._lock

    def taken(found: Any, number: int) -> Any:
        found.study.tell(number, 0.625)  # as the process whose trial it was does just now
        return lock(found, number)

    monkeypatch.setattr(search._Search, "_lock", taken)
    look()
    (row,) = rows(tmp_path / "out")
    assert (row["state"], row["value"]) == ("complete", "0.625")


def test_a_trial_trains_in_one_process() -> None:
    several = SEARCH.replace("[training]", "[training]\ndevices = 2")
    with pytest.raises(RecipeError, match=r"training\.devices: a trial trains in one process"):
        SearchSpace(Recipe.parse(several))
    before, _, _ = SEARCH.rpartition('"training.learning_rate"')
    searched = f'{before}"training.devices" = [1, 2]'
    with pytest.raises(RecipeError, match=r"cannot be searched.*training\.devices"):
        SearchSpace(Recipe.parse(searched))
