"""Lines written outside a request reach the log of the next one: once an hour each, bounded, with their level."""

from __future__ import annotations

import contextvars
import logging
import threading
import uuid
from collections.abc import Iterator

import pytest

from shared.telemetry.operator_notes import MAX_CHARS, MAX_NOTES, REPEAT_AFTER_SECONDS, OperatorNotes
from tests.support.clock import Clock

log = logging.getLogger("shared_notes_test.part")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notes(clock: Clock) -> Iterator[OperatorNotes]:
    """Notes of a logger of their own, at INFO."""
    handler, parent = OperatorNotes(clock), logging.getLogger("shared_notes_test")
    parent.addHandler(handler)
    parent.setLevel(logging.INFO)
    yield handler
    parent.removeHandler(handler)


def elsewhere(*texts: str, level: int = logging.WARNING) -> None:
    """Logs these texts where no request is: in a thread of its own, with an empty context."""

    def work() -> None:
        for text in texts:
            log.log(level, text)

    thread = threading.Thread(target=contextvars.Context().run, args=(work,))
    thread.start()
    thread.join(10)


def delivered(notes: OperatorNotes, caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """What one request writes: level and text."""
    caplog.clear()
    contextvars.Context().run(notes.deliver)
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_a_line_of_another_thread_is_written_by_the_next_request(
    notes: OperatorNotes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere("fetch failed (Timeout)")
    clock.forward(12)
    assert delivered(notes, caplog) == [(logging.WARNING, "fetch failed (Timeout) (noted 12 s ago)")]
    assert delivered(notes, caplog) == []


def test_a_line_of_the_request_itself_is_not_written_twice(
    notes: OperatorNotes, caplog: pytest.LogCaptureFixture
) -> None:
    def request() -> None:
        notes.enter_request()
        log.warning("refused")
        notes.deliver()

    contextvars.Context().run(request)
    assert [record.getMessage() for record in caplog.records] == ["refused"]
    assert delivered(notes, caplog) == []


def test_a_thread_of_the_request_with_a_copy_of_its_context_is_outside(
    notes: OperatorNotes, caplog: pytest.LogCaptureFixture
) -> None:
    """The calls of `async def` functions: their thread belongs to no invocation, so the host drops its lines."""

    def request() -> None:
        notes.enter_request()
        thread = threading.Thread(target=contextvars.copy_context().run, args=(log.warning, "circuit open"))
        thread.start()
        thread.join(10)
        caplog.clear()
        notes.deliver()

    contextvars.Context().run(request)
    assert [record.getMessage() for record in caplog.records] == ["circuit open (noted 0 s ago)"]


def test_one_text_is_written_once_an_hour_with_how_often_it_was_noted(
    notes: OperatorNotes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere(*["vault refused"] * 3)
    assert delivered(notes, caplog) == [(logging.WARNING, "vault refused (noted 0 s ago, 3 times)")]
    clock.forward(REPEAT_AFTER_SECONDS - 1)
    elsewhere("vault refused")
    assert delivered(notes, caplog) == []
    clock.forward(1)
    elsewhere("vault refused")
    assert delivered(notes, caplog) == [(logging.WARNING, "vault refused (noted 0 s ago, 2 times)")]


def test_another_cause_does_not_wait_for_the_hour(notes: OperatorNotes, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere("setting A is missing")
    assert len(delivered(notes, caplog)) == 1
    elsewhere("setting B is missing")
    assert delivered(notes, caplog) == [(logging.WARNING, "setting B is missing (noted 0 s ago)")]


def test_what_is_kept_is_bounded_and_the_rest_is_counted(
    notes: OperatorNotes, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere(*(f"setting {number} is wrong" for number in range(MAX_NOTES + 3)), level=logging.ERROR)
    written = delivered(notes, caplog)
    assert [text for _, text in written[:-1]] == [
        f"setting {number} is wrong (noted 0 s ago)" for number in range(MAX_NOTES)
    ]
    assert written[-1] == (logging.WARNING, "3 further notes were not kept (noted 0 s ago)")


def test_a_long_text_is_cut_and_old_texts_are_forgotten(
    notes: OperatorNotes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere("x" * 10 * MAX_CHARS)
    assert len(delivered(notes, caplog)[0][1]) < MAX_CHARS + 50
    for number in range(1_000):
        elsewhere(f"cause {number}")
        notes.deliver()
    assert len(notes._written_at) <= 201
    assert len(notes._repeats) <= 201


def test_information_is_kept_and_debugging_is_not(notes: OperatorNotes, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("shared_notes_test").setLevel(logging.DEBUG)
    elsewhere("no", level=logging.DEBUG)
    elsewhere("credential loaded", level=logging.INFO)
    assert delivered(notes, caplog) == [(logging.INFO, "credential loaded (noted 0 s ago)")]


def test_many_threads_note_and_many_requests_write_and_nothing_is_lost_or_doubled(
    notes: OperatorNotes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    start = threading.Barrier(16)

    def note(number: int) -> None:
        start.wait(10)
        log.warning("cause %d", number)

    def request() -> None:
        start.wait(10)
        for _ in range(50):
            contextvars.Context().run(notes.deliver)

    threads = [threading.Thread(target=note, args=(number,)) for number in range(8)]
    threads += [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    contextvars.Context().run(notes.deliver)
    written = [text for record in caplog.records if "(noted" in (text := record.getMessage())]
    assert sorted(text.partition(" (")[0] for text in written) == [f"cause {number}" for number in range(8)]


def test_what_differs_in_ids_alone_is_one_note_so_no_caller_crowds_out_another_cause(
    notes: OperatorNotes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller chooses the correlation id, and Entra gives each of its responses a trace id."""
    ids = [f"trace_id {uuid.uuid4()}, correlation_id {uuid.uuid4()}" for _ in range(2 * MAX_NOTES)]
    elsewhere(*(f"not renewed (AADSTS50173, {text})" for text in ids), "signing keys: fetch failed")
    assert delivered(notes, caplog) == [
        (logging.WARNING, f"not renewed (AADSTS50173, {ids[0]}) (noted 0 s ago, {2 * MAX_NOTES} times)"),
        (logging.WARNING, "signing keys: fetch failed (noted 0 s ago)"),
    ]
    clock.forward(REPEAT_AFTER_SECONDS - 1)
    elsewhere(f"not renewed (AADSTS50173, {ids[1]})")
    assert delivered(notes, caplog) == []
