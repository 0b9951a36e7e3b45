"""The smallest app: one model, one migration. For so many schemas that the shop would fill the disk."""
