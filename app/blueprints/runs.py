"""Runs over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, request, stream_with_context

from app.domain.errors import InvalidInput
from app.domain.run_stories import Place, parse_place
from app.domain.runs import Run
from app.domain.texts import t
from app.http.api import Answer, api
from app.http.identity import identity
from app.http.media_types import extension, media_type
from app.http.services import services
from app.http.streams import EVENT_STREAM, HEARTBEAT, event_stream, frame, hung_up, slot
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out
from app.schemas.runs import (
    CancelDetails,
    CancelOut,
    DefinitionOut,
    LogLineOut,
    RunDetailOut,
    RunListedOut,
    RunListQuery,
    RunOut,
    RunWaitedOut,
    StatsOut,
    StatsQuery,
    StepsOut,
    StreamQuery,
    WaitQuery,
    definition_out,
    held_out,
    log_line_out,
    run_members,
    stats_out,
    step_out,
    told_data,
)
from app.services.run_stories import Told
from app.services.runs import End, Signal

bp = Blueprint("runs", __name__, url_prefix="/runs")
TAGS = ("runs",)


@bp.get("")
@api(query=RunListQuery, returns=PageOut[RunListedOut], tags=TAGS, scope="runs:read")
def list_runs(query: RunListQuery) -> PageOut[RunListedOut]:
    """List runs, newest first, with what holds them back while they are queued."""
    page = services().runs.page(query.as_filter(), caller=identity(), limit=query.limit, offset=query.offset)
    held = services().holds.of_all(page.items, caller=identity())

    def shown(run: Run) -> RunListedOut:
        members = run_members(run, include_errors=query.include_errors)
        return RunListedOut(**members, held_by=held_out(held.get(run.id)))

    return page_out(page, shown)


@bp.get("/<run_id>")
@api(returns=RunDetailOut, tags=TAGS, errors=(404,), scope="runs:read")
def get_run(run_id: str) -> RunDetailOut:
    """Get a run with its steps, and with what holds it back while it is queued."""
    run, steps = services().runs.get(run_id, caller=identity())
    held = held_out(services().holds.of(run, caller=identity()))
    return RunDetailOut(**run_members(run), held_by=held, steps=[step_out(step) for step in steps])


@bp.get("/<run_id>/definition")
@api(returns=DefinitionOut, tags=TAGS, errors=(404,), scope="runs:read")
def get_run_definition(run_id: str) -> DefinitionOut:
    """Get the definition that a run keeps: what it does, whatever became of its task since."""
    definition, latest = services().runs.definition(run_id, caller=identity())
    return definition_out(definition, latest=latest)


@bp.get("/<run_id>/steps")
@api(returns=StepsOut, tags=TAGS, errors=(404,), scope="runs:read")
def list_run_steps(run_id: str) -> StepsOut:
    """List the steps of a run that have begun."""
    return StepsOut(steps=[step_out(step) for step in services().runs.steps(run_id, caller=identity())])


@bp.get("/<run_id>/logs")
@api(query=PageQuery, returns=PageOut[LogLineOut], tags=TAGS, errors=(404,), scope="runs:read")
def list_run_logs(run_id: str, query: PageQuery) -> PageOut[LogLineOut]:
    """List the log lines of a run, oldest first."""
    return page_out(
        services().runs.logs(run_id, caller=identity(), limit=query.limit, offset=query.offset), log_line_out
    )


@bp.get("/<run_id>/blobs/<blob_id>")
@api(tags=TAGS, errors=(404,), media="application/octet-stream", scope="runs:read")
def get_run_blob(run_id: str, blob_id: str) -> Response:
    """Get a large piece of a step's output, as `stored` in it says.

    It is a file to be saved, of the type that whoever made it says; no browser opens it.
    """
    blob = services().blobs.get(run_id, blob_id, caller=identity())
    response = Response(blob.data, content_type=media_type(blob.media_type))
    response.headers["Content-Disposition"] = f'attachment; filename="{blob.id}{extension(blob.media_type)}"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@bp.get("/<run_id>/stream")
@api(query=StreamQuery, tags=TAGS, errors=(404,), media=EVENT_STREAM, scope="runs:read")
def stream_run(run_id: str, query: StreamQuery) -> Response:
    """Watch a run live.

    Server-sent events `state`, `step` and `log`; the first says that the run was queued. What the parts of the run do,
    in which it goes through items or branches side by side, is told too, with `part`: the `step` that was spread and
    the `branch`, from 0; `item` and `within` say which items. Ids are to be sent back as they are: a client that comes
    back with `Last-Event-ID` misses nothing. After the last record comes an `end` event; a client that closes on it
    does not reconnect.
    """
    after = _last_event_id(query)
    frames = _frames(services().runs.stream(run_id, caller=identity(), after=after))
    # The request stays at hand: errors in the journal are told in its reader's language.
    return event_stream(stream_with_context(frames))


@bp.get("/<run_id>/wait")
@api(query=WaitQuery, returns=RunWaitedOut, tags=TAGS, errors=(404,), scope="runs:read")
def wait_for_run(run_id: str, query: WaitQuery) -> RunWaitedOut:
    """Wait until a run has ended.

    Answers 200 as soon as it has, or when the time is up: then with `timed_out: true` and the run as it is.
    """
    with slot():
        waited = services().runs.wait(run_id, caller=identity(), timeout=query.timeout, gone=hung_up())
    return RunWaitedOut(**run_members(waited.run), timed_out=waited.timed_out)


@bp.post("/<run_id>/cancel")
@api(returns=CancelOut, status=202, tags=TAGS, errors=(404, 409), scope="runs:cancel")
def cancel_run(run_id: str) -> Answer:
    """Cancel a run.

    A run that no worker holds has ended when the answer comes (`details.status` is `canceled`); one that is
    being worked on is asked to stop (`running`). A run that has ended already is a conflict.
    """
    done = services().runs.cancel(run_id, caller=identity())
    message = t("Run canceled") if done.status == "canceled" else t("Cancellation requested")
    details = CancelDetails(run_id=done.run_id, status=done.status)
    return Answer(CancelOut(success=True, message=message, details=details))


@bp.get("/task/<task_id>/latest")
@api(returns=RunOut, tags=TAGS, errors=(404,), scope="runs:read")
def get_latest_run(task_id: str) -> RunOut:
    """Get the newest run of a task."""
    return RunOut(**run_members(services().runs.latest(task_id, caller=identity())))


@bp.get("/task/<task_id>/stats")
@api(query=StatsQuery, returns=StatsOut, tags=TAGS, errors=(404,), scope="runs:read")
def get_task_stats(task_id: str, query: StatsQuery) -> StatsOut:
    """Count the runs of a task over the last days."""
    return stats_out(services().runs.stats(task_id, caller=identity(), days=query.days), task_id)


@bp.get("/stats/summary")
@api(query=StatsQuery, returns=StatsOut, tags=TAGS, scope="runs:read")
def get_stats_summary(query: StatsQuery) -> StatsOut:
    """Count all runs over the last days."""
    return stats_out(services().runs.summary(caller=identity(), days=query.days))


def _last_event_id(query: StreamQuery) -> Place | None:
    header = request.headers.get("Last-Event-ID")
    pointer, given = ("/Last-Event-ID", header) if header else ("/last_event_id", query.last_event_id)
    try:
        return None if given is None else parse_place(given)
    except ValueError:
        raise InvalidInput.at(pointer, t("'Last-Event-ID' must be the id of an event of this stream")) from None


def _frames(signals: Iterable[Signal]) -> Iterator[bytes]:
    for signal in signals:
        match signal:
            case Told():
                yield frame(signal.record.kind, told_data(signal), signal.place)
            case End():
                yield frame("end", {"status": signal.status})
            case _:
                yield HEARTBEAT
