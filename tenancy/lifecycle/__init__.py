"""What happens to a tenant after it was made. Each function takes a tenant and leaves it in a status that is right, or
with its `work` written down, to be resumed.
"""

from ..cancelling import cancel
from .cloning import clone
from .deletion import delete, purge, restore
from .domains import add_domain, make_primary, redirect_domain, remove_domain, verify_domain
from .leftovers import drop_leftovers, leftovers
from .move import abort_move, move, outlook, resume_move
from .renaming import rename
from .resuming import resume_work
from .serving import resume, suspend
from .transfer import export, import_
from .watching import provision_in_background

__all__ = [
    "abort_move",
    "add_domain",
    "cancel",
    "clone",
    "delete",
    "drop_leftovers",
    "export",
    "import_",
    "leftovers",
    "make_primary",
    "move",
    "outlook",
    "provision_in_background",
    "purge",
    "redirect_domain",
    "remove_domain",
    "rename",
    "restore",
    "resume",
    "resume_move",
    "resume_work",
    "suspend",
    "verify_domain",
]
