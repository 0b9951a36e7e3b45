"""What else a project uses, kept apart by tenant: caches, files, queues of tasks. Each module is used by naming it in a
setting, or by making one's own of it; the rest imports `comments` alone.
"""
