"""What happens to a tenant after it was made. Each function takes a tenant and leaves it in a status that is right, or
with its `work` written down, to be resumed.
"""

from .cloning import clone
from .deletion import delete, purge, restore
from .domains import add_domain, make_primary, redirect_domain, remove_domain, verify_domain
from .renaming import rename
from .resuming import resume_work
from .serving import resume, suspend
from .transfer import export, import_
from .watching import provision_in_background

__all__ = [
    "add_domain",
    "clone",
    "delete",
    "export",
    "import_",
    "make_primary",
    "provision_in_background",
    "purge",
    "redirect_domain",
    "remove_domain",
    "rename",
    "restore",
    "resume",
    "resume_work",
    "suspend",
    "verify_domain",
]
