"""A web server on this machine that serves one file, well or badly."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer


@dataclass
class ArchiveServer:
    """What the server does; a test changes it as it goes."""

    content: bytes = b""
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers end; the ones after those are whole."""
    statuses: list[int] = field(default_factory=list)
    """What the next answers are, in place of the file."""
    redirect: str = ""
    silent: bool = False
    """Whether it sends half of the file and then nothing, until the test is over."""
    meeting: threading.Barrier | None = None
    """Where requests wait for each other, halfway through the file."""
    requests: int = 0
    url: str = ""


@contextlib.contextmanager
def serving(archive: ArchiveServer) -> Iterator[ArchiveServer]:
    """Serve until the end of the block; `archive.url` is where."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_GET(self) -> None:
            archive.requests += 1
            if archive.redirect:
                self.send_response(302)
                self.send_header("Location", archive.redirect)
                self.end_headers()
            elif archive.statuses:
                self.send_error(archive.statuses.pop(0))
            else:
                self.send_file()

        def send_file(self) -> None:
            content = archive.content
            self.send_response(200)
            if archive.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            end = archive.cuts.pop(0) if archive.cuts else len(content)
            self.send(content[: end // 2])
            if archive.meeting:
                archive.meeting.wait()
            if archive.silent:
                over.wait()
            self.send(content[end // 2 : end])
            if archive.chunked and end == len(content):
                self.wfile.write(b"0\r\n\r\n")

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
