"""Multipart forms (RFC 7578), read in memory: Starlette's reader writes large files to the disk."""

from __future__ import annotations

import io

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sottovoce.serve.errors import Refusal

LONGEST_HEADER = 8192
"""Bytes of the header of a part."""


class Form:
    """The files in a form, fed as its body comes.

    Args:
        content_type: the header, which holds the boundary.
        most: files that there may be.

    Raises:
        Refusal: 400, the header has no boundary.
    """

    def __init__(self, content_type: str, most: int) -> None:
        self._most = most
        self._ended = False
        self._files: list[tuple[str | None, io.BytesIO]] = []
        self._field = self._value = b""
        self._name: str | None = None
        self._is_file = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise _broken("its type has no boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_end": self._ends,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        """Read on.

        Raises:
            Refusal: 400 the form is broken, 413 too many files, 422 a field that is no file.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _broken(str(error)) from None

    def finish(self) -> list[tuple[str | None, bytes]]:
        """Name and content of every file, one or more.

        Raises:
            Refusal: 400 the form was cut short, 422 there is no file in it.
        """
        if not self._ended:
            raise _broken("it ends before its last boundary")
        if not self._files:
            raise Refusal(422, "no_recording", "the form has no file; add one or more recordings")
        return [(name, content.getvalue()) for name, content in self._files]

    def _part_begins(self) -> None:
        self._field = self._value = b""
        self._name, self._is_file = None, False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]
        self._check_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._field) + len(self._value) > LONGEST_HEADER:
            raise _broken(f"a header is longer than {LONGEST_HEADER} bytes")

    def _header_ends(self) -> None:
        if self._field.lower() == b"content-disposition":
            name = parse_options_header(self._value)[1].get(b"filename")
            self._is_file = name is not None
            self._name = name.decode("utf-8", "replace") if name else None
        self._field = self._value = b""

    def _headers_end(self) -> None:
        if not self._is_file:
            raise Refusal(422, "bad_form", "a field is no file; options go into the query")
        if len(self._files) == self._most:
            raise Refusal(413, "too_many", f"more than {self._most} recordings in one request")
        self._files.append((self._name, io.BytesIO()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._files[-1][1].write(memoryview(data)[start:end])

    def _ends(self) -> None:
        self._ended = True


def _broken(why: str) -> Refusal:
    return Refusal(400, "bad_form", f"not a whole multipart form: {why}")
