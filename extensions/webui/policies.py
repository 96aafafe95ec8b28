"""What a task or a step can be told to do when something does not go as planned, each choice with its meaning."""

from __future__ import annotations

OVERLAPS = (
    ("skip", "Skip it", "It does not run, and a row says so. The one after it runs as planned."),
    ("queue_one", "Queue one", "It runs after the one at work. While one waits so, further ones are skipped."),
    ("queue_all", "Queue all", "Each runs after those before it, one at a time. Nothing is lost, and delays add up."),
    (
        "cancel_running",
        "Cancel the one that is running",
        "The newest wins: those before it are canceled, then it runs.",
    ),
    ("allow", "Run both at once", "It runs beside the one at work. The steps must be able to bear that."),
)
MISFIRES = (
    ("last", "Run the last one", "Only the newest that was missed, and not even that when the next is due by then."),
    ("skip", "Run none", "What was missed stays missed. The next one runs on time."),
    ("all", "Run them all", "The ten newest of the last day, as far as the choice above lets them."),
)
BACKOFFS = (
    ("exponential_jitter", "Ever longer", "Doubled each time, and mixed, so that many do not come back at once."),
    ("linear", "Longer by as much each time", "Once, twice, three times the pause."),
    ("fixed", "The same each time", "The pause as it is."),
)
STEPS = (
    ("on_error: fail", "The run fails with the step. This is so when nothing is said."),
    ("on_error: continue", "The run goes on, and the output of the step tells the error."),
    ("on_unknown: retry", "A worker was lost in the call: it is made again. This is so for most tools."),
    ("on_unknown: fail", "The step fails: twice would be worse than not at all."),
    ("on_unknown: ask", "The run waits until somebody has found out. This is so for tools that destroy something."),
    ("max_retries: 3", "So many further attempts of the step, before any of the run."),
    ("timeout_seconds: 30", "A call that takes longer has failed."),
)
"""What can be written into a step."""
