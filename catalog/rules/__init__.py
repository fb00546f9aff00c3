"""What deserves a person's attention: pure rules, facts in, findings out. Nothing here asks a database.

One source of truth: the overview's attention list and the alerts both come from these functions, so a page
never says something else than a message does.
"""

from catalog.rules.catalogue import RULES, Rule

__all__ = ["RULES", "Rule"]
