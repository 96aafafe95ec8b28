"""Budgets over HTTP."""

from __future__ import annotations

import re

from flask import Blueprint

from app.domain.errors import InvalidInput
from app.domain.texts import t
from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.budgets import NAME, BudgetIn, BudgetOut, BudgetsOut, budget_out

bp = Blueprint("budgets", __name__, url_prefix="/budgets")
TAGS = ("budgets",)


@bp.get("")
@api(returns=BudgetsOut, tags=TAGS, scope="budgets:manage")
def list_budgets() -> BudgetsOut:
    """List all budgets, by name, each with what has been used of it."""
    return BudgetsOut(items=[budget_out(one) for one in services().budgets.all()])


@bp.get("/<name>")
@api(returns=BudgetOut, tags=TAGS, errors=(404,), scope="budgets:manage")
def get_budget(name: str) -> BudgetOut:
    """Get a budget."""
    return budget_out(services().budgets.get(name))


@bp.put("/<name>")
@api(body=BudgetIn, returns=BudgetOut, tags=TAGS, errors=(409,), scope="budgets:manage")
def set_budget(name: str, body: BudgetIn) -> BudgetOut:
    """Set a budget, in place of any of that name; what was used stays. 409 while `ORDINAUT_GRANTS` is off."""
    if not re.fullmatch(NAME, name):
        raise InvalidInput.at("/name", t("A name has letters, digits, `_`, `.` and `-`, and begins with a letter"))
    return budget_out(services().budgets.put(body.made(name), caller=identity()))


@bp.delete("/<name>")
@api(status=204, tags=TAGS, errors=(404,), scope="budgets:manage")
def delete_budget(name: str) -> None:
    """Delete a budget."""
    services().budgets.delete(name, caller=identity())
