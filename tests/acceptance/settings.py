"""The settings of the example project, with its statements audited."""

from example_project.settings import *  # noqa: F403
from tests.audit.processes import audit_process

audit_process()
