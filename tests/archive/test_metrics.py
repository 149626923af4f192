"""The counters of an archive, as Prometheus reads them."""

import socket
from urllib.request import urlopen

import pytest

from sottovoce.archive.metrics import served
from sottovoce.archive.run import Tally
from sottovoce.errors import SottovoceError

pytest.importorskip("prometheus_client")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_what_grows_is_counted_once():
    port = free_port()
    with served(port, "tiny 1.0") as count:
        for files, seconds in ((2, 5.0), (3, 9.0)):
            tally = Tally(planned=10, files=files, seconds=seconds)
            tally.answers.update({("ok", "happy"): files - 1, ("error", None): 1})
            count(tally)
        text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert 'sottovoce_audio_seconds_total{endpoint="archive"} 9.0' in text
    assert 'sottovoce_answers_total{model="tiny 1.0",status="ok"} 2.0' in text
    assert 'sottovoce_answers_total{model="tiny 1.0",status="error"} 1.0' in text
    assert 'sottovoce_emotions_total{emotion="happy",model="tiny 1.0"} 2.0' in text
    assert "sottovoce_archive_left 7.0" in text


def test_a_port_that_is_taken_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SottovoceError, match="cannot be listened on"), served(port, "tiny"):
            pass
