"""Folders of a cache are whole or not there, and what killed runs left behind goes."""

import os
import time
from pathlib import Path

from sottovoce.learn.data.atomic_directory import INDEX, write_directory_atomically


def test_folders_of_killed_runs_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path,
) -> None:
    now = time.time()
    ages = {  # h since the folder changed, and since its file was written to
        "draft-killed": (30, 30),
        "draft-empty": (30, None),
        "draft-young": (1, 1),
        "draft-long": (30, 1),
        "other-old": (30, 30),
    }
    for name, (folder_age, file_age) in ages.items():
        (tmp_path / name).mkdir(parents=True)
        if file_age is not None:
            (tmp_path / name / "samples.f32").write_bytes(b"part")
            os.utime(tmp_path / name / "samples.f32", (now, now - 3600 * file_age))
        os.utime(tmp_path / name, (now, now - 3600 * folder_age))
    write_directory_atomically(
        tmp_path / "new", "tests", lambda folder: (folder / INDEX).write_text("{}") and None
    )
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"draft-young", "draft-long", "other-old", "new"}
