"""What the server of tests.warm imports beside its list: all that stands in a registry and is imported when it is asked
for."""

from reeltune.judges import JUDGES
from reeltune.models.families import FAMILIES
from reeltune.tasks import TASKS

for name in FAMILIES:
    FAMILIES.get(name)
for name in JUDGES:
    JUDGES.get(name)
assert all(TASKS[name] for name in TASKS)
