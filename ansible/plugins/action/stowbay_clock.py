"""Ask the host for its time, between two readings of the controller's clock.

Answer: `before`, `time` and `after` in Unix seconds. Of a few attempts the one with the shortest
wait, for only what a clock is off by more than that can be seen. The user is Ansible's, as `date`
needs no root and sudo may wait for a resolver.
"""

from __future__ import annotations

import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_ATTEMPTS = 3


class ActionModule(ActionBase):
    _supports_check_mode = True
    _VALID_ARGS = frozenset()

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        readings = [self._read() for _ in range(_ATTEMPTS)]
        before, told, after = min(readings, key=lambda each: each[2] - each[0])
        return {"changed": False, "before": before, "time": told, "after": after}

    def _read(self):
        before = time.time()
        said = self._low_level_execute_command("date +%s.%N", sudoable=False)
        after = time.time()
        try:
            return before, float(said["stdout"].split()[-1]), after
        except (IndexError, ValueError) as error:
            raise AnsibleActionFail(f"date says {said['stdout'] + said['stderr']!r}") from error
