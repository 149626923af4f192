"""Says with its exit status whether the service of this container answers.

    python healthy.py [URL ...]

It asks the addresses given, or else the one where the service listens unless told otherwise.
"""

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

USUAL = ("http://127.0.0.1:8000/healthz",)


def answers(url: str) -> bool:
    """Whether an address gives status 200 within 2 s; no proxy is asked."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2) as answer:
            return answer.status == 200
    except (OSError, HTTPException):
        return False


if __name__ == "__main__":
    sys.exit(not any(map(answers, sys.argv[1:] or USUAL)))
