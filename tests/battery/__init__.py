"""The battery: schemas that we migrate, against a database of Django's own, at each of the migrations of `atelier`.

The reference is Django's `migrate` on Django's backend, in a database that knows no schemas and in a process in which
nothing of ours is imported (`plain`). What is compared is the whole: catalog, rows, sequences, records.
"""
