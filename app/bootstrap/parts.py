"""What more than one kind of process is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from app.bootstrap.mcp import Look, serve_mcp
from app.bus.memory import MemoryBus
from app.bus.redis_streams import RedisBus
from app.domain.access import LOCAL
from app.domain.budgets import Price, Prices, micros
from app.domain.event_store import EventBus
from app.domain.grants import GrantMode, GrantPolicy, Outside
from app.domain.metrics import MetricUnits
from app.domain.ports import RunQueue
from app.domain.texts import t
from app.domain.tool_limits import Rate, ToolLimit, ToolLimits
from app.extension_host.doors import Doors
from app.extension_host.invocation import Invoker
from app.queueing.broker import make_celery
from app.queueing.celery_queue import CeleryRunQueue
from app.queueing.silent import SilentRunQueue
from app.realtime.events import EventHub
from app.realtime.hub import Hub
from app.services.access import AccessServices, audit_seal, make_access
from app.services.allowances import Allowances, GrantedCalls
from app.services.announcing import Announcer
from app.services.approval_links import ApprovalLinkService
from app.services.approvals import ApprovalService
from app.services.child_runs import ChildRuns
from app.services.events import EventService
from app.services.extension_loads import LoadBoard
from app.services.extension_work import ExtensionWorkService
from app.services.holds import HoldService
from app.services.hooks import HookService
from app.services.incidents import IncidentService
from app.services.lifecycle import Herald, RunWitness
from app.services.metrics import MetricsService, Process
from app.services.oauth import OAuthService
from app.services.publishing import Publisher, Triggers
from app.services.relay import Relay
from app.services.reruns import RerunService
from app.services.runs import RunService
from app.services.schedules import ScheduleService
from app.services.secrets import SecretService
from app.services.signing_secrets import SigningSecrets
from app.services.spending import Spending
from app.services.tasks import TaskService
from app.services.tool_turns import ToolTurns
from app.services.tool_uses import ToolRuns, ToolTasks
from app.services.tools import ToolService
from app.services.vault import Vault, derived
from app.services.webhooks import WebhookService
from app.storage.database import Database
from app.telemetry import attach
from app.telemetry.lines import write_line
from app.tools.builtin import builtin_tools
from app.tools.client_documents import WebDocuments
from app.tools.email_server import MailServer
from app.tools.forms import SchemaForms
from app.tools.http_safety import HttpPolicy
from app.tools.llm import LanguageModel
from app.tools.outside import outside_tools
from app.tools.registry import ToolRegistry
from app.tools.use_cases.catalog import use_case_tools
from app.tools.use_cases.ports import UseCases
from app.tools.webhooks import check_url
from config.installation_keys import installation_key
from config.lifecycle import stopping
from config.settings import Settings
from ordinaut import Caller, __version__


def open_database(settings: Settings) -> Database:
    """The database these settings name; connects when it is first used."""
    attach(write_line)
    return Database(
        settings.database_url,
        pool_size=settings.db_pool_size,
        sqlite_synchronous=settings.sqlite_synchronous,
        lease_seconds=settings.lease_seconds,
        seal=audit_seal(secret_keys(settings)),
    )


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys of secrets and of the audit log; in production those that were set, or none."""
    if settings.secret_keys or settings.production:
        return settings.secret_keys or ()
    return (installation_key(settings.home, "secrets"),)


def open_access(settings: Settings, database: Database) -> AccessServices:
    """Who may do what, by this database."""
    signing = signing_secrets(settings)
    return make_access(
        units=database.units,
        clock=database.clock,
        secret_keys=secret_keys(settings),
        refresh_seconds=settings.refresh_token_seconds,
        rotate_also=lambda: signing.rotate(database.units),
    )


def make_oauth(database: Database, access: AccessServices) -> OAuthService:
    """What programs get of people."""
    # Anybody may name any address: what steps may call inside the network is not for them.
    documents = WebDocuments(HttpPolicy())
    return OAuthService(units=database.units, clock=database.clock, auth=access.auth, documents=documents)


def owners(settings: Settings, access: AccessServices) -> Callable[[str], Caller]:
    """Looks agents up as they are today; everybody may do everything while `ORDINAUT_AUTH=off`."""
    return access.auth.agent_caller if settings.auth == "jwt" else lambda agent_id: Caller(agent_id, LOCAL.scopes)


def stored_secrets(settings: Settings, database: Database) -> SecretService:
    """What `webhook.send` signs with; made when it is first wanted, for it may have to make a key."""
    return SecretService(units=database.units, clock=database.clock, vault=Vault(secret_keys(settings)))


def secret_values(settings: Settings, database: Database) -> Look:
    """Looks up what secrets hold."""
    return lambda names: stored_secrets(settings, database).values(names)


def signing_secrets(settings: Settings) -> SigningSecrets:
    """The secrets of webhooks, encrypted like all others."""
    return SigningSecrets(Vault(secret_keys(settings)))


def make_webhooks(settings: Settings, database: Database) -> WebhookService:
    """Webhooks out, for those who look after them."""
    secrets = signing_secrets(settings)
    return WebhookService(units=database.units, clock=database.clock, secrets=secrets, check_url=check_url)


def make_hooks(settings: Settings, database: Database, events: Events, callers: Callable[[str], Caller]) -> HookService:
    """Webhooks in."""
    secrets = signing_secrets(settings)
    return HookService(
        units=database.units, clock=database.clock, herald=events.herald, secrets=secrets, caller=callers
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Everything about events that a process has; the relay where there is a Redis."""

    service: EventService
    herald: Herald
    witness: RunWitness
    relay: Relay | None


def make_events(settings: Settings, database: Database, queue: RunQueue, *, notes: bool = False) -> Events:
    units, clock, bus = database.units, database.clock, _bus(settings)
    relay = Relay(units=units, bus=bus, notes=notes) if settings.redis_url else None
    hub = EventHub(units=units, bus=bus, clock=clock, stopping=stopping)
    publisher = Publisher(Triggers())

    def published() -> None:
        hub.nudge()
        if relay is not None:
            relay.wake()
        else:
            bus.append(())

    herald = Herald(publisher=publisher, clock=clock, queue=queue, announcer=Announcer(bus), published=published)
    service = EventService(
        units=units,
        clock=clock,
        queue=queue,
        publisher=publisher,
        herald=herald,
        published=published,
        listen=hub.listen,
    )
    return Events(service=service, herald=herald, witness=RunWitness(units=units, herald=herald), relay=relay)


def _bus(settings: Settings) -> EventBus:
    if settings.redis_url is None:
        return MemoryBus()
    options = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    return RedisBus(settings.redis_url, length=settings.event_stream_length, **options)


def tasks_and_tools(
    settings: Settings, database: Database, queue: RunQueue, events: Events
) -> tuple[TaskService, ToolRegistry]:
    """Tasks are made of tools, and one of the tools makes tasks."""
    tools = ToolRegistry()
    tasks = TaskService(
        units=database.units,
        tools=tools,
        queue=queue,
        clock=database.clock,
        forms=SchemaForms(),
        herald=events.herald,
        grants=grant_policy(settings),
    )
    policy = HttpPolicy.parse(",".join(settings.http_allowed_hosts))
    children = ChildRuns(units=database.units, clock=database.clock, queue=queue)
    builtin = builtin_tools(
        http_policy=policy,
        create_task=tasks.create_by_tool,
        publish=events.service.publish,
        children=children,
        clock=database.clock,
    )
    outside = outside_tools(
        mail=_mail_server(settings),
        model=_language_model(settings),
        http_policy=policy,
        secrets=secret_values(settings, database),
    )
    for tool in (*builtin, *outside):
        tools.add(tool)
    serve_mcp(settings, database, tools, secret_values(settings, database))
    return tasks, tools


def grant_policy(settings: Settings) -> GrantPolicy:
    """Whose tasks need a grant, and what they are offered."""
    mode: GrantMode = settings.grants
    outside: Outside = settings.grants_outside
    return GrantPolicy(mode=mode, outside=outside, days=settings.grant_days, calls=settings.grant_calls)


def make_spending(settings: Settings, database: Database, events: Events) -> Spending | None:
    """Counts calls against budgets; None where nothing is counted."""
    if not grant_policy(settings).on:
        return None
    prices = {one.name: Price(call=micros(one.call), tokens=micros(one.tokens)) for one in settings.prices.prices}
    return Spending(units=database.units, clock=database.clock, herald=events.herald, prices=Prices(prices))


def make_allowances(settings: Settings, database: Database, queue: RunQueue, events: Events) -> Allowances | None:
    """What the calls of runs are held against; None where nobody needs a grant and nothing is counted."""
    spending = make_spending(settings, database, events)
    if spending is None:
        return None
    granted = GrantedCalls(units=database.units, clock=database.clock)
    return Allowances(granted=granted, spending=spending, turns=make_turns(settings, database, queue))


def _mail_server(settings: Settings) -> MailServer | None:
    if settings.smtp_url is None or settings.smtp_from is None:
        return None
    return MailServer.parse(settings.smtp_url, settings.smtp_from)


def _language_model(settings: Settings) -> LanguageModel | None:
    if settings.llm_base_url is None:
        return None
    return LanguageModel(url=settings.llm_base_url, key=settings.llm_api_key, model=settings.llm_model)


def make_runs(database: Database, events: Events) -> RunService:
    hub = Hub(database.units.changes, stopping=stopping)
    return RunService(units=database.units, clock=database.clock, hub=hub, herald=events.herald)


def make_reruns(database: Database, queue: RunQueue, events: Events) -> RerunService:
    return RerunService(units=database.units, queue=queue, clock=database.clock, herald=events.herald)


def make_approvals(database: Database, queue: RunQueue, events: Events) -> ApprovalService:
    return ApprovalService(
        units=database.units, queue=queue, clock=database.clock, herald=events.herald, forms=SchemaForms()
    )


def make_approval_links(
    settings: Settings,
    database: Database,
    events: Events,
    approvals: ApprovalService,
    callers: Callable[[str], Caller],
) -> ApprovalLinkService:
    return ApprovalLinkService(
        units=database.units,
        clock=database.clock,
        herald=events.herald,
        approvals=approvals,
        keys=secret_keys(settings),
        caller=callers,
    )


def make_incidents(database: Database, events: Events) -> IncidentService:
    return IncidentService(units=database.units, clock=database.clock, herald=events.herald)


def make_tool_runs(database: Database, queue: RunQueue, events: Events) -> ToolRuns:
    """Runs, what is made of them again, and what is wrong with them."""
    reruns = make_reruns(database, queue, events)
    return ToolRuns(
        runs=make_runs(database, events),
        reruns=reruns,
        incidents=make_incidents(database, events),
        holds=HoldService(units=database.units, clock=database.clock),
    )


def make_tool_tasks(database: Database, tasks: TaskService) -> ToolTasks:
    """Tasks and schedules, for tools."""
    return ToolTasks(tasks=tasks, schedules=ScheduleService(clock=database.clock), clock=database.clock)


def add_use_cases(
    tools: ToolRegistry, tasks: ToolTasks, runs: ToolRuns, approvals: ApprovalService, events: EventService
) -> None:
    """What people do through the API, pipelines and assistants do through tools."""
    uses = UseCases(tasks=tasks, runs=runs, approvals=approvals, publish=events.publish, tools=tools)
    for tool in use_case_tools(uses):
        tools.add(tool)


def add_tool_uses(tools: ToolRegistry, tasks: TaskService, database: Database, queue: RunQueue, events: Events) -> None:
    """The same in a process that serves nobody by itself."""
    runs, approvals = make_tool_runs(database, queue, events), make_approvals(database, queue, events)
    add_use_cases(tools, make_tool_tasks(database, tasks), runs, approvals, events.service)


def make_turns(settings: Settings, database: Database, queue: RunQueue) -> ToolTurns:
    """The limits of tools, as the settings have them."""
    limits = [
        ToolLimit(name=rule.name, rates=tuple(Rate(*rate) for rate in rule.rates), concurrency=rule.concurrency)
        for rule in settings.tool_limits.rules
    ]
    return ToolTurns(units=database.units, queue=queue, limits=ToolLimits(limits))


def make_tools(
    settings: Settings, tools: ToolRegistry, database: Database, queue: RunQueue, events: Events
) -> ToolService:
    """Tools as they are called directly, within their limits and budgets."""
    return ToolService(
        tools=tools, turns=make_turns(settings, database, queue), spending=make_spending(settings, database, events)
    )


def make_doors(
    settings: Settings,
    tools: ToolRegistry,
    database: Database,
    events: Events,
    metrics: MetricsService | None = None,
) -> Doors:
    """What extensions can reach in this kind of process."""
    # Runs that wait for the end of such a call are found by the next poll: that is soon enough.
    called = make_tools(settings, tools, database, SilentRunQueue(), events)
    return Doors(
        tools=tools,
        invoke=Invoker(called),
        events=events.service,
        work=ExtensionWorkService(units=database.units),
        exposition=metrics.exposition if metrics else str,
        totals=metrics.extension_totals if metrics else dict,
        language=lambda: settings.locale,
        board=LoadBoard(units=database.units, announce=events.service.announce),
        keys=lambda purpose: [derived(key, purpose.encode()) for key in secret_keys(settings)],
    )


def make_metrics(settings: Settings, units: MetricUnits, role: str, node: str = "") -> MetricsService:
    process = Process(role=role, version=__version__, node=node, redis=lambda: check_redis(settings) is None)
    return MetricsService(units=units, of=process)


def make_queue(settings: Settings) -> RunQueue:
    if settings.redis_url is None:
        return SilentRunQueue()
    return CeleryRunQueue(make_celery(settings.redis_url, ssl_cert_reqs=settings.redis_ssl_cert_reqs))


def check_redis(settings: Settings) -> str | None:
    if settings.redis_url is None:
        return t("REDIS_URL is not set: workers poll the database")
    options = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, **options) as redis:
            redis.ping()
    except RedisError:
        return t("Redis does not answer: workers poll the database")
    return None
