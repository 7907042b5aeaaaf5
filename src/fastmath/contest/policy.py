"""Look-up of the policy that a recipe or a command names."""

from typing import Protocol

from fastmath.policies.adaptive import Schedule
from fastmath.policies.plan import Policy
from fastmath.policies.public import find_policies
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.imports import import_class

WANTED = "a class that has the method `plan` of `fastmath.policies.plan.Policy`"


def find_policy(name: str, label: str = "`kernel.policy`", schedule: Schedule | None = None) -> Policy:
    """The policy of a name, or one from outside the project by its import path, `package.module:ClassName`.

    Args:
        name: a name of `fastmath.policies.public.find_policies`, or an import path; its class is called without
            arguments.
        label: setting or option that named the policy; the error message begins with it.
        schedule: numbers of the kernel's own policy, `default`; None takes those of the package.

    Raises:
        fastmath.recipe.errors.SettingsError: no policy has this name, or what the path names is no policy.
    """
    if ":" in name:
        kind = import_class(label, name, WANTED, _has_plan)
        try:
            return kind()
        except TypeError as error:
            raise SettingsError(f"{label} {name!r}: {error}; want a class whose fields all have defaults") from error
    policies = find_policies(schedule)
    require_known(label, name, policies)
    return policies[name]


def _has_plan(kind: type) -> bool:
    return callable(getattr(kind, "plan", None)) and kind is not Policy and Protocol not in kind.__bases__
