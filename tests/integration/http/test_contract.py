"""Generated requests: what the description promises holds, and nothing else is answered."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.fakes.http_app import FakeSettings, World, make_app
from tests.fakes.http_runs import FakeRuns, run_row

WORLD = World(runs=FakeRuns(run_row(status="succeeded")), settings=FakeSettings(rate_limit="1000000/minute"))

# What repairs runs, and their pictures, have no fake: the whole application is asked the same questions in
# `tests/integration/api`.
schema = (
    schemathesis.openapi.from_wsgi("/openapi.json", make_app(WORLD))
    .include(path_regex="^/(runs|health|problems|openapi.json)")
    .exclude(path_regex="/(bulk|rerun|mark|blobs/{blob_id})$")
)


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_description_is_kept(case: schemathesis.Case) -> None:
    # Times have bounds (1970 to 8999) that JSON Schema's date-time cannot tell.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
