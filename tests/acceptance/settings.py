"""The settings of the example project, with the driver that the tests were asked for and its statements audited."""

import json
import os

from example_project.settings import *  # noqa: F403
from example_project.settings import TENANCY
from tests.audit.processes import audit_process
from tools.driver import choose_driver

choose_driver()
audit_process()

if "WEIGHTS" in os.environ:
    TENANCY["DATABASES"] = json.loads(os.environ["WEIGHTS"])
