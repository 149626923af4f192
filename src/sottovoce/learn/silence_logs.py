"""Keeps the log messages and warnings of other libraries from users; errors are still raised."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def silence_logs(*names: str) -> Iterator[None]:
    """Silence warnings, and loggers of these names below the level of errors, inside a `with`."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
