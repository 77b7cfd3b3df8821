"""What files are that stand in place of images."""

import pytest

from convsmith.data.decode.foreign import kind_of


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        (b"\n <HTML><body>404", "a web page"),
        (b"<!-- moved --><html>", "a web page"),
        (b"\xef\xbb\xbf<!DOCTYPE HTML>", "a web page"),
        (b'<?xml version="1.0"?><Error>', "an XML text, such as a server's error"),
        (b'{"error": "not found"}', "a JSON text, such as a server's error"),
        (bytes(32), "nothing but zeros; it was not written to its end"),
    ],
)
def test_what_servers_and_broken_downloads_leave_is_said(prefix: bytes, kind: str) -> None:
    assert str(kind_of(prefix)).startswith(kind)


@pytest.mark.parametrize("prefix", [b"", b"\0", b"\0\0\x01\0", b"hello, world", b"{1, 2}"])
def test_other_bytes_are_nothing_that_is_known(prefix: bytes) -> None:
    assert kind_of(prefix) is None
