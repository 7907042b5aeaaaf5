"""The policy that a recipe names."""

from fastmath.policies.plan import Policy
from fastmath.policies.public import find_policies
from fastmath.recipe.errors import require_known


def find_policy(name: str) -> Policy:
    """The policy of a recipe's `kernel.policy`.

    Raises:
        fastmath.recipe.errors.SettingsError: there is none of this name; the message lists those that there are.
    """
    policies = find_policies()
    require_known("`kernel.policy`", name, policies)
    return policies[name]
