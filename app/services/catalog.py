"""The use cases of the web process, one service for each noun of the API."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.access import AccessServices
from app.services.agenda import AgendaService
from app.services.agents import AgentService
from app.services.approval_links import ApprovalLinkService
from app.services.approvals import ApprovalService
from app.services.audit import AuditService
from app.services.auth import AuthService
from app.services.backfills import BackfillService
from app.services.budgets import BudgetService
from app.services.bulk import BulkService
from app.services.events import EventService
from app.services.extension_work import ExtensionWorkService
from app.services.grants import GrantService
from app.services.health import HealthService
from app.services.holds import HoldService
from app.services.hooks import HookService
from app.services.idempotency import IdempotencyService
from app.services.incidents import IncidentService
from app.services.mcp import McpService
from app.services.metrics import MetricsService
from app.services.oauth import OAuthService
from app.services.processes import ProcessService
from app.services.reruns import RerunService
from app.services.run_blobs import RunBlobs
from app.services.runs import RunService
from app.services.schedules import ScheduleService
from app.services.secrets import SecretService
from app.services.task_looks import TaskLooks
from app.services.task_upserts import TaskUpserts
from app.services.tasks import TaskService
from app.services.tools import ToolService
from app.services.webhooks import WebhookService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a view may call."""

    tasks: TaskService
    task_upserts: TaskUpserts
    task_looks: TaskLooks
    schedules: ScheduleService
    agenda: AgendaService
    runs: RunService
    holds: HoldService
    blobs: RunBlobs
    reruns: RerunService
    bulk: BulkService
    approvals: ApprovalService
    approval_links: ApprovalLinkService
    grants: GrantService
    budgets: BudgetService
    backfills: BackfillService
    events: EventService
    tools: ToolService
    health: HealthService
    processes: ProcessService
    extension_work: ExtensionWorkService
    access: AccessServices
    oauth: OAuthService
    metrics: MetricsService
    hooks: HookService
    incidents: IncidentService
    idempotency: IdempotencyService
    webhooks: WebhookService
    mcp: McpService

    @property
    def auth(self) -> AuthService:
        """Tokens."""
        return self.access.auth

    @property
    def agents(self) -> AgentService:
        """Who may call."""
        return self.access.agents

    @property
    def audit(self) -> AuditService:
        """Who did what."""
        return self.access.audit

    @property
    def secrets(self) -> SecretService:
        """What pipelines use and nobody reads."""
        return self.access.secrets
