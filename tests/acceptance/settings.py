"""Settings of the example project, with the driver that the tests were asked for."""

from example_project.settings import *  # noqa: F403
from tools.driver import choose_driver

choose_driver()
