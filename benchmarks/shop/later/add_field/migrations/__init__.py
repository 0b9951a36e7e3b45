"""All of the shop's migrations, and the one beside this file."""

from ....migrations import __path__ as earlier

__path__ += earlier
