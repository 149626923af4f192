"""A web server on this machine that serves one file, well or badly."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer


@dataclass
class Archive:
    """What the server does; a test changes it as it goes."""

    content: bytes = b""
    ranges: bool = True
    tag: str | None = '"one"'
    length: int | None = None
    """Content-Length, where it is not the truth."""
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers end; the ones after those are whole."""
    statuses: list[int] = field(default_factory=list)
    """What the next answers are, in place of the file."""
    redirect: str = ""
    pause: float = 0.0
    """s that the server is silent for in the middle of an answer."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""
    url: str = ""


@contextlib.contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    """Serve until the end of the block; `archive.url` is where."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_GET(self) -> None:
            archive.asked.append({name.lower(): value for name, value in self.headers.items()})
            if archive.redirect:
                self.send_response(302)
                self.send_header("Location", archive.redirect)
                self.end_headers()
            elif archive.statuses:
                self.send_error(archive.statuses.pop(0))
            else:
                self.send_file()

        def send_file(self) -> None:
            whole = archive.content
            start = self.start()
            if start >= len(whole) and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(whole)}")
                self.end_headers()
                return
            body = whole[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            if archive.tag:
                self.send_header("ETag", archive.tag)
            if archive.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                length = len(body) if archive.length is None else archive.length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            end = archive.cuts.pop(0) if archive.cuts else len(body)
            self.send(body[: end // 2])
            over.wait(archive.pause)
            self.send(body[end // 2 : end])
            if archive.chunked and end == len(body):
                self.wfile.write(b"0\r\n\r\n")

        def start(self) -> int:
            """The first byte to send, as Range and If-Range ask for it."""
            asked = archive.asked[-1]
            same = asked.get("if-range", archive.tag) == archive.tag
            if not (archive.ranges and same and "range" in asked):
                return 0
            return int(asked["range"].removeprefix("bytes=").removesuffix("-"))

        def send(self, data: bytes) -> None:
            if archive.chunked and data:
                data = b"%x\r\n%s\r\n" % (len(data), data)
            self.wfile.write(data)

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - clients that hang up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}/file.zip"
    try:
        yield archive
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
