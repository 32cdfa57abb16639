"""What a route needs its user to be allowed, as the server's authorizer is asked: an action on a resource.

Jupyter's default authorizer allows everything to everybody who has the token: the one user of a personal server may
read, write, promote, approve, roll back and delete. A team's server sets ``ServerApp.authorizer_class``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Permission:
    action: str  # read, write or execute
    resource: str


READ = Permission("read", "nbops")
WRITE = Permission("write", "nbops")
PROMOTE = Permission("execute", "nbops-promote")
APPROVE = Permission("execute", "nbops-approve")
ROLL_BACK = Permission("execute", "nbops-rollback")
DELETE = Permission("execute", "nbops-delete")

NAMED = {"write": WRITE, "promote": PROMOTE, "approve": APPROVE, "rollback": ROLL_BACK, "delete": DELETE}
"""As ``GET store`` tells what the user may do."""
