"""Look-up of the policy that a recipe names."""

from fastmath.policies.plan import Policy
from fastmath.policies.public import find_policies
from fastmath.recipe.errors import require_known


def find_policy(name: str) -> Policy:
    """The policy with the name that a recipe gives as `kernel.policy`.

    Raises:
        fastmath.recipe.errors.SettingsError: no policy has this name; the message lists the known names.
    """
    policies = find_policies()
    require_known("`kernel.policy`", name, policies)
    return policies[name]
