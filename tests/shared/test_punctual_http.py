"""Every single read keeps to the deadline."""

from __future__ import annotations

import io
import socket

import pytest

from shared.deadline import within
from shared.punctual_http import _PunctualReader
from tests.clock import Clock


def test_a_read_waits_for_no_longer_than_the_deadline_allows() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, within(10, clock := Clock()):
        ours.settimeout(15)
        raw = ours.makefile("rb", buffering=0)
        assert isinstance(raw, io.RawIOBase)
        reader = _PunctualReader(ours, raw)
        theirs.send(b"abc")
        assert reader.readinto(bytearray(1)) == 1
        assert ours.gettimeout() == pytest.approx(10)
        clock.forward(9)
        assert reader.readinto(bytearray(1)) == 1
        assert ours.gettimeout() == pytest.approx(1)
        clock.forward(1)
        with pytest.raises(TimeoutError):
            reader.readinto(bytearray(1))
        reader.close()
