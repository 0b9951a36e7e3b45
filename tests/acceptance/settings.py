"""The settings of the example project, with the driver that the tests were asked for and its statements audited."""

from example_project.settings import *  # noqa: F403
from tests.audit.processes import audit_process
from tools.driver import choose_driver

choose_driver()
audit_process()
