"""What happens to a tenant after it was made. Each function takes a tenant and leaves it in a status that is right, or
with its `work` written down, to be resumed.
"""

from .deletion import delete, purge, restore
from .resuming import resume_work
from .serving import resume, suspend
from .watching import provision_in_background

__all__ = ["delete", "provision_in_background", "purge", "restore", "resume", "resume_work", "suspend"]
